//! Leases in memory.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::fmt;

use async_trait::async_trait;

use super::topic::{Subscription, Topic};
use super::{Record, Reply, Request, Storage, StorageError, Wakeups, one_by_one};
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
    keys: Mutex<Keys>,
}

#[derive(Default)]
struct Keys {
    /// Each in a place of its own: the nodes of the map have room to spare.
    kept: BTreeMap<Key, Box<Kept>>,
    /// How many there may be before those are forgotten that were never granted, and that nobody waits for.
    room: usize,
    /// The newest reading of the clock.
    now_ms: u64,
}

/// What is kept of a key.
#[derive(Default)]
struct Kept {
    /// `None`: it was never granted.
    record: Option<Record>,
    /// Those who wait for wake-ups.
    topic: Weak<Topic>,
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
        Self(Arc::new(Inner { timer, keys: Mutex::new(Keys::default()) }))
    }

    /// One atomic step under the lock. The clock is read before, since a timer is foreign code, and goes on under it: who
    /// comes in with an older reading than another before is judged by the newer one.
    fn answer(&self, request: &Request) -> Reply {
        let inner = &*self.0;
        let read_ms = u64::try_from(inner.timer.now().since_origin().as_millis()).unwrap_or(u64::MAX);
        let mut keys = inner.keys.lock();
        keys.now_ms = keys.now_ms.max(read_ms);
        let now_ms = keys.now_ms;
        let key = match request {
            Request::List(list) => {
                let granted = keys.kept.iter().filter_map(|(key, kept)| Some((key, kept.record.as_ref()?)));
                let leases = granted.map(|(key, record)| (key.clone(), record.lease(now_ms)));
                return Reply::Listed(list.page(leases));
            }
            request => request.key(),
        };
        let mut kept = key.and_then(|key| keys.kept.get_mut(key));
        let current = kept.as_ref().and_then(|kept| kept.record.as_ref());
        let verdict = Record::judge(current, request, now_ms, Term::FIRST);
        let (Some(key), Some(record)) = (key, verdict.write) else { return verdict.reply };
        let wakes = record.wakes_followers(current);
        let topic = match &mut kept {
            Some(kept) => {
                kept.record = Some(record);
                if wakes { kept.topic.upgrade() } else { None }
            }
            None => {
                keys.keep(key).record = Some(record);
                None
            }
        };
        drop(keys);
        if let Some(topic) = topic {
            topic.wake();
        }
        verdict.reply
    }
}

impl Keys {
    fn keep(&mut self, key: &Key) -> &mut Kept {
        // Rarely enough that a key costs the same however many there are.
        if self.kept.len() >= self.room {
            self.kept.retain(|_, kept| kept.record.is_some() || kept.topic.strong_count() > 0);
            self.room = self.kept.len().saturating_mul(2).max(16);
        }
        self.kept.entry(key.clone()).or_default()
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
        let mut keys = self.0.keys.lock();
        let kept = keys.keep(key);
        let topic = kept.topic.upgrade().unwrap_or_else(|| {
            let topic = Arc::new(Topic::default());
            kept.topic = Arc::downgrade(&topic);
            topic
        });
        Wakeups::of(Subscription::new(topic)).complete()
    }

    async fn check(&self) -> Result<(), StorageError> {
        Ok(())
    }
}

impl fmt::Debug for MemoryStorage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let granted = self.0.keys.lock().kept.values().filter(|kept| kept.record.is_some()).count();
        f.debug_struct("MemoryStorage").field("keys", &granted).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::ManualTimer;
    use alloc::format;

    /// A key that was never granted is forgotten in time, when nobody waits for it any more.
    #[test]
    fn keys_are_forgotten_in_time() {
        let storage = MemoryStorage::with_timer(ManualTimer::new());
        let kept = Key::new("kept").unwrap();
        let _wakeups = storage.subscribe(&kept);
        for number in 0..1000 {
            let _ = storage.subscribe(&Key::new(format!("{number}")).unwrap());
            assert!(storage.0.keys.lock().kept.len() <= 16);
        }
        assert!(storage.0.keys.lock().kept.contains_key(&kept));
    }
}
