//! Ending: by resigning, by stopping, and what is released.

use lessor::election::Input;
use lessor::storage::{Reply, Request, Session};
use lessor::{Config, LostReason, Role};

use crate::bench::{Bench, Told, is_acquire, leader, lease, ms, secs, term};

/// R9: mark ending and go on renewing; when drained demote, take a new session, release the old one; cool off; claim
/// anew.
#[test]
fn resigning_ends_demotes_and_releases_in_this_order() {
    let mut bench = leader();
    bench.to(secs(1)).input(Input::Resign);
    assert_eq!(bench.happened(), [Told::Ending { term: term(5), reason: LostReason::Resigned }]);
    assert!(!bench.leads(), "no new work");
    assert_eq!(bench.election.status().role, Role::Ending);
    bench.to(ms(2200));
    assert!(matches!(bench.sent().0, Request::Renew(_)), "renewals go on");
    bench.extended().happened();

    bench.input(Input::Drained(term(4)));
    assert_eq!(bench.election.status().role, Role::Ending, "another term's drain is not meant");
    bench.input(Input::Drained(term(5)));
    assert_eq!(bench.happened(), [Told::Lost { term: term(5), reason: LostReason::Resigned }]);
    assert_eq!(bench.release().session, Session::from_bits(1));
    assert_eq!(bench.sessions, 2, "a new session was drawn before");
    assert!(bench.election.is_handing_over());

    bench.reply(Reply::Released);
    let released = bench.elapsed();
    assert!(!bench.election.is_handing_over());
    assert_eq!(bench.election.status().role, Role::CoolingOff);
    bench.input(Input::Wakeup);
    assert_eq!(bench.election.in_flight(), None, "a cool-off ignores wake-ups");
    bench.to(released + secs(4));
    assert_eq!((bench.sent().1, bench.election.status().role), (released + secs(4), Role::Follower));
    assert_eq!((bench.claim().session, bench.claim().after), (Session::from_bits(2), Some(term(5))));
}

/// R9: work that does not end is not waited for longer than the drain timeout.
#[test]
fn the_drain_has_a_timeout() {
    let mut config = Config::default();
    config.drain_timeout = secs(1);
    let mut bench = Bench::new(config);
    bench.to(ms(0)).granted(1).input(Input::Resign).to(ms(999));
    assert_eq!(bench.election.status().role, Role::Ending);
    bench.to(secs(1));
    assert!(matches!(bench.sent().0, Request::Release(_)));
}

/// A term is not released before its shortest hold is over.
#[test]
fn a_term_is_held_for_its_min_hold() {
    let mut config = Config::default();
    config.min_hold = secs(3);
    config.drain_timeout = secs(0);
    let mut bench = Bench::new(config);
    bench.to(ms(0)).granted(1).input(Input::Resign).input(Input::Drained(term(1)));
    bench.to(ms(2200)).extended().to(ms(2999));
    assert_eq!(bench.election.status().role, Role::Ending);
    bench.to(secs(3));
    assert!(matches!(bench.sent().0, Request::Release(_)));
}

/// A release that fails is repeated, three times in all; then the lease runs out by itself.
#[test]
fn a_release_is_tried_three_times() {
    let mut bench = leader();
    bench.input(Input::Resign).input(Input::Drained(term(5)));
    for _ in 0..3 {
        assert!(matches!(bench.sent().0, Request::Release(_)));
        let now = bench.elapsed();
        bench.failed().to(now + ms(500));
    }
    assert!(!bench.election.is_handing_over());
    assert_eq!(bench.requests.len(), 4);
    let now = bench.elapsed();
    bench.to(now + secs(4));
    assert_eq!(bench.claim().session, Session::from_bits(2));
}

/// R9: a reign that is lost while it ends is released all the same, since the storage may still hold it.
#[test]
fn a_reign_lost_while_ending_is_released() {
    let mut bench = leader();
    bench.to(ms(100)).input(Input::Resign).sleep_through(secs(9)).input(Input::Timeout);
    assert_eq!(bench.release().session, Session::from_bits(1));
    assert_eq!(bench.election.status().role, Role::Follower);
}

/// A release that is due is not put off by what happens meanwhile, nor is its retry hurried by a wake-up.
#[test]
fn a_release_keeps_its_own_pace() {
    let mut bench = leader();
    bench.to(ms(2200)).failed().input(Input::Resign).sleep_through(secs(9)).input(Input::Timeout);
    assert_eq!((bench.sent().1, matches!(bench.sent().0, Request::Release(_))), (secs(9), true));
    bench.failed().input(Input::Wakeup);
    assert_eq!(bench.election.in_flight(), None);
    bench.to(ms(9500));
    assert!(bench.sent().1 >= ms(9250));
}

/// Resigning without leading does nothing.
#[test]
fn a_follower_has_nothing_to_resign() {
    let mut bench = Bench::new(Config::default());
    bench.to(ms(0)).held(lease("other", 1, 1, secs(8)), secs(8));
    let before = bench.election.clone();
    bench.input(Input::Resign);
    assert_eq!(bench.election, before);
}

/// Stopping a leader releases, needs no new session, and says `Stopped` once, at the end.
#[test]
fn a_leader_stops() {
    let mut bench = leader();
    bench.input(Input::Stop).input(Input::Stop).input(Input::Drained(term(5)));
    assert!(matches!(bench.sent().0, Request::Release(_)));
    assert_eq!(
        bench.happened(),
        [
            Told::Ending { term: term(5), reason: LostReason::Stopped },
            Told::Lost { term: term(5), reason: LostReason::Stopped }
        ]
    );
    bench.reply(Reply::Released);
    assert_eq!(bench.happened(), [Told::Stopped]);
    bench.input(Input::Stop).input(Input::Wakeup).to(secs(100));
    assert_eq!((bench.happened().len(), bench.requests.len(), bench.sessions), (0, 2, 1));
    assert_eq!(bench.election.status().role, Role::Stopped);
}

/// An ending goes on for the reason for which it began, and the end says what it came to.
#[test]
fn a_hand_over_may_become_a_stop() {
    let mut bench = leader();
    bench.input(Input::Resign).input(Input::Stop).input(Input::Resign).input(Input::Drained(term(5)));
    assert_eq!(
        bench.happened(),
        [
            Told::Ending { term: term(5), reason: LostReason::Resigned },
            Told::Lost { term: term(5), reason: LostReason::Stopped }
        ]
    );
    bench.reply(Reply::Released);
    assert_eq!(bench.happened(), [Told::Stopped], "no cool-off");
}

/// A follower that holds nothing stops without a request.
#[test]
fn a_follower_stops_at_once() {
    let mut bench = Bench::new(Config::default());
    bench.to(ms(0)).held(lease("other", 1, 1, secs(8)), secs(8)).input(Input::Stop);
    assert_eq!((bench.happened(), bench.requests.len()), (vec![Told::Stopped], 1));
}

/// A claim under way when the candidate stops is waited for, does not make it lead, and is released.
#[test]
fn a_claim_in_flight_at_the_stop_is_released() {
    let mut bench = Bench::new(Config::default());
    bench.to(ms(0)).input(Input::Stop);
    assert!(is_acquire(bench.sent().0));
    bench.granted(1);
    assert!(!bench.leads());
    assert_eq!(bench.release().session, Session::from_bits(1));
    bench.reply(Reply::Released);
    assert_eq!(bench.happened(), [Told::Stopped]);
}

/// A claim that timed out may yet be applied: it is released at the stop.
#[test]
fn a_claim_in_doubt_at_the_stop_is_released() {
    let mut bench = Bench::new(Config::default());
    bench.to(ms(0)).failed().input(Input::Stop);
    assert!(matches!(bench.sent().0, Request::Release(_)));
}

/// R9: a session that was left as a ticket may hold the lease: who stops before its first claim releases it.
#[test]
fn a_resumed_session_is_released() {
    let mut bench = leader();
    bench.to(secs(1));
    let ticket = bench.election.clone().into_ticket().unwrap();
    let id = lessor::Id::new("me").unwrap();
    bench.election = lessor::election::Election::resume(id, Config::default(), ticket, 7, bench.now).unwrap();
    bench.input(Input::Stop);
    assert_eq!(bench.sent().0.operation(), lessor::storage::Operation::Release);
    assert!(bench.reply(Reply::Released).settle().is_none(), "done");
}
