//! What those hear who are told of each write.

use core::task::Context;
use core::time::Duration;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures::future::join_all;
use futures::task::{ArcWake, waker};
use futures::{FutureExt, StreamExt};
use lessor::storage::{Release, Revoke};
use lessor::{Key, Storage, StorageExt, Timer};

use crate::shelf::{Counts, Shelf};
use crate::{Node, TTL, key};

#[test]
fn each_change_wakes_once() {
    let shelf = Shelf::watched();
    let (a, b) = (Node::new(&shelf, 1), Node::new(&shelf, 2));
    let mut wakeups = b.storage.subscribe(&key());
    assert_eq!(wakeups.next().now_or_never(), Some(Some(())), "it stands");
    assert_eq!(wakeups.next().now_or_never(), None);
    let term = a.wins(None);
    assert_eq!(wakeups.next().now_or_never(), Some(Some(())), "a grant");
    assert!(a.renews(term));
    assert_eq!(wakeups.next().now_or_never(), None, "a renewal");
    a.run(a.storage.release(Release::new(key(), a.claim().session))).unwrap();
    assert_eq!(wakeups.next().now_or_never(), Some(Some(())), "a release");
    let term = a.wins(Some(term));
    a.run(a.storage.revoke(Revoke::new(key()).term(Some(term)).now(true))).unwrap();
    assert_eq!(wakeups.next().now_or_never(), Some(Some(())), "a grant and a revoke");
    assert_eq!(wakeups.next().now_or_never(), None);
}

/// An end that somebody else has seen is worth a wake-up.
#[test]
fn an_end_wakes() {
    let shelf = Shelf::watched();
    let (a, b, c) = (Node::new(&shelf, 1), Node::new(&shelf, 2), Node::new(&shelf, 3));
    let term = a.wins(None);
    let mut wakeups = c.storage.subscribe(&key());
    wakeups.next().now_or_never();
    b.lease();
    b.timer.advance(TTL + Duration::from_millis(1));
    b.lease();
    assert_eq!(wakeups.next().now_or_never(), Some(Some(())));
    c.wins(Some(term));
}

/// What a watch shows begins the observer's time, so that who is woken has not to wait anew.
#[test]
fn a_watch_begins_the_time() {
    let shelf = Shelf::watched();
    let (a, b) = (Node::new(&shelf, 1), Node::new(&shelf, 2));
    let term = a.wins(None);
    let mut wakeups = b.storage.subscribe(&key());
    wakeups.next().now_or_never();
    b.timer.advance(TTL / 2);
    assert!(a.renews(term));
    assert_eq!(wakeups.next().now_or_never(), None);
    b.timer.advance(TTL / 2);
    assert_eq!(b.waits(Some(term)), TTL / 2 + Duration::from_millis(1));
}

/// A watch that is lost is made anew, wakes once then, and again after each time it was lost.
#[test]
fn a_lost_watch_is_made_anew() {
    let shelf = Shelf::watched();
    let (a, b) = (Node::new(&shelf, 1), Node::new(&shelf, 2));
    a.wins(None);
    let mut wakeups = b.storage.subscribe(&key());
    wakeups.next().now_or_never();
    let mut pause = || {
        shelf.cut();
        let before = b.timer.now();
        b.run(wakeups.next()).unwrap();
        b.timer.now().saturating_duration_since(before).as_millis()
    };
    for _ in 0..5 {
        b.timer.advance(Duration::from_secs(5));
        let took = pause();
        assert!((25..=50).contains(&took), "{took} ms: the pause does not grow where it stood for a while");
    }
    let pauses: Vec<_> = (0..10).map(|_| pause()).collect();
    assert!(pauses[9] >= 2_500, "{pauses:?}: it grows where it is lost as soon as it stands");
}

/// Watches that were lost together are not made anew together.
#[test]
fn watches_come_back_one_by_one() {
    let shelf = Shelf::watched();
    let b = Node::new(&shelf, 2);
    let keys = (0..100).map(|number| Key::new(format!("{number}")).unwrap());
    let mut all: Vec<_> = keys.map(|key| b.storage.subscribe(&key)).collect();
    for wakeups in &mut all {
        b.run(wakeups.next()).unwrap();
    }
    shelf.cut();
    let back = join_all(all.iter_mut().map(async |wakeups| {
        wakeups.next().await.unwrap();
        b.timer.now()
    }));
    let mut back = b.run(back);
    back.sort_unstable();
    back.dedup();
    assert!(back.len() > 50, "{} moments", back.len());
}

/// Who steps takes in what was written since, before it asks: it is not refused by what it knew.
#[test]
fn a_step_goes_by_the_newest() {
    let shelf = Shelf::watched();
    let (a, b) = (Node::new(&shelf, 1), Node::new(&shelf, 2));
    a.wins(None);
    let (candidate, mut driver) =
        lessor::Builder::new("k").id("b").build_on(b.storage.clone(), b.timer.clone()).unwrap();
    let wait = b.run(driver.step()).wake_in.unwrap();
    a.run(a.storage.release(Release::new(key(), a.claim().session))).unwrap();
    b.timer.advance(wait);
    shelf.counts();
    b.run(driver.step());
    assert!(candidate.is_leader());
    let asked = shelf.counts();
    assert_eq!((asked.reads, asked.swaps), (0, 1), "what it was told is what it swaps on");
}

/// What a watch tells may come after a newer write was seen on another way: it is no news, and costs no look.
#[test]
fn an_item_that_comes_late_replaces_nothing() {
    let shelf = Shelf::watched();
    let (a, b) = (Node::new(&shelf, 1), Node::new(&shelf, 2));
    let mut wakeups = b.storage.subscribe(&key());
    b.run(wakeups.next()).unwrap();
    let term = a.wins(None);
    let before = shelf.get(&key()).unwrap();
    a.run(a.storage.release(Release::new(key(), a.claim().session))).unwrap();
    // The watch tells of all that, and then of the grant once more.
    let term = b.wins(Some(term));
    while wakeups.next().now_or_never().is_some() {}
    shelf.tell(&key(), before);
    while wakeups.next().now_or_never().is_some() {}
    shelf.counts();
    assert!(b.renews(term));
    assert_eq!(shelf.counts(), Counts { reads: 0, swaps: 1, moved: 0 });
}

/// A watch that has always something to say keeps nobody from his turn.
#[test]
fn a_watch_without_end() {
    let shelf = Shelf::restless();
    let (a, b) = (Node::new(&shelf, 1), Node::new(&shelf, 2));
    a.wins(None);
    let mut wakeups = b.storage.subscribe(&key());
    assert_eq!(wakeups.next().now_or_never(), Some(Some(())), "it stands");
    for _ in 0..10 {
        let count = Arc::new(Count::default());
        let waker = waker(count.clone());
        assert!(wakeups.poll_next_unpin(&mut Context::from_waker(&waker)).is_pending());
        assert_eq!(count.0.load(Ordering::Relaxed), 1, "it goes on");
    }
}

/// Its wake-ups end with the storage, and do not keep it.
#[test]
fn a_subscription_keeps_nothing() {
    let shelf = Shelf::watched();
    let (a, b) = (Node::new(&shelf, 1), Node::new(&shelf, 2));
    let mut wakeups = b.storage.subscribe(&key());
    wakeups.next().now_or_never();
    drop(b);
    a.wins(None);
    assert_eq!(wakeups.next().now_or_never(), None);
}

/// How often it was woken.
#[derive(Default)]
struct Count(AtomicUsize);

impl ArcWake for Count {
    fn wake_by_ref(count: &Arc<Self>) {
        count.0.fetch_add(1, Ordering::Relaxed);
    }
}
