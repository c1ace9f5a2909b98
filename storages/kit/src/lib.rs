//! What the storages of [lessor] share, and what authors of other storages may use.
//!
//! Nothing here has to be used: a storage needs no more than [`lessor::Storage`]. These are the parts that five
//! storages have in common. The README has a table of the modules.
#![cfg_attr(docsrs, feature(doc_cfg))]
// A library does not panic.
#![warn(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

pub mod backoff;
pub mod batch;
pub mod encoding;
pub mod error;
pub mod fence;
#[cfg(feature = "lane")]
pub mod lane;
#[cfg(feature = "io")]
pub mod link;
#[cfg(feature = "io")]
pub mod listener;
pub mod name;
pub mod reach;
pub mod repeat;
pub mod row;
#[cfg(feature = "tokio")]
pub mod runtime;
pub mod timeout;
#[cfg(feature = "io")]
pub mod trial;
pub mod version;

/// The README's code compiles and runs.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}
