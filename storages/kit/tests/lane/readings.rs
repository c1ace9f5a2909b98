//! A key is in flight once, and one reading of it answers all that it can answer.

use std::time::Duration;

use lessor::storage::{Acquired, Reply};

use crate::{Bench, claim, get, granted};

/// Two hundred followers of a key in one process cost a handful of flights.
#[test]
fn refused_together() {
    let bench = Bench::warm(2);
    let mut all: Vec<_> = (2..202).map(|session| bench.asking(claim("warm", session))).collect();
    all.push(bench.asking(get("warm")));
    bench.pass(Duration::from_secs(1));
    for asking in &mut all {
        match asking.answer().unwrap().unwrap() {
            Reply::Acquired(Acquired::Refused { lease: Some(lease), .. }) | Reply::Got(Some(lease)) => {
                assert!(lease.is_live());
            }
            other => panic!("{other:?}"),
        }
    }
    let flights = bench.server.flights().len();
    assert!(flights <= 3, "{flights} flights");
}

/// What was asked after the flight had begun is not answered by it: what it read may be from before.
#[test]
fn asked_later() {
    let bench = Bench::warm(1);
    bench.server.state().takes = Duration::from_millis(100);
    let _ = bench.asking(claim("warm", 2));
    bench.pass(Duration::from_millis(50));
    let mut later = bench.asking(claim("warm", 3));
    bench.pass(Duration::from_millis(60));
    assert!(later.answer().is_none());
    bench.pass(Duration::from_secs(1));
    assert!(later.answer().is_some());
    assert_eq!(bench.server.flights().len(), 2);
}

/// Of many claims for a free key one is granted, and no key is in two flights.
#[test]
fn one_of_many_is_granted() {
    let bench = Bench::warm(2);
    bench.server.state().takes = Duration::from_millis(100);
    let mut all: Vec<_> = (1..=50).map(|session| bench.asking(claim("k", session))).collect();
    bench.pass(Duration::from_millis(50));
    assert_eq!(bench.server.flights().len(), 1);
    assert_eq!(bench.server.flights()[0].keys, ["k"], "once in it, too");
    bench.pass(Duration::from_secs(2));
    let replies: Vec<_> = all.iter_mut().map(|asking| asking.answer().unwrap()).collect();
    let grants = replies.into_iter().filter(|reply| matches!(reply, Ok(Reply::Acquired(Acquired::Granted { .. }))));
    assert_eq!(grants.map(granted).count(), 1);
    assert!(bench.server.flights().len() <= 3);
}
