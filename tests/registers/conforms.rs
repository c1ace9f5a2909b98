//! The whole contract, with one clock for all and with one for each.

use core::time::Duration;

use lessor::storage::conformance::{self, Failures, Harness, Power, Report};
use lessor::storage::registers::RegisterStorage;
use lessor::time::AnyTimer;
use lessor::{ManualTimer, StorageError, SystemTimer, Timer, async_trait};

use crate::shelf::{Lost, Shelf};

struct OnShelf<T> {
    shelf: Shelf,
    timer: T,
    /// The one that all handles are clones of; `None`: each has sights of its own.
    shared: Option<RegisterStorage<Shelf>>,
}

impl<T: Timer<Sleep: Send> + Clone + Send + Sync + 'static> OnShelf<T> {
    fn apart(shelf: Shelf, timer: T) -> Self {
        Self { shelf, timer, shared: None }
    }

    fn together(shelf: Shelf, timer: T) -> Self {
        let shared = Some(RegisterStorage::with_timer(shelf.clone(), timer.clone()));
        Self { shelf, timer, shared }
    }
}

#[async_trait]
impl<T: Timer<Sleep: Send> + Clone + Send + Sync + 'static> Harness for OnShelf<T> {
    type Storage = RegisterStorage<Shelf>;
    type Timer = T;

    async fn storage(&self) -> Result<Self::Storage, StorageError> {
        let timer = self.timer.clone();
        let apart = || RegisterStorage::with_timer(self.shelf.handle(AnyTimer::new(timer.clone())), timer);
        Ok(self.shared.clone().unwrap_or_else(apart))
    }

    fn timer(&self) -> T {
        self.timer.clone()
    }

    fn ttl(&self) -> Duration {
        Duration::from_millis(250)
    }

    async fn break_reply(&self, storage: &Self::Storage) -> Result<Power, StorageError> {
        storage.registers().lose(Lost::Reply);
        Ok(Power::Used)
    }

    async fn linger(&self, storage: &Self::Storage, time: Duration) -> Result<Power, StorageError> {
        if self.shared.is_some() {
            return Ok(Power::NotAvailable);
        }
        storage.registers().linger(time);
        Ok(Power::Used)
    }

    async fn unreachable(&self) -> Result<Option<Self::Storage>, StorageError> {
        Ok(Some(RegisterStorage::with_timer(Shelf::away(), self.timer.clone())))
    }

    async fn restart(&self) -> Result<Power, StorageError> {
        self.shelf.cut();
        Ok(Power::Used)
    }
}

/// What no store without a clock, and without a loss of data, has.
const NEVER: [&str; 9] = [
    "age_counts_from_the_grant",
    "age_goes_on_with_the_term",
    "age_begins_anew_with_each_term",
    "age_is_shown_always_or_never",
    "clock_back_lease_lasts_no_longer_than_ttl",
    "clock_back_dead_leader_is_replaced",
    "clock_back_reservation_ends",
    "data_loss_terms_still_grow",
    "data_loss_freezes",
];

fn conforms(harness: &OnShelf<ManualTimer>) -> Report {
    harness.timer.block_on(conformance::run(harness)).expect("no case waits for what never comes")
}

/// What was not tried, but for what nobody can.
fn left_out(report: &Report) -> Vec<&str> {
    let names = report.not_available().iter().map(|left_out| left_out.case);
    names.filter(|case| !NEVER.contains(case)).collect()
}

/// One process, where nothing tells of what others write: its own candidates wake one another.
#[test]
fn clones_conform_where_nothing_is_told() -> Result<(), Failures> {
    let report = conforms(&OnShelf::together(Shelf::default(), ManualTimer::new()));
    assert!(left_out(&report).iter().all(|case| case.starts_with("lingering_")), "{report}");
    report.into_result()
}

/// Several processes, which see what the others write when they look.
#[test]
fn handles_conform_where_nothing_is_told() {
    let report = conforms(&OnShelf::apart(Shelf::default(), ManualTimer::new()));
    let silent = |case: &&str| case.contains("wake");
    let failed: Vec<_> = report.failed().iter().map(|failure| failure.case).filter(|case| !silent(case)).collect();
    assert_eq!((failed, left_out(&report)), (Vec::new(), Vec::new()), "{report}");
}

#[test]
fn handles_conform_where_they_are_told() -> Result<(), Failures> {
    let report = conforms(&OnShelf::apart(Shelf::watched(), ManualTimer::new()));
    assert_eq!(left_out(&report), [""; 0], "{report}");
    report.into_result()
}

#[test]
fn they_conform_in_real_time() -> Result<(), Failures> {
    smol::block_on(conformance::run(&OnShelf::apart(Shelf::watched(), SystemTimer::new()))).into_result()
}
