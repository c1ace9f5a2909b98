//! The conformance suite: the storages of this crate pass it, and every fault that it is there for is found.

extern crate alloc;

mod broken;
mod fault;
mod judge;
mod late;
mod list;
mod taken;

use core::time::Duration;

use broken::{Broken, Kind, TTL};
use fault::Fault;
use lessor::storage::conformance::{self, Failures, Harness, Report};
use lessor::{ManualTimer, MemoryStorage, StorageError, SystemTimer, Timer, async_trait};

/// Memory on any timer.
struct Memory<T> {
    storage: MemoryStorage,
    timer: T,
}

impl<T: Timer<Sleep: Send> + Clone + Send + Sync + 'static> Memory<T> {
    fn new(timer: T) -> Self {
        Self { storage: MemoryStorage::with_timer(timer.clone()), timer }
    }
}

#[async_trait]
impl<T: Timer<Sleep: Send> + Clone + Send + Sync + 'static> Harness for Memory<T> {
    type Storage = MemoryStorage;
    type Timer = T;

    async fn storage(&self) -> Result<Self::Storage, StorageError> {
        Ok(self.storage.clone())
    }

    fn timer(&self) -> T {
        self.timer.clone()
    }

    fn ttl(&self) -> Duration {
        TTL
    }
}

fn memory() -> Report {
    let timer = ManualTimer::new();
    timer.block_on(conformance::run(&Memory::new(timer.clone()))).expect("no case waits for what never comes")
}

/// R1 to R14, as far as they are the storage's: memory keeps them, in virtual time.
#[test]
fn memory_conforms_in_virtual_time() -> Result<(), Failures> {
    memory().into_result()
}

/// The same by the system's clock, so that no case depends on time standing still between two steps.
#[test]
fn memory_conforms_in_real_time() -> Result<(), Failures> {
    smol::block_on(conformance::run(&Memory::new(SystemTimer::new()))).into_result()
}

/// A harness without powers is told which cases it left out, and only those.
#[test]
fn what_a_harness_cannot_do_is_reported() {
    let report = memory();
    let needs = [
        ("unreachable_check_fails", "Harness::unreachable"),
        ("unreachable_answers_nothing", "Harness::unreachable"),
        ("lingering_claim_shares_no_term", "Harness::linger"),
        ("lingering_first_claim_shares_no_term", "Harness::linger"),
        ("lingering_repeat_revives_nothing", "Harness::linger"),
        ("lingering_renewal_revives_nothing", "Harness::linger"),
        ("lingering_renewal_takes_nothing_from_another", "Harness::linger"),
        ("lingering_release_ends_no_later_reign", "Harness::linger"),
        ("lingering_revoke_takes_no_later_reign", "Harness::linger"),
        ("lingering_batch_is_judged_key_by_key", "Harness::linger"),
        ("lingering_grant_is_whole", "Harness::linger"),
        ("lingering_change_is_whole", "Harness::linger"),
        ("lingering_release_wakes_when_it_came", "Harness::linger"),
        ("broken_reply_is_healed_by_asking_again", "Harness::break_reply"),
        ("restart_keeps_terms", "Harness::restart"),
        ("restart_keeps_leases", "Harness::restart"),
        ("wakeups_outlive_a_restart", "Harness::restart"),
        ("clock_back_lease_lasts_no_longer_than_ttl", "Harness::turn_clock_back"),
        ("clock_back_dead_leader_is_replaced", "Harness::turn_clock_back"),
        ("clock_back_reservation_ends", "Harness::turn_clock_back"),
        ("data_loss_terms_still_grow", "Harness::lose_data"),
        ("data_loss_freezes", "Harness::lose_data"),
    ];
    let seen: Vec<_> = report.not_available().iter().map(|left_out| (left_out.case, left_out.needs)).collect();
    assert_eq!(seen, needs);
    assert_eq!(report.passed().len() + report.not_available().len(), conformance::cases().count());
    assert_eq!(
        report.needs(),
        [
            "Harness::break_reply",
            "Harness::linger",
            "Harness::lose_data",
            "Harness::restart",
            "Harness::turn_clock_back",
            "Harness::unreachable",
        ]
    );
    assert_eq!(report.not_available()[0].to_string(), "unreachable_check_fails needs Harness::unreachable");
    assert!(report.to_string().contains("\nnot available  restart_keeps_terms needs Harness::restart\n"), "{report}");
}

fn examine(kind: Kind, fault: Option<Fault>) -> Report {
    let timer = ManualTimer::new();
    let harness = Broken::new(timer.clone(), kind, fault);
    timer.block_on(conformance::run(&harness)).expect("no fault hangs the suite")
}

/// The storage that the faults are built into passes every case, where it keeps what it acknowledged.
#[test]
fn without_a_fault_a_durable_storage_passes() -> Result<(), Failures> {
    let report = examine(Kind::Durable, None);
    assert_eq!(report.needs(), ["Harness::lose_data"]);
    report.into_result()
}

/// It passes, too, where it may lose data: it then seeds terms and freezes.
#[test]
fn without_a_fault_a_volatile_storage_passes() -> Result<(), Failures> {
    let report = examine(Kind::Volatile, None);
    assert_eq!(report.needs(), ["no Harness::freeze_after_loss"]);
    report.into_result()
}

/// A storage may be slow: no case mistakes that for a fault.
#[test]
fn a_slow_storage_passes() -> Result<(), Failures> {
    for seed in 0..40 {
        let timer = ManualTimer::new();
        let kind = if seed % 2 == 0 { Kind::Durable } else { Kind::Volatile };
        let harness = Broken::slow(timer.clone(), kind, seed);
        timer.block_on(conformance::run(&harness)).expect("no case waits for what never comes").into_result()?;
    }
    Ok(())
}

/// It may answer an error when another was first: nor is that taken for a fault.
#[test]
fn a_storage_that_gives_up_passes() -> Result<(), Failures> {
    for kind in [Kind::Durable, Kind::Volatile] {
        let timer = ManualTimer::new();
        let harness = Broken::giving_up(timer.clone(), kind);
        timer.block_on(conformance::run(&harness)).expect("no case waits for what never comes").into_result()?;
    }
    Ok(())
}

/// Each fault fails the case that is named after it: where the storage keeps what it acknowledged, unless nothing is wrong with it
/// there.
#[test]
fn every_fault_is_found_by_its_case() {
    let mut missed = Vec::new();
    for (fault, case) in Fault::ALL {
        let found = |report: &Report| report.failed().iter().any(|failure| failure.case == *case);
        let durable = examine(Kind::Durable, Some(*fault));
        if !found(&durable) && (!durable.failed().is_empty() || !found(&examine(Kind::Volatile, Some(*fault)))) {
            missed.push(format!("{fault:?} is not found by {case}"));
        }
    }
    assert!(missed.is_empty(), "{}", missed.join("\n"));
}

/// A case that proves something of its own is the only one to fail where just that is wrong.
#[test]
fn a_narrow_fault_fails_its_case_alone() {
    let mut wrong = Vec::new();
    for (fault, case) in Fault::ALONE {
        let report = examine(Kind::Durable, Some(*fault));
        let failed: Vec<_> = report.failed().iter().map(|failure| failure.case).collect();
        if failed != [*case] {
            wrong.push(format!("{fault:?} fails {failed:?}, not {case}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Every case is worth its place: it is the one that some fault is found by.
#[test]
fn every_case_finds_a_fault() {
    let idle: Vec<_> = conformance::cases()
        .map(|(case, _)| case)
        .filter(|case| !Fault::ALL.iter().any(|(_, by)| by == case))
        .collect();
    assert!(idle.is_empty(), "no fault for {idle:?}");
}

/// A failure says which rule was broken, what was expected and what was seen.
#[test]
fn a_failure_is_readable() {
    let timer = ManualTimer::new();
    let harness = Broken::new(timer.clone(), Kind::Durable, Some(Fault::TtlInSeconds));
    let report = timer.block_on(conformance::run_case(&harness, "ttl_has_millisecond_resolution")).unwrap();
    let failures = report.into_result().unwrap_err();
    assert_eq!(
        format!("{failures:?}"),
        "1 of 1 conformance cases failed:\n  \
         ttl_has_millisecond_resolution (R4: a ttl counts in whole milliseconds, rounded up)\n    \
         expected: the ttl of a grant is 1800.001s\n    \
         seen:     1801s"
    );
}

/// An error is shown as it is displayed, with what is behind it.
#[test]
fn a_failure_shows_the_error_in_words() {
    let timer = ManualTimer::new();
    let harness = Broken::nowhere(timer.clone());
    let report = timer.block_on(conformance::run_case(&harness, "renew_needs_term")).unwrap();
    assert_eq!(report.failed()[0].expected, "acquire succeeds");
    assert_eq!(report.failed()[0].seen, "transient storage error: no connection to the server: connection refused");
}

/// Without any storage that is said once, at once, and nothing is tried again.
#[test]
fn no_storage_is_said_once() {
    let timer = ManualTimer::new();
    let harness = Broken::new(timer.clone(), Kind::Durable, None);
    harness.end();
    let report = timer.block_on(conformance::run(&harness)).unwrap();
    assert_eq!((harness.handles(), timer.now()), (1, ManualTimer::new().now()), "asked once, and waited for nothing");
    let cases: Vec<_> = conformance::cases().map(|(case, _)| case).collect();
    let none = report.no_storage().unwrap();
    assert_eq!(none.cases, cases);
    assert_eq!(none.why, "transient storage error: no connection to the server: connection refused");
    let said = format!(
        "the harness gives no storage: transient storage error: no connection to the server: connection refused; {} \
         cases did not run",
        cases.len()
    );
    assert_eq!(report.to_string(), format!("did not run    {said}\n"));
    assert_eq!(format!("{:?}", report.into_result().unwrap_err()), said);
}

/// Nor is anything tried when a power has ended the storage: the case that used it fails, and the rest did not run.
#[test]
fn no_storage_after_a_power_is_said_once() {
    let report = examine(Kind::Durable, Some(Fault::RestartIsTheEnd));
    let failed: Vec<_> = report.failed().iter().map(|failure| failure.case).collect();
    assert_eq!(failed, ["restart_keeps_terms"]);
    let none = report.no_storage().unwrap();
    assert_eq!(none.cases.first(), Some(&"restart_keeps_leases"));
    let count = report.passed().len() + report.failed().len() + report.not_available().len() + none.cases.len();
    assert_eq!(count, conformance::cases().count());
    let said = report.into_result().unwrap_err().to_string();
    assert_eq!(said.matches("connection refused").count(), 2, "{said}");
    assert!(said.starts_with("the harness gives no storage: "), "{said}");
}

/// Some of the cases can be run; to choose none is no pass.
#[test]
fn cases_run_by_choice() {
    let timer = ManualTimer::new();
    let harness = Memory::new(timer.clone());
    let report = timer.block_on(conformance::run_those(&harness, |case| case.starts_with("batches_"))).unwrap();
    assert!(report.passed().contains(&"batches_may_be_empty"), "{report}");
    assert!(report.passed().iter().all(|case| case.starts_with("batches_")), "{report}");
    let alone = ["list_limit_is_from_one_to_a_thousand", "no_wakeup_at_renewal"];
    let report = timer.block_on(conformance::run_those(&harness, |case| alone.contains(&case))).unwrap();
    assert_eq!(report.passed(), alone);
    let none = timer.block_on(conformance::run_those(&harness, |_| false)).unwrap();
    assert_eq!(none.into_result().unwrap_err().as_slice()[0].seen, "none was chosen");
}

/// One case can be run by its name; a name that does not exist is no pass.
#[test]
fn cases_run_by_name() {
    let timer = ManualTimer::new();
    let harness = Memory::new(timer.clone());
    let run = |name: &'static str| timer.block_on(conformance::run_case(&harness, name)).unwrap();
    assert_eq!(run("renew_needs_term").passed(), ["renew_needs_term"]);
    assert_eq!(run("no_wakeup_at_renewal").passed(), ["no_wakeup_at_renewal"]);
    assert!(run("renew_needs_luck").into_result().is_err());
}

/// R14: an operation that never answers fails its case; the suite comes to its end.
#[test]
fn a_hanging_storage_does_not_hang_the_suite() {
    let report = examine(Kind::Durable, Some(Fault::Hangs));
    assert!(report.passed().is_empty(), "{report}");
    let seen = report.failed().first().map(|failure| failure.seen.as_str());
    assert_eq!(seen, Some("no answer"));
}

/// R18: a run can be spawned where storage and timer are `Send`.
#[test]
fn a_run_is_send() {
    fn is_send(_: impl Send) {}
    is_send(conformance::run(&Memory::new(SystemTimer::new())));
    is_send(conformance::run(&Broken::new(ManualTimer::new(), Kind::Durable, None)));
}
