//! Claims: when they are sent, and what a reply to one is worth.

use lessor::election::Input;
use lessor::storage::{Acquired, Operation, Reply, Session, Version};
use lessor::{Config, StorageError};

use crate::bench::{Bench, Told, lease, ms, secs, term};

/// R6: the first claim knows no term; a vacant lease is looked at, then asked for at once with its term.
#[test]
fn a_first_claim_on_a_known_key_takes_two_round_trips() {
    let mut bench = Bench::new(Config::default());
    bench.to(ms(0));
    assert_eq!(bench.claim().after, None);
    bench.held(lease("", 3, 9, secs(0)), secs(0));
    assert_eq!((bench.claim().after, bench.sent().1), (Some(term(3)), ms(0)));
    bench.granted(4);
    assert!(bench.leads());
}

/// R13: a storage that answers "ask again" without saying anything new is not asked in a loop.
#[test]
fn ask_again_without_news_is_paced() {
    let mut bench = Bench::new(Config::default());
    bench.to(ms(0)).held(lease("", 3, 9, secs(0)), secs(0)).held(lease("", 3, 9, secs(0)), secs(0));
    assert_eq!(bench.election.in_flight(), None);
    bench.to(ms(2200));
    assert!(bench.sent().1 >= ms(1800));
}

/// R2: the deadline counts from before the request was sent, less the margin.
#[test]
fn the_deadline_counts_from_before_the_request() {
    let mut bench = Bench::new(Config::default());
    bench.to(ms(0)).to(ms(1500)).granted(1);
    let deadline = bench.at(secs(9));
    assert_eq!(bench.happened(), [Told::Elected { term: term(1), deadline }]);
    assert!(bench.election.is_leader(bench.at(ms(8999))));
    assert!(!bench.election.is_leader(deadline));
}

/// R2: a grant that comes after its own deadline grants nothing, and is asked for again as the same claim.
#[test]
fn a_late_grant_grants_nothing() {
    let mut config = Config::default();
    config.request_timeout = ms(3000);
    let mut bench = Bench::new(config);
    bench.to(ms(0));
    let first = bench.claim().clone();
    bench.sleep_through(secs(9)).granted(1);
    assert!(!bench.leads());
    assert!(matches!(bench.happened()[..], [Told::StorageFailed { operation: Operation::Acquire, .. }]));
    bench.to(secs(10));
    assert_eq!(*bench.claim(), first, "healed by asking again");
    bench.granted(1);
    assert!(bench.leads());
}

/// R2: a reply to another request than the one in flight is dropped.
#[test]
fn a_mismatched_reply_is_dropped() {
    let mut bench = Bench::new(Config::default());
    bench.to(ms(0));
    let first = bench.requests[0].0;
    bench.to(ms(2600));
    assert!(bench.requests.len() >= 2, "the first one timed out");
    let before = bench.election.clone();
    let late = Reply::Acquired(Acquired::granted(term(1), Version::FIRST));
    bench.input(Input::Reply { id: first, reply: Ok(late) });
    assert_eq!(bench.election, before);
    assert!(!bench.leads());
}

/// R14: a reply that was slow to be looked at still counts, as long as its own deadline has not passed.
#[test]
fn a_reply_handled_late_but_in_time_counts() {
    let mut bench = Bench::new(Config::default());
    bench.to(ms(0)).sleep_through(secs(5)).granted(1);
    assert!(bench.leads(), "no timeout had been acted upon");
}

/// R14: every request has a timeout; what timed out is in doubt and asked again with the same session.
#[test]
fn an_unanswered_claim_times_out_and_is_repeated() {
    let mut bench = Bench::new(Config::default());
    bench.to(ms(0)).to(ms(1999));
    assert_eq!(bench.requests.len(), 1);
    bench.to(ms(2500));
    let error = StorageError::timed_out(secs(2));
    assert_eq!(bench.happened(), [Told::StorageFailed { operation: Operation::Acquire, error }]);
    assert_eq!(bench.claim().session, Session::from_bits(1));
    assert!((ms(2250)..=ms(2500)).contains(&bench.sent().1));
}

/// R14: a failing storage is tried for ever, with backoff up to the retry interval.
#[test]
fn a_failing_storage_is_tried_for_ever() {
    let mut bench = Bench::new(Config::default());
    bench.to(ms(0));
    for _ in 0..500 {
        let before = bench.elapsed();
        bench.failed();
        bench.to(before + secs(2));
        assert!(bench.sent().1 > before && bench.sent().1 <= before + secs(2));
    }
    let pauses: Vec<_> = bench.requests.windows(2).map(|pair| pair[1].2 - pair[0].2).collect();
    assert!(pauses[0] < pauses[3] && pauses[5..].iter().all(|pause| *pause >= secs(1)));
    assert_eq!(bench.election.status().failures, 500);
    bench.granted(1);
    assert_eq!((bench.leads(), bench.election.status().failures), (true, 0));
}

/// A reply that does not fit its request is an error like any other.
#[test]
fn a_reply_of_the_wrong_kind_is_a_failure() {
    let mut bench = Bench::new(Config::default());
    bench.to(ms(0)).reply(Reply::Released);
    assert!(matches!(bench.happened()[..], [Told::StorageFailed { operation: Operation::Acquire, .. }]));
}
