//! How much is asked of the storage.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use lessor::storage::{Reply, Request};
use lessor::{Key, Storage, StorageError, Wakeups, async_trait};

/// Requests that follow one another sooner than this are one burst: a storage that gathers what waits, sends it together.
const BURST: Duration = Duration::from_millis(20);

/// A storage, and what it was asked.
pub(crate) struct Counted {
    storage: Arc<dyn Storage>,
    counts: Arc<Counts>,
}

pub(crate) struct Counts {
    began: Instant,
    requests: AtomicU64,
    bursts: AtomicU64,
    /// When the last request was made, in microseconds since the beginning.
    last: AtomicU64,
}

impl Counted {
    pub(crate) fn new(storage: Arc<dyn Storage>) -> (Self, Arc<Counts>) {
        let zero = || AtomicU64::new(0);
        let counts = Arc::new(Counts { began: Instant::now(), requests: zero(), bursts: zero(), last: zero() });
        (Self { storage, counts: counts.clone() }, counts)
    }
}

impl Counts {
    /// How many requests there were, and in how many bursts.
    pub(crate) fn get(&self) -> (u64, u64) {
        (self.requests.load(Ordering::Relaxed), self.bursts.load(Ordering::Relaxed))
    }

    fn count(&self, requests: usize) {
        let now = u64::try_from(self.began.elapsed().as_micros()).unwrap_or(u64::MAX);
        let last = self.last.swap(now, Ordering::Relaxed);
        let is_new = u128::from(now.saturating_sub(last)) > BURST.as_micros();
        self.requests.fetch_add(requests as u64, Ordering::Relaxed);
        self.bursts.fetch_add(is_new.into(), Ordering::Relaxed);
    }
}

#[async_trait]
impl Storage for Counted {
    async fn call(&self, request: Request) -> Result<Reply, StorageError> {
        self.counts.count(1);
        self.storage.call(request).await
    }

    async fn call_all(&self, requests: Vec<Request>) -> Vec<Result<Reply, StorageError>> {
        self.counts.count(requests.len());
        self.storage.call_all(requests).await
    }

    fn subscribe(&self, key: &Key) -> Wakeups {
        self.storage.subscribe(key)
    }

    async fn check(&self) -> Result<(), StorageError> {
        self.storage.check().await
    }
}
