//! A row that somebody else has locked costs nobody else anything.

use std::time::Duration;

use lessor::storage::Reply;
use lessor_kit::error::AdapterError;

use crate::{Bench, claim, get, granted, renewal};

#[test]
fn the_others_go_on() {
    for connections in [1, 2] {
        let bench = Bench::warm(connections);
        for number in 0..100 {
            let _ = granted(bench.ask(claim(&number.to_string(), 1)));
        }
        (0..10).for_each(|number| bench.server.lock(&number.to_string()));
        bench.server.forget_flights();
        let mut all: Vec<_> = (0..100).map(|number| bench.asking(renewal(&number.to_string(), 1))).collect();
        bench.pass(Duration::from_millis(100));
        for (number, asking) in all.iter_mut().enumerate() {
            let answer = asking.answer();
            assert_eq!(answer.is_some_and(|reply| reply.is_ok()), number >= 10, "{number}");
        }
        bench.pass(Duration::from_secs(1));
        let flights = bench.server.flights();
        assert_eq!(flights[0].keys.len(), 100);
        let waiting: Vec<_> = flights.iter().filter(|seen| seen.waits_for_lock).collect();
        assert!(!waiting.is_empty() && waiting.iter().all(|seen| seen.keys.len() == 1));
    }
}

/// It is waited for, alone, and had when it is free.
#[test]
fn it_is_had_when_it_is_free() {
    let bench = Bench::warm(2);
    bench.server.lock("warm");
    let mut asking = bench.asking(renewal("warm", 1));
    bench.pass(Duration::from_millis(500));
    assert!(asking.answer().is_none());
    bench.server.unlock("warm");
    bench.pass(Duration::from_millis(100));
    assert!(matches!(asking.answer(), Some(Ok(Reply::Renewed(_)))));

    bench.server.lock("warm");
    let error = bench.ask(renewal("warm", 1)).unwrap_err();
    assert_eq!(AdapterError::of(&error), Some(&AdapterError::Locked));
}

/// One lock at a time is waited for: the other connection is free for everybody else.
#[test]
fn one_waits_at_a_time() {
    let bench = Bench::warm(2);
    for key in ["a", "b", "c"] {
        let _ = granted(bench.ask(claim(key, 1)));
        bench.server.lock(key);
    }
    let _all: Vec<_> = ["a", "b", "c"].iter().map(|key| bench.asking(renewal(key, 1))).collect();
    bench.pass(Duration::from_millis(100));
    let _ = bench.ask(renewal("warm", 1)).unwrap();
    let waiting = bench.server.flights().iter().filter(|seen| seen.waits_for_lock).count();
    assert_eq!(waiting, 1);
}

/// What has to wait for a lock goes when nothing else waits.
#[test]
fn it_goes_last() {
    let bench = Bench::warm(1);
    bench.server.lock("warm");
    bench.server.state().takes = Duration::from_millis(100);
    let _ = bench.asking(renewal("warm", 1));
    bench.pass(Duration::from_millis(50));
    let _ = bench.asking(get("look"));
    bench.pass(Duration::from_secs(1));
    let seen: Vec<_> = bench.server.flights().iter().map(|seen| (seen.keys.join(" "), seen.waits_for_lock)).collect();
    assert_eq!(seen, [("warm".into(), false), ("look".into(), false), ("warm".into(), true)]);
}
