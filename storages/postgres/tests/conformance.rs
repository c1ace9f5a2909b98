//! `PostgresStorage` keeps the contract of a storage, with a pool of its own for each handle.

use std::time::Duration;

use futures::executor::block_on;
use lessor::storage::conformance::{self, Failures, Harness, Power};
use lessor::{StorageError, SystemTimer, async_trait};
use lessor_postgres::{PostgresStorage, sqlx};
use lessor_servers::hand_over::hand_over;
use lessor_servers::postgres::Server;

struct Postgres(Server);

#[async_trait]
impl Harness for Postgres {
    type Storage = PostgresStorage;
    type Timer = SystemTimer;

    async fn storage(&self) -> Result<PostgresStorage, StorageError> {
        let patient = PostgresStorage::builder().lock_timeout(Duration::from_secs(10));
        let storage = patient.build(self.0.pool(4));
        storage.migrate().await?;
        Ok(storage)
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
        let push = sqlx::query("UPDATE lessor_leases SET expires = expires + $1");
        let by = i64::try_from(by.as_millis()).map_err(StorageError::permanent)?;
        push.bind(by).execute(&self.0.pool(1)).await.map_err(StorageError::permanent)?;
        Ok(Power::Used)
    }
}

#[test]
fn postgres_keeps_the_contract() -> Result<(), Failures> {
    let report = smol::block_on(conformance::run(&Postgres(Server::start())));
    let left_out = ["broken_reply_is_healed_by_asking_again", "data_loss_terms_still_grow", "data_loss_freezes"];
    assert_eq!(report.not_available(), left_out);
    report.into_result()
}

async fn migrated_hand_over(server: &Server) {
    let storage = PostgresStorage::new(server.pool(2));
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
