//! A storage whose faults a test switches, and which counts what it is asked.

#![allow(dead_code, reason = "each test uses the part it needs")]

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use lessor::storage::{Reply, Request, one_by_one};
use lessor::{
    Builder, Candidate, Driver, Key, ManualTimer, MemoryStorage, Storage, StorageError, Timer, Wakeups, async_trait,
};

/// What happens to an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    None,
    /// An error at once; not applied.
    Refuse,
    /// Never an answer; not applied.
    Hang,
    /// An error at once that stays until somebody changes something; not applied.
    Deny,
    /// Its turn does not come: an error at once; not applied.
    Crowd,
    /// An error at once, but applied: the reply was lost.
    LoseReply,
    /// Applied at once, and a hundredth of a second before the answer.
    Late,
    /// A hundredth of a second before it is applied, and another before the answer.
    Slow,
}

/// Clones share storage, faults and counts.
#[derive(Clone)]
pub(crate) struct Faulty {
    inner: MemoryStorage,
    timer: ManualTimer,
    state: Arc<State>,
}

struct State {
    fault: Mutex<Fault>,
    wakeups: bool,
    acquires: AtomicUsize,
    renewals: AtomicUsize,
    releases: AtomicUsize,
    gets: AtomicUsize,
}

impl Faulty {
    pub(crate) fn new(timer: &ManualTimer) -> Self {
        Self::build(timer, true)
    }

    /// A storage that wakes nobody.
    pub(crate) fn silent(timer: &ManualTimer) -> Self {
        Self::build(timer, false)
    }

    fn build(timer: &ManualTimer, wakeups: bool) -> Self {
        let state = State {
            fault: Mutex::new(Fault::None),
            wakeups,
            acquires: AtomicUsize::new(0),
            renewals: AtomicUsize::new(0),
            releases: AtomicUsize::new(0),
            gets: AtomicUsize::new(0),
        };
        Self { inner: MemoryStorage::with_timer(timer.clone()), timer: timer.clone(), state: Arc::new(state) }
    }

    /// Another way to the same leases, with faults and counts of its own.
    pub(crate) fn another_way(&self) -> Self {
        let fresh = Self::build(&self.timer, self.state.wakeups);
        Self { inner: self.inner.clone(), ..fresh }
    }

    pub(crate) fn set(&self, fault: Fault) {
        *self.state.fault.lock().unwrap() = fault;
    }

    pub(crate) fn acquires(&self) -> usize {
        self.state.acquires.load(Ordering::SeqCst)
    }

    pub(crate) fn renewals(&self) -> usize {
        self.state.renewals.load(Ordering::SeqCst)
    }

    pub(crate) fn releases(&self) -> usize {
        self.state.releases.load(Ordering::SeqCst)
    }

    pub(crate) fn gets(&self) -> usize {
        self.state.gets.load(Ordering::SeqCst)
    }

    fn count(&self, request: &Request) {
        let state = &*self.state;
        let count = match request {
            Request::Acquire(_) => &state.acquires,
            Request::Renew(_) => &state.renewals,
            Request::Release(_) => &state.releases,
            Request::Get(_) => &state.gets,
            // That of a group which shares its keys.
            Request::List(_) => return,
            other => panic!("no candidate asks for {other:?}"),
        };
        count.fetch_add(1, Ordering::SeqCst);
    }
}

#[async_trait]
impl Storage for Faulty {
    async fn call(&self, request: Request) -> Result<Reply, StorageError> {
        self.count(&request);
        let operation = self.inner.call(request);
        let fault = *self.state.fault.lock().unwrap();
        match fault {
            Fault::None => operation.await,
            Fault::Refuse => Err(StorageError::transient("refused")),
            Fault::Deny => Err(StorageError::permanent("denied")),
            Fault::Crowd => {
                let because = StorageError::transient("others were before it");
                Err(StorageError::not_sent(Duration::ZERO, because))
            }
            Fault::Late => {
                let answer = operation.await;
                self.timer.sleep(Duration::from_millis(10)).await;
                answer
            }
            Fault::Hang => std::future::pending().await,
            Fault::Slow => {
                self.timer.sleep(Duration::from_millis(10)).await;
                let answer = operation.await;
                self.timer.sleep(Duration::from_millis(10)).await;
                answer
            }
            Fault::LoseReply => operation.await.and(Err(StorageError::transient("reply lost"))),
        }
    }

    async fn call_all(&self, requests: Vec<Request>) -> Vec<Result<Reply, StorageError>> {
        one_by_one(self, requests).await
    }

    fn subscribe(&self, key: &Key) -> Wakeups {
        if self.state.wakeups { self.inner.subscribe(key) } else { Wakeups::never() }
    }

    async fn check(&self) -> Result<(), StorageError> {
        self.inner.check().await
    }
}

/// Randomness that differs by seed and is the same in every run.
pub(crate) fn entropy(seed: u64) -> impl FnMut() -> u64 + Send + 'static {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        state ^ state >> 29
    }
}

pub(crate) const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

pub(crate) const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

pub(crate) type Mine = (Candidate, Driver<Faulty>);

pub(crate) fn candidate(id: &str, storage: &Faulty, timer: &ManualTimer) -> Mine {
    let seed = id.bytes().map(u64::from).sum();
    Builder::new("k").id(id).build_with(storage.clone(), timer.clone(), entropy(seed)).unwrap()
}

pub(crate) fn spawned(id: &str, storage: &Faulty, timer: &ManualTimer) -> Candidate {
    let (candidate, driver) = candidate(id, storage, timer);
    timer.spawn(driver.run());
    candidate
}

pub(crate) fn fixture() -> (ManualTimer, Faulty) {
    let timer = ManualTimer::new();
    let storage = Faulty::new(&timer);
    (timer, storage)
}
