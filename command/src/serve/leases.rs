//! The storage, as requests come to it: who may use how many keys, what is noted of each answer.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use lessor::storage::{Get, List, Page, Reply, Request, Unsupported};
use lessor::{Key, Lease, Storage, StorageError};
use lessor_service::{Entry, Kind, Owner, Waiter, Waiting, too_far_ahead, too_many_keys};
use lessor_wire::Problem;
use tokio::sync::{Notify, mpsc};
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::access_log::AccessLog;
use super::answer::overloaded;
use super::known::{First, Known, Noted, milliseconds};
use super::meters;

/// How long a request may wait for the storage. Whoever asks has a shorter patience, mostly.
const PATIENCE: Duration = Duration::from_secs(30);

/// When it is asked again what it failed at.
const AGAIN: Duration = Duration::from_secs(1);

/// So many requests go to the storage at once.
const AT_ONCE: usize = 256;

/// Where changes of hands go.
type Told = mpsc::UnboundedSender<Noted>;

pub(crate) struct Leases {
    storage: Arc<dyn Storage>,
    known: Mutex<Known>,
    waiting: Mutex<Waiting>,
    /// Of `waiting`.
    began: Instant,
    told: Told,
    due: Notify,
    log: AccessLog,
}

type Answered<T> = Result<T, Problem>;

impl Leases {
    pub(crate) fn new(storage: Arc<dyn Storage>, told: Told, log: AccessLog) -> Self {
        let (known, waiting) = (Mutex::default(), Mutex::default());
        Self { storage, known, waiting, began: Instant::now(), told, due: Notify::new(), log }
    }

    pub(crate) fn storage(&self) -> &Arc<dyn Storage> {
        &self.storage
    }

    pub(crate) fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now_ms(&self) -> u64 {
        milliseconds(self.began.elapsed())
    }

    /// One request of this owner.
    pub(crate) async fn ask(&self, request: Request, owner: &Owner<'_>) -> Answered<Reply> {
        if let Some(key) = self.unknown(&request, owner) {
            let got = self.call(Get::new(key).into()).await?;
            self.admit(&request, owner, Some(&got))?;
        } else {
            self.admit(&request, owner, None)?;
        }
        let reply = self.call(request.clone()).await?;
        self.note(&request, &reply);
        if let (Request::Release(release), true) = (&request, self.is_open(&request)) {
            // Another server granted it: what was before is known, and what is now is not.
            self.look(vec![release.key.clone()]).await;
        }
        Ok(reply)
    }

    /// Many requests of this owner, each with its place.
    pub(crate) async fn ask_all(
        &self,
        requests: Vec<(usize, Request)>,
        owner: &Owner<'_>,
    ) -> Vec<(usize, Answered<Reply>)> {
        let mut unknown = Vec::new();
        for (place, request) in &requests {
            unknown.extend(self.unknown(request, owner).map(|key| (*place, key)));
        }
        let (places, keys): (Vec<_>, Vec<_>) = unknown.into_iter().unzip();
        let looked = self.call_all(keys.into_iter().map(|key| Get::new(key).into()).collect()).await;
        let mut looked: HashMap<usize, _> = places.into_iter().zip(looked).collect();
        let (mut answers, mut sent) = (Vec::with_capacity(requests.len()), Vec::new());
        for (place, request) in requests {
            let got = looked.remove(&place).transpose();
            match got.and_then(|got| self.admit(&request, owner, got.as_ref())) {
                Ok(()) => sent.push((place, request)),
                Err(problem) => answers.push((place, Err(problem))),
            }
        }
        let replies = self.call_all(sent.iter().map(|(_, request)| request.clone()).collect()).await;
        let mut open = Vec::new();
        for ((place, request), reply) in sent.into_iter().zip(replies) {
            if let Ok(reply) = &reply {
                self.note(&request, reply);
            }
            if let (Request::Release(release), true) = (&request, self.is_open(&request)) {
                open.push(release.key.clone());
            }
            answers.push((place, reply));
        }
        self.look(open).await;
        answers
    }

    /// A page of keys; those that were forgotten are left out.
    pub(crate) async fn list(&self, list: List) -> Answered<Page> {
        match self.call(list.into()).await? {
            Reply::Listed(mut page) => {
                let known = self.known();
                page.entries.retain(|entry| !known.is_forgotten(&entry.key, entry.lease.term.get()));
                Ok(page)
            }
            _ => Err(self.failed(&StorageError::unfit())),
        }
    }

    pub(crate) fn history(&self, key: &Key) -> Vec<Entry> {
        self.known().history(key, Instant::now())
    }

    pub(crate) fn waiters(&self, key: &Key) -> Vec<Waiter> {
        self.waiting().of(key, self.now_ms())
    }

    /// Forgets who held the key, as far as that is known here.
    pub(crate) async fn forget(&self, key: Key) -> Answered<()> {
        let got = self.call(Get::new(key.clone()).into()).await?;
        let Reply::Got(Some(lease)) = got else { return Ok(()) };
        // Also where it was revoked: its former holder may still believe in it.
        if !lease.time_left.is_zero() {
            return Err(Kind::Conflict.because("somebody holds the key: revoke it first, with now"));
        }
        self.saw(&key, Some(&lease));
        self.known().forget(&key);
        Ok(())
    }

    /// Looks these up: what has changed is noted. The leases, where there is an answer.
    pub(crate) async fn look(&self, keys: Vec<Key>) -> Vec<(Key, Answered<Option<Lease>>)> {
        if keys.is_empty() {
            return Vec::new();
        }
        let replies = self.call_all(keys.iter().map(|key| Get::new(key.clone()).into()).collect()).await;
        let looked = keys.into_iter().zip(replies);
        looked
            .map(|(key, reply)| {
                let lease = reply.and_then(|reply| match reply {
                    Reply::Got(lease) => Ok(lease),
                    _ => Err(self.failed(&StorageError::unfit())),
                });
                if let Ok(lease) = &lease {
                    self.saw(&key, lease.as_ref());
                }
                (key, lease)
            })
            .collect()
    }

    fn saw(&self, key: &Key, lease: Option<&Lease>) {
        let noted = self.known().seen(key, lease, None, Instant::now());
        self.tell(noted);
    }

    /// Somebody was told of a change.
    pub(crate) fn tell(&self, noted: Option<Noted>) {
        self.due.notify_one();
        if let Some(noted) = noted {
            meters::change(noted.change.word());
            let _ = self.told.send(noted);
        }
    }

    /// The same, in a while.
    pub(crate) fn tell_again(&self, noted: Noted) {
        let told = self.told.clone();
        tokio::spawn(async move {
            sleep(AGAIN).await;
            let _ = told.send(noted);
        });
    }

    /// Takes note of leases that end, for as long as the server runs.
    pub(crate) async fn watch_ends(self: Arc<Self>) {
        loop {
            let next = self.known().next_due();
            let wait = async {
                match next {
                    Some(at) => sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = wait => {}
                () = self.due.notified() => continue,
            }
            let due = self.known().due(Instant::now());
            for (key, lease) in self.look(due).await {
                if lease.is_err() {
                    self.known().later(&key, Instant::now() + AGAIN);
                }
            }
        }
    }

    fn note(&self, request: &Request, reply: &Reply) {
        self.waiting().note(request, reply, self.now_ms());
        let noted = self.known().note(request, reply, Instant::now());
        if noted.is_some() || matches!(request, Request::Acquire(_)) {
            self.tell(noted);
        }
    }

    fn is_open(&self, request: &Request) -> bool {
        request.key().is_some_and(|key| self.known().is_open(key))
    }

    /// A key that has to be looked up before it is claimed.
    fn unknown(&self, request: &Request, owner: &Owner<'_>) -> Option<Key> {
        let Request::Acquire(claim) = request else { return None };
        let look = match self.known().first(&claim.key) {
            First::Unknown => true,
            First::Used(term) | First::New(term) => too_far_ahead(request, term, owner.ahead).is_some(),
        };
        look.then(|| claim.key.clone())
    }

    /// Whether a claim is within what its owner may.
    fn admit(&self, request: &Request, owner: &Owner<'_>, got: Option<&Reply>) -> Answered<()> {
        let Request::Acquire(claim) = request else { return Ok(()) };
        let lease = got.and_then(|got| if let Reply::Got(lease) = got { lease.as_ref() } else { None });
        if let Some(lease) = lease {
            self.saw(&claim.key, Some(lease));
        }
        let mut known = self.known();
        let (newest, is_new) = match known.first(&claim.key) {
            First::Used(term) => (term, false),
            First::New(term) => (term, true),
            // There was no room to note it.
            First::Unknown => (lease.map_or(0, |lease| lease.term.get()), lease.is_none()),
        };
        if let Some(problem) = too_far_ahead(request, newest, owner.ahead) {
            return Err(problem);
        }
        match owner.keys {
            Some(most) if is_new => known.own(&claim.key, owner.name, most).map_err(|used| too_many_keys(used, most)),
            _ => Ok(()),
        }
    }

    async fn call(&self, request: Request) -> Answered<Reply> {
        let (operation, began) = (request.operation().as_str(), Instant::now());
        let answer = timeout(PATIENCE, self.storage.call(request)).await;
        meters::storage(operation, began.elapsed());
        answer.unwrap_or_else(|_| Err(StorageError::timed_out(PATIENCE))).map_err(|error| self.failed(&error))
    }

    async fn call_all(&self, requests: Vec<Request>) -> Vec<Answered<Reply>> {
        let mut answers = Vec::with_capacity(requests.len());
        let mut requests = requests.into_iter();
        loop {
            let some: Vec<_> = requests.by_ref().take(AT_ONCE).collect();
            if some.is_empty() {
                return answers;
            }
            let (count, began) = (some.len(), Instant::now());
            let told = timeout(PATIENCE, self.storage.call_all(some)).await;
            meters::storage("batch", began.elapsed());
            let timed_out = |_| (0..count).map(|_| Err(StorageError::timed_out(PATIENCE))).collect();
            let told: Vec<_> = told.unwrap_or_else(timed_out);
            answers.extend(told.into_iter().map(|answer| answer.map_err(|error| self.failed(&error))));
        }
    }

    /// What whoever asked is told. Why is for the log: it may name what is no business of theirs.
    fn failed(&self, error: &StorageError) -> Problem {
        meters::storage_failed(error.kind());
        if let Some(unsupported) = error.get_ref().downcast_ref::<Unsupported>() {
            return Kind::Failed.because(format!("the storage cannot {}", unsupported.0));
        }
        self.log.say_once_a_second(&error.to_string());
        if error.is_not_sent() {
            return overloaded("the storage is overloaded, and was not asked");
        }
        Kind::Failed.because("the storage failed: it may have done it or not")
    }
}
