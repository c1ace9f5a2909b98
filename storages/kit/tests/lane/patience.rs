//! Only like patience travels together, and no long flight ends a short lease.

use std::time::Duration;

use lessor::Timer;
use lessor::storage::Request;

use crate::{Bench, claim, granted, renewal};

const SHORT: Duration = Duration::from_millis(200);

fn short(name: &str) -> Request {
    renewal(name, 1).patience(SHORT).time_left(Duration::from_millis(700)).into()
}

#[test]
fn classes_travel_apart() {
    let bench = Bench::warm(2);
    let _all: Vec<_> = (0..10)
        .flat_map(|number| {
            [bench.asking(renewal(&format!("long-{number}"), 1)), bench.asking(short(&format!("short-{number}")))]
        })
        .collect();
    bench.pass(Duration::from_millis(50));
    for seen in bench.server.flights() {
        let long = seen.keys.iter().filter(|key| key.starts_with("long")).count();
        assert!(long == 0 || long == seen.keys.len(), "{seen:?}");
    }
}

/// All connections die without a sign, and long and short leases are on them: the short ones go on over the connection that
/// is kept free for them.
#[test]
fn a_long_flight_that_hangs() {
    let bench = Bench::warm(2);
    let _ = granted(bench.ask(claim("short", 1)));
    let _ = bench.ask(short("short")).unwrap();
    bench.server.silence();
    let _ = bench.asking(renewal("long-1", 1));
    bench.pass(Duration::from_millis(10));
    let _ = bench.asking(renewal("long-2", 1));
    bench.pass(Duration::from_millis(10));
    let began = bench.timer.now();
    let _ = bench.asking(short("short"));
    bench.pass(SHORT);
    // Its connection was silent, too. It is replaced as soon as that is known.
    while bench.timer.block_on(bench.lane.ask(short("short"))).unwrap().is_err() {
        bench.pass(Duration::from_millis(10));
        assert!(bench.timer.now().saturating_duration_since(began) < SHORT * 2);
    }
    assert!(bench.timer.now().saturating_duration_since(began) < SHORT * 2);
}

/// Once a short lease has gone for good, what was held back for it departs: nobody has to ask for anything first.
#[test]
fn a_short_lease_that_is_no_more() {
    let bench = Bench::warm(2);
    let _ = bench.ask(short("short"));
    bench.server.state().takes = Duration::from_secs(60);
    let patient = Duration::from_secs(120);
    let _ = bench.asking(renewal("long-1", 1).patience(patient));
    bench.pass(Duration::from_secs(1));
    let _ = bench.asking(renewal("long-2", 1).patience(patient));
    bench.pass(Duration::from_millis(500));
    assert_eq!(bench.server.flights().len(), 2, "one connection is kept free");
    // It was asked for with a patience of 200 ms: ten times that.
    bench.pass(Duration::from_secs(20));
    assert_eq!(bench.server.flights().len(), 3);
}
