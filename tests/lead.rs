//! Work for as long as a candidate leads: what begins it, what ends it, and what comes then.

mod faulty;

use std::cell::Cell;
use std::future::{Pending, pending, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use faulty::{Fault, candidate, entropy, fixture, ms, secs, spawned};
use futures::FutureExt;
use futures::future::{join, select};
use lessor::{
    Abandoned, Builder, Candidate, Group, Guard, Instant, Leadership, ManualTimer, MemoryStorage, Role, Then, Timer,
};

/// For a while, or until the work is over.
fn lead_for<W: Future<Output = Then>>(
    timer: &ManualTimer,
    candidate: &Candidate,
    duration: Duration,
    work: impl FnMut(Leadership) -> W,
) {
    let lead = Box::pin(candidate.lead(work));
    timer.block_on(select(lead, timer.sleep(duration))).unwrap();
}

#[test]
fn work_is_done_while_the_candidate_leads() {
    let (timer, storage) = fixture();
    let (a, driver) = candidate("a", &storage, &timer);
    timer.spawn(driver.run_until(timer.sleep(secs(100))));
    let (chapters, dropped) = (Cell::new(0), Cell::new(false));
    let lead = a.lead(|leadership| {
        let (timer, chapters, dropped) = (&timer, &chapters, &dropped);
        async move {
            let _noticed = Noticed(dropped);
            loop {
                assert!(leadership.is_valid());
                timer.sleep(secs(7)).await;
                chapters.set(chapters.get() + 1);
            }
        }
    });
    assert_eq!(timer.block_on(lead), Some(Ok::<(), Abandoned>(())), "it ends with the driver");
    assert_eq!((chapters.get(), dropped.get()), (14, true));
    assert_eq!((a.status().role, storage.releases()), (Role::Stopped, 1));
}

struct Noticed<'a>(&'a Cell<bool>);

impl Drop for Noticed<'_> {
    fn drop(&mut self) {
        self.0.set(true);
    }
}

/// Done once a term, however short it is: it used to be begun 45,000 times a second.
#[test]
fn work_that_ends_is_begun_again_in_the_next_term() {
    let (timer, storage) = fixture();
    let a = spawned("a", &storage, &timer);
    let terms = Rc::new(Cell::new(0));
    let begun = terms.clone();
    let observed = a.clone();
    timer.spawn({
        let timer = timer.clone();
        async move {
            timer.sleep(secs(500)).await;
            observed.resign().await.unwrap();
        }
    });
    lead_for(&timer, &a, secs(1000), |leadership| {
        begun.set(begun.get() + 1);
        assert_eq!(leadership.term().get(), begun.get());
        async { Then::NextTerm }
    });
    assert_eq!(terms.get(), 2);
}

#[test]
fn work_that_fails_is_left_to_another() {
    let (timer, storage) = fixture();
    let a = spawned("a", &storage, &timer);
    timer.block_on(a.elected()).unwrap().unwrap();
    let b = spawned("b", &storage, &timer);
    timer.block_on(timer.sleep(secs(1))).unwrap();
    let mut failed = 0;
    lead_for(&timer, &a, secs(1000), |_| {
        failed += 1;
        async { Err::<(), _>("the disk is full").into() }
    });
    assert_eq!((failed, b.leadership().unwrap().term().get()), (1, 2), "another leads from then on");
}

/// Without a cool-off too there is a pause.
#[test]
fn work_that_fails_does_not_spin() {
    let (timer, storage) = fixture();
    let builder = Builder::new("k").id("a").cool_off(Duration::ZERO);
    let (a, driver) = builder.build_with(storage, timer.clone(), entropy(1)).unwrap();
    timer.spawn(driver.run());
    let mut failed = 0_u32;
    lead_for(&timer, &a, secs(10), |_| {
        failed += 1;
        async { Then::Failed("the disk is full".into()) }
    });
    assert!((15..=21).contains(&failed), "{failed}");
}

/// Alone it is tried again after each cool-off, and no sooner.
#[test]
fn work_that_fails_is_tried_again_where_there_is_no_other() {
    let (timer, storage) = fixture();
    let a = spawned("a", &storage, &timer);
    let mut failed = 0_u32;
    lead_for(&timer, &a, a.config().cool_off * 100, |_| {
        failed += 1;
        async { Then::Resign }
    });
    assert!((80..=101).contains(&failed), "{failed}");
}

#[test]
fn work_is_begun_again_after_a_pause() {
    for (pause, least) in [(secs(1), ms(1000)), (Duration::ZERO, ms(1))] {
        let (timer, storage) = fixture();
        let a = spawned("a", &storage, &timer);
        let mut begun = 0_u32;
        let (mut last, mut term) = (None, None);
        let clock = timer.clone();
        lead_for(&timer, &a, secs(120), |leadership| {
            begun += 1;
            let now = clock.now();
            assert!(last.replace(now).is_none_or(|last| now >= last.saturating_add(least)));
            assert!(term.replace(leadership.term()).is_none_or(|term| term == leadership.term()), "in one term");
            let over = begun == 100;
            async move { if over { pending().await } else { Then::Again(pause) } }
        });
        assert_eq!(begun, 100);
    }
}

/// Whoever pauses hands over at once.
#[test]
fn a_pause_ends_with_the_term() {
    for then in [Then::Again(secs(3600)), Then::NextTerm] {
        let (timer, storage) = fixture();
        let a = spawned("a", &storage, &timer);
        let clone = a.clone();
        let clock = timer.clone();
        timer.spawn(async move {
            clock.sleep(secs(60)).await;
            clone.resign().await.unwrap();
        });
        let mut terms = Vec::new();
        lead_for(&timer, &a, secs(600), |leadership| {
            terms.push(leadership.term().get());
            let then = then.clone();
            async move { then }
        });
        assert_eq!(terms, [1, 2]);
    }
}

#[test]
fn work_stops_the_candidate() {
    let (timer, storage) = fixture();
    let (a, driver) = candidate("a", &storage, &timer);
    timer.spawn(driver.run());
    let lead = a.lead(|_| async { Then::Stop });
    assert_eq!(timer.block_on(lead), Some(Ok(())));
    assert_eq!((a.status().role, storage.releases()), (Role::Stopped, 1));
    let b = spawned("b", &storage, &timer);
    timer.block_on(b.elected()).unwrap().unwrap();
}

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

#[test]
fn a_dropped_driver_is_an_error() {
    let (timer, storage) = fixture();
    let (a, driver) = candidate("a", &storage, &timer);
    let cut = select(Box::pin(driver.run()), timer.sleep(secs(30)));
    timer.spawn(async { drop(cut.await) });
    let answer: Option<Result<(), Abandoned>> = timer.block_on(a.lead(|_| pending()));
    assert!(matches!(answer, Some(Err(_))), "{answer:?}");
}

/// The term ends, the work is dropped, and the next term has work again.
#[test]
fn a_lost_term_drops_the_work() {
    let (timer, storage) = fixture();
    let a = spawned("a", &storage, &timer);
    let (way, clock) = (storage.clone(), timer.clone());
    timer.spawn(async move {
        clock.sleep(secs(100)).await;
        way.set(Fault::Refuse);
        clock.sleep(secs(60)).await;
        way.set(Fault::None);
    });
    let mut terms = Vec::new();
    let worked = Cell::new(Duration::ZERO);
    lead_for(&timer, &a, secs(300), |leadership| {
        terms.push(leadership.term().get());
        let (timer, worked) = (&timer, &worked);
        async move {
            loop {
                timer.sleep(secs(1)).await;
                assert!(leadership.is_valid());
                worked.set(worked.get() + secs(1));
            }
        }
    });
    assert_eq!(terms, [1, 2]);
    assert!((secs(200)..secs(260)).contains(&worked.get()), "{:?}", worked.get());
}

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

/// The lease is not released before the work is dropped, and what it borrows with it.
#[test]
fn the_work_is_dropped_before_the_release() {
    let (timer, storage) = fixture();
    struct Last(faulty::Faulty, Rc<Cell<Option<usize>>>);
    impl Drop for Last {
        fn drop(&mut self) {
            self.1.set(Some(self.0.releases()));
        }
    }
    let (a, driver) = candidate("a", &storage, &timer);
    timer.spawn(driver.run_until(timer.sleep(secs(5))));
    let seen = Rc::new(Cell::new(None));
    let lead = a.lead(async |_| {
        let _last = Last(storage.clone(), seen.clone());
        pending().await
    });
    assert_eq!(timer.block_on(lead), Some(Ok(())));
    assert_eq!((seen.get(), storage.releases()), (Some(0), 1));
}

/// Nothing of the work runs without its guard, not even what comes before its first await: a hand-over waits.
#[test]
fn the_work_begins_under_its_guard() {
    let (timer, storage) = fixture();
    let a = spawned("a", &storage, &timer);
    timer.block_on(a.elected()).unwrap().unwrap();
    let (stopper, waited) = (a.clone(), Cell::new(None));
    let mut lead = Box::pin(a.lead(|_| {
        let begin = timer.now();
        timer.block_on(stopper.shutdown()).unwrap().unwrap();
        waited.set(Some(timer.now().saturating_duration_since(begin)));
        pending()
    }));
    let mut cx = Context::from_waker(Waker::noop());
    assert!(lead.poll_unpin(&mut cx).is_pending());
    assert_eq!(waited.get(), Some(a.config().drain_timeout));
}

/// Work that kept its thread until another term has begun speaks of its own term.
#[test]
fn a_late_answer_resigns_no_later_term() {
    let (timer, storage) = fixture();
    let a = spawned("a", &storage, &timer);
    timer.block_on(a.elected()).unwrap().unwrap();
    let mut terms = Vec::new();
    let mut lead = Box::pin(a.lead(|leadership| {
        terms.push(leadership.term().get());
        let is_first = terms.len() == 1;
        let (timer, a) = (&timer, &a);
        async move {
            if !is_first {
                return pending().await;
            }
            timer.block_on(a.resign()).unwrap().unwrap();
            timer.block_on(a.elected()).unwrap().unwrap();
            Then::Resign
        }
    }));
    let mut cx = Context::from_waker(Waker::noop());
    assert!(lead.poll_unpin(&mut cx).is_pending());
    timer.block_on(select(&mut lead, timer.sleep(secs(60)))).unwrap();
    assert_eq!(a.leadership().unwrap().term().get(), 2);
    drop(lead);
    assert_eq!(terms, [1, 2]);
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

/// What a result says by `into()`.
#[test]
fn a_result_says_what_comes_then() {
    assert_eq!(Then::from(()), Then::NextTerm);
    assert_eq!(Then::from(Ok::<_, String>(())), Then::NextTerm);
    assert_eq!(Then::from(Ok::<_, String>(Then::Again(secs(1)))), Then::Again(secs(1)));
    let full = || Then::Failed("the disk is full".into());
    assert_eq!(Then::from(Err::<(), _>("the disk is full")), full());
    let boxed: Box<dyn std::error::Error> = "the disk is full".into();
    assert_eq!(Then::from(Ok::<_, String>(Err::<Then, _>(boxed))), full());
}

/// It may be spawned, where the work may.
#[test]
fn it_can_be_sent() {
    fn is_send<T: Send>(_: &T) {}
    let (timer, storage) = fixture();
    let (a, _driver) = candidate("a", &storage, &timer);
    is_send(&a.lead(|leadership| async move { leadership.run(pending::<()>()).await.into() }));
    is_send(&a.lead_guarded(|guard| async move { guard.run(pending::<()>()).await.into() }));
    is_send(&a.downgrade());
}

/// What is written most: work that borrows what its task has, spawned with it.
async fn task(candidate: Candidate, text: String) {
    async fn work(_: &str, _: &Leadership) {
        pending().await
    }
    let lead = candidate.lead(async |leadership| {
        work(&text, &leadership).await;
        Then::NextTerm
    });
    lead.await.unwrap();
}

#[test]
fn it_can_be_spawned() {
    fn spawn(_: impl Send + 'static) {}
    let (timer, storage) = fixture();
    let (a, _driver) = candidate("a", &storage, &timer);
    spawn(task(a.clone(), String::new()));
    spawn(async move { a.lead_guarded(async |guard| guard.run(pending::<()>()).await.into()).await });
}
