//! Foreign code that does what it may: an error whose end asks the candidate, a timer that asks the storage, a storage that
//! panics. No lock is held while it runs, and what panicked is not polled again.

mod faulty;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::{error, fmt, mem};

use faulty::{Faulty, entropy, secs};
use futures::{FutureExt, StreamExt};
use lessor::storage::{ErrorKind, Reply, Request};
use lessor::{
    Builder, Candidate, Events, Group, GroupEvents, Instant, Key, ManualTimer, MemoryStorage, Storage, StorageError,
    Timer, Wakeups, async_trait,
};

/// Looks at everything that a handle shows, when it is shown itself and when it is dropped.
struct Nosy(Arc<Watched>);

#[derive(Default)]
struct Watched {
    candidate: Mutex<Option<Candidate>>,
    group: Mutex<Option<Group>>,
    /// Streams that nobody reads.
    events: Mutex<Option<Events>>,
    group_events: Mutex<Option<GroupEvents>>,
    dropped: AtomicUsize,
}

impl fmt::Debug for Nosy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.look();
        f.write_str("nosy")
    }
}

impl fmt::Display for Nosy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.look();
        f.write_str("nosy")
    }
}

impl error::Error for Nosy {}

impl Drop for Nosy {
    fn drop(&mut self) {
        self.0.dropped.fetch_add(1, Ordering::SeqCst);
        self.look();
    }
}

impl Nosy {
    fn look(&self) {
        let watched = &self.0;
        // Locks of the test's own may be held by whoever drops this: only those of the library matter.
        if let Ok(candidate) = watched.candidate.try_lock()
            && let Some(candidate) = &*candidate
        {
            let _ = (candidate.status(), candidate.leader(), candidate.leadership(), candidate.events());
        }
        if let Ok(group) = watched.group.try_lock()
            && let Some(group) = &*group
        {
            let _ = (group.get("1"), group.processes());
        }
        let mut events = watched.events.try_lock();
        if let Ok(Some(events)) = events.as_deref_mut() {
            let _ = format!("{events:?}");
        }
        let mut events = watched.group_events.try_lock();
        if let Ok(Some(events)) = events.as_deref_mut() {
            let _ = format!("{events:?}");
        }
    }
}

/// Fails each call with an error of that kind, or answers as the one within.
struct Failing {
    watched: Arc<Watched>,
    inner: MemoryStorage,
    every: usize,
    calls: AtomicUsize,
}

#[async_trait]
impl Storage for Failing {
    async fn call(&self, request: Request) -> Result<Reply, StorageError> {
        if self.calls.fetch_add(1, Ordering::SeqCst).is_multiple_of(self.every) {
            return Err(StorageError::transient(Nosy(self.watched.clone())));
        }
        self.inner.call(request).await
    }

    fn subscribe(&self, key: &Key) -> Wakeups {
        self.inner.subscribe(key)
    }

    async fn call_all(&self, requests: Vec<Request>) -> Vec<Result<Reply, StorageError>> {
        lessor::storage::one_by_one(self, requests).await
    }

    async fn check(&self) -> Result<(), StorageError> {
        Ok(())
    }
}

fn failing(timer: &ManualTimer, every: usize) -> (Arc<Watched>, Failing) {
    let watched = Arc::new(Watched::default());
    let inner = MemoryStorage::with_timer(timer.clone());
    (watched.clone(), Failing { watched, inner, every, calls: AtomicUsize::new(0) })
}

/// The last error is replaced and forgotten, and events make room for others, of which some are errors.
#[test]
fn an_error_may_ask_at_its_end() {
    for every in [1, 2, 3] {
        let timer = ManualTimer::new();
        let (watched, storage) = failing(&timer, every);
        let (candidate, driver) = Builder::new("k").id("a").build_with(storage, timer.clone(), entropy(1)).unwrap();
        *watched.events.lock().unwrap() = Some(candidate.events());
        *watched.candidate.lock().unwrap() = Some(candidate);
        timer.spawn(driver.run());
        timer.block_on(timer.sleep(secs(8_000))).unwrap();
        assert!(watched.dropped.load(Ordering::SeqCst) > 1_000);
        drop(watched.candidate.lock().unwrap().take());
    }
}

/// Whoever prints a driver prints the last error, too.
#[test]
fn an_error_may_ask_when_it_is_printed() {
    let timer = ManualTimer::new();
    let (watched, storage) = failing(&timer, 1);
    let (candidate, mut driver) = Builder::new("k").id("a").build_with(storage, timer.clone(), entropy(1)).unwrap();
    timer.block_on(driver.step()).unwrap();
    *watched.candidate.lock().unwrap() = Some(candidate.clone());
    assert!(format!("{driver:?}").contains("nosy"));
    assert!(format!("{candidate:?} {:?}", candidate.status()).contains("nosy"));
    drop(watched.candidate.lock().unwrap().take());
}

#[test]
fn an_error_may_ask_a_group_at_its_end() {
    let timer = ManualTimer::new();
    let (watched, storage) = failing(&timer, 1);
    let (group, driver) = Group::builder().id("a").build_with(storage, timer.clone(), entropy(1)).unwrap();
    *watched.group_events.lock().unwrap() = Some(group.events());
    for number in 0..500 {
        group.add(Builder::new(format!("{number}"))).unwrap();
    }
    *watched.group.lock().unwrap() = Some(group.clone());
    timer.spawn(driver.run());
    // More than it keeps of what nobody reads.
    while watched.dropped.load(Ordering::SeqCst) < 1_000 {
        timer.block_on(timer.sleep(secs(60))).unwrap();
    }
    drop(watched.group.lock().unwrap().take());
}

/// Panics at the calls with these numbers, when they are polled for the second time or, without delay, the first.
struct Panicking {
    inner: Faulty,
    at: std::ops::Range<usize>,
    calls: AtomicUsize,
    polls: Arc<AtomicUsize>,
    delay: bool,
}

#[async_trait]
impl Storage for Panicking {
    async fn call(&self, request: Request) -> Result<Reply, StorageError> {
        if self.at.contains(&self.calls.fetch_add(1, Ordering::SeqCst)) {
            let (polls, mut pending) = (self.polls.clone(), self.delay);
            return futures::future::poll_fn(move |cx| {
                if mem::take(&mut pending) {
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                polls.fetch_add(1, Ordering::SeqCst);
                panic!("a fault of the adapter");
            })
            .await;
        }
        self.inner.call(request).await
    }

    async fn call_all(&self, requests: Vec<Request>) -> Vec<Result<Reply, StorageError>> {
        lessor::storage::one_by_one(self, requests).await
    }

    fn subscribe(&self, _: &Key) -> Wakeups {
        Wakeups::never()
    }

    async fn check(&self) -> Result<(), StorageError> {
        Ok(())
    }
}

fn panicking(timer: &ManualTimer, at: std::ops::Range<usize>, delay: bool) -> Panicking {
    let inner = Faulty::new(timer);
    Panicking { inner, at, calls: AtomicUsize::new(0), polls: Arc::default(), delay }
}

/// A call that panicked is over: the next step says that it failed, and asks again when that is due.
#[test]
fn a_call_that_panicked_is_not_polled_again() {
    for delay in [false, true] {
        let timer = ManualTimer::new();
        let storage = panicking(&timer, 0..1, delay);
        let polls = storage.polls.clone();
        let (candidate, mut driver) = Builder::new("k").build_with(storage, timer.clone(), entropy(1)).unwrap();
        let panicked = catch_unwind(AssertUnwindSafe(|| timer.block_on(driver.step())));
        assert!(panicked.is_err());
        let step = timer.block_on(driver.step()).unwrap();
        assert_eq!((step.status.failures, polls.load(Ordering::SeqCst)), (1, 1));
        let error = step.status.last_error.unwrap();
        assert_eq!(error.kind(), ErrorKind::Permanent);
        assert!(error.to_string().contains("panicked"), "{error}");
        let step = timer.block_on(async { (timer.sleep(step.wake_in.unwrap()).await, driver.step().await).1 }).unwrap();
        assert!(step.status.failures == 0 && candidate.is_leader());
    }
}

#[test]
fn a_call_of_a_group_that_panicked_is_not_polled_again() {
    for delay in [false, true] {
        let timer = ManualTimer::new();
        let storage = panicking(&timer, 0..3, delay);
        let polls = storage.polls.clone();
        let (group, mut driver) = Group::builder().id("a").build_with(storage, timer.clone(), entropy(1)).unwrap();
        for key in ["k", "l", "m"] {
            group.add(Builder::new(key)).unwrap();
        }
        for number in 1..=3 {
            assert!(catch_unwind(AssertUnwindSafe(|| timer.block_on(driver.step()))).is_err(), "{number}");
            assert_eq!(polls.load(Ordering::SeqCst), number);
        }
        let step = timer.block_on(driver.step()).unwrap();
        assert!(group.candidates().iter().all(|candidate| candidate.status().failures == 1));
        timer.block_on(async { (timer.sleep(step.wake_in.unwrap()).await, driver.step().await) }).unwrap();
        timer.block_on(async { (timer.sleep(secs(1)).await, driver.step().await) }).unwrap();
        assert_eq!((group.status().leading, polls.load(Ordering::SeqCst)), (3, 3));
    }
}

/// One who shares keys looks at the others again after its interval.
#[test]
fn a_look_at_the_others_that_panicked_is_not_polled_again() {
    let timer = ManualTimer::new();
    let storage = panicking(&timer, 1..2, true);
    let polls = storage.polls.clone();
    let builder = Group::builder().id("a").spread(lessor::Spread::new("s"));
    let (group, mut driver) = builder.build_with(storage, timer.clone(), entropy(1)).unwrap();
    group.add(Builder::new("k")).unwrap();
    let mut panics = 0;
    while timer.now() < Instant::from_origin(secs(120)) {
        match catch_unwind(AssertUnwindSafe(|| timer.block_on(driver.step()))) {
            Ok(step) => _ = timer.block_on(timer.sleep(step.unwrap().wake_in.unwrap())),
            Err(_) => panics += 1,
        }
    }
    assert_eq!((panics, polls.load(Ordering::SeqCst), group.status().leading), (1, 1, 1));
}

/// Wake-ups that panic are no more: a candidate goes on without.
#[test]
fn wake_ups_that_panicked_are_not_polled_again() {
    let polls = Arc::new(AtomicUsize::new(0));
    let counted = polls.clone();
    let mut wakeups = Wakeups::new(futures::stream::poll_fn(move |_| -> Poll<Option<()>> {
        counted.fetch_add(1, Ordering::SeqCst);
        panic!("a fault of the adapter");
    }));
    assert!(catch_unwind(AssertUnwindSafe(|| wakeups.next().now_or_never())).is_err());
    assert!(wakeups.next().now_or_never().is_none());
    assert_eq!(polls.load(Ordering::SeqCst), 1);
}

/// A timer may ask the storage that goes by it.
#[test]
fn a_timer_may_ask_the_storage() {
    #[derive(Clone)]
    struct Asking(ManualTimer, Arc<Mutex<Option<MemoryStorage>>>);
    impl Timer for Asking {
        type Sleep = <ManualTimer as Timer>::Sleep;
        fn now(&self) -> Instant {
            let storage = self.1.try_lock().ok().and_then(|mut storage| storage.take());
            if let Some(storage) = storage {
                let _ = storage.subscribe(&Key::new("l").unwrap());
                let _ = format!("{storage:?}");
                *self.1.lock().unwrap() = Some(storage);
            }
            self.0.now()
        }
        fn sleep(&self, duration: std::time::Duration) -> Self::Sleep {
            self.0.sleep(duration)
        }
    }
    let timer = Asking(ManualTimer::new(), Arc::default());
    let storage = MemoryStorage::with_timer(timer.clone());
    *timer.1.lock().unwrap() = Some(storage.clone());
    let (candidate, mut driver) = Builder::new("k").build_with(storage, timer.clone(), entropy(1)).unwrap();
    timer.0.block_on(driver.step()).unwrap();
    assert!(candidate.is_leader());
}
