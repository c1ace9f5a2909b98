//! Work that panics or is dropped, and what keeps a candidate going.

use std::future::pending;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Waker};

use crate::faulty::{fixture, secs, spawned};
use futures::FutureExt;
use lessor::{Builder, Candidate, Group, ManualTimer, MemoryStorage, Role, Then, Timer};

use crate::lead_for;

/// A worker that dies hands over, though a health check has a handle.
#[test]
fn work_that_panics_hands_over() {
    let (timer, storage) = fixture();
    let a = spawned("a", &storage, &timer);
    let (health, weak) = (a.clone(), a.downgrade());
    timer.block_on(a.elected()).unwrap().unwrap();
    let b = spawned("b", &storage, &timer);
    timer.block_on(timer.sleep(secs(1))).unwrap();
    let died = Arc::new(AtomicUsize::new(0));
    let dead = died.clone();
    timer.spawn(async move {
        let lead = a.lead(|_| async { panic!("a bug in the work") });
        // As the executors do that catch a task's panic.
        let caught = AssertUnwindSafe(lead).catch_unwind().await;
        dead.fetch_add(usize::from(caught.is_err()), Ordering::SeqCst);
    });
    let before = timer.now();
    timer.block_on(b.elected()).unwrap().unwrap();
    assert_eq!(timer.now(), before, "at once");
    assert_eq!(died.load(Ordering::SeqCst), 1);
    assert!(!health.is_leader() && !health.status().is_live(secs(10)) && !weak.status().is_live(secs(10)));
}

/// In a group it hands over that key, and the others go on.
#[test]
fn the_work_of_one_key_dies_alone() {
    let timer = ManualTimer::new();
    let storage = MemoryStorage::with_timer(timer.clone());
    let group = |id| {
        let (group, driver) = Group::builder().id(id).build_on(storage.clone(), timer.clone()).unwrap();
        timer.spawn(driver.run());
        let candidates: Vec<_> = (0..3).map(|key| group.add(Builder::new(format!("k{key}"))).unwrap()).collect();
        (group, candidates)
    };
    let (first, ours) = group("first");
    timer.block_on(timer.sleep(secs(1))).unwrap();
    let (_second, theirs) = group("second");
    for (key, candidate) in ours.into_iter().enumerate() {
        timer.spawn(async move {
            let work = |_| async move { if key == 1 { panic!("a bug in the work") } else { pending().await } };
            let _ = AssertUnwindSafe(candidate.lead(work)).catch_unwind().await;
        });
    }
    timer.block_on(timer.sleep(secs(5))).unwrap();
    let led: Vec<_> = theirs.iter().map(Candidate::is_leader).collect();
    assert_eq!(led, [false, true, false]);
    assert_eq!(first.candidates().iter().filter(|candidate| candidate.is_leader()).count(), 2);
}

/// As the guide says, for those who want to go on.
#[test]
fn a_panic_may_be_an_outcome() {
    let (timer, storage) = fixture();
    let a = spawned("a", &storage, &timer);
    let mut begun = 0;
    let lead = a.lead(|_| {
        begun += 1;
        let work = async move { if begun < 3 { panic!("a bug in the work") } else { Then::Stop } };
        async { AssertUnwindSafe(work).catch_unwind().await.unwrap_or(Then::Again(secs(1))) }
    });
    assert_eq!(timer.block_on(lead), Some(Ok(())));
    assert_eq!(begun, 3);
}

/// The work's own code, before its first await, panics no less.
#[test]
fn a_panic_before_the_work_begins_hands_over() {
    let (timer, storage) = fixture();
    let a = spawned("a", &storage, &timer);
    timer.block_on(a.elected()).unwrap().unwrap();
    let mut lead = Box::pin(a.lead(|leadership| {
        assert!(leadership.term().get() > 1, "a bug in the closure");
        async { Then::NextTerm }
    }));
    let mut cx = Context::from_waker(Waker::noop());
    assert!(catch_unwind(AssertUnwindSafe(|| lead.poll_unpin(&mut cx))).is_err());
    drop(lead);
    timer.block_on(timer.sleep(secs(1))).unwrap();
    assert_eq!((a.status().role, storage.releases()), (Role::Stopped, 1));
}

#[test]
fn whoever_drops_it_stops_the_candidate() {
    for leads in [true, false] {
        let (timer, storage) = fixture();
        let other = (!leads).then(|| spawned("b", &storage, &timer));
        timer.block_on(timer.sleep(secs(1))).unwrap();
        let a = spawned("a", &storage, &timer);
        drop(a.lead(|_| pending()));
        timer.block_on(timer.sleep(secs(1))).unwrap();
        assert_ne!(a.status().role, Role::Stopped, "never polled");
        lead_for(&timer, &a, secs(60), |_| pending());
        timer.block_on(timer.sleep(secs(1))).unwrap();
        assert_eq!((a.status().role, storage.releases()), (Role::Stopped, usize::from(leads)));
        drop(other);
    }
}

/// What a health check holds keeps nobody leading.
#[test]
fn a_weak_handle_keeps_nothing_going() {
    let (timer, storage) = fixture();
    let a = spawned("a", &storage, &timer);
    let weak = a.downgrade();
    assert_eq!((weak.key(), weak.id(), weak.config()), (a.key(), a.id(), a.config()));
    let leadership = timer.block_on(a.elected()).unwrap().unwrap();
    assert!(weak.is_leader() && weak.leader() == a.leader() && weak.status() == a.status());
    let again = weak.upgrade().unwrap();
    drop(a);
    timer.block_on(timer.sleep(secs(60))).unwrap();
    assert!(leadership.is_valid());
    drop(again);
    timer.block_on(timer.sleep(secs(60))).unwrap();
    assert!(weak.is_leader() && weak.upgrade().is_some(), "a leadership is a handle, too");
    drop(leadership);
    timer.block_on(timer.sleep(secs(1))).unwrap();
    assert!(!weak.is_leader() && weak.upgrade().is_none());
    assert_eq!((weak.status().role, storage.releases()), (Role::Stopped, 1));
}
