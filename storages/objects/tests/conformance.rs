//! `ObjectStorage` keeps the contract of a storage: as several processes see it, and as clones of one.

use std::sync::Arc;
use std::time::Duration;

use lessor::storage::conformance::{self, Failures, Harness, Report};
use lessor::{StorageError, SystemTimer, async_trait};
use lessor_objects::ObjectStorage;
use lessor_objects::object_store::ObjectStore;
use lessor_objects::object_store::memory::InMemory;

struct Objects {
    store: Arc<dyn ObjectStore>,
    ttl: Duration,
    /// `None`: each handle is a process of its own.
    shared: Option<ObjectStorage>,
}

impl Objects {
    fn apart(store: impl ObjectStore, ttl: Duration) -> Self {
        Self { store: Arc::new(store), ttl, shared: None }
    }
}

#[async_trait]
impl Harness for Objects {
    type Storage = ObjectStorage;
    type Timer = SystemTimer;

    async fn storage(&self) -> Result<ObjectStorage, StorageError> {
        Ok(self.shared.clone().unwrap_or_else(|| ObjectStorage::new(self.store.clone())))
    }

    fn timer(&self) -> SystemTimer {
        SystemTimer::new()
    }

    fn ttl(&self) -> Duration {
        self.ttl
    }

    fn concurrency(&self) -> usize {
        8
    }
}

fn conforms(harness: &Objects) -> Report {
    smol::block_on(conformance::run(harness))
}

/// Processes hear nothing of each other but by looking.
fn apart_conforms(store: impl ObjectStore, ttl: Duration) {
    let report = conforms(&Objects::apart(store, ttl));
    let failed = report.failed().iter().filter(|failure| !failure.case.contains("wakeup"));
    let failed: Vec<_> = failed.map(ToString::to_string).collect();
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

#[test]
fn in_memory() {
    apart_conforms(InMemory::new(), Duration::from_millis(250));
}

#[test]
fn clones_in_memory() -> Result<(), Failures> {
    let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    let shared = Some(ObjectStorage::new(store.clone()));
    conforms(&Objects { store, ttl: Duration::from_millis(250), shared }).into_result()
}

#[cfg(feature = "aws")]
#[test]
fn on_seaweed() {
    use lessor_objects::object_store::aws::AmazonS3Builder;
    let store = AmazonS3Builder::new()
        .with_endpoint("http://127.0.0.1:18333")
        .with_allow_http(true)
        .with_bucket_name("leases")
        .with_access_key_id("any")
        .with_secret_access_key("any")
        .with_skip_signature(true)
        .with_retry(lessor_objects::object_store::RetryConfig { max_retries: 0, ..Default::default() })
        .build()
        .unwrap();
    apart_conforms(store, Duration::from_millis(600));
}
