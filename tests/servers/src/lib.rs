//! Servers that the tests start, stop and kill. What is missing is an error, never a skipped test.
//!
//! [`postgres`], [`mysql`], [`redis`], [`etcd`] and [`seaweed`] start them, one feature each, and [`pgbouncer`] stands before the first. [`proxy`] stands before one and
//! fails as networks do. [`elections`] are candidates that are watched all the time; [`hand_over`] is one election on any
//! executor; [`example`] runs the programs of this house's examples.
//!
//! No storage is used here, so that the storages' own tests can depend on this. The tests of this package are about all
//! of them together.

pub mod elections;
#[cfg(feature = "etcd")]
pub mod etcd;
pub mod example;
#[cfg(any(feature = "etcd", feature = "mysql", feature = "postgres", feature = "redis"))]
mod family;
pub mod hand_over;
#[cfg(feature = "mysql")]
pub mod mysql;
#[cfg(feature = "postgres")]
pub mod pgbouncer;
#[cfg(feature = "postgres")]
pub mod postgres;
pub mod proxy;
#[cfg(feature = "redis")]
pub mod redis;
#[cfg(feature = "seaweed")]
pub mod seaweed;

use std::net::TcpListener;

/// A port of this machine that nobody uses just now.
///
/// # Panics
/// If there is none.
#[must_use]
pub fn free_port() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    listener.local_addr().expect("its number").port()
}
