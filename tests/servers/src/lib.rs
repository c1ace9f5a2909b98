//! Servers that the tests start, stop and kill. What is missing is an error, never a skipped test.
//!
//! [`postgres`], [`mysql`], [`redis`], [`etcd`], [`nats`], [`seaweed`] and [`azurite`] start them, one feature each, and [`pgbouncer`]
//! stands before the first; each on [ports](free_port) of its own. [`proxy`] stands before one and fails as networks do.
//! [`asking`] has the requests of tests. [`elections`] are candidates that are watched all the time; [`hand_over`] is one election on any executor; [`example`]
//! runs the programs of this house's examples.
//!
//! No storage is used here, so that the storages' own tests can depend on this. The tests of this package are about all
//! of them together.

pub mod asking;
#[cfg(feature = "azurite")]
pub mod azurite;
pub mod elections;
#[cfg(feature = "etcd")]
pub mod etcd;
pub mod example;
#[cfg(any(
    feature = "etcd",
    feature = "mysql",
    feature = "nats",
    feature = "postgres",
    feature = "redis",
    feature = "seaweed"
))]
mod family;
#[cfg(any(
    feature = "azurite",
    feature = "etcd",
    feature = "mysql",
    feature = "nats",
    feature = "postgres",
    feature = "redis",
    feature = "seaweed"
))]
mod folder;
pub mod hand_over;
#[cfg(feature = "mysql")]
pub mod mysql;
#[cfg(feature = "nats")]
pub mod nats;
#[cfg(feature = "postgres")]
pub mod pgbouncer;
mod ports;
#[cfg(feature = "postgres")]
pub mod postgres;
pub mod proxy;
#[cfg(feature = "redis")]
pub mod redis;
#[cfg(feature = "seaweed")]
pub mod seaweed;

#[cfg(any(feature = "mysql", feature = "postgres"))]
mod template;

pub use ports::free_port;
