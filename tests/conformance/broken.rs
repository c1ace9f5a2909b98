//! A storage with one fault, or none: records in memory, a wall clock that can be turned, and every power of a harness.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::sync::Arc;
use core::future::{pending, ready};
use core::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use core::time::Duration;
use std::sync::{Mutex, MutexGuard, PoisonError};

use futures::{StreamExt, stream};
use lessor::storage::conformance::{Harness, Power};
use lessor::storage::{Distinct, Topics};
use lessor::{
    Acquired, Claim, Holder, Instant, Key, Lease, ManualTimer, Record, Renewed, Session, Storage, StorageError, Term,
    Timer, Wakeups, async_trait,
};

use crate::fault::Fault;
use crate::judge::{self, Write};

/// Not a multiple of a second, as the ttls that a careless adapter rounds.
pub(crate) const TTL: Duration = Duration::from_millis(250);
/// The longest ttl of the storage that may lose data, and for how long it is frozen after it did.
const FREEZE: Duration = Duration::from_secs(60);
/// The wall clock at the timer's origin, in ms.
const EPOCH_MS: u64 = 1_700_000_000_000;
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

/// A handle on the storage.
pub(crate) struct Handle {
    shared: Arc<Shared>,
    number: usize,
    break_reply: AtomicBool,
    /// How often the handle was connected anew.
    connection: AtomicU64,
    /// The last term that the handle counted itself.
    counted: AtomicU64,
}

struct Shared {
    timer: ManualTimer,
    fault: Option<Fault>,
    kind: Kind,
    /// State of the generator of delays; zero: none.
    delays: AtomicU64,
    handles: AtomicUsize,
    state: Mutex<State>,
    topics: Topics,
}

#[derive(Default)]
struct State {
    records: BTreeMap<Key, Record>,
    turned_back_ms: u64,
    frozen_until_ms: u64,
    lost: bool,
    /// Under way, for the fault that leaves them so.
    locked: BTreeSet<Key>,
    /// The last writer and what it found.
    before: BTreeMap<Key, (usize, Option<Record>)>,
    /// Who claimed with a session.
    ids: BTreeMap<Session, Holder>,
    /// How often subscribers were woken, and when the last time.
    woken: BTreeMap<Key, (usize, Instant)>,
}

impl Broken {
    pub(crate) fn new(timer: ManualTimer, kind: Kind, fault: Option<Fault>) -> Self {
        let (delays, handles) = (AtomicU64::new(0), AtomicUsize::new(0));
        Self(Arc::new(Shared { timer, fault, kind, delays, handles, state: Mutex::default(), topics: Topics::new() }))
    }

    /// Nothing is wrong with it, but each request and each reply is under way for up to a fifth of the ttl.
    pub(crate) fn slow(timer: ManualTimer, kind: Kind, seed: u64) -> Self {
        let slow = Self::new(timer, kind, None);
        slow.0.delays.store(seed.max(1), Ordering::Relaxed);
        slow
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
        Ok(Handle {
            shared: self.0.clone(),
            number: self.0.handles.fetch_add(1, Ordering::Relaxed),
            break_reply: AtomicBool::new(false),
            connection: AtomicU64::new(0),
            counted: AtomicU64::new(0),
        })
    }

    fn timer(&self) -> ManualTimer {
        self.0.timer.clone()
    }

    fn ttl(&self) -> Duration {
        TTL
    }

    fn longest_ttl(&self) -> Duration {
        if self.0.kind == Kind::Volatile { FREEZE } else { lessor::MAX_DURATION }
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
        let mut state = self.0.state();
        if self.has(Fault::RestartForgetsTerms) {
            state.records.clear();
        }
        if self.has(Fault::RestartForgetsLeases) {
            state.records.values_mut().for_each(|record| record.session = None);
        }
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

impl Handle {
    fn has(&self, fault: Fault) -> bool {
        self.shared.fault == Some(fault)
    }

    /// One step on the key: atomic, unless the fault looks first and writes later.
    async fn step<A>(
        &self,
        key: &Key,
        get_then_put: impl FnOnce(Option<&Record>, u64) -> bool,
        judge: impl FnOnce(&mut State, Option<&Record>, u64) -> (A, Write),
    ) -> Result<A, StorageError> {
        let shared = &*self.shared;
        if self.has(Fault::Hangs) {
            return pending().await;
        }
        shared.delay().await;
        if self.has(Fault::DropLeavesALock) {
            while shared.state().locked.contains(key) {
                shared.timer.sleep(Duration::from_millis(1)).await;
            }
            shared.state().locked.insert(key.clone());
            shared.timer.sleep(Duration::from_millis(1)).await;
            shared.state().locked.remove(key);
        }
        let look = |state: &State| {
            let now_ms = shared.now_ms(state);
            let lagging = state.before.get(key).filter(|(writer, _)| *writer != self.number);
            let record = match lagging {
                Some((_, before)) if self.has(Fault::HandlesLag) => before.as_ref(),
                _ => state.records.get(key),
            };
            (judge::read(shared.fault, record, now_ms), now_ms)
        };
        let before = look(&shared.state());
        let early = get_then_put(before.0.as_ref(), before.1);
        if early {
            shared.timer.sleep(LATER).await;
        }
        let answer = {
            let mut state = shared.state();
            let (record, now_ms) = if early { before } else { look(&state) };
            let (answer, write) = judge(&mut state, record.as_ref(), now_ms);
            self.write(&mut state, key, write);
            answer
        };
        shared.delay().await;
        if self.break_reply.swap(false, Ordering::Relaxed) {
            self.connection.fetch_add(1, Ordering::Relaxed);
            return Err(StorageError::transient("connection reset"));
        }
        Ok(answer)
    }

    fn write(&self, state: &mut State, key: &Key, write: Write) {
        let before = state.records.get(key).cloned();
        let after = match write {
            Write::Keep => return,
            Write::Put(record) => Some(record),
            Write::Delete => None,
        };
        let owner = |record: &Option<Record>| record.as_ref().map(|record| (record.term, record.session));
        let released = after.as_ref().is_none_or(|after| after.session.is_none());
        let wakes = match self.shared.fault {
            Some(Fault::NoWakeupAtRelease) if released => false,
            Some(Fault::NoWakeupAtGrant) if !released => false,
            Some(Fault::WakeupAtRenewal) => true,
            _ => owner(&before) != owner(&after),
        };
        match after {
            Some(record) => state.records.insert(key.clone(), record),
            None => state.records.remove(key),
        };
        state.before.insert(key.clone(), (self.number, before));
        if wakes {
            self.shared.wake(state, key);
        }
    }

    fn claim(&self, claim: &Claim) -> Claim {
        let claim = judge::claim(self.shared.fault, claim);
        Claim { session: self.session(claim.session), ..claim }
    }

    fn session(&self, session: Session) -> Session {
        let session = judge::session(self.shared.fault, session);
        let connection = u128::from(self.connection.load(Ordering::Relaxed));
        if self.has(Fault::ReconnectIsAStranger) { Session::from_bits(session.to_bits() ^ connection) } else { session }
    }

    fn seed(&self, state: &State, now_ms: u64) -> Term {
        let counts_from_one = self.shared.kind == Kind::Durable
            || self.has(Fault::FirstTermIsOne)
            || self.has(Fault::LossRestartsTerms) && state.lost;
        if counts_from_one { Term::FIRST } else { Term::new(now_ms).unwrap() }
    }

    fn counted(&self, (answer, write): (Acquired, Write)) -> (Acquired, Write) {
        match (answer, write) {
            (Acquired::Granted { version, .. }, Write::Put(record)) if self.has(Fault::TermsCountedPerHandle) => {
                let term = Term::new(self.counted.fetch_add(1, Ordering::Relaxed) + 1).unwrap();
                (Acquired::Granted { term, version }, Write::Put(Record { term, ..record }))
            }
            as_it_is => as_it_is,
        }
    }

    /// A batch as the fault has it: one after the other, answers in their places.
    async fn batch<'a, Q, A, F>(
        &self,
        questions: &'a [Q],
        key: impl Fn(&'a Q) -> &'a Key,
        refused: impl Fn(&A) -> bool,
        ask: impl Fn(&'a Q) -> F,
    ) -> Vec<Result<A, StorageError>>
    where
        F: Future<Output = Result<A, StorageError>>,
    {
        if self.has(Fault::Hangs) {
            return pending().await;
        }
        let mut answers = Vec::new();
        let mut distinct = Distinct::default();
        let mut stopped = false;
        for question in questions {
            let answer = match distinct.admit(key(question)) {
                Err(_) if self.has(Fault::BatchDropsDuplicates) => continue,
                Err(error) if !self.has(Fault::BatchTakesDuplicates) => Err(error),
                _ if stopped => Err(StorageError::transient("transaction aborted")),
                _ => ask(question).await,
            };
            stopped |= self.has(Fault::BatchStopsAtRefusal) && answer.as_ref().is_ok_and(&refused);
            answers.push((key(question), answer));
        }
        if self.has(Fault::BatchIsSorted) {
            answers.sort_by_key(|(key, _)| *key);
        }
        let mut answers: Vec<_> = answers.into_iter().map(|(_, answer)| answer).collect();
        if self.has(Fault::BatchIsReversed) {
            answers.reverse();
        }
        if self.has(Fault::EmptyBatchAnswers) && questions.is_empty() {
            answers.push(Err(StorageError::permanent("syntax error at end of input")));
        }
        answers
    }
}

#[async_trait]
impl Storage for Handle {
    async fn acquire(&self, claim: &Claim) -> Result<Acquired, StorageError> {
        let claim = self.claim(claim);
        let get_then_put = |record: Option<&Record>, now_ms| match record {
            None => self.has(Fault::ClaimIsGetThenPut),
            Some(record) => self.has(Fault::TakeoverIsGetThenPut) && !record.lease(now_ms).is_live(),
        };
        self.step(&claim.key, get_then_put, |state, record, now_ms| {
            state.ids.insert(claim.session, claim.holder.clone());
            if now_ms < state.frozen_until_ms {
                let retry_after = Duration::from_millis(state.frozen_until_ms - now_ms);
                return (Acquired::Held { lease: None, retry_after }, Write::Keep);
            }
            let seed = self.seed(state, now_ms);
            self.counted(judge::acquire(self.shared.fault, record, &claim, now_ms, seed))
        })
        .await
    }

    async fn renew(&self, claim: &Claim, term: Term) -> Result<Renewed, StorageError> {
        let claim = self.claim(claim);
        let get_then_put = |_: Option<&Record>, _| self.has(Fault::RenewIsGetThenPut);
        self.step(&claim.key, get_then_put, |state, record, now_ms| {
            if now_ms < state.frozen_until_ms {
                return (Renewed::Lost(None), Write::Keep);
            }
            judge::renew(self.shared.fault, record, &claim, term, now_ms)
        })
        .await
    }

    async fn release(&self, key: &Key, session: Session) -> Result<(), StorageError> {
        let (key, session) = (judge::key(self.shared.fault, key), self.session(session));
        self.step(
            &key,
            |_, _| false,
            |state, record, now_ms| {
                ((), judge::release(self.shared.fault, record, state.ids.get(&session), session, now_ms))
            },
        )
        .await
    }

    async fn get(&self, key: &Key) -> Result<Option<Lease>, StorageError> {
        let key = judge::key(self.shared.fault, key);
        self.step(&key, |_, _| false, |_, record, now_ms| judge::get(self.shared.fault, record, &key, now_ms)).await
    }

    async fn acquire_all(&self, claims: &[Claim]) -> Vec<Result<Acquired, StorageError>> {
        let first = claims.first().and_then(|claim| claim.value.clone());
        let refused = |answer: &Acquired| matches!(answer, Acquired::Held { .. });
        let ask = |claim: &Claim| {
            let value = if self.has(Fault::BatchPublishesOneValue) { first.clone() } else { claim.value.clone() };
            let claim = Claim { value, ..claim.clone() };
            async move { self.acquire(&claim).await }
        };
        self.batch(claims, |claim| &claim.key, refused, ask).await
    }

    async fn renew_all(&self, renewals: &[(Claim, Term)]) -> Vec<Result<Renewed, StorageError>> {
        let refused = |answer: &Renewed| matches!(answer, Renewed::Lost(_));
        self.batch(renewals, |(claim, _)| &claim.key, refused, |(claim, term)| self.renew(claim, *term)).await
    }

    async fn release_all(&self, releases: &[(Key, Session)]) -> Vec<Result<(), StorageError>> {
        self.batch(releases, |(key, _)| key, |()| false, |(key, session)| self.release(key, *session)).await
    }

    async fn get_all(&self, keys: &[Key]) -> Vec<Result<Option<Lease>, StorageError>> {
        self.batch(keys, |key| key, |_| false, |key| self.get(key)).await
    }

    fn subscribe(&self, key: &Key) -> Wakeups {
        let (shared, key) = (self.shared.clone(), judge::key(self.shared.fault, key));
        let wakeups = shared.topics.subscribe(&key);
        let woken = move |shared: &Shared| shared.state().woken.get(&key).copied().unwrap_or_default();
        let mut seen = woken(&shared).0;
        match self.shared.fault {
            // Whoever does not poll at the time misses it.
            Some(Fault::WakeupsAreNotKept) => Wakeups::new(wakeups.filter(move |()| {
                let age = shared.timer.now().saturating_duration_since(woken(&shared).1);
                ready(age < Duration::from_millis(10))
            })),
            Some(Fault::WakeupsPileUp) => Wakeups::new(wakeups.flat_map(move |()| {
                let (count, _) = woken(&shared);
                let new = count - seen;
                seen = count;
                stream::iter(vec![(); new])
            })),
            _ => wakeups,
        }
    }

    async fn check(&self) -> Result<(), StorageError> {
        match self.shared.fault {
            Some(Fault::CheckFails) => Err(StorageError::permanent("relation \"leases\" does not exist")),
            Some(Fault::Hangs) => pending().await,
            _ => Ok(()),
        }
    }
}
