//! `SqliteStorage` keeps the contract of a storage, over connections and threads of its own for each handle.

use std::path::PathBuf;
use std::time::Duration;

use lessor::storage::conformance::{self, Failures, Harness, Power};
use lessor::{Storage, StorageError, SystemTimer, async_trait};
use lessor_sqlite::SqliteStorage;
use lessor_sqlite::rusqlite::Connection;
use tempfile::TempDir;

struct File(TempDir);

impl File {
    fn path(&self) -> PathBuf {
        self.0.path().join("leases.db")
    }
}

#[async_trait]
impl Harness for File {
    type Storage = SqliteStorage;
    type Timer = SystemTimer;

    async fn storage(&self) -> Result<SqliteStorage, StorageError> {
        let patient = SqliteStorage::builder().busy_timeout(Duration::from_secs(10));
        let storage = patient.open(self.path()).await?;
        storage.migrate().await?;
        Ok(storage)
    }

    /// Of another file, which is then deleted.
    async fn unreachable(&self) -> Result<Option<SqliteStorage>, StorageError> {
        let other = Self(TempDir::new().map_err(StorageError::permanent)?);
        let storage = other.storage().await?;
        storage.check().await?;
        other.0.close().map_err(StorageError::permanent)?;
        Ok(Some(storage))
    }

    fn timer(&self) -> SystemTimer {
        SystemTimer::new()
    }

    fn ttl(&self) -> Duration {
        // An operation waits for other writers for a tenth of its ttl.
        Duration::from_secs(2)
    }

    /// There is one writer at a time, and SQLite does not let them queue: with many of them one may starve.
    fn concurrency(&self) -> usize {
        8
    }

    /// There is no server to restart: the handles that follow open the file anew.
    async fn restart(&self) -> Result<Power, StorageError> {
        Ok(Power::Used)
    }

    /// What a step back looks like in the table: every lease ends that much later than its ttl from now.
    async fn turn_clock_back(&self, by: Duration) -> Result<Power, StorageError> {
        let push = "UPDATE lessor_leases SET expires = expires + ?1";
        let by = i64::try_from(by.as_millis()).map_err(StorageError::permanent)?;
        let connection = Connection::open(self.path()).map_err(StorageError::permanent)?;
        connection.execute(push, [by]).map_err(StorageError::permanent)?;
        Ok(Power::Used)
    }
}

#[test]
fn sqlite_keeps_the_contract() -> Result<(), Failures> {
    let file = File(TempDir::new().expect("a temporary folder"));
    let report = smol::block_on(conformance::run(&file));
    assert_eq!(report.needs(), ["Harness::break_reply", "Harness::linger", "Harness::lose_data"]);
    report.into_result()
}
