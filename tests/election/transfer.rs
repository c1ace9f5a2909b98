//! Handing over to a named candidate, and what others make of a key that is reserved.

use core::time::Duration;

use lessor::election::Input;
use lessor::storage::{Reply, Successor};
use lessor::{Config, Id, LostReason, Role};

use crate::bench::{Bench, Told, is_acquire, leader, lease, ms, secs, term};

fn to(id: &str) -> Input {
    Input::Transfer { to: Id::new(id).unwrap(), is_patient: false }
}

fn patiently_to(id: &str) -> Input {
    Input::Transfer { to: Id::new(id).unwrap(), is_patient: true }
}

fn successor(id: &str, within: Duration) -> Option<Successor> {
    Some(Successor::new(Id::new(id).unwrap(), within))
}

fn drained() -> Input {
    Input::Drained(term(5))
}

/// R9: a transfer is a resignation whose release names the successor, for the cool-off; each of its tries.
#[test]
fn a_transfer_resigns_and_names_the_successor() {
    let mut bench = leader();
    bench.to(secs(1)).input(to("next"));
    assert_eq!(bench.happened(), [Told::Ending { term: term(5), reason: LostReason::Resigned }]);
    bench.input(drained());
    assert_eq!(bench.happened(), [Told::Lost { term: term(5), reason: LostReason::Resigned }]);
    assert_eq!(bench.sessions, 2, "a new session was drawn before");
    let within = Config::default().cool_off;
    assert_eq!(bench.release().successor, successor("next", within));
    bench.failed().until_request();
    assert_eq!(bench.release().successor, successor("next", within));
    bench.reply(Reply::Released);
    let released = bench.elapsed();
    bench.input(Input::Wakeup).to(released + within * 2 - ms(1));
    assert_eq!((bench.election.status().role, bench.election.in_flight()), (Role::CoolingOff, None));
    bench.to(released + within * 2);
    assert_eq!(bench.sent().1, released + within * 2, "the others had a cool-off after the successor's");
}

/// A follower has nothing to hand over, to nobody.
#[test]
fn a_follower_has_nothing_to_transfer() {
    let mut bench = Bench::new(Config::default());
    bench.to(ms(0)).held(lease("other", 1, 1, secs(8)), secs(8));
    let before = bench.election.clone();
    bench.input(to("next")).input(patiently_to("next"));
    assert_eq!(bench.election, before);
}

/// Of several the one that is named last is the successor; whatever else asks for the end leaves it at that.
#[test]
fn the_successor_is_the_one_that_is_named_last() {
    let within = Config::default().cool_off;
    for (inputs, named) in [
        (vec![to("a"), to("b")], "b"),
        (vec![patiently_to("a"), patiently_to("b")], "b"),
        (vec![Input::Resign, to("a")], "a"),
        (vec![to("a"), Input::Resign], "a"),
        (vec![to("a"), Input::Stop], "a"),
        (vec![Input::Stop, to("a")], "a"),
    ] {
        let mut bench = leader();
        for input in &inputs {
            bench.input(input.clone());
        }
        bench.input(drained());
        assert_eq!(bench.release().successor, successor(named, within), "{inputs:?}");
        bench.reply(Reply::Released);
        let stops = inputs.contains(&Input::Stop);
        assert_eq!(bench.election.status().role, if stops { Role::Stopped } else { Role::CoolingOff }, "{inputs:?}");
    }
    let mut bench = leader();
    bench.input(to("a")).input(drained());
    bench.input(to("b"));
    assert_eq!(bench.release().successor, successor("a", within), "it is released already");
    bench.reply(Reply::Released).until_request().granted(7);
    bench.input(Input::Resign).input(Input::Drained(term(7)));
    assert_eq!(bench.release().successor, None, "the next reign is another matter");
}

/// R9: a reign that is lost while it is handed over is released in favour of the successor all the same.
#[test]
fn a_reign_lost_while_it_is_transferred_names_its_successor() {
    for stops in [false, true] {
        let mut bench = leader();
        bench.to(ms(100)).input(to("next"));
        if stops {
            bench.input(Input::Stop);
        }
        bench.sleep_through(secs(9)).input(Input::Timeout);
        assert_eq!(bench.release().successor, successor("next", Config::default().cool_off));
    }
}

/// Keeps the reign alive until then, and answers whether it is still handing over.
fn still_ends(bench: &mut Bench, until: Duration) -> bool {
    while bench.elapsed() < until && bench.election.status().role == Role::Ending {
        let next = bench.elapsed() + ms(500);
        bench.to(next.min(until));
        let renews = bench.election.in_flight().is_some() && bench.election.status().role == Role::Ending;
        if renews {
            bench.extended();
        }
    }
    bench.election.status().role == Role::Ending
}

/// R9: a patient one waits for the work for as long as it takes; whatever asks again bounds that, from then on.
#[test]
fn a_patient_transfer_waits_until_something_bounds_it() {
    let mut bench = leader();
    bench.input(patiently_to("next"));
    assert!(still_ends(&mut bench, secs(600)));
    bench.input(drained());
    assert!(bench.release().successor.is_some());

    for (bound, then) in [(Input::Resign, Role::Follower), (Input::Stop, Role::Follower), (to("b"), Role::Follower)] {
        let mut bench = leader();
        bench.input(patiently_to("a"));
        assert!(still_ends(&mut bench, secs(100)));
        bench.input(bound.clone());
        assert!(still_ends(&mut bench, ms(109_900)), "{bound:?}");
        // Told each time, and yet bounded once; patience that comes later changes nothing.
        bench.input(bound.clone()).input(patiently_to("c"));
        assert!(!still_ends(&mut bench, secs(110)), "{bound:?}");
        assert_eq!((bench.election.status().role, bench.release().successor.is_some()), (then, true), "{bound:?}");
    }
    let mut bench = leader();
    bench.input(Input::Resign).input(patiently_to("a"));
    assert!(!still_ends(&mut bench, secs(10)), "an ending that is bounded stays so");
}

/// R9: work that has ended ends a patient transfer, and so does the end of the lease.
#[test]
fn a_patient_transfer_ends_with_the_lease() {
    let mut bench = leader();
    bench.input(patiently_to("next")).to(secs(60));
    assert_eq!(bench.election.status().role, Role::Follower);
    assert!(bench.happened().contains(&Told::Lost { term: term(5), reason: LostReason::Expired }));
}

/// R13: a follower that is refused a reserved key comes back when that is over; neither sooner, nor later.
#[test]
fn a_follower_comes_back_when_a_reservation_ends() {
    for (retry_after, learnt) in [(ms(30), true), (ms(700), false), (ms(1500), true)] {
        let mut config = Config::default();
        config.takeover_guard = learnt;
        let mut bench = Bench::new(config);
        let reserved = lease("", 1, 2, retry_after);
        bench.to(ms(0));
        if !learnt {
            // Outdated: it learns of the term, and asks at once.
            bench.held(reserved.clone(), ms(0));
            assert_eq!((bench.sent().1, bench.claim().after), (ms(0), Some(term(1))));
        }
        bench.held(reserved, retry_after);
        let at = bench.until_request().sent().1;
        assert!(at > retry_after && at <= retry_after + ms(100), "{at:?}");
    }
}

/// R13: at the latest it comes back after its retry interval, told or not; and a wake-up means now.
#[test]
fn a_long_reservation_is_looked_at_in_between() {
    let mut bench = Bench::new(Config::default());
    bench.to(ms(0)).held(lease("", 1, 2, secs(60)), secs(60));
    let at = bench.until_request().sent().1;
    assert!((ms(1800)..=ms(2200)).contains(&at), "{at:?}");
    bench.held(lease("", 1, 2, secs(58)), secs(58)).input(Input::Wakeup);
    assert_eq!(bench.sent().1, at);
}

/// A candidate that lets others go first asks for a key that is reserved, once: it may be meant. If it is not, the others have
/// their time from the end of the reservation on.
#[test]
fn a_claim_delay_does_not_keep_a_successor() {
    let mut config = Config::default();
    config.claim_delay = secs(4);
    let mut bench = Bench::new(config);
    let looked = |left| Reply::Got(Some(lease("", 1, 2, left)));
    bench.to(ms(0)).reply(looked(ms(3000)));
    assert_eq!((bench.sent().1, bench.claim().after), (ms(0), Some(term(1))));
    bench.held(lease("", 1, 2, ms(3000)), ms(3000));
    loop {
        bench.until_request();
        let at = bench.sent().1;
        if is_acquire(bench.sent().0) {
            assert!(at >= ms(7000) && at <= ms(7100), "{at:?}");
            break;
        }
        bench.reply(looked(ms(3000).saturating_sub(at)));
    }
    bench.granted(2);
    assert!(bench.leads());

    // Reserved anew, it may be meant again.
    let mut bench = Bench::new(bench.election.config().clone());
    bench.to(ms(0)).reply(looked(ms(3000))).held(lease("", 1, 2, ms(3000)), ms(3000)).input(Input::Wakeup);
    bench.reply(Reply::Got(Some(lease("", 2, 5, ms(3000)))));
    assert_eq!((bench.sent().1, bench.claim().after), (ms(0), Some(term(2))));
}
