//! What happens at the one moment at which it is easily missed: right after a look, and right before the listening.

mod faulty;

use std::future::{Future, Pending, pending};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use faulty::{entropy, fixture, secs};
use futures::{FutureExt, StreamExt};
use lessor::storage::Subscribers;
use lessor::{Builder, Candidate, Instant, Key, ManualTimer, Role, Timer, Wakeups};

/// At one of its readings somebody hands over: whichever code reads it, that is what happens at the same time.
#[derive(Clone)]
struct Meddling {
    timer: ManualTimer,
    candidate: Arc<Mutex<Option<Candidate>>>,
    left: Arc<AtomicUsize>,
}

impl Timer for Meddling {
    type Sleep = <ManualTimer as Timer>::Sleep;

    fn now(&self) -> Instant {
        if self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)) == Ok(1) {
            let candidate = self.candidate.lock().unwrap().take();
            // The wish is there once it was polled.
            candidate.inspect(|candidate| _ = candidate.resign().now_or_never());
        }
        self.timer.now()
    }

    fn sleep(&self, duration: Duration) -> Self::Sleep {
        self.timer.sleep(duration)
    }
}

/// R9: a wish is heard at once, whatever the driver does in the moment in which it comes.
#[test]
fn a_wish_is_heard_at_every_moment() {
    for moment in 1..40 {
        let (timer, storage) = fixture();
        let clock = Meddling { timer: timer.clone(), candidate: Arc::default(), left: Arc::default() };
        let (candidate, driver) = Builder::new("k").build_with(storage.clone(), clock.clone(), entropy(1)).unwrap();
        timer.spawn(driver.run());
        timer.block_on(candidate.elected()).unwrap().unwrap();
        *clock.candidate.lock().unwrap() = Some(candidate.clone());
        clock.left.store(moment, Ordering::SeqCst);
        // The readings of the driver are counted, and none of the test's.
        while clock.left.load(Ordering::SeqCst) > 0 {
            timer.block_on(timer.sleep(Duration::from_millis(1))).unwrap();
        }
        timer.block_on(timer.sleep(Duration::from_millis(1))).unwrap();
        assert_eq!(candidate.status().role, Role::CoolingOff, "reading {moment}");
        assert_eq!(storage.releases(), 1);
    }
}

/// A clock whose sleeps ring late: never.
#[derive(Clone)]
struct Late(ManualTimer);

impl Timer for Late {
    type Sleep = Pending<()>;

    fn now(&self) -> Instant {
        self.0.now()
    }

    fn sleep(&self, _: Duration) -> Self::Sleep {
        pending()
    }
}

/// R3: work that is woken after the deadline is not polled any more, though no sleep has told of it.
#[test]
fn work_does_not_go_on_after_the_deadline() {
    let (timer, storage) = fixture();
    let (candidate, mut driver) = Builder::new("k").build_with(storage, Late(timer.clone()), entropy(1)).unwrap();
    timer.block_on(driver.step()).unwrap();
    let leadership = candidate.leadership().unwrap();
    let mut polls = 0;
    let work = std::future::poll_fn(|_| {
        polls += 1;
        Poll::<()>::Pending
    });
    let mut run = Box::pin(leadership.run(work));
    let mut context = Context::from_waker(Waker::noop());
    assert!(run.as_mut().poll(&mut context).is_pending());
    timer.advance(secs(9));
    assert!(matches!(run.as_mut().poll(&mut context), Poll::Ready(Err(_))));
    drop(run);
    assert_eq!(polls, 1);
}

/// Work that blocks its thread cannot be dropped: that it has ended is answered, and not that it ended in its term.
#[test]
fn work_that_blocks_ends_after_its_term() {
    let (timer, storage) = fixture();
    let (candidate, mut driver) = Builder::new("k").build_with(storage, timer.clone(), entropy(1)).unwrap();
    timer.block_on(driver.step()).unwrap();
    let leadership = candidate.leadership().unwrap();
    let work = async {
        timer.advance(secs(20));
        "done"
    };
    assert_eq!(leadership.run(work).now_or_never(), Some(Ok("done")));
    assert!(!leadership.is_valid() && !candidate.is_leader());
}

/// A waker that polls at once finds what it was woken for: a wake-up counts before it wakes.
#[test]
fn a_wake_up_is_there_when_it_wakes() {
    struct AtOnce {
        wakeups: Mutex<Wakeups>,
        found: AtomicBool,
    }
    impl Wake for AtOnce {
        fn wake(self: Arc<Self>) {
            let found = self.wakeups.lock().unwrap().next().now_or_never().is_some();
            self.found.store(found, Ordering::SeqCst);
        }
    }
    let subscribers = Subscribers::new();
    let key = Key::new("k").unwrap();
    let wakeups = Mutex::new(subscribers.subscribe(&key));
    let at_once = Arc::new(AtOnce { wakeups, found: AtomicBool::new(false) });
    for _ in 0..3 {
        let waker = Waker::from(at_once.clone());
        let polled = at_once.wakeups.lock().unwrap().poll_next_unpin(&mut Context::from_waker(&waker));
        assert!(polled.is_pending());
        subscribers.wake(&key);
        assert!(at_once.found.swap(false, Ordering::SeqCst));
    }
}
