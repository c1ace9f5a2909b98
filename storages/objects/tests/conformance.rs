//! `ObjectStorage` keeps the contract of a storage: in memory and on a real server, as several processes see it and as
//! clones of one.

#[path = "objects/container.rs"]
mod container;
#[path = "objects/support.rs"]
mod support;

use std::sync::Arc;
use std::time::Duration;

use lessor::storage::conformance::{self, Failures, Harness, Power, Report};
use lessor::storage::{Reply, Request};
use lessor::{Key, Storage, StorageError, SystemTimer, Wakeups, async_trait};
use lessor_objects::ObjectStorage;
use lessor_objects::object_store::ObjectStore;
use lessor_objects::object_store::memory::InMemory;
use lessor_servers::{azurite, seaweed};

/// A handle, which hears of others if they are its clones.
#[derive(Clone)]
struct Handle {
    storage: ObjectStorage,
    hears: bool,
}

#[async_trait]
impl Storage for Handle {
    async fn call(&self, request: Request) -> Result<Reply, StorageError> {
        self.storage.call(request).await
    }

    async fn call_all(&self, requests: Vec<Request>) -> Vec<Result<Reply, StorageError>> {
        self.storage.call_all(requests).await
    }

    fn subscribe(&self, key: &Key) -> Wakeups {
        if self.hears { self.storage.subscribe(key) } else { Wakeups::never() }
    }

    async fn check(&self) -> Result<(), StorageError> {
        self.storage.check().await
    }
}

/// What is restarted, if anything is.
enum Server {
    S3(seaweed::Server),
    Azure(azurite::Server),
}

struct Objects {
    store: Arc<dyn ObjectStore>,
    ttl: Duration,
    server: Option<Server>,
    /// `None`: each handle is a process of its own.
    shared: Option<ObjectStorage>,
}

impl Objects {
    fn in_memory() -> Self {
        Self { store: Arc::new(InMemory::new()), ttl: Duration::from_millis(250), server: None, shared: None }
    }

    fn on_a_server() -> Self {
        let server = seaweed::Server::start();
        let store = support::store(server.port(), "leases");
        Self { store, ttl: Duration::from_millis(800), server: Some(Server::S3(server)), shared: None }
    }

    fn on_azurite() -> Self {
        let server = azurite::Server::start();
        let store = container::container(&server, "leases");
        Self { store, ttl: Duration::from_secs(2), server: Some(Server::Azure(server)), shared: None }
    }

    fn together(self) -> Self {
        let shared = Some(ObjectStorage::new(self.store.clone()));
        Self { shared, ..self }
    }
}

#[async_trait]
impl Harness for Objects {
    type Storage = Handle;
    type Timer = SystemTimer;

    async fn storage(&self) -> Result<Handle, StorageError> {
        let storage = self.shared.clone().unwrap_or_else(|| ObjectStorage::new(self.store.clone()));
        Ok(Handle { storage, hears: self.shared.is_some() })
    }

    fn timer(&self) -> SystemTimer {
        SystemTimer::new()
    }

    fn ttl(&self) -> Duration {
        self.ttl
    }

    fn patience(&self) -> Duration {
        Duration::from_secs(30)
    }

    fn concurrency(&self) -> usize {
        16
    }

    async fn restart(&self) -> Result<Power, StorageError> {
        match &self.server {
            Some(Server::S3(server)) => server.crash(),
            Some(Server::Azure(server)) => server.restart(),
            None => return Ok(Power::NotAvailable),
        }
        Ok(Power::Used)
    }

    async fn unreachable(&self) -> Result<Option<Handle>, StorageError> {
        let nobody = ObjectStorage::new(support::store(lessor_servers::free_port(), "leases"));
        Ok(self.server.is_some().then_some(Handle { storage: nobody, hears: false }))
    }
}

fn report(harness: &Objects) -> Report {
    smol::block_on(conformance::run(harness))
}

/// What this storage has not: a clock that could tell an age or step back, and a loss of data; what its writes are judged by is its
/// own. `needs`: what this harness lacks besides.
fn conforms(harness: &Objects, lacks: &[&str]) -> Result<(), Failures> {
    let report = report(harness);
    let beginnings = ["age_", "clock_back_", "data_loss_", "lingering_", "broken_reply_"];
    let names = report.not_available().iter().map(|left_out| left_out.case);
    let others: Vec<_> = names.filter(|case| !beginnings.iter().any(|begins| case.starts_with(begins))).collect();
    assert!(others.iter().all(|case| lacks.iter().any(|lacks| case.contains(lacks))), "{others:?}");
    report.into_result()
}

#[test]
fn processes_in_memory() -> Result<(), Failures> {
    conforms(&Objects::in_memory(), &["wake", "restart", "unreachable"])
}

#[test]
fn clones_in_memory() -> Result<(), Failures> {
    conforms(&Objects::in_memory().together(), &["restart", "unreachable"])
}

#[test]
fn processes_on_a_server() -> Result<(), Failures> {
    conforms(&Objects::on_a_server(), &["wake"])
}

#[test]
fn processes_on_azurite() -> Result<(), Failures> {
    conforms(&Objects::on_azurite(), &["wake"])
}
