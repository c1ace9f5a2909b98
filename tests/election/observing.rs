//! Observing.

use lessor::election::{Election, Input};
use lessor::storage::{Reply, Request};
use lessor::{Config, Instant, Key, Role};

use crate::bench::{Bench, Told, lease, ms, secs};

/// An observer only looks, at its retry interval, when woken, and when the lease ends.
#[test]
fn an_observer_only_looks() {
    let start = Instant::from_origin(secs(1000));
    let election = Election::observer(Key::new("k").unwrap(), Config::default(), 7, start).unwrap();
    let mut bench = Bench { election, ..Bench::new(Config::default()) };
    bench.to(ms(0)).reply(Reply::Got(None));
    bench.to(secs(1)).input(Input::Wakeup).reply(Reply::Got(Some(lease("other", 1, 1, ms(700)))));
    bench.to(ms(1900));
    assert!((ms(1700)..=ms(1800)).contains(&bench.sent().1), "when the lease ends");
    bench.failed().to(secs(60));
    assert!(bench.requests.iter().all(|(_, request, _)| matches!(request, Request::Get(_))));
    assert!(bench.requests.len() > 10);
    assert_eq!(bench.election.status().role, Role::Observer);
    bench.input(Input::Stop);
    assert_eq!(bench.happened().last(), Some(&Told::Stopped));
}
