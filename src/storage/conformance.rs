//! The contract of [`Storage`] as a test suite, for authors of adapters (feature `conformance`).
//!
//! A [`Harness`] says how to reach the storage, which timer to use and, if it can, how to hurt the storage. [`run`] then runs
//! every case and answers with a [`Report`]. An adapter's author adds one test:
//!
//! ```
//! use core::time::Duration;
//! use lessor::storage::conformance::{self, Failures, Harness};
//! use lessor::{ManualTimer, MemoryStorage, StorageError, async_trait};
//!
//! struct InMemory {
//!     timer: ManualTimer,
//!     storage: MemoryStorage<ManualTimer>,
//! }
//!
//! #[async_trait]
//! impl Harness for InMemory {
//!     type Storage = MemoryStorage<ManualTimer>;
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
//!     timer.block_on(conformance::run(&harness)).expect("nothing waits for ever").into_result()
//! }
//! # keeps_the_contract()
//! # }
//! ```
//!
//! With a server the body is `block_on(conformance::run(&harness)).into_result()` under whatever executor the adapter needs.
//!
//! # What a pass means
//! Each case is named after what it proves and stands beside its rule in [`cases`]. Waiting is done on the harness's timer, and limits
//! on time only ever err towards the storage: "not before" counts from before a request was sent, "free after" is asked again until
//! [`patience`](Harness::patience) ends. A slow storage passes late; it does not fail. What a suite cannot see is that a refused claim
//! takes no lock, and races inside a storage show only as often as its requests really overlap.
//!
//! The cases run at the same time, each on keys of its own; those that touch the whole storage follow one by one. All of it runs
//! within the future of [`run`]: nothing is spawned.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use async_trait::async_trait;
use futures::future::join_all;

use super::{Storage, StorageError};
use crate::config::MAX_DURATION;
use crate::send::MaybeSendSync;
use crate::time::Timer;

mod batches;
mod cancellation;
mod case;
mod claims;
mod contender;
mod contention;
mod expiry;
mod observation;
mod powers;
mod release;
mod renewal;
mod report;
mod takeover;
mod text;
mod wakeups;

use case::{Case, Stop};
pub use report::{Failure, Failures, Report};

/// What the suite needs from a storage's tests.
///
/// The powers at the end hurt the whole storage. Each may be left out; the cases that need it are then reported as not available.
#[cfg_attr(not(any(target_family = "wasm", target_os = "none")), async_trait)]
#[cfg_attr(any(target_family = "wasm", target_os = "none"), async_trait(?Send))]
pub trait Harness: MaybeSendSync {
    /// The adapter under test.
    type Storage: Storage + 'static;
    /// The timer by which the suite waits. It has to run at the rate of the storage's clock.
    type Timer: Timer;

    /// A new handle on the one storage under test, best with a connection of its own.
    ///
    /// The suite asks for [`HANDLES`] at its start, and for as many after each power it used.
    ///
    /// # Errors
    /// [`StorageError`]: everything fails with it.
    async fn storage(&self) -> Result<Self::Storage, StorageError>;

    /// The timer by which the suite waits.
    fn timer(&self) -> Self::Timer;

    /// The shortest ttl that makes sense here: a multiple of a round trip, at least some milliseconds.
    ///
    /// All waits are multiples of it. Cases that need a lease to live on take [`longest_ttl`](Self::longest_ttl) instead.
    fn ttl(&self) -> Duration;

    /// The longest ttl that the storage accepts. By default [`MAX_DURATION`], which every candidate may ask for.
    fn longest_ttl(&self) -> Duration {
        MAX_DURATION
    }

    /// How long to wait for anything that has to happen, beyond ttls. By default 10 seconds.
    ///
    /// An operation that takes longer counts as hanging; a storage that passes never takes nearly as long.
    fn patience(&self) -> Duration {
        Duration::from_secs(10)
    }

    /// A text that all keys of the suite contain, at most 32 bytes. By default nothing.
    ///
    /// The cases want keys that nobody has used before: where the data outlives a run, take another each time.
    fn prefix(&self) -> String {
        String::new()
    }

    /// For how long the storage grants and renews nothing after it lost data, at least the longest ttl ever granted.
    ///
    /// By default `None`: the storage keeps what it acknowledged, and the first term of a key is 1. With `Some` the first term is
    /// the storage's clock in milliseconds.
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

    /// Power: turns the storage's clock back, or does what looks the same: adds the duration to every stored expiry.
    ///
    /// # Errors
    /// [`StorageError`]: the case that asked fails with it.
    async fn turn_clock_back(&self, by: Duration) -> Result<Power, StorageError> {
        let _ = by;
        Ok(Power::NotAvailable)
    }

    /// Power: loses all records, as a fail-over to an empty replica does. Only for a storage that [may](Self::freeze_after_loss).
    ///
    /// # Errors
    /// [`StorageError`]: the case that asked fails with it.
    async fn lose_data(&self) -> Result<Power, StorageError> {
        Ok(Power::NotAvailable)
    }
}

/// What became of a power that the suite asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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

struct Entry {
    name: &'static str,
    rule: &'static str,
    order: Order,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Order {
    /// On its own keys, beside the others.
    Together,
    /// It touches the whole storage, or would be disturbed: after the others, one by one as listed.
    Alone,
}

async fn run_those<H: Harness>(harness: &H, chosen: impl Fn(&Entry) -> bool) -> Report {
    let timer = harness.timer();
    let mut report = Report::default();
    let handles = match case::open(harness, &timer).await {
        Ok(handles) => handles,
        Err(stop) => {
            report.add("storage", "the harness gives storages", Err(stop));
            return report;
        }
    };
    let case = |entry: &Entry| Case::new(harness, &timer, &handles, entry.name);
    let together: Vec<_> = CASES.iter().filter(|entry| entry.order == Order::Together && chosen(entry)).collect();
    let results = join_all(together.iter().map(|entry| {
        let case = case(entry);
        async move { dispatch(&case).await }
    }));
    for (entry, result) in together.iter().zip(results.await) {
        report.add(entry.name, entry.rule, result);
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

macro_rules! list {
    ($($order:ident $module:ident::$case:ident: $rule:literal,)*) => {
        const CASES: &[Entry] =
            &[$(Entry { name: stringify!($case), rule: $rule, order: Order::$order }),*];

        async fn dispatch<H: Harness>(case: &Case<'_, H>) -> Result<(), Stop> {
            match case.name {
                $(stringify!($case) => $module::$case(case).await,)*
                unknown => Err(Stop::failed("a name from conformance::cases", unknown)),
            }
        }
    };
}

list! {
    Together claims::first_claim_creates_term_one_or_seed: "R5: a key begins at term 1, or at the storage's clock where data may be lost",
    Together claims::first_claim_goes_past_what_was_seen: "R5: a lost record does not bring old terms back to who saw newer ones",
    Together claims::claim_beyond_the_record_goes_past_what_was_seen: "R5: nor does a record that lost its newest writes",
    Together claims::last_term_is_exact_and_the_end: "R5: terms are exact up to 2^53 - 1; after it nothing is granted",
    Together claims::grant_repeats_for_a_lost_reply: "R6: asking again after a lost reply is granted the same term",
    Together claims::acquire_repeat_never_shortens: "R4: no claim shortens a live lease",
    Together claims::new_reign_new_term_on_own_live_lease: "R6: each reign has its own term, even on the own lease",
    Together claims::held_answers_holder_and_time_left: "R13: a refusal says who holds the key, and for how long",
    Together claims::refused_claim_changes_nothing: "R13: a refused claim writes nothing",
    Together claims::same_id_two_sessions_are_two: "R7: two candidates with one id are two",
    Together claims::released_is_free_at_once: "R12: a released key is granted to the next who asks",
    Together claims::outdated_claim_is_refused_after_release: "R6: a claim that lingered while others led is refused",
    Together claims::outdated_claim_is_refused_after_expiry: "R6: a claim that lingered while a lease ran out is refused",

    Together expiry::expired_is_free_not_before: "R1: a lease lasts for its ttl, then it is free",
    Together expiry::renewed_lease_is_free_not_before: "R1: a renewed lease lasts for its ttl from the renewal",
    Together expiry::expired_own_lease_gets_a_new_term: "R6: the own expired lease begins a new reign",
    Together expiry::terms_grow_across_release_and_expiry: "R5: terms and versions grow strictly",
    Together expiry::ttl_has_millisecond_resolution: "R4: a ttl counts in whole milliseconds, rounded up",
    Together expiry::longest_ttl_lasts: "R4: the longest ttl is kept in full",

    Together takeover::takeover_unchanged_takes_what_it_saw: "R10: the guard takes over the version it watched",
    Together takeover::takeover_unchanged_refuses_what_moved: "R10: the guard refuses any other version",
    Together takeover::takeover_released_only_waits: "R10: the guard refuses what it has not watched yet",
    Together takeover::takeover_does_not_bind_a_released_key: "R10: the guard is about expiry; a release needs none",
    Together takeover::takeover_does_not_bind_the_own_lease: "R10: nobody has to watch the own lease",

    Together renewal::renew_extends_and_moves_version: "R4: a renewal lasts for its ttl and can be seen",
    Together renewal::renew_needs_session: "R4: only the session that was granted a lease renews it",
    Together renewal::renew_needs_term: "R4: only the term that is led is renewed",
    Together renewal::renew_never_revives_expired: "R4: a renewal revives nothing",
    Together renewal::renew_after_release_is_lost: "R4: nor does it after a release",
    Together renewal::renew_after_takeover_is_lost: "R4: nor against another's lease",
    Together renewal::renew_of_missing_key_is_lost: "R4: a renewal creates nothing",
    Together renewal::renew_never_shortens: "R4: no renewal shortens a live lease",

    Together release::release_needs_session: "R4: only the session that was granted a lease releases it",
    Together release::release_is_idempotent: "R9: a release may be sent again",
    Together release::release_keeps_the_term: "R4: a release deletes nothing; terms outlive it",
    Together release::release_of_missing_key_is_nothing: "R4: a release creates nothing",
    Together release::release_of_an_expired_lease_frees_it: "R9: what is released needs no watching, even if it expired before",
    Together release::late_release_of_old_session_harms_nobody: "R9: a release that lingered ends no later reign",

    Together observation::get_shows_the_lease: "R13: observers see who holds, and nothing else",
    Together observation::get_of_missing_key_is_none: "R13: what was never granted is nobody's",
    Together observation::get_writes_nothing: "R13: looking changes nothing",
    Together observation::handles_see_one_storage: "R1: what one handle was told every other sees",
    Together observation::check_says_ok: "R14: a storage that works says so",

    Together text::value_is_published_and_replaced: "R13: what a leader publishes is what others see",
    Together text::odd_values_survive: "R13: every value comes back as it was given",
    Together text::odd_ids_survive: "R13: every id comes back as it was given",
    Together text::odd_keys_are_kept_apart: "R1: two keys that differ at all are two",
    Together text::session_bits_survive: "R7: two sessions that differ in one bit are two",

    Together contention::concurrent_claims_have_one_winner: "R1: of many claims for a new key one is granted",
    Together contention::concurrent_takeovers_have_one_winner: "R1: of many claims for a free key one is granted",
    Together contention::contended_terms_are_distinct_and_grow: "R5: no two grants share a term",
    Together contention::renewal_and_takeover_never_both_win: "R1: at the end of a lease one of the two gets it",

    Together batches::batches_answer_in_order: "Storage: a batch answers in the order of its questions",
    Together batches::batches_mix_results: "Storage: each key of a batch has its own answer",
    Together batches::batches_refuse_a_duplicate_in_its_place: "Storage: a key that occurs again is an error in its place",
    Together batches::batches_may_be_empty: "Storage: an empty batch has no answers",
    Together batches::batches_write_like_singles: "Storage: an operation in a batch is that operation",

    Together cancellation::dropped_operation_is_harmless: "R14: an operation that was given up leaves a storage that works",

    Together wakeups::wakeup_at_release: "R13: followers are woken when a key is released",
    Together wakeups::wakeup_at_grant_to_another: "R13: followers are woken when a key is granted to another",
    Together wakeups::wakeups_coalesce_and_are_kept: "R13: wake-ups coalesce and are kept while nobody polls",
    // Alone: a storage may wake for what happens to other keys.
    Alone wakeups::no_wakeup_at_renewal: "R13: a renewal wakes nobody",

    Alone powers::broken_reply_is_healed_by_asking_again: "R6: a lost reply is healed by asking again",
    Alone powers::restart_keeps_terms: "R5: terms grow across a restart",
    Alone powers::restart_keeps_leases: "R1: a lease outlives a restart",
    Alone powers::clock_back_lease_lasts_no_longer_than_ttl: "R10: after a step back no lease shows more than its ttl, and a renewal heals it",
    Alone powers::data_loss_terms_still_grow: "R5: terms grow across a loss of data",
    Alone powers::data_loss_freezes: "R5: after a loss of data nothing is granted or renewed for the longest ttl",
}
