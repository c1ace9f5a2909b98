//! lessor on Cloudflare: a lease service on Durable Objects, and what a Worker of your own needs to campaign.
//!
//! In the service what decides is Rust and never waits: it is called with a reading of the clock and a table, and
//! answers. What waits is JavaScript and decides nothing (`js/`): the classes of the Durable Objects and the handler of
//! requests. So a trap in Rust is thrown to its one caller at once, and nothing else was under way inside of it.
//!
//! The rules are those of `lessor-service`, which `lessor serve` has, too. Read in this order: `sql`, `table` (the records
//! as rows), `leases` (what a `LeaseObject` decides), `front` (the HTTP API), `watchers` (what a
//! `WatchObject` decides); for a Worker of your own `timer`, `storage` (Durable Objects as a `Storage`), `object_name` and `r2` (a
//! bucket as a `Storage`), `schedule` (when a job is due), `campaign` (a candidate that is a Durable Object).
// A panic in a Worker takes down what shares its instance. Tests may.
#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::unreachable)
)]

#[cfg(all(feature = "worker", target_family = "wasm"))]
mod campaign;
#[cfg(any(feature = "service", all(feature = "worker", target_family = "wasm")))]
mod errand;
#[cfg(any(test, all(feature = "worker", target_family = "wasm")))]
mod object_name;
#[cfg(all(feature = "worker", target_family = "wasm"))]
mod r2;
#[cfg(feature = "worker")]
mod schedule;
#[cfg(any(feature = "service", all(feature = "worker", target_family = "wasm")))]
mod sql;
#[cfg(all(feature = "worker", target_family = "wasm"))]
mod storage;
#[cfg(all(feature = "worker", target_family = "wasm"))]
mod timer;

#[cfg(feature = "service")]
mod front;
#[cfg(feature = "service")]
mod leases;
#[cfg(feature = "service")]
mod table;
#[cfg(feature = "service")]
mod watchers;

pub use lessor_service::Layout;
#[cfg(feature = "worker")]
pub use schedule::{InvalidSchedule, Schedule};

#[cfg(all(feature = "worker", target_family = "wasm"))]
pub use {
    campaign::{Campaign, CampaignGroup, Lead, Scheduled, config},
    r2::R2Storage,
    storage::DurableObjectStorage,
    timer::WorkerTimer,
};

// What the scripts of the npm package call: no Rust is to.
#[cfg(all(feature = "script", target_family = "wasm"))]
#[doc(hidden)]
pub use campaign::CampaignCore;

#[cfg(feature = "service")]
#[doc(hidden)]
pub use {front::Front, leases::Leases, sql::Sql, watchers::Watchers};
