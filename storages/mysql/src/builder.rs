//! How a storage is to be made.

use core::time::Duration;
use std::sync::Arc;

use lessor_kit::error::AdapterError;
use lessor_kit::lane::Lane;

use crate::address::{Address, Door};
use crate::server::Primary;
use crate::storage::MySqlStorage;
use crate::table::Table;

/// How a [`MySqlStorage`] is to be made.
///
/// ```no_run
/// use core::time::Duration;
/// use lessor_mysql::MySqlStorage;
/// use lessor_mysql::sqlx::mysql::MySqlConnectOptions;
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let server: MySqlConnectOptions = "mysql://app@db.example.com/app".parse()?;
/// let storage = MySqlStorage::builder()
///     .database("scheduler")?
///     .table("leases")?
///     .lock_timeout(Duration::from_millis(500))
///     .build(server);
/// storage.migrate().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until it makes a storage"]
pub struct MySqlBuilder {
    table: Table,
    connections: usize,
    lock_timeout: Duration,
}

impl MySqlBuilder {
    pub(crate) fn new() -> Self {
        Self { table: Table::standard(), connections: 2, lock_timeout: Duration::from_secs(1) }
    }

    /// The database that has the table. By default that of the address.
    ///
    /// # Errors
    /// [`AdapterError::InvalidSetting`] unless the name has 1 to 64 characters up to U+FFFF, without control
    /// characters and without a space at its end. It is quoted: spaces and words of SQL are as good as any.
    pub fn database(self, name: &str) -> Result<Self, AdapterError> {
        Ok(Self { table: self.table.in_database(name)?, ..self })
    }

    /// The table that keeps the leases. Default `lessor_leases`.
    ///
    /// Two tables are independent: the same key may be led in each.
    ///
    /// # Errors
    /// [`AdapterError::InvalidSetting`], as [`database`](Self::database).
    pub fn table(self, name: &str) -> Result<Self, AdapterError> {
        Ok(Self { table: self.table.named(name)?, ..self })
    }

    /// How many connections the storage and its clones open, from 1 to 8. Default 2.
    ///
    /// Requests that wait together travel together: two connections serve ten thousand keys. With one, a flight that
    /// takes long holds up all others.
    pub fn connections(self, connections: usize) -> Self {
        Self { connections: connections.clamp(1, 8), ..self }
    }

    /// How long a request waits for the lock of another transaction, at most. Default 1 s; 10 ms at least, a minute at
    /// most.
    ///
    /// It waits for a row's lock for at most half of the time that its candidate waits for the answer. Others hold a row
    /// for as long as their commit takes: only a slow disk, or a transaction of your own on this table, makes anyone
    /// wait. For a lock on the whole table (`ALTER TABLE`, `LOCK TABLES`) the server waits, in whole seconds: for this
    /// long, rounded up.
    pub fn lock_timeout(self, timeout: Duration) -> Self {
        Self { lock_timeout: timeout.clamp(Duration::from_millis(10), Duration::from_secs(60)), ..self }
    }

    /// The SQL that creates the table if it is missing, and its database if one was named: for your own migrations.
    #[must_use]
    pub fn migration_sql(&self) -> String {
        let database = self.table.create_database().map(|create| format!("{create}\n")).unwrap_or_default();
        format!("{database}{}", self.table.create())
    }

    /// The storage of the server there: options to connect with, or a pool whose options are taken. Nothing is sent yet:
    /// see [`check`](lessor::Storage::check).
    pub fn build(self, address: impl Into<Address>) -> MySqlStorage {
        let Self { table, connections, lock_timeout } = self;
        let primary = Primary::new(Door::new(address.into(), lock_timeout), table, lock_timeout);
        MySqlStorage(Arc::new(Lane::new(primary, connections)))
    }
}
