//! Leader election over a lease service: processes anywhere share leases with each other, and with Workers.
//!
//! [`HttpStorage`] is a [`Storage`](lessor::Storage) for [`lessor`]. The service is `wasm/` of this project, on
//! Cloudflare or on your own workerd; its API is specified in `wasm/API.md`. The service's clock judges; durations
//! travel, never dates.
//!
//! ```no_run
//! use lessor::Builder;
//! use lessor_http::HttpStorage;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let storage = HttpStorage::new("https://leases.example.com", std::env::var("LESSOR_TOKEN")?)?;
//! let (candidate, driver) = Builder::new("nightly-report").build(storage)?;
//! # let _ = (candidate, driver);
//! # Ok(())
//! # }
//! ```
//!
//! # Errors
//! Any answer but a clear verdict (a timeout, a broken connection, a status that says that something went wrong) is an
//! error: whether the request was applied is then open, and a leader leads on until its own deadline.
//!
//! What the service says is inside a [`StorageError`](lessor::StorageError) as an
//! [`AdapterError`]: `NoRight` for a token that is not valid or may not do this, `Refused`
//! for everything else. What the connection says is inside as it came.
//!
//! # Threads
//! Requests run on the threads of the `blocking` crate, so any executor will do. Connections are kept and used again.
//!
//! # Wake-ups
//! Followers are woken when a key is granted, released or revoked; renewals wake nobody. One WebSocket carries that for
//! all keys of a storage and its clones, on a thread of its own. It is opened at the first
//! [`subscribe`](lessor::Storage::subscribe), and closed with the last clone of the storage, or within half a minute
//! when nobody subscribes any more. A lost connection is made anew, after 250 ms at first and 30 s at last, and always
//! after about 30 s where the service refuses it. Then it wakes the followers of those keys that have passed into other
//! hands meanwhile. A key that is watched for the first time wakes once too: it may have passed into other hands while
//! the subscription was on its way.
//!
//! Nothing relies on wake-ups: whatever is wrong with that connection is no error of an operation, and followers then
//! ask at their [retry interval](lessor::Config::retry_interval). There are none
//!
//! * where the only way out is a proxy: requests take the one that the environment names, the socket takes none;
//! * for keys beyond 1,000 of one storage, which is all that the service watches for one socket;
//! * for keys that the token is not for;
//! * with [`wakeups(false)`](HttpBuilder::wakeups).
//!
//! # Reading the source
//! `service` (one request over HTTP), `parts` (a batch in requests of a size that the service takes), `watch` (the
//! socket), `storage`, `builder`.
#![cfg_attr(docsrs, feature(doc_cfg))]
// A library does not panic.
#![warn(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod builder;
mod parts;
mod service;
mod storage;
mod watch;

pub use lessor_kit::error::AdapterError;

pub use builder::HttpBuilder;
pub use storage::HttpStorage;

/// Who asks, for the service's log.
const USER_AGENT: &str = concat!("lessor-http/", env!("CARGO_PKG_VERSION"));

/// The README's code compiles and runs.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}
