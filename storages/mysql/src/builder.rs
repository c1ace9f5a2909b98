//! How a storage is to be made.

use core::time::Duration;

use lessor_kit::error::AdapterError;
use sqlx::mysql::MySqlPool;

use crate::storage::MySqlStorage;
use crate::table::Table;

/// How a [`MySqlStorage`] is to be made.
///
/// ```no_run
/// use core::time::Duration;
/// use lessor_mysql::MySqlStorage;
/// use lessor_mysql::sqlx::MySqlPool;
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let pool = MySqlPool::connect("mysql://app@db.example.com/app").await?;
/// let storage = MySqlStorage::builder()
///     .database("scheduler")?
///     .table("leases")?
///     .lock_timeout(Duration::from_millis(500))
///     .build(pool);
/// storage.migrate().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until it makes a storage"]
pub struct MySqlBuilder {
    table: Table,
    lock_timeout: Duration,
}

impl MySqlBuilder {
    pub(crate) fn new() -> Self {
        Self { table: Table::standard(), lock_timeout: Duration::from_secs(1) }
    }

    /// The database that has the table. By default that of the pool's connections.
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

    /// How long an operation waits for the lock of another transaction on a row. Default 1 s; 50 ms at least, a minute
    /// at most.
    ///
    /// A claim and a renewal wait at most a tenth of their ttl. Others hold a row for as long as their commit takes:
    /// only a slow disk, or a transaction of your own on this table, makes anyone wait.
    pub fn lock_timeout(self, timeout: Duration) -> Self {
        Self { lock_timeout: timeout.min(Duration::from_secs(60)), ..self }
    }

    /// The SQL that creates the table if it is missing, and its database if one was named: for your own migrations.
    #[must_use]
    pub fn migration_sql(&self) -> String {
        let database = self.table.create_database().map(|create| format!("{create}\n")).unwrap_or_default();
        format!("{database}{}", self.table.create())
    }

    /// The storage on this pool. Nothing is sent yet: see [`check`](lessor::Storage::check).
    pub fn build(self, pool: MySqlPool) -> MySqlStorage {
        MySqlStorage::with(pool, self.table, self.lock_timeout)
    }
}
