//! `MySqlStorage` keeps the contract of a storage: with a pool of its own for each handle, and with clones of one.

use std::sync::OnceLock;
use std::time::Duration;

use futures::executor::block_on;
use lessor::storage::conformance::{self, Failures, Harness, Power};
use lessor::storage::{Reply, Request};
use lessor::{Key, Storage, StorageError, SystemTimer, Wakeups, async_trait};
use lessor_mysql::{MySqlStorage, sqlx};
use lessor_servers::hand_over::hand_over;
use lessor_servers::mysql::Server;

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
        let storage = MySqlStorage::builder().lock_timeout(Duration::from_secs(10)).build(self.0.pool(4));
        storage.migrate().await?;
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

const NEITHER: [&str; 3] =
    ["broken_reply_is_healed_by_asking_again", "data_loss_terms_still_grow", "data_loss_freezes"];

#[test]
fn mysql_keeps_the_contract() -> Result<(), Failures> {
    let report = smol::block_on(conformance::run(&MySql(Server::start())));
    let is_of_wakeups = |case: &str| case.contains("wakeup");
    let of_wakeups = conformance::cases().filter(|(case, _)| is_of_wakeups(case)).count();
    let (silent, others): (Vec<_>, Vec<_>) = report.not_available().iter().partition(|case| is_of_wakeups(case));
    assert_eq!((silent.len(), others), (of_wakeups, NEITHER.into()));
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
    assert_eq!(report.not_available(), NEITHER);
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
