//! A handle on the storage: each request as the fault has it.

use alloc::sync::Arc;
use core::error::Error;
use core::fmt;
use core::future::{pending, ready};
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use core::time::Duration;
use std::io;

use futures::{StreamExt, stream};
use lessor::storage::{
    Acquired, Claim, Get, List, Operation, Page, Record, Release, Renewal, Renewed, Reply, Request, Revoke, Session,
};
use lessor::{Key, Lease, Storage, StorageError, Term, Timer, Wakeups, async_trait};

use super::{Kind, LATER, Shared, State};
use crate::fault::Fault;
use crate::judge::{self, Write};
use crate::late::{Lateness, Read, first_half};
use crate::{list, taken};

/// A handle on the storage.
pub(crate) struct Handle {
    pub(super) shared: Arc<Shared>,
    number: usize,
    /// Of the members of the storage, the one that it leads to.
    member: usize,
    /// Whether it reaches the storage.
    reaches: bool,
    pub(super) lateness: Lateness,
    pub(super) break_reply: AtomicBool,
    /// How often the handle was connected anew.
    connection: AtomicU64,
    /// The last term that the handle counted itself.
    counted: AtomicU64,
}

impl Handle {
    pub(super) fn new(shared: Arc<Shared>, member: usize, reaches: bool) -> Self {
        let number = shared.handles.fetch_add(1, Ordering::Relaxed);
        let (connection, counted) = (AtomicU64::new(0), AtomicU64::new(0));
        let (lateness, break_reply) = (Lateness::default(), AtomicBool::new(false));
        Self { shared, number, member, reaches, lateness, break_reply, connection, counted }
    }

    pub(super) fn has(&self, fault: Fault) -> bool {
        self.shared.fault == Some(fault)
    }

    /// The key's record, as this handle reads it.
    fn look(&self, state: &State, key: &Key) -> Read {
        let before = state.before.get(key);
        let lagging = before.filter(|(writer, member, _)| match self.shared.fault {
            Some(Fault::HandlesLag) => *writer != self.number,
            Some(Fault::MembersLag) => *member != self.member,
            _ => false,
        });
        let record = lagging.map_or_else(|| state.records.get(key), |(.., before)| before.as_ref());
        Read { record: record.cloned(), now_ms: self.shared.now_ms(state) }
    }

    fn read(&self, state: &State, key: &Key) -> (Option<Record>, u64) {
        let Read { record, now_ms } = self.look(state, key);
        (judge::read(self.shared.fault, record.as_ref(), now_ms), now_ms)
    }

    /// One step on the key: atomic, unless the handle lingers, or the fault looks first and writes later.
    async fn step<A>(
        &self,
        key: &Key,
        operation: Operation,
        get_then_put: impl FnOnce(Option<&Record>, u64) -> bool,
        mut judge: impl FnMut(&mut State, Option<&Record>, u64) -> (A, Write),
    ) -> Result<A, StorageError> {
        let shared = &*self.shared;
        shared.delay().await;
        if self.has(Fault::DropLeavesALock) {
            while shared.state().locked.contains(key) {
                shared.timer.sleep(Duration::from_millis(1)).await;
            }
            shared.state().locked.insert(key.clone());
            shared.timer.sleep(Duration::from_millis(1)).await;
            shared.state().locked.remove(key);
        }
        let answer = match self.lateness.get() {
            Some(late) => self.late_step(key, operation, late, judge).await?,
            None => {
                let before = self.read(&shared.state(), key);
                let early = get_then_put(before.0.as_ref(), before.1);
                if early {
                    shared.timer.sleep(LATER).await;
                }
                let (answer, rest) = {
                    let mut state = shared.state();
                    let (record, now_ms) = if early { before } else { self.read(&state, key) };
                    let (answer, write) = judge(&mut state, record.as_ref(), now_ms);
                    let rest = self.begin(&mut state, key, write, false);
                    (answer, rest)
                };
                if let Some((half, whole)) = rest {
                    shared.timer.sleep(LATER).await;
                    self.finish(&mut shared.state(), key, &half, whole);
                }
                answer
            }
        };
        shared.delay().await;
        self.reply(answer)
    }

    /// A step that is judged by what was read, and written later, if that still holds. Else it is taken anew.
    async fn late_step<A>(
        &self,
        key: &Key,
        operation: Operation,
        late: Duration,
        mut judge: impl FnMut(&mut State, Option<&Record>, u64) -> (A, Write),
    ) -> Result<A, StorageError> {
        let shared = &*self.shared;
        loop {
            let (seen, answer, write) = {
                let mut state = shared.state();
                let seen = self.look(&state, key);
                let (record, now_ms) = self.read(&state, key);
                let (answer, write) = judge(&mut state, record.as_ref(), now_ms);
                if self.has(Fault::LateReleaseWakesAtOnce) && operation == Operation::Release {
                    shared.wake(&mut state, key);
                }
                (seen, answer, write)
            };
            if matches!(write, Write::Keep) {
                return Ok(answer);
            }
            shared.timer.sleep(late).await;
            let rest = {
                let mut state = shared.state();
                let now = self.look(&state, key);
                if !self.lateness.holds(shared.fault, operation, &seen, &now) {
                    if shared.gives_up {
                        return Err(StorageError::transient("another was first"));
                    }
                    continue;
                }
                self.begin(&mut state, key, write, true)
            };
            if let Some((half, whole)) = rest {
                shared.timer.sleep(late).await;
                self.finish(&mut shared.state(), key, &half, whole);
            }
            return Ok(answer);
        }
    }

    /// Writes, or half of it: the whole is then still to come.
    fn begin(&self, state: &mut State, key: &Key, write: Write, late: bool) -> Option<(Record, Record)> {
        if let Write::Put(whole) = &write
            && let Some(half) = first_half(self.shared.fault, state.records.get(key), whole, late)
        {
            let whole = whole.clone();
            self.write(state, key, Write::Put(half.clone()));
            return Some((half, whole));
        }
        self.write(state, key, write);
        None
    }

    /// Writes the whole over the half, unless another was there meanwhile.
    fn finish(&self, state: &mut State, key: &Key, half: &Record, whole: Record) {
        if state.records.get(key) == Some(half) {
            self.write(state, key, Write::Put(whole));
        }
    }

    /// The reply, if it is not to be lost.
    fn reply<A>(&self, answer: A) -> Result<A, StorageError> {
        if self.break_reply.swap(false, Ordering::Relaxed) {
            self.connection.fetch_add(1, Ordering::Relaxed);
            return Err(StorageError::transient("connection reset"));
        }
        Ok(answer)
    }

    /// A record's lease, as the fault shows it.
    fn shown(&self, record: Option<&Record>, lease: Option<Lease>, now_ms: u64) -> Option<Lease> {
        match (record, lease) {
            (Some(record), Some(lease)) => Some(judge::shown(self.shared.fault, record, lease, now_ms)),
            (_, lease) => lease,
        }
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
        let revoked = released && after.as_ref().map(|after| after.term) != before.as_ref().map(|before| before.term);
        let wakes = match self.shared.fault {
            Some(Fault::NoWakeupAtRevoke) if revoked => false,
            Some(Fault::NoWakeupAtRelease) if released => false,
            Some(Fault::NoWakeupAtTransfer) if after.as_ref().is_some_and(judge::reserves) => false,
            Some(Fault::NoWakeupAtGrant) if !released => false,
            Some(Fault::LateReleaseWakesAtOnce) if released && self.lateness.get().is_some() => false,
            Some(Fault::WakeupAtRenewal) => true,
            _ => owner(&before) != owner(&after),
        };
        if let Some((record, taken)) =
            before.as_ref().and_then(|before| Some((before, before.session?))).filter(|_| revoked)
        {
            let was_live = judge::live(record, self.shared.now_ms(state));
            state.revoked.insert(key.clone(), (taken, was_live));
        } else if let Some((_, free)) = state.revoked.get_mut(key) {
            *free &= released;
        }
        match after {
            Some(record) => state.records.insert(key.clone(), record),
            None => state.records.remove(key),
        };
        state.before.insert(key.clone(), (self.number, self.member, before));
        if wakes {
            self.shared.wake(state, key);
        }
    }

    fn claim(&self, claim: Claim) -> Claim {
        let mut claim = taken::claim(self.shared.fault, claim);
        claim.session = self.session(claim.session);
        claim
    }

    fn renewal(&self, renewal: Renewal) -> Renewal {
        let mut renewal = taken::renewal(self.shared.fault, renewal);
        renewal.session = self.session(renewal.session);
        renewal
    }

    fn session(&self, session: Session) -> Session {
        let session = taken::session(self.shared.fault, session);
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
            (Acquired::Granted { version, .. }, Write::Put(mut record)) if self.has(Fault::TermsCountedPerHandle) => {
                record.term = Term::new(self.counted.fetch_add(1, Ordering::Relaxed) + 1).unwrap();
                (Acquired::granted(record.term, version), Write::Put(record))
            }
            as_it_is => as_it_is,
        }
    }

    async fn acquire(&self, claim: Claim) -> Result<Acquired, StorageError> {
        let claim = self.claim(claim);
        let get_then_put = |record: Option<&Record>, now_ms| match record {
            None => self.has(Fault::ClaimIsGetThenPut),
            Some(record) => self.has(Fault::TakeoverIsGetThenPut) && !record.lease(now_ms).is_live(),
        };
        self.step(&claim.key, Operation::Acquire, get_then_put, |state, record, now_ms| {
            state.ids.insert(claim.session, claim.id.clone());
            if now_ms < state.frozen_until_ms {
                let retry_after = Duration::from_millis(state.frozen_until_ms - now_ms);
                return (Acquired::refused(None, retry_after), Write::Keep);
            }
            let seed = self.seed(state, now_ms);
            let revoked = state.revoked.get(&claim.key).is_some_and(|(_, free)| *free);
            let (answer, write) =
                self.counted(judge::acquire(self.shared.fault, record, revoked, &claim, now_ms, seed));
            let answer = match answer {
                Acquired::Refused { lease, retry_after, .. } => {
                    Acquired::refused(self.shown(record, lease, now_ms), retry_after)
                }
                granted => granted,
            };
            (answer, write)
        })
        .await
    }

    async fn renew(&self, renewal: Renewal) -> Result<Renewed, StorageError> {
        let renewal = self.renewal(renewal);
        let get_then_put = |_: Option<&Record>, _| self.has(Fault::RenewIsGetThenPut);
        self.step(&renewal.key, Operation::Renew, get_then_put, |state, record, now_ms| {
            if now_ms < state.frozen_until_ms {
                return (Renewed::lost(None), Write::Keep);
            }
            let revoked = state.revoked.get(&renewal.key).map(|(session, _)| *session);
            // A refusal writes nothing: no condition notices that it goes by what this member last heard.
            let stale = state.before.get(&renewal.key).filter(|(_, member, _)| *member != self.member);
            if let Some((.., before)) = stale
                && self.has(Fault::RenewalIsLostByAStaleRead)
            {
                let (answer, write) = judge::renew(None, before.as_ref(), revoked, &renewal, now_ms);
                if matches!(write, Write::Keep) {
                    return (answer, write);
                }
            }
            let (answer, write) = judge::renew(self.shared.fault, record, revoked, &renewal, now_ms);
            let answer = match answer {
                Renewed::Lost { lease, .. } => Renewed::lost(self.shown(record, lease, now_ms)),
                extended => extended,
            };
            (answer, write)
        })
        .await
    }

    async fn release(&self, release: Release) -> Result<(), StorageError> {
        let mut release = taken::release(self.shared.fault, &release);
        release.session = self.session(release.session);
        self.step(
            &release.key,
            Operation::Release,
            |_, _| false,
            |state, record, now_ms| {
                let revoked = state.revoked.get(&release.key).map(|(session, _)| *session);
                let claimed_by = state.ids.get(&release.session);
                ((), judge::release(self.shared.fault, record, revoked, claimed_by, &release, now_ms))
            },
        )
        .await
    }

    async fn get(&self, get: Get) -> Result<Option<Lease>, StorageError> {
        let key = taken::key(self.shared.fault, &get.key);
        self.step(
            &key,
            Operation::Get,
            |_, _| false,
            |_, record, now_ms| {
                let (lease, write) = judge::get(self.shared.fault, record, &key, now_ms);
                (self.shown(record, lease, now_ms), write)
            },
        )
        .await
    }

    async fn revoke(&self, revoke: Revoke) -> Result<Option<Lease>, StorageError> {
        let revoke = Revoke::new(taken::key(self.shared.fault, &revoke.key)).term(revoke.term).now(revoke.now);
        let get_then_put = |_: Option<&Record>, _| self.has(Fault::RevokeIsGetThenPut);
        self.step(&revoke.key, Operation::Revoke, get_then_put, |_, record, now_ms| {
            let (before, write) = judge::revoke(self.shared.fault, record, &revoke, now_ms);
            (self.shown(record, before, now_ms), write)
        })
        .await
    }

    /// Not a step on one key: each lease is as it is while the list is made.
    async fn list(&self, list: &List) -> Result<Page, StorageError> {
        let shared = &*self.shared;
        shared.delay().await;
        let page = {
            let mut state = shared.state();
            let now_ms = shared.now_ms(&state);
            let lease = |record: &Record| judge::shown(shared.fault, record, record.lease(now_ms), now_ms);
            let stale = |key: &Key| state.before.get(key).filter(|(_, member, _)| *member != self.member);
            let leases = state.records.iter().filter_map(|(key, record)| match stale(key) {
                Some((.., before)) if self.has(Fault::ListsLag) => Some((key.clone(), lease(before.as_ref()?))),
                _ => Some((key.clone(), lease(record))),
            });
            let leases = leases.collect();
            let page = list::page(shared.fault, list, leases)?;
            self.sweep(&mut state, &page);
            page
        };
        shared.delay().await;
        self.reply(page)
    }

    /// What the faults do to what a list has shown.
    fn sweep(&self, state: &mut State, page: &Page) {
        for entry in &page.entries {
            let Some(record) = state.records.get_mut(&entry.key) else { continue };
            if self.has(Fault::ListWrites) {
                record.version = record.version.next();
            }
            let released = record.session.is_none();
            if self.has(Fault::ListSweeps) && released && !state.swept.insert(entry.key.clone()) {
                state.records.remove(&entry.key);
            }
        }
    }

    /// The answer where there is no storage: an error, or what the fault makes of it.
    fn nobody_answers(&self, request: &Request, answers: Fault) -> Result<Reply, StorageError> {
        if !self.has(answers) {
            return Err(connection_refused());
        }
        Ok(match request {
            Request::Acquire(claim) => Reply::Acquired(Acquired::refused(None, claim.ttl)),
            Request::Renew(_) => Reply::Renewed(Renewed::lost(None)),
            Request::Release(_) => Reply::Released,
            Request::Get(_) => Reply::Got(None),
            Request::Revoke(_) => Reply::Revoked(None),
            Request::List(_) => Reply::Listed(Page::default()),
            unknown => return Err(StorageError::unsupported(unknown)),
        })
    }

    pub(super) async fn answer(&self, request: Request) -> Result<Reply, StorageError> {
        Ok(match request {
            Request::Acquire(claim) => Reply::Acquired(self.acquire(claim).await?),
            Request::Renew(renewal) => Reply::Renewed(self.renew(renewal).await?),
            Request::Release(release) => {
                self.release(release).await?;
                Reply::Released
            }
            Request::Get(get) => Reply::Got(self.get(get).await?),
            Request::Revoke(revoke) => Reply::Revoked(self.revoke(revoke).await?),
            Request::List(list) => Reply::Listed(self.list(&list).await?),
            unknown => return Err(StorageError::unsupported(&unknown)),
        })
    }
}

/// An error with one behind it, as those of real clients are.
#[derive(Debug)]
struct NoConnection(io::Error);

impl fmt::Display for NoConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no connection to the server")
    }
}

impl Error for NoConnection {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.0)
    }
}

pub(super) fn connection_refused() -> StorageError {
    StorageError::transient(NoConnection(io::Error::other("connection refused")))
}

#[async_trait]
impl Storage for Handle {
    async fn call(&self, request: Request) -> Result<Reply, StorageError> {
        if self.has(Fault::Hangs) {
            return pending().await;
        }
        if !self.reaches {
            return self.nobody_answers(&request, Fault::UnreachableIsRefused);
        }
        self.answer(request).await
    }

    async fn call_all(&self, requests: Vec<Request>) -> Vec<Result<Reply, StorageError>> {
        if self.has(Fault::Hangs) {
            return pending().await;
        }
        if !self.reaches {
            let answer = |request: &Request| self.nobody_answers(request, Fault::UnreachableBatchIsRefused);
            return requests.iter().map(answer).collect();
        }
        self.batch(requests).await
    }

    fn subscribe(&self, key: &Key) -> Wakeups {
        let (shared, key) = (self.shared.clone(), taken::key(self.shared.fault, key));
        let wakeups = shared.topics.subscribe(&key);
        let woken = move |shared: &Shared| shared.state().woken.get(&key).copied().unwrap_or_default();
        let mut seen = woken(&shared).0;
        let restarts = move |shared: &Shared| shared.restarts.load(Ordering::Relaxed);
        let connected = restarts(&shared);
        let mut left = 2;
        match self.shared.fault {
            Some(Fault::WatchEndsWithItsConnection) => {
                Wakeups::new(wakeups.take_while(move |()| ready(restarts(&shared) == connected)))
            }
            // It tells of what the new connection finds, and then of nothing.
            Some(Fault::WatchIsNotMadeAnew) => Wakeups::new(wakeups.take_while(move |()| {
                left -= i32::from(restarts(&shared) != connected);
                ready(left >= 0)
            })),
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
            Some(Fault::CheckWaits) if !self.reaches => pending().await,
            Some(Fault::CheckAsksNobody) => Ok(()),
            _ if !self.reaches => Err(connection_refused()),
            _ => Ok(()),
        }
    }
}
