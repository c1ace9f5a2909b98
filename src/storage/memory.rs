//! Leases in memory.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

use async_trait::async_trait;

use super::{Record, Reply, Request, Storage, StorageError, Subscribers, Wakeups, one_by_one};
use crate::maybe_send::{MaybeSend, MaybeSendSync};
use crate::mutex::Mutex;
use crate::term::Term;
use crate::text::Key;
use crate::time::{AnyTimer, Timer};

/// Leases in the memory of one process: for tests, and for candidates that are tasks of one program.
///
/// Clones share the leases. Followers are woken at once, by whatever happens. A key that was granted once keeps a small record for as long
/// as the storage lives, so that its terms only grow.
///
/// ```
/// use lessor::{ManualTimer, MemoryStorage};
///
/// let storage = MemoryStorage::with_timer(ManualTimer::new());
/// # let _ = storage;
/// ```
#[derive(Clone)]
pub struct MemoryStorage(Arc<Inner>);

struct Inner {
    timer: AnyTimer,
    /// Each in a place of its own: the nodes of the map have room to spare.
    records: Mutex<BTreeMap<Key, Box<Record>>>,
    subscribers: Subscribers,
}

#[cfg(any(feature = "system", all(feature = "js", target_family = "wasm", target_os = "unknown")))]
impl MemoryStorage {
    /// Judges expiry by the system's clock.
    #[must_use]
    pub fn new() -> Self {
        Self::with_timer(crate::SystemTimer::new())
    }
}

#[cfg(any(feature = "system", all(feature = "js", target_family = "wasm", target_os = "unknown")))]
impl Default for MemoryStorage {
    fn default() -> Self {
        Self::new()
    }
}

impl MemoryStorage {
    /// Judges expiry by this timer's clock.
    #[must_use]
    #[allow(clippy::arc_with_non_send_sync, reason = "on wasm and bare metal a timer need not cross threads")]
    pub fn with_timer<T: Timer<Sleep: MaybeSend> + MaybeSendSync + 'static>(timer: T) -> Self {
        let timer = AnyTimer::new(timer);
        Self(Arc::new(Inner { timer, records: Mutex::new(BTreeMap::new()), subscribers: Subscribers::new() }))
    }

    /// One atomic step: under the lock, with the clock read after it is got.
    fn answer(&self, request: &Request) -> Reply {
        let inner = &*self.0;
        let mut records = inner.records.lock();
        let now_ms = u64::try_from(inner.timer.now().since_origin().as_millis()).unwrap_or(u64::MAX);
        let key = match request {
            Request::List(list) => {
                let leases = records.iter().map(|(key, record)| (key.clone(), record.lease(now_ms)));
                return Reply::Listed(list.page(leases));
            }
            request => request.key(),
        };
        let mut current = key.and_then(|key| records.get_mut(key));
        let verdict = Record::judge(current.as_deref().map(|record| &**record), request, now_ms, Term::FIRST);
        let (Some(key), Some(record)) = (key, verdict.write) else { return verdict.reply };
        let wakes = record.wakes_followers(current.as_deref().map(|record| &**record));
        match &mut current {
            Some(current) => ***current = record,
            None => {
                records.insert(key.clone(), Box::new(record));
            }
        }
        drop(records);
        if wakes {
            inner.subscribers.wake(key);
        }
        verdict.reply
    }
}

#[cfg_attr(not(any(target_family = "wasm", target_os = "none")), async_trait)]
#[cfg_attr(any(target_family = "wasm", target_os = "none"), async_trait(?Send))]
impl Storage for MemoryStorage {
    async fn call(&self, request: Request) -> Result<Reply, StorageError> {
        Ok(self.answer(&request))
    }

    async fn call_all(&self, requests: Vec<Request>) -> Vec<Result<Reply, StorageError>> {
        one_by_one(self, requests).await
    }

    fn subscribe(&self, key: &Key) -> Wakeups {
        self.0.subscribers.subscribe(key).complete()
    }

    async fn check(&self) -> Result<(), StorageError> {
        Ok(())
    }
}

impl fmt::Debug for MemoryStorage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryStorage").field("keys", &self.0.records.lock().len()).finish()
    }
}
