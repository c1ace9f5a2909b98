use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use core::fmt;

use async_trait::async_trait;

use super::{Storage, StorageError, Topics, Wakeups};
use crate::lease::{Key, Lease, Session, Term};
use crate::lock::Mutex;
use crate::record::{Acquired, Claim, Record, Renewed};
use crate::send::MaybeSendSync;
use crate::time::{DefaultTimer, Timer};

/// Leases in the memory of one process: for tests, and for candidates that are tasks of one program.
///
/// Clones share the leases. Followers are woken at once. A key that was granted once keeps a small record for as long
/// as the storage lives, so that its terms only grow.
///
/// ```
/// use lessor::{ManualTimer, MemoryStorage};
///
/// let storage = MemoryStorage::with_timer(ManualTimer::new());
/// # let _ = storage;
/// ```
pub struct MemoryStorage<T = DefaultTimer>(Arc<Shared<T>>);

struct Shared<T> {
    timer: T,
    records: Mutex<BTreeMap<Key, Record>>,
    topics: Topics,
}

#[cfg(any(feature = "system", all(feature = "js", target_family = "wasm", target_os = "unknown")))]
impl MemoryStorage {
    /// Judges expiry by the system's clock.
    #[must_use]
    pub fn new() -> Self {
        Self::with_timer(DefaultTimer::new())
    }
}

#[cfg(any(feature = "system", all(feature = "js", target_family = "wasm", target_os = "unknown")))]
impl Default for MemoryStorage {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: Timer> MemoryStorage<T> {
    /// Judges expiry by this timer's clock.
    #[must_use]
    pub fn with_timer(timer: T) -> Self {
        Self(Arc::new(Shared { timer, records: Mutex::new(BTreeMap::new()), topics: Topics::new() }))
    }

    /// One atomic step: under the lock, with the clock read after it is got.
    fn judge<A>(&self, key: &Key, verdict: impl FnOnce(Option<&Record>, u64) -> (A, Option<Record>)) -> A {
        let shared = &*self.0;
        let mut records = shared.records.lock();
        let now_ms = u64::try_from(shared.timer.now().since_origin().as_millis()).unwrap_or(u64::MAX);
        let current = records.get(key);
        let (answer, write) = verdict(current, now_ms);
        let Some(record) = write else { return answer };
        let handed_over =
            current.is_none_or(|current| (current.term, current.session) != (record.term, record.session));
        records.insert(key.clone(), record);
        drop(records);
        if handed_over {
            shared.topics.wake(key);
        }
        answer
    }
}

#[cfg_attr(not(any(target_family = "wasm", target_os = "none")), async_trait)]
#[cfg_attr(any(target_family = "wasm", target_os = "none"), async_trait(?Send))]
impl<T: Timer + MaybeSendSync> Storage for MemoryStorage<T> {
    async fn acquire(&self, claim: &Claim) -> Result<Acquired, StorageError> {
        Ok(self.judge(&claim.key, |record, now_ms| {
            let verdict = Record::acquire(record, claim, now_ms, Term::FIRST);
            (verdict.answer, verdict.write)
        }))
    }

    async fn renew(&self, claim: &Claim, term: Term) -> Result<Renewed, StorageError> {
        Ok(self.judge(&claim.key, |record, now_ms| {
            let verdict = Record::renew(record, claim, term, now_ms);
            (verdict.answer, verdict.write)
        }))
    }

    async fn release(&self, key: &Key, session: Session) -> Result<(), StorageError> {
        self.judge(key, |record, _| ((), Record::release(record, session)));
        Ok(())
    }

    async fn get(&self, key: &Key) -> Result<Option<Lease>, StorageError> {
        Ok(self.judge(key, |record, now_ms| (record.map(|record| record.lease(now_ms)), None)))
    }

    fn subscribe(&self, key: &Key) -> Wakeups {
        self.0.topics.subscribe(key)
    }

    async fn check(&self) -> Result<(), StorageError> {
        Ok(())
    }
}

impl<T> Clone for MemoryStorage<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T> fmt::Debug for MemoryStorage<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryStorage").field("keys", &self.0.records.lock().len()).finish()
    }
}
