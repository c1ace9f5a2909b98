//! Work that is told of the end, and waited for.

use std::cell::Cell;
use std::future::{Pending, pending, poll_fn};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use crate::faulty::{Fault, candidate, entropy, fixture, secs, spawned};
use futures::FutureExt;
use futures::future::join;
use lessor::{Builder, Guard, Instant, ManualTimer, MemoryStorage, Role, Then, Timer};

use crate::Noticed;

/// It is told of the hand-over, and the lease is released when it has ended.
#[test]
fn guarded_work_is_waited_for() {
    let (timer, storage) = fixture();
    let (a, driver) = candidate("a", &storage, &timer);
    timer.spawn(driver.run_until(timer.sleep(secs(5))));
    let (batches, begin) = (Cell::new(0), timer.now());
    let lead = a.lead_guarded(|guard| {
        let (timer, batches, storage) = (&timer, &batches, &storage);
        async move {
            while !guard.is_ending() {
                timer.sleep(secs(2)).await;
                assert!(guard.is_valid() && storage.releases() == 0);
                batches.set(batches.get() + 1);
            }
            Then::NextTerm
        }
    });
    assert_eq!(timer.block_on(lead), Some(Ok(())));
    assert_eq!((batches.get(), storage.releases()), (3, 1));
    assert_eq!(timer.now().saturating_duration_since(begin), secs(6), "when the third was done, no later");
}

/// A thread cannot be dropped, so the guard goes with it, and the next one leads when it is done.
#[test]
fn a_thread_with_a_guard_is_waited_for() {
    let (storage, busy) = (MemoryStorage::new(), Arc::new(AtomicBool::new(false)));
    let candidate = |id| {
        let (candidate, driver) = Builder::new("k").id(id).build(storage.clone()).unwrap();
        smol::spawn(driver.run()).detach();
        candidate
    };
    smol::block_on(async {
        let a = candidate("a");
        let (begun, begins) = channel();
        let on_the_thread = |guard: Guard| {
            let (busy, begun) = (busy.clone(), begun.clone());
            smol::unblock(move || {
                busy.store(true, Ordering::SeqCst);
                begun.send(()).unwrap();
                smol::block_on(guard.ending());
                // Half of a step that cannot be broken off.
                std::thread::yield_now();
                busy.store(false, Ordering::SeqCst);
                drop(guard);
            })
        };
        let lead = a.lead_guarded(async |guard| {
            on_the_thread(guard).await;
            Then::NextTerm
        });
        let next = async {
            smol::unblock(move || begins.recv().unwrap()).await;
            let b = candidate("b");
            a.shutdown().await.unwrap();
            assert!(!busy.load(Ordering::SeqCst), "released while the thread was at work");
            b.elected().await.unwrap();
            assert!(!busy.load(Ordering::SeqCst), "two work at once");
        };
        let (lead, ()) = join(lead, next).await;
        lead.unwrap();
    });
}

/// What comes then is the same as for other work.
#[test]
fn guarded_work_says_what_comes_then() {
    let (timer, storage) = fixture();
    let a = spawned("a", &storage, &timer);
    let mut begun = Vec::new();
    let lead = a.lead_guarded(|guard| {
        begun.push(guard.term().get());
        let then = match begun.len() {
            1 | 2 => Then::Again(secs(1)),
            3 => Then::Resign,
            4 => Then::Failed("the disk is full".into()),
            _ => Then::Stop,
        };
        async { then }
    });
    assert_eq!(timer.block_on(lead), Some(Ok(())));
    assert_eq!(begun, [1, 1, 1, 2, 3]);
}

#[test]
fn guarded_work_that_panics_hands_over() {
    let (timer, storage) = fixture();
    let a = spawned("a", &storage, &timer);
    let lead = AssertUnwindSafe(a.lead_guarded(|_| async { panic!("a bug in the work") })).catch_unwind();
    assert!(timer.block_on(lead).unwrap().is_err());
    timer.block_on(timer.sleep(secs(1))).unwrap();
    assert_eq!((a.status().role, storage.releases()), (Role::Stopped, 1));
}

/// A sleep that rings late lets no work go on.
#[test]
fn guarded_work_is_not_polled_after_its_term() {
    /// Its sleeps are never over. Its clock goes.
    #[derive(Clone)]
    struct Deaf(ManualTimer);

    impl Timer for Deaf {
        type Sleep = Pending<()>;

        fn now(&self) -> Instant {
            self.0.now()
        }

        fn sleep(&self, _: Duration) -> Pending<()> {
            pending()
        }
    }

    let timer = ManualTimer::new();
    let storage = MemoryStorage::with_timer(timer.clone());
    let (a, mut driver) = Builder::new("k").build_with(storage, Deaf(timer.clone()), entropy(1)).unwrap();
    timer.block_on(driver.step()).unwrap();
    let polled = Cell::new(0);
    let mut lead = Box::pin(a.lead_guarded(async |guard| {
        let _guard = guard;
        poll_fn(|_| {
            polled.set(polled.get() + 1);
            Poll::Pending
        })
        .await
    }));
    let mut cx = Context::from_waker(Waker::noop());
    assert!(lead.poll_unpin(&mut cx).is_pending());
    timer.advance(secs(9));
    assert!(lead.poll_unpin(&mut cx).is_pending());
    assert_eq!(polled.get(), 1);
}

/// The drain timeout bounds that, and the end of the lease does.
#[test]
fn guarded_work_is_dropped_at_the_end_of_the_term() {
    for fault in [Fault::None, Fault::Refuse] {
        let (timer, storage) = fixture();
        let (a, driver) = candidate("a", &storage, &timer);
        timer.spawn(driver.run_until(timer.sleep(secs(5))));
        let dropped = Cell::new(false);
        let begin = timer.now();
        let lead = a.lead_guarded(|guard| {
            storage.set(fault);
            let dropped = &dropped;
            async move {
                let (_guard, _noticed) = (guard, Noticed(dropped));
                pending().await
            }
        });
        assert_eq!(timer.block_on(lead), Some(Ok(())));
        assert!(dropped.get());
        let took = timer.now().saturating_duration_since(begin);
        assert!(took <= secs(5) + a.config().drain_timeout + secs(10), "{took:?}");
    }
}
