//! A storage with one fault, or none: records in memory, a wall clock that can be turned, and every power of a harness.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::sync::Arc;
use core::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use core::time::Duration;
use std::sync::{Mutex, MutexGuard, PoisonError};

use lessor::storage::conformance::{Harness, Power};
use lessor::storage::{Record, Session, Subscribers};
use lessor::{Config, Id, Instant, Key, ManualTimer, StorageError, Timer, async_trait};

use crate::fault::Fault;

mod batch;
mod handle;

pub(crate) use handle::Handle;

/// Not a multiple of a second, as the ttls that a careless adapter rounds.
pub(crate) const TTL: Duration = Duration::from_millis(250);
/// The longest ttl of the storage that may lose data, and for how long it is frozen after it did.
const FREEZE: Duration = Duration::from_secs(60);
/// The wall clock at the timer's origin, in ms.
const EPOCH_MS: u64 = 1_700_000_000_000;
/// The storage seems to be of so many servers.
const MEMBERS: usize = 3;
/// Between reading and writing, for the faults that do one after the other.
const LATER: Duration = Duration::from_millis(20);

/// Whether a storage keeps what it acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// It does: terms begin at one.
    Durable,
    /// It may lose data: terms begin at its clock, and it freezes after a loss.
    Volatile,
}

/// The harness.
pub(crate) struct Broken(Arc<Shared>);

struct Shared {
    timer: ManualTimer,
    fault: Option<Fault>,
    kind: Kind,
    /// State of the generator of delays; zero: none.
    delays: AtomicU64,
    handles: AtomicUsize,
    restarts: AtomicUsize,
    /// Whether a handle that lingers answers an error when another was first, and does not judge anew.
    gives_up: bool,
    /// Whether there is a server. Without one no handle is given.
    down: AtomicBool,
    state: Mutex<State>,
    topics: Subscribers,
}

#[derive(Default)]
struct State {
    records: BTreeMap<Key, Record>,
    turned_back_ms: u64,
    frozen_until_ms: u64,
    lost: bool,
    /// Under way, for the fault that leaves them so.
    locked: BTreeSet<Key>,
    /// The last writer, its member of the storage, and what it found.
    before: BTreeMap<Key, (usize, usize, Option<Record>)>,
    /// Who claimed with a session.
    ids: BTreeMap<Session, Id>,
    /// From whom a key was taken last, and whether while it was live, and nobody was granted it since.
    revoked: BTreeMap<Key, (Session, bool)>,
    /// What a list has shown as released, for the fault that then sweeps it away.
    swept: BTreeSet<Key>,
    /// How often subscribers were woken, and when the last time.
    woken: BTreeMap<Key, (usize, Instant)>,
}

impl Broken {
    pub(crate) fn new(timer: ManualTimer, kind: Kind, fault: Option<Fault>) -> Self {
        Self::made(timer, kind, fault, false)
    }

    /// Nothing is wrong with it, but who was second is told so, and may ask again.
    pub(crate) fn giving_up(timer: ManualTimer, kind: Kind) -> Self {
        Self::made(timer, kind, None, true)
    }

    fn made(timer: ManualTimer, kind: Kind, fault: Option<Fault>, gives_up: bool) -> Self {
        let (delays, handles) = (AtomicU64::new(0), AtomicUsize::new(0));
        Self(Arc::new(Shared {
            timer,
            fault,
            kind,
            delays,
            handles,
            restarts: AtomicUsize::new(0),
            gives_up,
            down: AtomicBool::new(false),
            state: Mutex::default(),
            topics: Subscribers::new(),
        }))
    }

    /// Nothing is wrong with it, but each request and each reply is under way for up to a fifth of the ttl.
    pub(crate) fn slow(timer: ManualTimer, kind: Kind, seed: u64) -> Self {
        let slow = Self::new(timer, kind, None);
        slow.0.delays.store(seed.max(1), Ordering::Relaxed);
        slow
    }

    /// None of its handles reaches a storage.
    pub(crate) fn nowhere(timer: ManualTimer) -> Self {
        Self::new(timer, Kind::Durable, Some(Fault::NobodyListens))
    }

    /// Ends its server for good.
    pub(crate) fn end(&self) {
        self.0.down.store(true, Ordering::Relaxed);
    }

    /// How many handles were asked for.
    pub(crate) fn handles(&self) -> usize {
        self.0.handles.load(Ordering::Relaxed)
    }

    fn has(&self, fault: Fault) -> bool {
        self.0.fault == Some(fault)
    }
}

#[async_trait]
impl Harness for Broken {
    type Storage = Handle;
    type Timer = ManualTimer;

    async fn storage(&self) -> Result<Handle, StorageError> {
        self.member(0).await
    }

    async fn member(&self, number: usize) -> Result<Handle, StorageError> {
        let handle = Handle::new(self.0.clone(), number % MEMBERS, !self.has(Fault::NobodyListens));
        if self.0.down.load(Ordering::Relaxed) { Err(handle::connection_refused()) } else { Ok(handle) }
    }

    fn timer(&self) -> ManualTimer {
        self.0.timer.clone()
    }

    fn ttl(&self) -> Duration {
        TTL
    }

    fn longest_ttl(&self) -> Duration {
        if self.0.kind == Kind::Volatile { FREEZE } else { Config::MAX_DURATION }
    }

    fn prefix(&self) -> String {
        "run 1: ".to_owned()
    }

    fn freeze_after_loss(&self) -> Option<Duration> {
        (self.0.kind == Kind::Volatile).then_some(FREEZE)
    }

    async fn break_reply(&self, storage: &Handle) -> Result<Power, StorageError> {
        storage.break_reply.store(true, Ordering::Relaxed);
        Ok(Power::Used)
    }

    async fn restart(&self) -> Result<Power, StorageError> {
        self.0.restarts.fetch_add(1, Ordering::Relaxed);
        if self.has(Fault::RestartIsTheEnd) {
            self.end();
        }
        let mut state = self.0.state();
        if self.has(Fault::RestartForgetsTerms) {
            state.records.clear();
        }
        if self.has(Fault::RestartForgetsLeases) {
            state.records.values_mut().for_each(|record| record.session = None);
        }
        if self.has(Fault::RestartForgetsAges) {
            let now_ms = self.0.now_ms(&state);
            state.records.values_mut().for_each(|record| record.since_ms = now_ms);
        }
        Ok(Power::Used)
    }

    async fn unreachable(&self) -> Result<Option<Handle>, StorageError> {
        Ok(Some(Handle::new(self.0.clone(), 0, false)))
    }

    async fn linger(&self, storage: &Handle, time: Duration) -> Result<Power, StorageError> {
        // What is wrong besides shows in the other cases alone: there each step is atomic.
        if self.0.fault.is_some_and(|fault| !fault.case().starts_with("lingering_")) {
            return Ok(Power::NotAvailable);
        }
        storage.lateness.set(time);
        Ok(Power::Used)
    }

    async fn turn_clock_back(&self, by: Duration) -> Result<Power, StorageError> {
        self.0.state().turned_back_ms += by.as_millis() as u64;
        Ok(Power::Used)
    }

    async fn lose_data(&self) -> Result<Power, StorageError> {
        if self.0.kind == Kind::Durable {
            return Ok(Power::NotAvailable);
        }
        let mut state = self.0.state();
        state.records.clear();
        state.lost = true;
        if !self.has(Fault::NoFreezeAfterLoss) {
            state.frozen_until_ms = self.0.now_ms(&state) + FREEZE.as_millis() as u64;
        }
        Ok(Power::Used)
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now_ms(&self, state: &State) -> u64 {
        EPOCH_MS + self.timer.now().since_origin().as_millis() as u64 - state.turned_back_ms
    }

    async fn delay(&self) {
        let state = self.delays.load(Ordering::Relaxed);
        if state != 0 {
            // Knuth's MMIX generator; its high bits are the random ones.
            let next = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            self.delays.store(next.max(1), Ordering::Relaxed);
            self.timer.sleep(Duration::from_micros((next >> 33) % (TTL.as_micros() as u64 / 5))).await;
        }
    }

    fn wake(&self, state: &mut State, key: &Key) {
        let woken = state.woken.entry(key.clone()).or_default();
        *woken = (woken.0 + 1, self.timer.now());
        self.topics.wake(key);
    }
}
