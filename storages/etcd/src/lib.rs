//! Leases in an etcd cluster.
#![cfg_attr(docsrs, feature(doc_cfg))]
// A library does not panic.
#![warn(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod builder;
mod cluster;
mod connection;
mod error;
mod layout;
mod link;
mod registers;
mod runtime;
mod storage;
mod watch;

pub use builder::EtcdBuilder;
pub use etcd_client;
pub use lessor_kit::error::AdapterError;
pub use storage::EtcdStorage;
