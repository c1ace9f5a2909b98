//! Leader election over a lease service: processes anywhere share leases with each other, and with Cloudflare Workers.
//!
//! [`HttpStorage`] is a [`Storage`](lessor::Storage) for [`lessor`]. The service is `lessor serve` over any storage, the program in
//! `command/` of this project, or the Worker in `wasm/`, for Cloudflare or your own workerd; `wasm/API.md` specifies the API. The service's clock decides what has expired; only
//! durations are sent, never dates.
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
//! Anything but a reply (a timeout, a broken connection, a status of failure) is an error: whether the request was
//! applied is then open, and a leader leads on until its own deadline.
//!
//! An error of the service is inside the [`StorageError`](lessor::StorageError) as an [`AdapterError`]: `NoRight` for a
//! token that is not valid or may not do this, `Refused` for everything else; so are a server at the URL that is no lease
//! service, which says what it answered, and a certificate that is not trusted (`WrongSetup`). Any other error of the
//! connection is inside as it came.
//!
//! # Tokens
//! A [token](HttpBuilder::token) that stays as it is, or one that is had [from a closure](HttpBuilder::token_from) or, natively, from a file: at first,
//! for each socket, and once more when the service refuses the last one (401). The request is repeated then, so a leader keeps its term
//! while its tokens come and go. It may be a signed one, which ends by itself: the service's socket ends with it, and is replaced.
//!
//! # What stands before the service
//! A service with a certificate of a private authority is trusted with `HttpBuilder::root_certificates`. What wants to know who asks
//! before the service does, such as Cloudflare Access, is told by a [`header`](HttpBuilder::header).
//!
//! # Threads and connections
//! Operations of all candidates over a storage and its clones wait in one line, and what waits together travels together:
//! up to 256 operations in a request, two requests at a time ([more](HttpBuilder::connections) if you like). The
//! [kit](lessor_kit::lane) says what goes first, and [`traffic`](HttpStorage::traffic) how much it is. Requests run on the
//! threads of the `blocking` crate (natively), so any executor will do. Connections are reused; what was sent on one that was closed
//! meanwhile is sent once more.
//!
//! # Wake-ups
//! Followers are woken when a key is granted, released or revoked; renewals wake nobody. One WebSocket carries that for
//! all keys of a storage and its clones, on a thread of its own. It is opened at the first
//! [`subscribe`](lessor::Storage::subscribe), and closed with the last clone of the storage, or within half a minute
//! after the last subscription ends. A lost connection is replaced after a pause: 250 ms at first, up to 30 s, and
//! always about 30 s where the service refuses it. The new one wakes the followers of the keys whose holder changed
//! meanwhile. A key that is watched for the first time wakes once too: its holder may have changed before the watch
//! began.
//!
//! They are [complete](lessor::Wakeups::complete), so the default [retry interval](lessor::Config::retry_interval) is
//! the ttl. Nothing relies on them: a failure of that connection fails no request, and followers then ask at their retry
//! interval. Set a shorter one where hand-overs have to be quick and there are no wake-ups:
//!
//! * where the only way out is a proxy: requests use the one that the environment names, the socket uses none;
//! * for more than 1,000 keys of one storage: the service watches no more for one socket;
//! * for keys that the token does not allow;
//! * with [`wakeups(false)`](HttpBuilder::wakeups).
//!
//! # In browsers and Node
//! On `wasm32-unknown-unknown` requests are `fetch`es and the socket is a `WebSocket` of JavaScript; there is no thread, and nothing
//! of ureq and rustls. All else is the same, but that a page is told less: the README says what.
//!
//! # Reading the source
//! `answer` (what an answer over HTTP means), `native` or `js` (what is needed of an operating system or of JavaScript; `platform` is the one
//! that is there), `token` (which may change), `headers`, `setup`, `service` (one request), `parts` (splits a flight into requests that the service takes), `remote` (the service, as the lane
//! knows it), `watch` (the socket), `storage`, `builder`.
#![cfg_attr(docsrs, feature(doc_cfg))]
// A library does not panic.
#![warn(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod answer;
mod builder;
mod headers;
mod history;
#[cfg(all(target_family = "wasm", target_os = "unknown"))]
mod js;
#[cfg(not(all(target_family = "wasm", target_os = "unknown")))]
mod native;
mod parts;
mod remote;
mod service;
mod setup;
mod storage;
mod token;
mod watch;

#[cfg(all(target_family = "wasm", target_os = "unknown"))]
use js as platform;
#[cfg(not(all(target_family = "wasm", target_os = "unknown")))]
use native as platform;

pub use lessor_kit::error::AdapterError;
pub use lessor_kit::lane::Traffic;

pub use builder::HttpBuilder;
pub use history::{Change, ChangeKind, Waiter};
pub use storage::HttpStorage;

/// The README's code compiles and runs.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}
