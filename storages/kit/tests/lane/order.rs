//! What goes first, what travels together, and what is not sent.

use std::time::Duration;

use lessor::storage::{List, Operation, Request, Revoke};
use lessor::{StorageError, Timer};

use crate::{Bench, claim, get, granted, key, release, renewal};

/// Nobody's renewal waits for company that does not come.
#[test]
fn one_alone_is_sent_at_once() {
    let bench = Bench::warm(2);
    for _ in 0..20 {
        let now = bench.timer.now();
        let _ = bench.ask(renewal("warm", 1)).unwrap();
        assert_eq!(bench.server.flights().last().unwrap().at, now);
        bench.pass(Duration::from_secs(2));
    }
    assert_eq!(bench.lane.traffic().flights, 21);
}

/// While the one connection is busy the others gather, in the order of what they are worth.
#[test]
fn the_order() {
    let bench = Bench::warm(1);
    bench.server.state().takes = Duration::from_secs(1);
    let first = bench.asking(get("first"));
    bench.pass(Duration::from_millis(1));
    let mut all = vec![first];
    all.push(bench.asking(get("g")));
    all.push(bench.asking(claim("c", 1)));
    all.push(bench.asking(List::new()));
    all.push(bench.asking(release("r", 1)));
    all.push(bench.asking(Revoke::new(key("v"))));
    all.push(bench.asking(renewal("late", 1).time_left(Duration::from_secs(8)).patience(Duration::from_millis(3_900))));
    all.push(bench.asking(renewal("soon", 1).time_left(Duration::from_secs(3)).patience(Duration::from_millis(3_900))));
    bench.server.state().takes = Duration::from_millis(10);
    bench.pass(Duration::from_secs(3));
    let seen: Vec<_> = bench.server.flights().iter().map(|seen| (seen.operation, seen.keys.join(" "))).collect();
    let expected = [
        (Operation::Get, "first"),
        (Operation::Renew, "soon late"),
        (Operation::Release, "r"),
        (Operation::Revoke, "v"),
        (Operation::Acquire, "c"),
        (Operation::Get, "g"),
        (Operation::List, ""),
    ];
    assert_eq!(seen, expected.map(|(operation, keys)| (operation, keys.to_string())));
    assert!(all.iter_mut().all(|asking| asking.answer().is_some()));
}

/// A thousand that wait together are one flight; more than 1,024 keys, or a mebibyte, are two.
#[test]
fn what_waits_together_travels_together() {
    let bench = Bench::warm(2);
    for (claims, value, flights) in [(1_024, 0, 1), (1_025, 0, 2), (300, 4_000, 2)] {
        bench.server.forget_flights();
        let text = (value > 0).then(|| lessor::Value::new("v".repeat(value)).unwrap());
        let claims = (0..claims).map(|number| claim(&format!("{value}-{claims}-{number}"), 1).value(text.clone()));
        let requests: Vec<Request> = claims.map(Into::into).collect();
        let asked = requests.len();
        let answers = bench.timer.block_on(bench.lane.ask_all(requests)).unwrap();
        assert_eq!(answers.len(), asked);
        answers.into_iter().map(granted).for_each(drop);
        assert_eq!(bench.server.flights().len(), flights);
    }
}

/// Where renewals come one after the other they are held back a little, and go together.
#[test]
fn renewals_gather() {
    let bench = Bench::warm(2);
    for number in 0..1_000 {
        let _ = bench.asking(renewal(&number.to_string(), 1));
        bench.pass(Duration::from_millis(1));
    }
    bench.pass(Duration::from_secs(1));
    let flights = bench.server.flights();
    assert!(flights.len() < 100, "{} flights", flights.len());
    let longest = flights.iter().map(|seen| seen.keys.len()).max().unwrap();
    assert!(longest <= 30, "none waits for longer than 20 ms and a flight: {longest}");

    // Not one whose reign is about to end, though others are held back.
    for number in 0..50 {
        let _ = bench.asking(renewal(&number.to_string(), 1));
        bench.pass(Duration::from_millis(1));
    }
    let now = bench.timer.now();
    let _ = bench.asking(renewal("urgent", 1).time_left(Duration::from_secs(2)));
    bench.pass(Duration::from_millis(1));
    let last = bench.server.flights().pop().unwrap();
    assert!(last.at == now && last.keys.contains(&"urgent".to_string()), "{last:?}");
}

/// What nobody waits for any more is not sent.
#[test]
fn given_up() {
    let bench = Bench::warm(1);
    bench.server.state().takes = Duration::from_secs(1);
    let _ = bench.asking(get("first"));
    bench.pass(Duration::from_millis(1));
    let unheard: Vec<_> = (0..100).map(|number| bench.lane.ask(claim(&number.to_string(), 1).into())).collect();
    assert_eq!(bench.lane.traffic().waiting, 100);
    drop(unheard);
    assert_eq!(bench.lane.traffic().waiting, 0);
    bench.pass(Duration::from_secs(5));
    assert_eq!(bench.server.flights().len(), 1);
}

/// What could not be answered in time is not sent, and hears that before its patience ends.
#[test]
fn too_late() {
    let bench = Bench::warm(1);
    bench.server.state().takes = Duration::from_secs(60);
    let _ = bench.asking(get("first").patience(Duration::from_secs(120)));
    bench.pass(Duration::from_millis(1));
    let asked = bench.timer.now();
    let error: StorageError = bench.ask(claim("k", 1)).unwrap_err();
    let waited = bench.timer.now().saturating_duration_since(asked);
    assert!(error.is_not_sent(), "{error}");
    assert!(waited < crate::PATIENCE && waited >= crate::PATIENCE / 2, "{waited:?}");
    assert_eq!((bench.server.flights().len(), bench.lane.traffic().not_sent), (1, 1));
}

/// Hints go when nothing else does.
#[test]
fn hints_come_last() {
    let bench = Bench::warm(1);
    bench.server.state().has_hints = true;
    let _ = bench.asking(get("a"));
    bench.pass(Duration::from_millis(1));
    assert_eq!(bench.server.state().hints, 0);
    bench.pass(Duration::from_secs(1));
    assert_eq!(bench.server.state().hints, 1);
    let _ = bench.ask(get("b")).unwrap();
}

/// Where flights take long, more of the patience has to be left for one.
#[test]
fn too_late_for_flights_that_take_long() {
    let bench = Bench::warm(1);
    bench.server.state().takes = Duration::from_millis(800);
    for _ in 0..30 {
        let _ = bench.ask(get("k")).unwrap();
    }
    bench.server.state().takes = Duration::from_secs(60);
    let _ = bench.asking(get("first").patience(Duration::from_secs(120)));
    bench.pass(Duration::from_millis(1));
    let asked = bench.timer.now();
    assert!(bench.ask(get("k")).unwrap_err().is_not_sent());
    let waited = bench.timer.now().saturating_duration_since(asked);
    assert!((1_190..1_300).contains(&waited.as_millis()), "{waited:?} of 2 s, where flights take 0.8 s");
}
