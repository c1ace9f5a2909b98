//! Both keep the contract of a storage, as several processes see it.

use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use lessor::storage::conformance::{self, Failures, Harness, Power};
use lessor::storage::registers::{RegisterStorage, Registers};
use lessor::storage::{Reply, Request};
use lessor::{Key, Storage, StorageError, SystemTimer, Wakeups, async_trait};

use crate::cluster::Cluster;
use crate::door::{Door, Rules};
use crate::dynamo::Dynamo;
use crate::{on_dynamodb, on_kubernetes};

/// A process: it hears of no other, and has a door of its own.
struct Handle<R: Registers> {
    storage: RegisterStorage<R>,
    door: Arc<Door>,
}

#[async_trait]
impl<R: Registers + 'static> Storage for Handle<R> {
    async fn call(&self, request: Request) -> Result<Reply, StorageError> {
        self.storage.call(request).await
    }

    async fn call_all(&self, requests: Vec<Request>) -> Vec<Result<Reply, StorageError>> {
        self.storage.call_all(requests).await
    }

    fn subscribe(&self, _: &Key) -> Wakeups {
        Wakeups::never()
    }

    async fn check(&self) -> Result<(), StorageError> {
        self.storage.check().await
    }
}

struct Small<R> {
    rules: Arc<dyn Rules>,
    /// Registers of the server at this URL.
    at: fn(&str) -> R,
    doors: Mutex<Vec<Weak<Door>>>,
}

impl<R: Registers> Small<R> {
    fn new(rules: impl Rules, at: fn(&str) -> R) -> Self {
        Self { rules: Arc::new(rules), at, doors: Mutex::default() }
    }

    fn handle(&self) -> Handle<R> {
        let door = Arc::new(Door::open(self.rules.clone()));
        self.doors.lock().unwrap().push(Arc::downgrade(&door));
        Handle { storage: RegisterStorage::new((self.at)(&door.url())), door }
    }
}

#[async_trait]
impl<R: Registers + 'static> Harness for Small<R> {
    type Storage = Handle<R>;
    type Timer = SystemTimer;

    async fn storage(&self) -> Result<Handle<R>, StorageError> {
        Ok(self.handle())
    }

    fn timer(&self) -> SystemTimer {
        SystemTimer::new()
    }

    fn ttl(&self) -> Duration {
        Duration::from_millis(250)
    }

    fn patience(&self) -> Duration {
        Duration::from_secs(30)
    }

    fn concurrency(&self) -> usize {
        16
    }

    async fn break_reply(&self, handle: &Handle<R>) -> Result<Power, StorageError> {
        handle.door.lose_a_reply();
        Ok(Power::Used)
    }

    /// All connections end; what is kept stays.
    async fn restart(&self) -> Result<Power, StorageError> {
        for door in self.doors.lock().unwrap().iter().filter_map(Weak::upgrade) {
            door.cut();
        }
        Ok(Power::Used)
    }

    /// A handle whose door was closed.
    async fn unreachable(&self) -> Result<Option<Handle<R>>, StorageError> {
        let handle = self.handle();
        let storage = RegisterStorage::new((self.at)(&Door::open(self.rules.clone()).url()));
        Ok(Some(Handle { storage, ..handle }))
    }

    async fn linger(&self, handle: &Handle<R>, time: Duration) -> Result<Power, StorageError> {
        handle.door.linger(time);
        Ok(Power::Used)
    }
}

/// What no store without a clock has, nor one that loses nothing; and that tells nobody.
const NEVER: [&str; 4] = ["age_", "clock_back_", "data_loss_", "wake"];

fn keeps_the_contract<R: Registers + 'static>(harness: &Small<R>) -> Result<(), Failures> {
    let report = smol::block_on(conformance::run(harness));
    let names = report.not_available().iter().map(|left_out| left_out.case);
    let others: Vec<_> = names.filter(|case| !NEVER.iter().any(|begins| case.contains(begins))).collect();
    assert_eq!(others, [""; 0], "{report}");
    report.into_result()
}

#[test]
fn leases_of_kubernetes() -> Result<(), Failures> {
    keeps_the_contract(&Small::new(Cluster::new(), on_kubernetes::leases))
}

#[test]
fn items_of_dynamodb() -> Result<(), Failures> {
    keeps_the_contract(&Small::new(Dynamo::new(), on_dynamodb::table))
}
