//! Leading: renewals, values, and the end of a reign.

use std::time::Duration;

use lessor::election::Input;
use lessor::storage::{Operation, Renewed, Reply, Session, Takeover, Version};
use lessor::{Config, Instant, LostReason, Role, StorageError, Value};

use crate::bench::{Bench, Told, is_acquire, leader, lease, ms, secs, term};

/// R14: a leader costs one request per renew interval, counted from one sending to the next.
#[test]
fn a_leader_renews_once_per_interval() {
    let mut bench = leader();
    for _ in 0..100 {
        let before = bench.requests.last().unwrap().2;
        bench.to(before + ms(2200));
        let sent = bench.sent().1;
        assert!((before + ms(1800)..=before + ms(2200)).contains(&sent));
        assert_eq!(bench.renewal().term, term(5));
        bench.extended();
        let deadline = bench.at(sent + secs(9));
        assert_eq!(bench.happened(), [Told::Renewed { term: term(5), deadline }]);
    }
    assert_eq!(bench.requests.len(), 101);
}

/// R14: one failed renewal costs nothing; it is repeated after 250 to 500 ms, and jeopardy is told once.
#[test]
fn failed_renewals_are_repeated_within_the_lease() {
    let mut bench = leader();
    bench.to(ms(2200)).failed();
    let failed = Told::StorageFailed { operation: Operation::Renew, error: StorageError::transient("down") };
    let jeopardy = Told::Jeopardy { term: term(5), deadline: bench.at(secs(9)) };
    assert_eq!(bench.happened(), [failed.clone(), jeopardy]);
    assert!(bench.leads() && bench.election.status().jeopardy);
    let before = bench.elapsed();
    bench.to(before + ms(500));
    assert!((before + ms(250)..=before + ms(500)).contains(&bench.sent().1));
    bench.failed();
    assert_eq!(bench.happened(), [failed], "told once");
    let now = bench.elapsed();
    bench.to(now + ms(500)).extended();
    assert!(matches!(bench.happened()[..], [Told::Renewed { .. }]));
    assert!(bench.leads() && !bench.election.status().jeopardy);
}

/// R3, R16: without a renewal the reign ends at its deadline, preceded by jeopardy, whoever looks.
#[test]
fn a_reign_ends_at_its_deadline() {
    let mut bench = leader();
    bench.sleep_through(secs(9));
    assert!(!bench.leads(), "before anything was handed in");
    bench.input(Input::Timeout);
    let deadline = bench.at(secs(9));
    assert_eq!(
        bench.happened(),
        [Told::Jeopardy { term: term(5), deadline }, Told::Lost { term: term(5), reason: LostReason::Expired }]
    );
    assert_eq!(bench.election.status().role, Role::Follower);
}

/// R6: after a loss the next claim says that the old term is over, so that the next reign has another.
#[test]
fn each_reign_has_its_own_term() {
    let mut bench = leader();
    bench.sleep_through(secs(9)).input(Input::Timeout);
    assert_eq!((bench.claim().after, bench.claim().session), (Some(term(5)), Session::from_bits(1)));
}

/// R2, R4: a renewal answered after the deadline revives nothing.
#[test]
fn a_late_renewal_revives_nothing() {
    let mut bench = leader();
    bench.to(ms(2200));
    let id = bench.requests.last().unwrap().0;
    bench.sleep_through(secs(9));
    bench.input(Input::Reply { id, reply: Ok(Reply::Renewed(Renewed::extended(Version::FIRST))) });
    assert!(!bench.leads());
    assert!(matches!(bench.happened()[..], [Told::Jeopardy { .. }, Told::Lost { reason: LostReason::Expired, .. }]));
    assert!(is_acquire(bench.sent().0));
}

/// R6: a term whose end somebody has seen is over, even if it was renewed meanwhile; the next one is another.
#[test]
fn an_end_that_was_seen_is_an_end() {
    let mut bench = leader();
    bench.input(Input::Expired(term(4)));
    assert!(bench.leads(), "another term is meant");
    bench.input(Input::Expired(term(5)));
    assert!(!bench.leads());
    assert!(matches!(bench.happened()[..], [Told::Jeopardy { .. }, Told::Lost { reason: LostReason::Expired, .. }]));
    assert_eq!((bench.claim().after, bench.sent().1), (Some(term(5)), ms(0)));
}

/// R14: the timeout of a renewal is capped by the time that is left, so that the loss is not noticed late.
#[test]
fn the_last_renewal_times_out_at_the_deadline() {
    let mut bench = leader();
    bench.to(ms(8999));
    assert!(bench.leads());
    bench.to(secs(9));
    assert!(matches!(bench.happened().last(), Some(Told::Lost { reason: LostReason::Expired, .. })));
}

/// The storage says that another leads: the reign is over at once, and the follower waits for that lease.
#[test]
fn a_superseded_leader_follows() {
    let mut bench = leader();
    bench.to(ms(2200));
    bench.reply(Reply::Renewed(Renewed::lost(Some(lease("other", 6, 9, secs(1))))));
    assert!(!bench.leads());
    assert_eq!(bench.happened(), [Told::Lost { term: term(5), reason: LostReason::Superseded }]);
    bench.to(ms(3400));
    assert!((ms(3100)..=ms(3400)).contains(&bench.sent().1), "{:?}", bench.sent().1);
    assert_eq!(bench.claim().after, Some(term(6)));
}

/// The seed's errors-to-fall-back: so many failures in a row end the reign although time is left.
#[test]
fn falling_back_after_failures_is_an_option() {
    let mut config = Config::default();
    config.fall_back_after = std::num::NonZeroU32::new(2);
    let mut bench = Bench::new(config);
    bench.to(ms(0)).granted(5).to(ms(2200)).failed();
    assert!(bench.leads());
    bench.to(ms(2800)).failed();
    assert!(!bench.leads());
    assert!(matches!(bench.happened().last(), Some(Told::Lost { reason: LostReason::Failures, .. })));
    bench.to(secs(5));
    assert_eq!(bench.claim().after, Some(term(5)));
}

/// What a storage orders requests by: how long their sender waits, and how much is left of the reign.
#[test]
fn requests_say_how_urgent_they_are() {
    let mut bench = Bench::new(Config::default());
    bench.to(ms(0));
    assert_eq!(bench.claim().patience, Some(secs(2)));
    bench.granted(5).to(ms(2200));
    let (renewal, sent) = (bench.renewal().clone(), bench.sent().1);
    assert_eq!(renewal.patience, Some(secs(2)));
    assert_eq!(renewal.time_left, Some(secs(9) - sent));
    bench.failed().to(ms(4000));
    assert!(bench.renewal().time_left < renewal.time_left);
}

/// A renewal whose turn did not come says nothing of the storage: the lease has its time, and the leader tries again.
#[test]
fn what_was_not_sent_is_no_failure() {
    let mut config = Config::default();
    config.fall_back_after = std::num::NonZeroU32::new(2);
    let mut bench = Bench::new(config);
    bench.to(ms(0)).granted(5);
    let crowded = || StorageError::not_sent(secs(2), StorageError::transient("others were before it"));
    for at in [2200, 3000, 4000, 5000] {
        bench.to(ms(at)).answer(Err(crowded()));
        assert!(bench.leads());
        assert!(bench.election.status().jeopardy, "it is told all the same");
    }
    bench.to(ms(6000)).failed();
    bench.to(ms(7000)).failed();
    assert!(!bench.leads());
    assert!(matches!(bench.happened().last(), Some(Told::Lost { reason: LostReason::Failures, .. })));
}

/// A new value goes out at once while leading, once more if one was on its way, and with the next claim otherwise.
#[test]
fn a_value_is_published() {
    let value = |text: &str| Some(Value::new(text).unwrap());
    let mut bench = Bench::new(Config::default());
    let set = |text, serial| Input::SetValue { value: value(text), serial };
    let serials = |bench: &Bench| (bench.election.serial_set(), bench.election.serial_stored());
    bench.input(set("a", 1));
    assert_eq!(bench.claim().value, value("a"));
    bench.granted(1);
    assert_eq!(serials(&bench), (1, 1));
    bench.to(ms(100)).input(set("b", 2));
    assert_eq!((bench.renewal().value.clone(), bench.sent().1), (value("b"), ms(100)));
    bench.input(set("c", 3));
    assert_eq!(bench.requests.len(), 2);
    bench.extended();
    assert_eq!(bench.renewal().value, value("c"));
    assert_eq!(serials(&bench), (3, 2));
    bench.extended();
    assert_eq!(serials(&bench), (3, 3));
}

/// A clock that went back ends the reign, whatever is left of it by that clock: nobody knows how long it has lasted. The
/// request in flight counts from a time that is not reckoned by any more: its answer is not heard.
#[test]
fn a_clock_that_went_back_ends_the_reign() {
    let mut bench = leader();
    bench.until_request();
    let late = bench.sent().0.clone();
    assert_eq!(late.operation(), Operation::Renew);
    bench.now = bench.now.saturating_sub(ms(500));
    let back = bench.now;
    bench.settle();
    assert_eq!(bench.happened(), [Told::Lost { term: term(5), reason: LostReason::ClockWentBack }]);
    assert!(!bench.leads());
    assert_eq!(bench.claim().after, Some(term(5)), "it asks at once, for a later term");
    assert_eq!(bench.election.status().at, back, "and goes by the new time");
    bench.granted(6);
    assert_eq!(bench.election.status().deadline, Some(back.saturating_add(secs(9))));
    bench.now = Instant::from_origin(secs(1));
    bench.settle();
    assert!(!bench.leads() && bench.happened().len() == 2);
    bench.granted(7);
    assert!(bench.leads(), "however far it went");
}

/// A follower, one that cools off and one that releases begin anew as well.
#[test]
fn a_clock_that_went_back_leaves_nothing_to_wait_for() {
    let mut bench = Bench::new(Config::default());
    bench.to(ms(0)).held(lease("other", 1, 4, secs(8)), secs(8));
    assert_eq!(bench.election.in_flight(), None);
    bench.now = Instant::from_origin(secs(10));
    bench.settle();
    assert_eq!((bench.claim().after, bench.claim().takeover), (Some(term(1)), Takeover::Expired));
    assert!(bench.election.status().leader.is_none(), "until when is not known");

    let mut bench = leader();
    bench.input(Input::Resign).input(Input::Drained(term(5)));
    assert_eq!(bench.sent().0.operation(), Operation::Release);
    bench.now = Instant::from_origin(secs(10));
    bench.settle();
    assert_eq!(bench.sent().0.operation(), Operation::Release, "once more");
    bench.reply(Reply::Released);
    bench.now = Instant::from_origin(secs(5));
    let cool_off = Config::default().cool_off;
    assert_eq!(bench.settle(), Some(bench.now.saturating_add(cool_off)));
    assert_eq!(bench.election.status().role, Role::CoolingOff);
}

/// What a clock is slewed by counts as no step: time stands still until the clock is there again.
#[test]
fn time_does_not_go_back() {
    let mut bench = leader();
    let (before, deadline) = (bench.now.saturating_add(secs(1)), bench.election.status().deadline);
    bench.now = before;
    bench.settle();
    for back in [ms(1), Duration::from_nanos(1)] {
        bench.now = before.saturating_sub(back);
        bench.settle();
        let status = bench.election.status();
        assert_eq!((status.at, status.deadline, bench.leads()), (before, deadline, true));
    }
    bench.now = before.saturating_sub(ms(1)).saturating_sub(Duration::from_nanos(1));
    bench.settle();
    assert!(!bench.leads(), "a step");
}

/// R16: at both ends of time an election waits between two requests. A clock beyond the last reading stands still.
#[test]
fn the_ends_of_time() {
    for start in [Duration::ZERO, Duration::from_nanos(u64::MAX), Duration::MAX] {
        let mut bench = Bench::new(Config::default());
        let (key, id) = (lessor::Key::new("k").unwrap(), lessor::Id::new("me").unwrap());
        let now = Instant::from_origin(start);
        let election =
            lessor::election::Election::new(key, id, Config::default(), Session::from_bits(1), 7, now).unwrap();
        (bench.election, bench.start, bench.now) = (election, now, now);
        bench.settle();
        bench.granted(1);
        assert!(bench.leads());
        let at = bench.settle().unwrap();
        assert!(at > now && bench.requests.len() == 1, "{start:?}: it waits until {at:?}");
        bench.input(Input::Renew).extended();
        assert!(bench.settle().unwrap() > now && bench.requests.len() == 2, "{start:?}");
        bench.input(Input::Renew).failed();
        assert!(bench.settle().unwrap() > now && bench.requests.len() == 3, "{start:?}");
    }
}
