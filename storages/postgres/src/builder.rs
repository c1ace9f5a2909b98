//! How a storage is to be made.

use core::fmt;
use core::time::Duration;
use std::sync::Arc;

use lessor_kit::error::AdapterError;
use lessor_kit::listener::Listener;
use sqlx::postgres::{PgConnectOptions, PgPool};

use crate::held::Held;
use crate::statements::Statements;
use crate::storage::{Inner, PostgresStorage};
use crate::table::Table;
use crate::wakeups::Notifications;

/// How a [`PostgresStorage`] is to be made.
///
/// ```no_run
/// use core::time::Duration;
/// use lessor_postgres::PostgresStorage;
/// use lessor_postgres::sqlx::PgPool;
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let pool = PgPool::connect("postgres://app@db.example.com/app").await?;
/// let storage = PostgresStorage::builder()
///     .schema("scheduler")?
///     .table("leases")?
///     .lock_timeout(Duration::from_millis(500))
///     .build(pool);
/// storage.migrate().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
#[must_use = "a builder does nothing until it makes a storage"]
pub struct PostgresBuilder {
    table: Table,
    lock_timeout: Duration,
    wakeups: bool,
    listen_with: Option<PgConnectOptions>,
}

impl PostgresBuilder {
    pub(crate) fn new() -> Self {
        Self { table: Table::standard(), lock_timeout: Duration::from_secs(1), wakeups: true, listen_with: None }
    }

    /// The schema that has the table. Default `public`.
    ///
    /// It is named in every statement, so that no `search_path` matters.
    ///
    /// # Errors
    /// [`AdapterError::InvalidSetting`] unless the name has 1 to 63 bytes without control characters. It is quoted:
    /// upper case, spaces and words of SQL are as good as any.
    pub fn schema(self, name: &str) -> Result<Self, AdapterError> {
        Ok(Self { table: self.table.in_schema(name)?, ..self })
    }

    /// The table that keeps the leases. Default `lessor_leases`.
    ///
    /// Two tables are independent: the same key may be led in each.
    ///
    /// # Errors
    /// [`AdapterError::InvalidSetting`], as [`schema`](Self::schema).
    pub fn table(self, name: &str) -> Result<Self, AdapterError> {
        Ok(Self { table: self.table.named(name)?, ..self })
    }

    /// How long a statement waits for the lock of another transaction on a row. Default 1 s; 10 ms at least, a minute
    /// at most.
    ///
    /// A claim and a renewal wait at most a tenth of their ttl. Others hold a row for as long as their commit takes:
    /// only a slow disk or a transaction of your own on this table makes anyone wait.
    pub fn lock_timeout(self, timeout: Duration) -> Self {
        Self { lock_timeout: timeout.min(Duration::from_secs(60)), ..self }
    }

    /// Whether this storage tells followers of grants, releases and revokes (`NOTIFY`) and wakes its own (`LISTEN`,
    /// one more connection and a thread from the first follower on). Default `true`.
    ///
    /// Without, a follower asks at its [retry interval](lessor::Config::retry_interval) and when the lease ends. Set it
    /// alike in all processes: those with wake-ups count on being told, and ask about once per ttl.
    pub fn wakeups(self, wakeups: bool) -> Self {
        Self { wakeups, ..self }
    }

    /// How to connect for `LISTEN`. By default as the pool does.
    ///
    /// A connection pooler in transaction mode does not pass `LISTEN` on: name the server itself here.
    pub fn listen_with(self, options: PgConnectOptions) -> Self {
        Self { listen_with: Some(options), ..self }
    }

    /// The SQL that creates schema and table if they are missing, for your own migrations.
    #[must_use]
    pub fn migration_sql(&self) -> String {
        format!("{}\n{}", self.table.create_schema(), self.table.create())
    }

    /// The storage on this pool. Nothing is sent yet: see [`check`](lessor::Storage::check).
    pub fn build(self, pool: PgPool) -> PostgresStorage {
        let Self { table, lock_timeout, wakeups, listen_with } = self;
        let options = listen_with.unwrap_or_else(|| (*pool.connect_options()).clone());
        let held = Arc::new(Held::default());
        let notifications = || Notifications { options, name: table.channel(), held: held.clone() };
        let listener = wakeups.then(|| Listener::new(notifications()));
        let statements = Statements::new(&table.quoted());
        PostgresStorage(Arc::new(Inner { pool, table, statements, lock_timeout, held, listener }))
    }
}

/// Not the options: they have the password.
impl fmt::Debug for PostgresBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresBuilder")
            .field("table", &self.table)
            .field("lock_timeout", &self.lock_timeout)
            .field("wakeups", &self.wakeups)
            .finish_non_exhaustive()
    }
}
