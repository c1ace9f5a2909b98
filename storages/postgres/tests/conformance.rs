//! `PostgresStorage` keeps the contract of a storage, with a pool of its own for each handle.

use std::time::Duration;

use futures::executor::block_on;
use lessor::storage::conformance::{self, Failures, Harness, Power};
use lessor::{Config, Storage, StorageError, SystemTimer, async_trait};
use lessor_postgres::PostgresStorage;
use lessor_postgres::sqlx::{self, PgPool};
use lessor_servers::hand_over::hand_over;
use lessor_servers::postgres::{self, Server};
use lessor_servers::proxy::{Mode, Proxy};

/// The longest ttl where a failover may lose something.
const MAX_TTL: Duration = Duration::from_secs(20);

struct Postgres {
    server: Server,
    /// Whether it expects failovers that lose something.
    careful: bool,
}

impl Postgres {
    async fn open(&self, pool: PgPool) -> Result<PostgresStorage, StorageError> {
        let patient = PostgresStorage::builder().lock_timeout(Duration::from_secs(10));
        let patient = if self.careful {
            patient.asynchronous_standbys(MAX_TTL).map_err(StorageError::permanent)?
        } else {
            patient
        };
        let storage = patient.build(pool);
        storage.migrate().await?;
        Ok(storage)
    }
}

#[async_trait]
impl Harness for Postgres {
    type Storage = PostgresStorage;
    type Timer = SystemTimer;

    async fn storage(&self) -> Result<PostgresStorage, StorageError> {
        self.open(self.server.pool(4)).await
    }

    /// Through a proxy that is then cut off.
    async fn unreachable(&self) -> Result<Option<PostgresStorage>, StorageError> {
        let proxy = Proxy::to(self.server.port());
        let storage = self.open(postgres::pool(self.server.options().port(proxy.port()), 4)).await?;
        storage.check().await?;
        proxy.set(Mode::Cut);
        Ok(Some(storage))
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
        self.server.crash();
        Ok(Power::Used)
    }

    /// What a failover to a standby that has nothing looks like: all connections end, the server is on another timeline than
    /// the table remembers, and the rows are gone.
    async fn lose_data(&self) -> Result<Power, StorageError> {
        if !self.careful {
            return Ok(Power::NotAvailable);
        }
        let lose = sqlx::raw_sql(
            "DELETE FROM lessor_leases WHERE key <> 'lessor timeline'; UPDATE lessor_leases SET id = 'another';
             SELECT pg_terminate_backend(pid) FROM pg_stat_activity
             WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'",
        );
        lose.execute(&self.server.pool(1)).await.map_err(StorageError::permanent)?;
        Ok(Power::Used)
    }

    fn longest_ttl(&self) -> Duration {
        if self.careful { MAX_TTL } else { Config::MAX_DURATION }
    }

    fn freeze_after_loss(&self) -> Option<Duration> {
        self.careful.then_some(MAX_TTL)
    }

    /// What a step back looks like in the table: every lease ends that much later than its ttl from now.
    async fn turn_clock_back(&self, by: Duration) -> Result<Power, StorageError> {
        let push = sqlx::query("UPDATE lessor_leases SET expires = expires + $1");
        let by = i64::try_from(by.as_millis()).map_err(StorageError::permanent)?;
        push.bind(by).execute(&self.server.pool(1)).await.map_err(StorageError::permanent)?;
        Ok(Power::Used)
    }
}

#[test]
fn postgres_keeps_the_contract() -> Result<(), Failures> {
    keeps_the_contract(false)
}

/// New terms are the server's clock, and one key is taken.
#[test]
fn postgres_keeps_the_contract_with_asynchronous_standbys() -> Result<(), Failures> {
    keeps_the_contract(true)
}

fn keeps_the_contract(careful: bool) -> Result<(), Failures> {
    let report = smol::block_on(conformance::run(&Postgres { server: Server::start(), careful }));
    let other = if careful { "no Harness::freeze_after_loss" } else { "Harness::lose_data" };
    assert_eq!(report.needs(), ["Harness::break_reply", "Harness::linger", other]);
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
