//! Letting others go first: looks instead of claims, until the key was free for long enough.

use lessor::Config;
use lessor::election::Input;
use lessor::storage::{Operation, Release, Renewed, Reply, Request, Takeover, Version};

use crate::bench::{Bench, lease, ms, secs, term};

fn delayed(delay: u64) -> Bench {
    let mut config = Config::default();
    config.claim_delay = secs(delay);
    Bench::new(config)
}

fn is_look(bench: &Bench) -> bool {
    matches!(bench.sent().0, Request::Get(_))
}

/// The key is looked at, and shown like that; nothing is claimed before it was free for the delay.
#[test]
fn a_released_key_is_claimed_after_the_delay() {
    let mut bench = delayed(5);
    bench.to(ms(0));
    assert!(is_look(&bench));
    bench.looked(Some(lease("other", 3, 1, secs(8))));
    assert_eq!(bench.election.status().leader.and_then(|lease| lease.id).unwrap(), "other");
    bench.to(ms(1000)).input(Input::Wakeup);
    let free = || Some(lease("", 3, 2, secs(0)));
    bench.looked(free());
    let mut looks = 0;
    while is_look(bench.until_request()) {
        bench.looked(free());
        looks += 1;
    }
    let at = bench.sent().1;
    assert!((secs(6)..=ms(6100)).contains(&at), "{at:?}");
    assert!((2..=4).contains(&looks), "{looks} looks");
    assert_eq!(bench.claim().after, Some(term(3)), "what came meanwhile is not taken over");
    assert!(bench.granted(4).leads());
}

/// An expired lease is free from its end on, not from when that is seen.
#[test]
fn an_expired_key_is_free_from_its_end_on() {
    let mut bench = delayed(3);
    bench.to(ms(0)).looked(Some(lease("other", 3, 1, ms(500))));
    bench.to(secs(2)).looked(Some(lease("other", 3, 1, secs(0))));
    while is_look(bench.until_request()) {
        bench.looked(Some(lease("other", 3, 1, secs(0))));
    }
    let at = bench.sent().1;
    assert!((ms(3500)..=ms(3600)).contains(&at), "{at:?}");
}

/// A key that nobody ever held is free from the first look on.
#[test]
fn a_new_key_is_claimed_after_the_delay() {
    let mut bench = delayed(3);
    bench.to(ms(0)).looked(None);
    while is_look(bench.until_request()) {
        bench.looked(None);
    }
    let at = bench.sent().1;
    assert!((secs(3)..=ms(3100)).contains(&at), "{at:?}");
    assert_eq!(bench.claim().after, None);
}

/// A lease that is seen in between, live or over, starts the time anew; so does a claim that finds one.
#[test]
fn a_lease_in_between_starts_anew() {
    let mut bench = delayed(3);
    bench.to(ms(0)).looked(Some(lease("", 3, 1, secs(0))));
    bench.until_request().looked(Some(lease("other", 4, 2, secs(10))));
    bench.until_request();
    assert!(is_look(&bench) && bench.sent().1 > secs(3), "it was held in between");
    bench.looked(Some(lease("", 4, 3, secs(0)))).until_request();
    assert!(is_look(&bench));
    let anew = bench.sent().1;
    bench.looked(Some(lease("", 5, 5, secs(0))));
    while is_look(bench.until_request()) {
        bench.looked(Some(lease("", 5, 5, secs(0))));
    }
    let at = bench.sent().1;
    assert!(at >= anew + secs(3), "another has come and gone, seen at {anew:?}, claimed at {at:?}");
    bench.held(lease("", 6, 7, secs(0)), secs(0));
    assert!(is_look(bench.until_request()), "another was faster, and is gone again");
    assert!(bench.sent().1 > at, "not in a loop");
}

/// What was not seen free is not claimed, however long ago the lease that was seen has ended.
#[test]
fn what_was_not_looked_at_is_not_free() {
    let mut bench = delayed(3);
    bench.to(ms(0)).looked(Some(lease("other", 3, 1, ms(500))));
    while bench.elapsed() < secs(20) {
        assert!(is_look(bench.until_request()));
        bench.failed();
    }
    bench.until_request().looked(Some(lease("other", 3, 9, secs(0)))).until_request();
    assert!(is_look(&bench), "it was renewed meanwhile");
}

/// A claim in doubt is repeated as a claim: its lease may be there, and no look can tell whose it is.
#[test]
fn a_claim_in_doubt_is_repeated() {
    let mut bench = delayed(3);
    bench.to(ms(0)).looked(None);
    while is_look(bench.until_request()) {
        bench.looked(None);
    }
    for _ in 0..3 {
        bench.failed().until_request();
        assert_eq!(bench.claim().after, None);
    }
    bench.held(lease("other", 1, 1, secs(8)), secs(8)).until_request();
    assert!(is_look(&bench), "no doubt is left");
}

/// Who could not renew claims its own lease at once; who was told that it is another's looks.
#[test]
fn its_own_lease_is_claimed_at_once() {
    let mut bench = delayed(60);
    bench.input(Input::SetClaimDelay(secs(0))).to(ms(0)).granted(5);
    bench.input(Input::SetClaimDelay(secs(60))).sleep_through(secs(9)).settle();
    assert_eq!(bench.claim().after, Some(term(5)));
    bench.granted(6).until_request();
    bench.reply(Reply::Renewed(Renewed::lost(Some(lease("other", 7, 9, secs(8)))))).until_request();
    assert!(is_look(&bench));
}

/// After a resignation the delay counts from when the key was seen free, after the cool-off.
#[test]
fn who_resigned_lets_others_go_first_too() {
    let mut bench = delayed(3);
    bench.input(Input::SetClaimDelay(secs(0))).to(ms(0)).granted(5);
    bench.input(Input::SetClaimDelay(secs(3))).input(Input::Resign).input(Input::Drained(term(5)));
    let Release { .. } = bench.release();
    bench.reply(Reply::Released).to(secs(4));
    assert!(is_look(&bench));
    bench.looked(Some(lease("me", 5, 3, secs(0))));
    while is_look(bench.until_request()) {
        bench.looked(Some(lease("me", 5, 3, secs(0))));
    }
    assert!(bench.sent().1 >= secs(7));
}

/// A delay may change while it runs: the claim comes as soon as it is due, not before, and not while the storage fails.
#[test]
fn a_delay_may_change() {
    let mut bench = delayed(60);
    bench.to(ms(0)).looked(Some(lease("", 3, 1, secs(0)))).to(ms(1000));
    bench.input(Input::SetClaimDelay(ms(1500)));
    assert_eq!(bench.election.in_flight(), None);
    bench.until_request();
    assert_eq!((bench.claim().after, bench.sent().1), (Some(term(3)), ms(1500)));

    let mut bench = delayed(60);
    bench.to(ms(0)).looked(Some(lease("", 3, 1, secs(0)))).to(ms(1000));
    bench.input(Input::SetClaimDelay(secs(0)));
    assert_eq!(bench.claim().after, Some(term(3)), "at once");

    let mut bench = delayed(60);
    bench.to(ms(0)).looked(Some(lease("", 3, 1, secs(0)))).until_request().failed();
    let requests = bench.requests.len();
    bench.input(Input::SetClaimDelay(secs(0)));
    assert_eq!(bench.requests.len(), requests, "it backs off");

    let mut bench = delayed(60);
    bench.to(ms(0)).looked(Some(lease("other", 3, 1, secs(8))));
    bench.input(Input::SetClaimDelay(secs(0)));
    assert_eq!(bench.election.in_flight(), None, "the key is held");
    assert!(!is_look(bench.until_request()));
}

/// A stop waits for no look.
#[test]
fn a_look_does_not_hold_up_a_stop() {
    let mut bench = delayed(3);
    bench.to(ms(0));
    assert_eq!(bench.sent().0.operation(), Operation::Get);
    bench.input(Input::Stop);
    assert!(bench.settle().is_none(), "done");
}

/// A lease that lasts longer than it seemed, by this clock, is free from when it was seen held on.
#[test]
fn a_lease_that_lasts_longer_is_not_free() {
    let mut bench = delayed(3);
    bench.to(ms(0)).looked(Some(lease("other", 3, 1, secs(1))));
    bench.until_request().sleep_through(secs(6));
    bench.input(Input::Wakeup);
    bench.until_request().looked(Some(lease("other", 3, 1, ms(500))));
    let held = bench.elapsed();
    while is_look(bench.until_request()) {
        bench.looked(Some(lease("other", 3, 1, secs(0))));
    }
    assert!(bench.sent().1 >= held + ms(3500));
}

/// R10: a storage whose clock has stepped back shows a lease as live for ever. Who only looks would wait for ever: a version
/// that stood still for its ttl and margin is free from then on, and named in the claim.
#[test]
fn a_lease_that_stands_still_is_claimed() {
    let mut bench = delayed(3);
    bench.to(ms(0));
    while is_look(&bench) {
        bench.looked(Some(lease("other", 1, 4, secs(10)))).until_request();
    }
    let at = bench.sent().1;
    assert!((secs(14)..secs(17)).contains(&at), "{at:?}");
    assert_eq!(bench.claim().takeover, Takeover::Unchanged(Version::new(4)));
}
