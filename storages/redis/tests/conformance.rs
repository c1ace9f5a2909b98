//! `RedisStorage` keeps the contract of a storage, with a connection of its own for each handle: on servers that keep
//! everything or nothing, and in a cluster.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures::executor::block_on;
use lessor::storage::conformance::{self, Failures, HANDLES, Harness, Power};
use lessor::{Storage, StorageError, StorageExt, SystemTimer, async_trait};
use lessor_redis::RedisStorage;
use lessor_redis::redis::Client;
use lessor_servers::hand_over::hand_over;
use lessor_servers::proxy::{Mode, Proxy};
use lessor_servers::redis::{Keeps, Server};

/// Longer than any case that needs a lease to live on.
const MAX_TTL: Duration = Duration::from_secs(6);

/// How data is lost.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Loss {
    Flush,
    Crash,
}

struct Redis {
    server: Server,
    durable: bool,
    loss: Loss,
    /// The handles asked for since the storage was hurt.
    handles: AtomicUsize,
}

impl Redis {
    fn on(server: Server, durable: bool, loss: Loss) -> Self {
        let harness = Self { server, durable, loss, handles: AtomicUsize::new(usize::MAX / 2) };
        block_on(harness.open().initialise()).unwrap();
        harness
    }

    fn open(&self) -> RedisStorage {
        self.open_with(self.server.client())
    }

    fn open_with(&self, client: Client) -> RedisStorage {
        RedisStorage::builder().max_ttl(MAX_TTL).unwrap().durable(self.durable).build(client)
    }
}

#[async_trait]
impl Harness for Redis {
    type Storage = RedisStorage;
    type Timer = SystemTimer;

    async fn storage(&self) -> Result<RedisStorage, StorageError> {
        let storage = self.open();
        // The next case, not the rest of the one that hurt it: nobody leads now.
        if self.handles.fetch_add(1, Ordering::SeqCst) == HANDLES {
            storage.initialise().await?;
        }
        Ok(storage)
    }

    /// Through a proxy that is then cut off.
    async fn unreachable(&self) -> Result<Option<RedisStorage>, StorageError> {
        let proxy = Proxy::to(self.server.port());
        let url = self.server.url().replace(&self.server.port().to_string(), &proxy.port().to_string());
        let storage = self.open_with(Client::open(url).map_err(StorageError::permanent)?);
        storage.check().await?;
        proxy.set(Mode::Cut);
        Ok(Some(storage))
    }

    fn timer(&self) -> SystemTimer {
        SystemTimer::new()
    }

    fn ttl(&self) -> Duration {
        Duration::from_millis(300)
    }

    fn longest_ttl(&self) -> Duration {
        MAX_TTL
    }

    /// No lease may outlast [`MAX_TTL`]: fewer at a time have more of it for each.
    fn concurrency(&self) -> usize {
        16
    }

    fn freeze_after_loss(&self) -> Option<Duration> {
        Some(MAX_TTL)
    }

    async fn restart(&self) -> Result<Power, StorageError> {
        self.handles.store(0, Ordering::SeqCst);
        self.server.crash();
        Ok(Power::Used)
    }

    async fn turn_clock_back(&self, by: Duration) -> Result<Power, StorageError> {
        self.server.push_expiries(by);
        Ok(Power::Used)
    }

    async fn lose_data(&self) -> Result<Power, StorageError> {
        self.handles.store(0, Ordering::SeqCst);
        match self.loss {
            Loss::Flush => self.server.tell(&["FLUSHALL"]),
            Loss::Crash => self.server.crash(),
        }
        Ok(Power::Used)
    }
}

fn keeps_the_contract(harness: &Redis) -> Result<(), Failures> {
    let report = smol::block_on(conformance::run(harness));
    assert_eq!(report.needs(), ["Harness::break_reply", "Harness::linger", "no Harness::freeze_after_loss"]);
    report.into_result()
}

#[test]
fn a_server_that_keeps_nothing() -> Result<(), Failures> {
    keeps_the_contract(&Redis::on(Server::start(Keeps::Nothing), false, Loss::Crash))
}

#[test]
fn a_server_that_keeps_everything() -> Result<(), Failures> {
    keeps_the_contract(&Redis::on(Server::start(Keeps::Everything), true, Loss::Flush))
}

#[test]
fn a_cluster_of_one() -> Result<(), Failures> {
    keeps_the_contract(&Redis::on(Server::cluster(Keeps::Everything), false, Loss::Flush))
}

/// Longer than the leases of the election that is handed over.
async fn ready(server: &Server) -> RedisStorage {
    let storage = RedisStorage::builder().max_ttl(Duration::from_secs(600)).unwrap().build(server.client());
    storage.initialise().await.unwrap();
    storage
}

#[test]
fn every_executor() {
    let server = Server::start(Keeps::Nothing);
    let election = async || hand_over(ready(&server).await).await;
    smol::block_on(election());
    async_std::task::block_on(election());
    block_on(election());
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(election());
    tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap().block_on(election());
}

/// A connection ends with the runtime that it was made in, and the storage makes another.
#[test]
fn from_runtime_to_runtime() {
    let server = Server::start(Keeps::Nothing);
    let storage = RedisStorage::new(server.client());
    let key = lessor::Key::new("k").unwrap();
    for _ in 0..3 {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(storage.get(&key)).unwrap();
        drop(runtime);
        block_on(storage.get(&key)).unwrap();
    }
}
