//! Handing over, over virtual time: by resigning, stopping, dropping, crashing.

mod faulty;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use faulty::{Fault, Faulty, candidate, entropy, fixture, ms, secs, spawned};
use futures::StreamExt;
use futures::future::{join, pending};
use lessor::{Builder, CheckError, Event, Instant, LostReason, ManualTimer, Role, Stopped, Timer};

/// R9: the release waits for every guard; work in `run` is dropped when the ending begins.
#[test]
fn a_release_waits_for_the_work() {
    let (timer, storage) = fixture();
    let a = spawned("a", &storage, &timer);
    let b = spawned("b", &storage, &timer);
    let leadership = timer.block_on(a.elected()).unwrap().unwrap();
    let dropped = Arc::new(AtomicBool::new(false));

    struct Flag(Arc<AtomicBool>);
    impl Drop for Flag {
        fn drop(&mut self) {
            self.0.store(true, Ordering::SeqCst);
        }
    }

    let guard = leadership.guard().unwrap();
    let flag = Flag(dropped.clone());
    let work = leadership.run(async move {
        let _flag = flag;
        pending::<()>().await
    });
    let hand_over = async {
        a.resign().await.unwrap();
        timer.now()
    };
    let careful = async {
        guard.ending().await;
        assert!(!a.is_leader() && a.leadership().is_none(), "no new work");
        assert!(leadership.guard().is_err());
        timer.sleep(secs(5)).await;
        assert!(leadership.is_valid(), "renewed meanwhile");
        assert_eq!((storage.releases(), a.status().role), (0, Role::Ending));
        assert!(!b.is_leader());
        drop(guard);
        timer.now()
    };
    let ((released, done), work) = timer.block_on(join(join(hand_over, careful), work)).unwrap();
    assert!(dropped.load(Ordering::SeqCst));
    assert_eq!(work.unwrap_err().to_string(), "term 1 is ending: the candidate resigned");
    assert_eq!((released, storage.releases()), (done, 1));
    assert_eq!(timer.block_on(b.elected()).unwrap().unwrap().term().get(), 2);
}

/// R9: a clone of a guard holds as well, also one that was made while the term was ending.
#[test]
fn a_cloned_guard_holds_too() {
    let (timer, storage) = fixture();
    let a = spawned("a", &storage, &timer);
    let leadership = timer.block_on(a.elected()).unwrap().unwrap();
    let first = leadership.guard().unwrap();
    let before = timer.now();
    let work = async {
        first.ending().await;
        let second = first.clone();
        drop(first);
        timer.sleep(secs(3)).await;
        drop(second);
    };
    timer.block_on(join(a.resign(), work)).unwrap().0.unwrap();
    assert_eq!(timer.now().saturating_duration_since(before), secs(3));
}

/// A loss says why, and tells an end from an ending and from too little time.
#[test]
fn a_loss_says_why() {
    let (timer, storage) = fixture();
    let a = spawned("a", &storage, &timer);
    let leadership = timer.block_on(a.elected()).unwrap().unwrap();
    let short = leadership.check(secs(20)).unwrap_err();
    assert!(matches!(short, CheckError::TooShort { remaining, .. } if remaining == secs(9)));
    assert_eq!(short.to_string(), "term 1 has only 9s left, 20s are wanted");
    let guard = leadership.guard().unwrap();
    let ending = async {
        guard.ending().await;
        let ending = leadership.guard().unwrap_err();
        assert_eq!((ending.reason, ending.remaining), (LostReason::Resigned, secs(9)));
        drop(guard);
    };
    timer.block_on(join(a.resign(), ending)).unwrap().0.unwrap();
    let lost = timer.block_on(leadership.lost()).unwrap();
    assert_eq!(leadership.check(secs(0)), Err(CheckError::Lost(lost.clone())));
    assert_eq!(lost.to_string(), "term 1 has ended: the candidate resigned");
}

/// R9: a guard that is never given back delays the release by the drain timeout, no longer.
#[test]
fn a_forgotten_guard_does_not_hold_for_ever() {
    let (timer, storage) = fixture();
    let (a, driver) =
        Builder::new("k").drain_timeout(secs(3)).build_with(storage.clone(), timer.clone(), entropy(1)).unwrap();
    timer.spawn(driver.run());
    let leadership = timer.block_on(a.elected()).unwrap().unwrap();
    let _guard = leadership.guard().unwrap();
    let before = timer.now();
    timer.block_on(a.shutdown()).unwrap().unwrap();
    assert_eq!(timer.now().saturating_duration_since(before), secs(3));
    assert!(!leadership.is_valid());
}

/// R12: a hand-over takes one release, one wake-up, one acquire: no time at all where the storage wakes.
#[test]
fn a_woken_follower_leads_at_once() {
    let (timer, storage) = fixture();
    let a = spawned("a", &storage, &timer);
    timer.block_on(a.elected()).unwrap().unwrap();
    let b = spawned("b", &storage, &timer);
    timer.block_on(timer.sleep(secs(5))).unwrap();
    let before = timer.now();
    timer.block_on(a.resign()).unwrap().unwrap();
    timer.block_on(b.elected()).unwrap().unwrap();
    assert_eq!(timer.now(), before);
}

/// R12: without wake-ups it takes at most one retry interval.
#[test]
fn an_unwoken_follower_leads_within_its_retry_interval() {
    let timer = ManualTimer::new();
    let storage = Faulty::silent(&timer);
    let a = spawned("a", &storage, &timer);
    timer.block_on(a.elected()).unwrap().unwrap();
    let b = spawned("b", &storage, &timer);
    timer.block_on(timer.sleep(secs(5))).unwrap();
    let before = timer.now();
    timer.block_on(a.shutdown()).unwrap().unwrap();
    timer.block_on(b.elected()).unwrap().unwrap();
    assert!(timer.now().saturating_duration_since(before) <= ms(2200));
}

/// After a crash somebody leads within the ttl and a hundredth of it.
#[test]
fn a_crashed_leader_is_replaced_when_its_lease_ends() {
    let (timer, storage) = fixture();
    let broken = storage.another_way();
    let a = spawned("a", &broken, &timer);
    timer.block_on(a.elected()).unwrap().unwrap();
    let b = spawned("b", &storage, &timer);
    broken.set(Fault::Hang);
    timer.block_on(b.elected()).unwrap().unwrap();
    let elapsed = timer.now().saturating_duration_since(Instant::from_origin(secs(1)));
    assert!(elapsed > secs(10) && elapsed <= ms(10_100), "{elapsed:?}");
    assert!(!a.is_leader());
}

/// The end of the last handle stops the driver, which releases first. A leadership is a handle, events are none.
#[test]
fn the_last_handle_stops_and_releases() {
    let (timer, storage) = fixture();
    let (a, driver) = candidate("a", &storage, &timer);
    let ended = Arc::new(AtomicBool::new(false));
    let ended2 = ended.clone();
    timer.spawn(async move {
        driver.run().await;
        ended2.store(true, Ordering::SeqCst);
    });
    let leadership = timer.block_on(a.elected()).unwrap().unwrap();
    let events = a.events();
    drop(a.clone());
    drop(a);
    timer.block_on(timer.sleep(secs(20))).unwrap();
    assert!(leadership.is_valid() && !ended.load(Ordering::SeqCst));
    drop(leadership);
    let events: Vec<_> = timer.block_on(events.collect()).unwrap();
    assert_eq!(events.last(), Some(&Event::Stopped));
    timer.block_on(timer.sleep(secs(1))).unwrap();
    assert!(ended.load(Ordering::SeqCst));
    assert_eq!(storage.releases(), 1);
}

/// `run_until` ends the term, waits for its work, releases and returns.
#[test]
fn run_until_releases_and_returns() {
    let (timer, storage) = fixture();
    let (a, driver) = candidate("a", &storage, &timer);
    let stop = timer.sleep(secs(30));
    timer.block_on(driver.run_until(stop)).unwrap();
    assert_eq!(timer.now(), Instant::from_origin(secs(31)));
    assert_eq!(storage.releases(), 1);
    assert!(!a.is_leader());
    assert_eq!(a.status().role, Role::Stopped);
    assert_eq!(timer.block_on(a.shutdown()), Some(Ok(())), "it had stopped well");
    assert_eq!(timer.block_on(a.elected()).unwrap().err(), Some(Stopped::Shutdown));
}

/// A storage that is down does not keep a service from stopping: three tries, then the lease runs out by itself.
#[test]
fn a_stop_ends_even_if_the_storage_hangs() {
    let (timer, storage) = fixture();
    let a = spawned("a", &storage, &timer);
    timer.block_on(a.elected()).unwrap().unwrap();
    storage.set(Fault::Hang);
    let before = timer.now();
    timer.block_on(a.shutdown()).unwrap().unwrap();
    let elapsed = timer.now().saturating_duration_since(before);
    assert!(elapsed <= secs(8), "{elapsed:?}");
}
