//! The JSON between a lease service and its clients: [`Request`] and [`Reply`] of [`lessor::storage`] as JSON types.
//!
//! This project's service and `lessor-http` speak it; another service or another client can use it too. `wasm/API.md`
//! specifies the whole API, version 1.
//!
//! ```
//! use lessor::storage::{Get, Reply, Request};
//! use lessor::{Key, StorageError};
//! use lessor_wire::{Problem, WireReply, WireRequest};
//!
//! // A client asks ..
//! let request = WireRequest::try_from(Request::from(Get::new(Key::new("nightly")?)))?;
//! let sent = serde_json::to_string(&request)?;
//! assert_eq!(sent, r#"{"get":{"key":"nightly"}}"#);
//!
//! // .. a service answers ..
//! let request: WireRequest = serde_json::from_str(&sent)?;
//! let reply = match Request::from(request) {
//!     Request::Get(_) => WireReply::try_from(Reply::Got(None))?,
//!     _ => Problem::new("invalid", 400, "this service only looks").into(),
//! };
//! let sent = serde_json::to_string(&reply)?;
//! assert_eq!(sent, r#"{"lease":null}"#);
//!
//! // .. and the client has its reply.
//! let reply: WireReply = serde_json::from_str(&sent)?;
//! assert_eq!(reply.into_result(), Ok(Reply::Got(None)));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Times are sent as durations, in whole milliseconds, rounded up; never as dates. A
//! [`Session`](lessor::storage::Session) is only sent to the service, never back. Everything is checked when it is
//! read: a key of 257 bytes, a term of 0 or an unknown field of a request is an error that names the field. Unknown
//! fields of a reply are skipped, so that a service may send more than its clients know.
//!
//! [`Request`]: lessor::storage::Request
//! [`Reply`]: lessor::storage::Reply
#![no_std]
// A library does not panic, and asks for no more than it needs.
#![warn(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![warn(clippy::std_instead_of_core, clippy::std_instead_of_alloc, clippy::alloc_instead_of_core)]

extern crate alloc;

mod claim;
mod list;
mod problem;
mod reply;
mod request;
mod session;
mod successor;

pub use claim::WireClaim;
pub use list::{WireList, WirePage};
pub use problem::Problem;
pub use reply::WireReply;
pub use request::WireRequest;
pub use session::WireSession;
pub use successor::WireSuccessor;

/// Rounded up: nothing lasts shorter than was meant.
fn whole_ms(duration: core::time::Duration) -> u64 {
    let whole = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let begun = !duration.subsec_nanos().is_multiple_of(1_000_000);
    whole.saturating_add(u64::from(begun))
}

/// The README's code compiles and runs.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}
