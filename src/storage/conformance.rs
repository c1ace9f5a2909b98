//! The contract of [`Storage`] as a test suite, for authors of adapters (feature `conformance`).
//!
//! A [`Harness`] says how to reach the storage, which timer to use and, if it can, how to hurt the storage. [`run`]
//! then runs every case and answers with a [`Report`]. An adapter's author adds one test:
//!
//! ```
//! use core::time::Duration;
//! use lessor::storage::conformance::{self, Failures, Harness};
//! use lessor::{ManualTimer, MemoryStorage, StorageError, async_trait};
//!
//! struct InMemory {
//!     timer: ManualTimer,
//!     storage: MemoryStorage,
//! }
//!
//! #[async_trait]
//! impl Harness for InMemory {
//!     type Storage = MemoryStorage;
//!     type Timer = ManualTimer;
//!
//!     async fn storage(&self) -> Result<Self::Storage, StorageError> {
//!         Ok(self.storage.clone()) // a server's adapter connects here
//!     }
//!
//!     fn timer(&self) -> ManualTimer {
//!         self.timer.clone() // with a server: SystemTimer
//!     }
//!
//!     fn ttl(&self) -> Duration {
//!         Duration::from_millis(200) // long enough for a few round trips
//!     }
//! }
//!
//! # fn main() -> Result<(), Failures> {
//! // #[test]
//! fn keeps_the_contract() -> Result<(), Failures> {
//!     let timer = ManualTimer::new();
//!     let harness = InMemory { storage: MemoryStorage::with_timer(timer.clone()), timer: timer.clone() };
//!     timer.block_on(conformance::run(&harness)).expect("it comes to an end").into_result()
//! }
//! # keeps_the_contract()
//! # }
//! ```
//!
//! With a server the body is `block_on(conformance::run(&harness)).into_result()` under whatever executor the adapter
//! needs.
//!
//! # What a pass means
//! Each case is named after what it proves and stands beside its rule in [`cases`]. Waiting is done on the harness's
//! timer, and limits on time only ever err towards the storage: "not before" counts from before a request was sent,
//! "free after" is asked again until [`patience`](Harness::patience) ends. A slow storage passes late; it does not
//! fail. What a suite cannot see is that a refused claim takes no lock, and races inside a storage show only as often
//! as its requests really overlap.
//!
//! What a storage may leave out is reported as not available: [wake-ups](super::Storage::subscribe), and the
//! [age](crate::Lease::age) of a term where it does not know it; then it has to show none, anywhere. All six
//! [operations](super::Operation) and [batches](super::Storage::call_all) of any of them are asked for.
//!
//! The cases run at the same time, each on keys of its own; those that touch the whole storage follow one by one. All
//! of it runs within the future of [`run`]: nothing is spawned.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use async_trait::async_trait;
use futures::StreamExt;
use futures::stream;

use super::{Storage, StorageError};
use crate::config::Config;
use crate::maybe_send::MaybeSendSync;
use crate::time::Timer;

mod age;
mod batches;
mod cancellation;
mod case;
mod claims;
mod contender;
mod contention;
mod expiry;
mod list;
mod observation;
mod powers;
mod release;
mod renewal;
mod report;
mod revocation;
mod table;
mod takeover;
mod text;
mod transfer;
mod wakeups;

use case::{Case, Stop};
pub use report::{Failure, Failures, Report};
use table::{CASES, Entry, Order, dispatch};

/// What the suite needs from a storage's tests.
///
/// The powers at the end hurt the whole storage. Each may be left out; the cases that need it are then reported as not
/// available.
#[cfg_attr(not(any(target_family = "wasm", target_os = "none")), async_trait)]
#[cfg_attr(any(target_family = "wasm", target_os = "none"), async_trait(?Send))]
pub trait Harness: MaybeSendSync {
    /// The adapter under test.
    type Storage: Storage + 'static;
    /// The timer by which the suite waits. It has to run at the rate of the storage's clock.
    type Timer: Timer;

    /// A new handle on the one storage under test, best with a connection of its own.
    ///
    /// The suite asks for [`HANDLES`] at its start, again for each case that runs alone, and after each power it used.
    ///
    /// # Errors
    /// [`StorageError`]: everything fails with it.
    async fn storage(&self) -> Result<Self::Storage, StorageError>;

    /// The timer by which the suite waits.
    fn timer(&self) -> Self::Timer;

    /// The shortest ttl that makes sense here: a multiple of a round trip, at least some milliseconds.
    ///
    /// All waits are multiples of it. Cases that need a lease to live on take [`longest_ttl`](Self::longest_ttl)
    /// instead.
    fn ttl(&self) -> Duration;

    /// The longest ttl that the storage accepts. By default [`Config::MAX_DURATION`], which every candidate may ask for.
    fn longest_ttl(&self) -> Duration {
        Config::MAX_DURATION
    }

    /// How long to wait for anything that has to happen, beyond ttls. By default 10 seconds.
    ///
    /// An operation that takes longer counts as hanging; a storage that passes never takes nearly as long.
    fn patience(&self) -> Duration {
        Duration::from_secs(10)
    }

    /// How many cases run at the same time, at least one. By default all of them.
    ///
    /// An error is a failure: a storage that turns writers away when there are many needs fewer at a time.
    fn concurrency(&self) -> usize {
        usize::MAX
    }

    /// How all keys of the suite begin, at most 32 bytes. By default nothing.
    ///
    /// The cases want keys that nobody has used before: where the data outlives a run, take another each time.
    fn prefix(&self) -> String {
        String::new()
    }

    /// For how long the storage grants and renews nothing after it lost data, at least the longest ttl ever granted.
    ///
    /// By default `None`: the storage keeps what it acknowledged, and the first term of a key is 1. With `Some` the
    /// first term is the storage's clock in milliseconds.
    fn freeze_after_loss(&self) -> Option<Duration> {
        None
    }

    /// Power: lets the next operation of this handle be applied and its reply be lost, so that it fails.
    ///
    /// # Errors
    /// [`StorageError`]: the case that asked fails with it.
    async fn break_reply(&self, storage: &Self::Storage) -> Result<Power, StorageError> {
        let _ = storage;
        Ok(Power::NotAvailable)
    }

    /// Power: stops and starts the storage. It answers when the storage can be used again.
    ///
    /// # Errors
    /// [`StorageError`]: the case that asked fails with it.
    async fn restart(&self) -> Result<Power, StorageError> {
        Ok(Power::NotAvailable)
    }

    /// Power: turns the storage's clock back, or does what looks the same: adds the duration to every
    /// stored expiry, and to when each term began.
    ///
    /// # Errors
    /// [`StorageError`]: the case that asked fails with it.
    async fn turn_clock_back(&self, by: Duration) -> Result<Power, StorageError> {
        let _ = by;
        Ok(Power::NotAvailable)
    }

    /// Power: loses all records, as a fail-over to an empty replica does. Only for a storage that
    /// [may](Self::freeze_after_loss).
    ///
    /// # Errors
    /// [`StorageError`]: the case that asked fails with it.
    async fn lose_data(&self) -> Result<Power, StorageError> {
        Ok(Power::NotAvailable)
    }
}

/// What became of a power that the suite asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Power {
    /// It was used.
    Used,
    /// This harness cannot.
    NotAvailable,
}

/// How many handles the suite holds at a time.
pub const HANDLES: usize = 8;

/// Runs every case.
///
/// # Cancel safety
/// A dropped run leaves its keys behind, and whatever a power did.
pub async fn run<H: Harness>(harness: &H) -> Report {
    run_those(harness, |_| true).await
}

/// Runs the case of this name; see [`cases`] for the names. An unknown one is a failure.
///
/// # Cancel safety
/// As [`run`].
pub async fn run_case<H: Harness>(harness: &H, name: &str) -> Report {
    if !CASES.iter().any(|entry| entry.name == name) {
        let stop = Stop::failed("a name from conformance::cases", name);
        let mut report = Report::default();
        report.add("run_case", "the case exists", Err(stop));
        return report;
    }
    run_those(harness, |entry| entry.name == name).await
}

/// The name of each case, and the rule that it proves.
pub fn cases() -> impl Iterator<Item = (&'static str, &'static str)> {
    CASES.iter().map(|entry| (entry.name, entry.rule))
}

async fn run_those<H: Harness>(harness: &H, chosen: impl Fn(&Entry) -> bool) -> Report {
    let timer = harness.timer();
    let mut report = Report::default();
    let together: Vec<_> = CASES.iter().filter(|entry| entry.order == Order::Together && chosen(entry)).collect();
    match case::open(harness, &timer).await {
        Ok(handles) => {
            let runs = together.iter().map(|entry| {
                let case = Case::new(harness, &timer, &handles, entry.name);
                async move { dispatch(&case).await }
            });
            let runs: Vec<_> = runs.collect();
            let limit = harness.concurrency().clamp(1, CASES.len());
            let results: Vec<_> = stream::iter(runs).buffered(limit).collect().await;
            for (entry, result) in together.iter().zip(results) {
                report.add(entry.name, entry.rule, result);
            }
        }
        Err(stop) => report.add("storage", "the harness gives storages", Err(stop)),
    }
    for entry in CASES.iter().filter(|entry| entry.order == Order::Alone && chosen(entry)) {
        // A power may have broken every connection.
        let result = match case::open(harness, &timer).await {
            Ok(handles) => dispatch(&Case::new(harness, &timer, &handles, entry.name)).await,
            Err(stop) => Err(stop),
        };
        report.add(entry.name, entry.rule, result);
    }
    report
}
