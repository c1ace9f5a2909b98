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
//! as its requests really overlap. A storage that reads, judges, and writes on a condition can be made to show its races
//! each time: with [`Harness::linger`].
//!
//! What a storage may leave out is reported as [not available](Report::not_available): [wake-ups](super::Storage::subscribe),
//! and the [age](crate::Lease::age) of a term where it does not know it; then it has to show none, anywhere. So is what needs a power
//! that the harness does not have. All six [operations](super::Operation) and [batches](super::Storage::call_all) of any of them are
//! asked for.
//!
//! The cases run at the same time, each on keys of its own; those that touch the whole storage follow one by one. All
//! of it runs within the future of [`run`]: nothing is spawned.
//!
//! # A part of it
//! [`run_case`] runs one case, [`run_those`] what a closure chooses by its name: a list, or all of a kind, since the cases of
//! one kind begin alike (`batches_`, `list_`, `lingering_`, `restart_`, `wakeup`).
//!
//! ```
//! # use core::time::Duration;
//! # use lessor::storage::conformance::{self, Harness};
//! # use lessor::{ManualTimer, MemoryStorage, StorageError, async_trait};
//! # struct InMemory(MemoryStorage, ManualTimer);
//! # #[async_trait]
//! # impl Harness for InMemory {
//! #     type Storage = MemoryStorage;
//! #     type Timer = ManualTimer;
//! #     async fn storage(&self) -> Result<Self::Storage, StorageError> { Ok(self.0.clone()) }
//! #     fn timer(&self) -> ManualTimer { self.1.clone() }
//! #     fn ttl(&self) -> Duration { Duration::from_millis(200) }
//! # }
//! # let timer = ManualTimer::new();
//! # let harness = InMemory(MemoryStorage::with_timer(timer.clone()), timer.clone());
//! # timer.block_on(async {
//! let report = conformance::run_those(&harness, |case| case.starts_with("batches_")).await;
//! println!("{report}"); // a line a case; what was left out says what it needs
//! # report.into_result().unwrap();
//! # }).unwrap();
//! ```
//!
//! # Powers
//! What a harness can do to its storage, each for cases that need it:
//!
//! | power | what it lets the suite see |
//! |---|---|
//! | [`break_reply`](Harness::break_reply) | whether a lost reply is healed by asking again |
//! | [`restart`](Harness::restart) | what outlives a restart: terms, leases, wake-ups |
//! | [`turn_clock_back`](Harness::turn_clock_back) | whether leases end all the same |
//! | [`lose_data`](Harness::lose_data) | whether terms grow and leases stay safe after it |
//! | [`unreachable`](Harness::unreachable) | whether anything is answered that nobody said |
//! | [`linger`](Harness::linger) | whether what was judged by a reading is written on the condition that it still holds |
//!
//! An adapter over several servers gives handles of all of them: [`Harness::member`].

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
mod late;
mod lingering;
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
mod unreachable;
mod wakeups;

use case::{Case, Stop, Unopened};
pub use report::{Failure, Failures, NoStorage, NotAvailable, Report};
use table::{CASES, Entry, Order, dispatch};

/// What the suite needs from a storage's tests.
///
/// The powers at the end hurt the storage or a handle on it. Each may be left out; the cases that need it are then reported as
/// not available.
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
    /// [`StorageError`]: nothing more is run. The [report](Report::no_storage) says so once.
    async fn storage(&self) -> Result<Self::Storage, StorageError>;

    /// A new handle for this place among the suite's handles, from 0 to [`HANDLES`] - 1: what the suite asks for. By default
    /// [`storage`](Self::storage), in every place.
    ///
    /// A storage of several servers should give handles on each of them in turn (`servers[number % servers.len()]`): what was
    /// granted through one handle is looked at, renewed, released and refused through others. A server that answers by what
    /// it last heard is found only so.
    ///
    /// # Errors
    /// As [`storage`](Self::storage).
    async fn member(&self, number: usize) -> Result<Self::Storage, StorageError> {
        let _ = number;
        self.storage().await
    }

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

    /// Power: a handle that reaches no storage. By default `None`: this harness cannot.
    ///
    /// Best one that did reach it: through a proxy that is then cut off, or of a server of its own that is then stopped. A
    /// handle to a port where nobody listens will do. The other handles go on as before.
    ///
    /// It hands a handle out, rather than cutting off the server: that needs nothing to be mended afterwards, and the other
    /// cases go on meanwhile.
    ///
    /// # Errors
    /// [`StorageError`]: the case that asked fails with it.
    async fn unreachable(&self) -> Result<Option<Self::Storage>, StorageError> {
        Ok(None)
    }

    /// Power: from now on each write of this handle reaches the storage this much later than what it was judged by was read.
    /// Zero: no later than ever.
    ///
    /// For an adapter that reads, judges by [`Record::judge`](super::Record::judge), and writes on the condition that what it read
    /// is still there: the delay lies between the two. If it reads and judges anew, it waits anew; what it writes in two
    /// steps comes in two steps, each so much later. The cases have others come between, so that a condition that leaves
    /// something out is found at once and each time.
    ///
    /// Not available where a step is atomic by itself: under a lock, in a transaction that locks what it reads, in one statement or
    /// script. There is nothing between reading and writing that could linger; a request that is late on its way is
    /// another matter, and is judged when it arrives.
    ///
    /// The suite asks with zero first, to see whether it is available, and then for a handle that no other case has.
    ///
    /// # Errors
    /// [`StorageError`]: the case that asked fails with it.
    async fn linger(&self, storage: &Self::Storage, time: Duration) -> Result<Power, StorageError> {
        let _ = (storage, time);
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
        return nothing_to_run("run_case", Stop::failed("a name from conformance::cases", name));
    }
    run_those(harness, |case| case == name).await
}

/// Runs the cases that are chosen by their names; see [`cases`] for these. To choose none is a failure.
///
/// ```no_run
/// # use lessor::storage::conformance::{self, Harness, Report};
/// # async fn quickly(harness: &impl Harness) -> Report {
/// // Without those that restart a server.
/// conformance::run_those(harness, |case| !case.contains("restart")).await
/// # }
/// ```
///
/// # Cancel safety
/// As [`run`].
pub async fn run_those<H: Harness>(harness: &H, chosen: impl Fn(&str) -> bool) -> Report {
    let chosen: Vec<_> = CASES.iter().filter(|entry| chosen(entry.name)).collect();
    if chosen.is_empty() {
        return nothing_to_run("run_those", Stop::saw("a choice of names from conformance::cases", "none was chosen"));
    }
    let mut report = Report::default();
    if let Err((Unopened(why), rest)) = run_all(harness, &chosen, &mut report).await {
        report.stopped(why, rest);
    }
    report
}

fn nothing_to_run(asked: &'static str, stop: Stop) -> Report {
    let mut report = Report::default();
    report.add(asked, "a run proves something", Err(stop));
    report
}

/// The name of each case, and the rule that it proves.
pub fn cases() -> impl Iterator<Item = (&'static str, &'static str)> {
    CASES.iter().map(|entry| (entry.name, entry.rule))
}

/// Runs these cases. Where the harness gives no storage it ends, with what was left to run.
async fn run_all<H: Harness>(
    harness: &H,
    chosen: &[&'static Entry],
    report: &mut Report,
) -> Result<(), (Unopened, Vec<&'static str>)> {
    let timer = harness.timer();
    let of = |order| chosen.iter().filter(move |entry| entry.order == order);
    let names = |entries: &[&&Entry]| entries.iter().map(|entry| entry.name).collect::<Vec<_>>();
    let (together, alone) = (of(Order::Together).collect::<Vec<_>>(), of(Order::Alone).collect::<Vec<_>>());
    if !together.is_empty() {
        let handles = match case::open(harness, &timer).await {
            Ok(handles) => handles,
            Err(unopened) => return Err((unopened, [names(&together), names(&alone)].concat())),
        };
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
    for (place, entry) in alone.iter().enumerate() {
        // A power may have broken every connection.
        let handles = match case::open(harness, &timer).await {
            Ok(handles) => handles,
            Err(unopened) => return Err((unopened, names(alone.get(place..).unwrap_or_default()))),
        };
        let result = dispatch(&Case::new(harness, &timer, &handles, entry.name)).await;
        report.add(entry.name, entry.rule, result);
    }
    Ok(())
}
