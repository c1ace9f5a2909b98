//! The rules of the lease service of [`lessor`]: who may ask what, what a request may be, and how it is read and answered. There is no I/O in
//! here, no storage and no clock: whoever serves brings them. The service on Cloudflare does, and so does `lessor serve`.
//!
//! ```
//! use lessor_service::{Asked, Plan, Service, Variables};
//!
//! let tokens = r#"[{"token": "reader-0123456789-abcdef", "role": "read"}]"#;
//! let service = Service::read(Variables { tokens: Some(tokens), ..Variables::default() })?;
//! let asked = Asked {
//!     method: "GET",
//!     url: "/v1/keys/nightly",
//!     authorization: Some("Bearer reader-0123456789-abcdef"),
//!     ..Asked::default()
//! };
//! let now_ms = 1.8e12; // by the clock of whoever serves
//! assert!(matches!(service.admit(now_ms, asked), Ok(Plan::One(..))));
//! let unknown = Asked { authorization: Some("Bearer nobodys"), ..asked };
//! assert_eq!(service.admit(now_ms, unknown).unwrap_err().status, 401);
//! # Ok::<(), String>(())
//! ```
//!
//! Read in this order: `json`, `route` (which object holds a key), `problem`, `budget`, `caller`, `issuers` (whose signed tokens are
//! taken), `signed`, `access`, `limits`, `listing`, `batch`, `path`, `service` (the HTTP API), `waiting`, `change`, `watch` (what is said on a socket).
#![cfg_attr(docsrs, feature(doc_cfg))]
// A panic in a service takes others down. Tests may.
#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::unreachable)
)]

mod access;
mod batch;
mod budget;
mod caller;
mod change;
mod issuers;
pub mod json;
mod limits;
mod listing;
mod path;
mod problem;
mod route;
mod service;
mod signed;
mod waiting;
mod watch;

pub use batch::{Batch, Place};
pub use caller::{Looker, Owner, too_many_keys};
pub use change::{Change, Entry, News, Reported};
pub use limits::{BODY, LISTED, STATES, WATCHED, too_far_ahead};
pub use listing::Listing;
pub use path::method_of;
pub use problem::Kind;
pub use route::Layout;
pub use service::{Asked, Errand, Plan, Service, Variables};
pub use waiting::{Waiter, Waiting};
pub use watch::{Failure, Heard, Looking, Patterns, Said, too_many_watched};

/// The status page: `/status`, HTML. `NONCE` in it stands for the nonce of its content security policy, a new one for each answer.
pub const PAGE: &str = include_str!("page.html");

/// The README's code compiles and runs.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}
