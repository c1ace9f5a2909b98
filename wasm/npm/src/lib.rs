//! What the npm package `lessor` is made of: the state machine of a candidate, and what a storage decides by. Everything else is in `js/`: the driver, the
//! storages, and what people call, as `js/index.d.ts` describes it.
//!
//! It is small because little crosses: numbers, texts, and rows of them, whose places `row` names. Read in this order: `row`, `wire` (requests
//! and replies as rows), `judge`, `election`; and for the tests of the package `custom`, `conformance`.
#![cfg(all(target_family = "wasm", target_os = "unknown"))]
#![allow(
    missing_docs,
    missing_debug_implementations,
    clippy::missing_errors_doc,
    reason = "only the files of `js/` call it"
)]
// A panic ends the module.
#![warn(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[cfg(feature = "conformance")]
mod conformance;
#[cfg(feature = "conformance")]
mod custom;
mod election;
mod judge;
mod row;
mod wire;

#[cfg(feature = "conformance")]
pub use conformance::keeps_the_contract;
pub use election::{ElectionCore, now_ms};
pub use judge::{judge, lease_of};
