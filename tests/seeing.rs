//! What is seen of an election, over virtual time: leaders, values, events, observers.

mod faulty;

use faulty::{Fault, candidate, entropy, fixture, secs, spawned};
use futures::future::join;
use futures::{FutureExt, StreamExt};
use lessor::{Builder, Event, Instant, LostReason, Role, StorageExt, Timer};

#[test]
fn a_value_is_published_and_seen() {
    let (timer, storage) = fixture();
    let a = spawned("a", &storage, &timer);
    timer.block_on(a.elected()).unwrap().unwrap();
    let b = spawned("b", &storage, &timer);
    let (observer, driver) = Builder::new("k").observe_with(storage.clone(), timer.clone(), entropy(9)).unwrap();
    timer.spawn(driver.run());
    let value = lessor::Value::new("10.0.0.7:8080").unwrap();
    timer.block_on(a.set_value(Some(value.clone()))).unwrap().unwrap();
    assert_eq!(
        timer.block_on(storage.get(&lessor::Key::new("k").unwrap())).unwrap().unwrap().unwrap().value,
        Some(value.clone())
    );
    timer.block_on(timer.sleep(secs(3))).unwrap();
    for seen in [a.leader(), b.leader(), observer.leader()] {
        let seen = seen.unwrap();
        assert_eq!((seen.id.unwrap().as_str(), seen.term.get(), seen.value), ("a", 1, Some(value.clone())));
        assert!(seen.time_left > secs(4) && seen.time_left <= secs(10));
    }
    assert_eq!(observer.status().role, Role::Observer);
    assert!(storage.gets() > 0);
}

/// The value of a follower goes out with its first claim; setting it waits for nothing.
#[test]
fn a_follower_sets_its_value_for_later() {
    let (timer, storage) = fixture();
    let a = spawned("a", &storage, &timer);
    timer.block_on(a.elected()).unwrap().unwrap();
    let b = spawned("b", &storage, &timer);
    timer.block_on(b.set_value(Some(lessor::Value::new("b's").unwrap()))).unwrap().unwrap();
    timer.block_on(a.shutdown()).unwrap().unwrap();
    timer.block_on(b.elected()).unwrap().unwrap();
    assert_eq!(b.leader().unwrap().value.unwrap().as_str(), "b's");
}

/// What was seen of a leader runs out by the own clock even if the storage does not answer any more.
#[test]
fn a_leader_once_seen_does_not_stay_for_ever() {
    let (timer, storage) = fixture();
    let a = spawned("a", &storage, &timer);
    timer.block_on(a.elected()).unwrap().unwrap();
    let followers = storage.another_way();
    let mut b = spawned("b", &followers, &timer);
    timer.block_on(timer.sleep(secs(3))).unwrap();
    assert!(b.leader().is_some());
    followers.set(Fault::Hang);
    let changed = timer.block_on(async {
        while b.leader_changed().await.unwrap().is_some() {}
        b.leader()
    });
    assert_eq!(changed, Some(None), "and whoever waits is told");
    assert!(timer.now().saturating_duration_since(Instant::from_origin(secs(4))) <= secs(12));
}

/// The end of the last observer ends its driver; it never claimed, and released nothing.
#[test]
fn an_observer_leaves_no_trace() {
    let (timer, storage) = fixture();
    let (observer, driver) = Builder::new("k").observe_with(storage.clone(), timer.clone(), entropy(9)).unwrap();
    let events = observer.events();
    drop(observer.clone());
    let watch = async {
        timer.sleep(secs(10)).await;
        assert!(observer.leader().is_none() && storage.gets() > 3);
        drop(observer);
    };
    timer.block_on(join(driver.run(), watch)).unwrap();
    let events: Vec<_> = timer.block_on(events.collect()).unwrap();
    assert_eq!(events, [Event::LeaderChanged(None), Event::Stopped]);
    assert_eq!(storage.acquires() + storage.releases(), 0);
}

/// `leader_changed` reports every state that lasts, its own election included, and nothing twice.
#[test]
fn changes_of_leader_are_reported_once() {
    let (timer, storage) = fixture();
    let mut b = spawned("b", &storage, &timer);
    let name = |lease: Option<lessor::Lease>| lease.map(|lease| (lease.id.unwrap().to_string(), lease.term.get()));
    assert_eq!(name(timer.block_on(b.leader_changed()).unwrap().unwrap()), Some(("b".into(), 1)));
    let mut a = spawned("a", &storage, &timer);
    timer.block_on(timer.sleep(secs(3))).unwrap();
    assert!(timer.block_on(async { b.leader_changed().now_or_never().is_none() }).unwrap());
    timer.block_on(b.resign()).unwrap().unwrap();
    timer.block_on(timer.sleep(secs(10))).unwrap();
    assert_eq!(name(timer.block_on(b.leader_changed()).unwrap().unwrap()), Some(("a".into(), 2)));
    assert_eq!(name(timer.block_on(a.leader_changed()).unwrap().unwrap()), Some(("a".into(), 2)));
    let mut clone = a.clone();
    assert!(timer.block_on(async { clone.leader_changed().now_or_never().is_none() }).unwrap(), "it was reported");
}

/// R16: a stream of events starts with the present state and keeps the order.
#[test]
fn events_start_with_the_present_state() {
    let (timer, storage) = fixture();
    let a = spawned("a", &storage, &timer);
    timer.block_on(a.elected()).unwrap().unwrap();
    let events = a.events();
    timer.block_on(a.shutdown()).unwrap().unwrap();
    let events: Vec<_> = timer.block_on(events.collect()).unwrap();
    let expected = |event: &Event| match event {
        Event::LeaderChanged(Some(_)) => 0,
        Event::Elected { .. } => 1,
        Event::Ending { reason: LostReason::Stopped, .. } => 2,
        Event::Lost { reason: LostReason::Stopped, .. } => 3,
        Event::LeaderChanged(None) => 4,
        Event::Stopped => 5,
        other => panic!("{other:?}"),
    };
    assert_eq!(events.iter().map(expected).collect::<Vec<_>>(), [0, 1, 2, 3, 4, 5]);
    let late: Vec<_> = timer.block_on(a.events().collect()).unwrap();
    assert_eq!(late, [Event::LeaderChanged(None), Event::Stopped]);
}

/// R16: the present state is that of the clock, not that of a starved driver.
#[test]
fn a_starved_driver_presents_nothing_untrue() {
    let (timer, storage) = fixture();
    let (a, mut driver) = candidate("a", &storage, &timer);
    timer.block_on(driver.step()).unwrap();
    assert!(a.is_leader());
    timer.advance(secs(20));
    let events = a.events();
    drop(driver);
    let events: Vec<_> = timer.block_on(events.collect()).unwrap();
    // And of what began before, no end either.
    assert_eq!(events, [Event::LeaderChanged(None), Event::LeaderChanged(None), Event::Stopped]);
}
