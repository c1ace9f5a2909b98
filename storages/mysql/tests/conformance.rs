//! `MySqlStorage` keeps the contract of a storage: with a pool of its own for each handle, and with clones of one.

use std::sync::OnceLock;
use std::time::Duration;

use futures::executor::block_on;
use lessor::storage::conformance::{self, Failures, Harness, Power};
use lessor::storage::{Reply, Request};
use lessor::{Key, Storage, StorageError, SystemTimer, Wakeups, async_trait};
use lessor_mysql::MySqlStorage;
use lessor_mysql::sqlx::{self, MySqlPool};
use lessor_servers::hand_over::hand_over;
use lessor_servers::mysql::{self, Server};
use lessor_servers::proxy::{Mode, Proxy};

/// How another process sees it: without the wake-ups that pass between clones.
struct Apart(MySqlStorage);

#[async_trait]
impl Storage for Apart {
    async fn call(&self, request: Request) -> Result<Reply, StorageError> {
        self.0.call(request).await
    }
    async fn call_all(&self, requests: Vec<Request>) -> Vec<Result<Reply, StorageError>> {
        self.0.call_all(requests).await
    }
    fn subscribe(&self, _: &Key) -> Wakeups {
        Wakeups::never()
    }
    async fn check(&self) -> Result<(), StorageError> {
        self.0.check().await
    }
}

struct MySql(Server);

impl MySql {
    async fn connect(&self) -> Result<MySqlStorage, StorageError> {
        self.open(self.0.pool(4)).await
    }

    async fn open(&self, pool: MySqlPool) -> Result<MySqlStorage, StorageError> {
        let storage = MySqlStorage::builder().lock_timeout(Duration::from_secs(10)).build(pool);
        storage.migrate().await?;
        Ok(storage)
    }

    /// Through a proxy that is then cut off.
    async fn cut_off(&self) -> Result<MySqlStorage, StorageError> {
        let proxy = Proxy::to(self.0.port());
        let storage = self.open(mysql::pool(self.0.options().port(proxy.port()), 4)).await?;
        storage.check().await?;
        proxy.set(Mode::Cut);
        Ok(storage)
    }
}

#[async_trait]
impl Harness for MySql {
    type Storage = Apart;
    type Timer = SystemTimer;

    async fn storage(&self) -> Result<Apart, StorageError> {
        self.connect().await.map(Apart)
    }

    fn timer(&self) -> SystemTimer {
        SystemTimer::new()
    }

    fn ttl(&self) -> Duration {
        // An operation waits for other writers for a tenth of its ttl.
        Duration::from_secs(1)
    }

    async fn unreachable(&self) -> Result<Option<Apart>, StorageError> {
        self.cut_off().await.map(Apart).map(Some)
    }

    /// Kills it, so that it recovers from its log.
    async fn restart(&self) -> Result<Power, StorageError> {
        self.0.crash();
        Ok(Power::Used)
    }

    /// What a step back looks like in the table: every lease ends that much later than its ttl from now.
    async fn turn_clock_back(&self, by: Duration) -> Result<Power, StorageError> {
        let push = sqlx::query("UPDATE lessor_leases SET expires = expires + ?");
        let by = i64::try_from(by.as_millis()).map_err(StorageError::permanent)?;
        push.bind(by).execute(&self.0.pool(1)).await.map_err(StorageError::permanent)?;
        Ok(Power::Used)
    }
}

const NEITHER: [&str; 3] = ["Harness::break_reply", "Harness::linger", "Harness::lose_data"];

#[test]
fn mysql_keeps_the_contract() -> Result<(), Failures> {
    let report = smol::block_on(conformance::run(&MySql(Server::start())));
    assert_eq!(report.needs(), [&NEITHER[..], &["Storage::subscribe"]].concat());
    let of_wakeups = conformance::cases().filter(|(case, _)| case.contains("wakeup")).count();
    let silent = report.not_available().iter().filter(|left_out| left_out.needs == "Storage::subscribe").count();
    assert_eq!(silent, of_wakeups);
    report.into_result()
}

struct Clones(MySql, OnceLock<MySqlStorage>);

#[async_trait]
impl Harness for Clones {
    type Storage = MySqlStorage;
    type Timer = SystemTimer;

    async fn storage(&self) -> Result<MySqlStorage, StorageError> {
        if self.1.get().is_none() {
            let _ = self.1.set(self.0.connect().await?);
        }
        self.1.get().cloned().ok_or_else(|| StorageError::permanent("there is none"))
    }

    fn timer(&self) -> SystemTimer {
        SystemTimer::new()
    }

    fn ttl(&self) -> Duration {
        self.0.ttl()
    }

    async fn unreachable(&self) -> Result<Option<MySqlStorage>, StorageError> {
        self.0.cut_off().await.map(Some)
    }

    /// Its connections are lost, and the pool makes new ones.
    async fn restart(&self) -> Result<Power, StorageError> {
        self.0.restart().await
    }

    async fn turn_clock_back(&self, by: Duration) -> Result<Power, StorageError> {
        self.0.turn_clock_back(by).await
    }
}

#[test]
fn clones_keep_the_contract_and_wake_one_another() -> Result<(), Failures> {
    let report = smol::block_on(conformance::run(&Clones(MySql(Server::start()), OnceLock::new())));
    assert_eq!(report.needs(), NEITHER);
    report.into_result()
}

async fn migrated_hand_over(server: &Server) {
    let storage = MySqlStorage::new(server.pool(2));
    storage.migrate().await.unwrap();
    hand_over(storage).await;
}

#[test]
fn every_executor() {
    let server = Server::start();
    smol::block_on(migrated_hand_over(&server));
    async_std::task::block_on(migrated_hand_over(&server));
    block_on(migrated_hand_over(&server));
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(migrated_hand_over(&server));
    tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap().block_on(migrated_hand_over(&server));
}
