//! How a storage is to be made.

use core::time::Duration;
use std::path::Path;

use lessor::StorageError;
use lessor_kit::error::AdapterError;
use rusqlite::Connection;

use crate::storage::SqliteStorage;
use crate::table::Table;
use crate::worker::Worker;

/// How a [`SqliteStorage`] is to be made.
///
/// ```
/// use core::time::Duration;
/// use lessor_sqlite::SqliteStorage;
///
/// # smol::block_on(async {
/// # let directory = tempfile::tempdir()?;
/// # let path = directory.path().join("leases.db");
/// let storage = SqliteStorage::builder()
///     .table("scheduler_leases")?
///     .busy_timeout(Duration::from_millis(100))
///     .open(path)
///     .await?;
/// # storage.migrate().await?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until it makes a storage"]
pub struct SqliteBuilder {
    table: Table,
    busy_timeout: Duration,
}

impl SqliteBuilder {
    pub(crate) fn new() -> Self {
        Self { table: Table::standard(), busy_timeout: Duration::from_millis(250) }
    }

    /// The table that keeps the leases. Default `lessor_leases`.
    ///
    /// Two tables in one file are independent: the same key may be led in each.
    ///
    /// # Errors
    /// [`AdapterError::InvalidSetting`] unless the name has 1 to 63 of `a-z`, `0-9` and `_`, and begins neither with a
    /// digit nor with `sqlite_`.
    pub fn table(self, name: &str) -> Result<Self, AdapterError> {
        Ok(Self { table: Table::new(name)?, ..self })
    }

    /// How long to wait for the lock of another connection. Default 250 ms; longer than a minute counts as a minute. To open and
    /// to migrate wait 5 s at least, and a check 1 s: programs that begin together all write at first.
    ///
    /// A claim and a renewal wait at most a tenth of their ttl. A shorter timeout means more
    /// [transient](lessor::storage::ErrorKind::Transient) errors beside programs that write a lot; with a longer one, a
    /// stuck writer delays the other keys of this storage.
    pub fn busy_timeout(self, timeout: Duration) -> Self {
        Self { busy_timeout: timeout.min(Duration::from_secs(60)), ..self }
    }

    /// The SQL that creates the table if it is missing, as [`migrate`](SqliteStorage::migrate) runs it: for your own
    /// migrations.
    #[must_use]
    pub fn migration_sql(&self) -> String {
        self.table.create.clone()
    }

    /// [`SqliteStorage::open`] with these settings.
    ///
    /// # Errors
    /// As there.
    ///
    /// # Cancel safety
    /// As there.
    pub async fn open(self, path: impl AsRef<Path>) -> Result<SqliteStorage, StorageError> {
        let Self { table, busy_timeout } = self;
        let path = path.as_ref().to_path_buf();
        let name = table.name.clone();
        SqliteStorage::start(name, move |subscribers| Worker::open(&path, table, busy_timeout, subscribers)).await
    }

    /// [`SqliteStorage::new`] with these settings.
    ///
    /// # Errors
    /// As there.
    ///
    /// # Cancel safety
    /// As there.
    pub async fn build(self, connection: Connection) -> Result<SqliteStorage, StorageError> {
        let Self { table, busy_timeout } = self;
        let name = table.name.clone();
        SqliteStorage::start(name, move |subscribers| Worker::new(connection, table, busy_timeout, subscribers)).await
    }
}
