//! lessor on Cloudflare: a lease service on Durable Objects.
//!
//! Deployed as it is, it is a service that native processes and Workers share through its HTTP API (`API.md`). With the
//! default feature `service` off, it is a library: export [`LeaseObject`] from a Worker of your own and call
//! [`handle`] where you like.
//!
//! Read in this order: `clock`, `route` (which object holds a key), `table` (the records as rows), `object` (the
//! Durable Object), `problem`, `access`, `limits`, `call` (from a Worker to an object), `service` (the HTTP API).
// A panic in a Worker takes down what shares its instance. Tests may.
#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::unreachable)
)]

mod access;
mod call;
mod clock;
mod limits;
#[expect(missing_docs, reason = "what the macro makes has none")]
mod object;
mod problem;
mod route;
mod service;
mod table;

pub use object::LeaseObject;
pub use route::Layout;
pub use service::handle;

/// The Worker that serves the API.
#[cfg(feature = "service")]
#[worker::event(fetch)]
async fn fetch(request: worker::Request, env: worker::Env, _: worker::Context) -> worker::Result<worker::Response> {
    handle(request, &env, Layout::PerKey).await
}
