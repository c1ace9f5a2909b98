//! The storage: a handle on the table, through a pool.

use core::fmt;
use core::time::Duration;
use std::sync::Arc;

use lessor::storage::{Reply, Request, Subscribers};
use lessor::{Key, Storage, StorageError, Wakeups, async_trait};
use lessor_kit::error::AdapterError;
use sqlx::mysql::MySqlPool;

use crate::builder::MySqlBuilder;
use crate::error::explain;
use crate::left_behind::LeftBehind;
use crate::statements::Statements;
use crate::table::Table;

/// The most keys of one text.
pub(crate) const MOST_KEYS: usize = 256;

/// The shortest time to wait for an answer.
pub(crate) const LEAST_PATIENCE: Duration = Duration::from_millis(50);

/// Leases in a MySQL or MariaDB table, through your own pool.
///
/// The [crate's documentation](crate) says what it runs and what survives. Clones share the pool, and wake one
/// another's followers.
#[derive(Clone)]
pub struct MySqlStorage(Arc<Leases>);

/// The leases of one table.
pub(crate) struct Leases {
    pub(crate) pool: MySqlPool,
    pub(crate) table: Table,
    pub(crate) statements: Statements,
    pub(crate) lock_timeout: Duration,
    pub(crate) left_behind: LeftBehind,
    pub(crate) subscribers: Subscribers,
}

impl MySqlStorage {
    /// Uses your pool, and the table `lessor_leases` in the database of its connections. Nothing is sent yet.
    #[must_use]
    pub fn new(pool: MySqlPool) -> Self {
        Self::builder().build(pool)
    }

    /// Settings to change: at first the table `lessor_leases` and a lock timeout of 1 s.
    pub fn builder() -> MySqlBuilder {
        MySqlBuilder::new()
    }

    pub(crate) fn with(pool: MySqlPool, table: Table, lock_timeout: Duration) -> Self {
        let statements = Statements::new(&table.quoted());
        let (left_behind, subscribers) = (LeftBehind::default(), Subscribers::new());
        Self(Arc::new(Leases { pool, table, statements, lock_timeout, left_behind, subscribers }))
    }

    /// Creates the table if it is missing, and its database if one was [named](MySqlBuilder::database). Any number of
    /// processes may do that at any time.
    ///
    /// Where the table is there it needs no right to create anything.
    ///
    /// # Errors
    /// [`StorageError`], permanent if this user may not create them.
    ///
    /// # Cancel safety
    /// A dropped call may leave the database without the table.
    pub async fn migrate(&self) -> Result<(), StorageError> {
        self.0.create().await
    }
}

impl Leases {
    pub(crate) fn explain(&self, error: sqlx::Error) -> StorageError {
        explain(error, &self.table.quoted(), "call MySqlStorage::migrate() once to create it")
    }
}

#[async_trait]
impl Storage for MySqlStorage {
    async fn call(&self, request: Request) -> Result<Reply, StorageError> {
        let replies = self.0.answer(&[request]).await;
        replies.into_iter().next().unwrap_or_else(|| Err(AdapterError::Unfit.into()))
    }

    /// One look and one transaction for up to 256 keys; a statement for each key's first row, and for each list.
    async fn call_all(&self, requests: Vec<Request>) -> Vec<Result<Reply, StorageError>> {
        self.0.answer(&requests).await
    }

    /// Woken by grants, releases and revokes of this storage and its clones alone.
    fn subscribe(&self, key: &Key) -> Wakeups {
        self.0.subscribers.subscribe(key)
    }

    /// Whether the table is there and fits, may be read and written, and each statement is committed. Writes nothing.
    async fn check(&self) -> Result<(), StorageError> {
        self.0.check().await
    }
}

impl fmt::Debug for MySqlStorage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MySqlStorage").field("table", &self.0.table.quoted()).finish_non_exhaustive()
    }
}
