//! Connections are opened, lost and replaced outside of anybody's patience.

use std::time::Duration;

use lessor::storage::{Reply, Revoke};
use lessor::{StorageError, Term, Timer};

use crate::{Bench, PATIENCE, claim, get, granted, key, renewal};

/// Opening takes longer than anybody waits: it goes on all the same, and the next one finds it done.
#[test]
fn opening_takes_longer_than_anybody_waits() {
    let bench = Bench::new(2);
    bench.server.state().opening_takes = Duration::from_secs(5);
    for _ in 0..2 {
        let error = bench.ask(claim("k", 1)).unwrap_err();
        assert!(error.is_not_sent() && error.to_string().contains("no connection yet"), "{error}");
    }
    bench.pass(Duration::from_secs(2));
    let _ = granted(bench.ask(claim("k", 1)));
    bench.pass(Duration::from_secs(5));
    assert_eq!(bench.lane.traffic().connected, 2);
}

/// Whoever waits hears why there is no connection, at once; and it is tried again soon, but not without a pause.
#[test]
fn refused() {
    let bench = Bench::new(2);
    bench.server.state().refuses = Some(StorageError::transient("connection refused"));
    let asked = bench.timer.now();
    let error = bench.ask(claim("k", 1)).unwrap_err();
    assert_eq!(error, StorageError::transient("connection refused"));
    assert_eq!(bench.timer.now().saturating_duration_since(asked), Duration::from_millis(50));
    bench.pass(Duration::from_secs(60));
    let tried = bench.lane.traffic().not_connected;
    assert!((50..=70).contains(&tried), "{tried} attempts in a minute");
    // Hears it also if the next attempt is too far off for it.
    let hasty = claim("k", 1).patience(Duration::from_millis(100));
    let error = (0..10).map(|_| bench.ask(hasty.clone()).unwrap_err()).find(StorageError::is_not_sent).unwrap();
    assert!(error.to_string().ends_with("connection refused"), "{error}");
    bench.server.state().refuses = None;
    let _ = granted(bench.ask(claim("k", 1)));
}

/// Connections that were closed while they were idle, used or not, are replaced without anybody hearing of it.
#[test]
fn closed_while_idle() {
    for connections in [1, 2, 3] {
        let bench = Bench::warm(connections);
        for round in 1..=5 {
            bench.server.reset();
            assert!(matches!(bench.ask(renewal("warm", 1)), Ok(Reply::Renewed(_))));
            bench.pass(Duration::from_secs(1));
            assert_eq!(bench.lane.traffic().repeated, round);
        }
        let opened = bench.lane.traffic().connected;
        assert_eq!(opened, 6 * connections as u64, "all that were idle are opened anew, once");
    }
}

/// A server that breaks what it has just accepted is not asked in a circle.
#[test]
fn broken_at_once() {
    let bench = Bench::warm(2);
    for _ in 0..60 {
        bench.server.state().opening_takes = Duration::ZERO;
        let asking = bench.asking(renewal("warm", 1));
        for _ in 0..100 {
            bench.server.reset();
            bench.pass(Duration::from_millis(10));
        }
        drop(asking);
    }
    let traffic = bench.lane.traffic();
    assert!(traffic.connected <= 200, "{traffic:?}");
}

/// A revoke that names no term is not repeated: it might take the lease of the next one.
#[test]
fn what_is_not_repeated() {
    let bench = Bench::warm(1);
    bench.server.reset();
    assert!(bench.ask(Revoke::new(key("warm"))).is_err());
    let _ = bench.ask(get("warm")).unwrap();
    bench.server.reset();
    assert!(bench.ask(Revoke::new(key("warm")).term(Some(Term::FIRST))).is_ok());
}

/// One silence is enough to suspect all that were idle meanwhile.
#[test]
fn all_die_without_a_sign() {
    let bench = Bench::warm(8);
    bench.server.silence();
    let mut unheard = bench.asking(renewal("warm", 1));
    bench.pass(PATIENCE);
    bench.pass(Duration::from_millis(500));
    assert!(matches!(unheard.answer(), Some(Err(_))));
    assert!(matches!(bench.ask(renewal("warm", 1)), Ok(Reply::Renewed(_))));
    bench.pass(Duration::from_secs(1));
    let traffic = bench.lane.traffic();
    assert_eq!((traffic.silent, traffic.connected), (1, 16));
}

/// What is given up may go on behind a lock of the server: so no more than one flight is left behind there at a time.
#[test]
fn one_is_given_up_at_a_time() {
    let bench = Bench::warm(4);
    bench.server.silence();
    let _unheard: Vec<_> = (0..4)
        .map(|number| {
            let unheard = bench.asking(get(&number.to_string()));
            bench.pass(Duration::from_millis(1));
            unheard
        })
        .collect();
    bench.pass(PATIENCE);
    bench.pass(Duration::from_millis(500));
    assert_eq!(bench.lane.traffic().connected, 4 + 1);
    let _ = granted(bench.ask(claim("k", 1)));
    bench.pass(Duration::from_secs(5));
    assert_eq!(bench.lane.traffic().connected, 4 + 4);
}

/// A server that stands still for longer than anybody waits, and goes on: its connections are kept.
#[test]
fn it_stands_still() {
    let bench = Bench::warm(2);
    bench.server.state().opening_takes = Duration::from_secs(8);
    bench.server.stall(Duration::from_secs(6));
    let asking = bench.asking(renewal("warm", 1));
    bench.pass(PATIENCE);
    drop(asking);
    bench.pass(Duration::from_secs(4) + Duration::from_millis(100));
    let _ = bench.ask(get("warm")).unwrap();
    bench.pass(Duration::from_secs(20));
    assert!(bench.lane.traffic().connected <= 3, "{:?}", bench.lane.traffic());
}

/// One is opened at a time: a server that has just come back is not stormed.
#[test]
fn one_after_the_other() {
    let bench = Bench::new(4);
    for opened in 0..=4 {
        assert_eq!(bench.lane.traffic().connected, opened);
        bench.pass(Duration::from_millis(if opened == 0 { 75 } else { 50 }));
        assert!(bench.server.state().opening <= 1);
    }
}

/// What has an error is not sent again by the lane, nor is what has broken two connections: each of a flight hears why.
#[test]
fn the_error_of_a_flight_is_that_of_each() {
    let bench = Bench::warm(1);
    bench.server.break_for_good();
    let mut all: Vec<_> = ["a", "b", "c"].into_iter().map(|key| bench.asking(get(key))).collect();
    bench.pass(Duration::from_secs(1));
    for asking in &mut all {
        assert_eq!(asking.answer().unwrap(), Err(StorageError::transient("connection reset by peer")));
    }
    let traffic = bench.lane.traffic();
    assert_eq!((traffic.repeated, bench.server.flights().len()), (3, 2), "{traffic:?}");
}

/// Whoever still waits for a flight gets its answer though others have given up, and nobody gets another's.
#[test]
fn some_of_a_flight_give_up() {
    let bench = Bench::warm(1);
    bench.server.state().takes = Duration::from_millis(500);
    let first = bench.asking(claim("first", 1));
    bench.pass(Duration::from_millis(1));
    let mut stays = bench.asking(claim("k", 1));
    let goes = bench.lane.ask(claim("gone", 1).into());
    bench.pass(Duration::from_millis(600));
    assert_eq!(bench.server.flights().last().unwrap().keys, ["k", "gone"]);
    drop((first, goes));
    // The next one about the same keys is no reader of what they left.
    let mut next = bench.asking(get("gone"));
    bench.pass(Duration::from_millis(500));
    let _ = granted(stays.answer().unwrap());
    bench.pass(Duration::from_secs(1));
    assert!(matches!(next.answer(), Some(Ok(Reply::Got(Some(_))))));
    assert_eq!(bench.lane.traffic().connected, 1);
}

/// A flight that nobody waits for any more and that never lands is dropped with its connection.
#[test]
fn a_flight_that_nobody_waits_for() {
    let bench = Bench::warm(1);
    bench.server.silence();
    drop(bench.asking(renewal("warm", 1)));
    bench.pass(PATIENCE + Duration::from_millis(100));
    assert_eq!(bench.server.state().open, 1);
    let traffic = bench.lane.traffic();
    assert_eq!((traffic.silent, traffic.connected), (1, 2));
    assert!(matches!(bench.ask(renewal("warm", 1)), Ok(Reply::Renewed(_))));
}
