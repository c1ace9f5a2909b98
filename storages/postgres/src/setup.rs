//! The table: created, and looked at.

use lessor::StorageError;
use lessor_kit::encoding::fingerprint;
use lessor_kit::error::AdapterError;
use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, Row};

use crate::acquire::ACQUIRE;
use crate::error::read_only;
use crate::storage::{Inner, PostgresStorage, REMEDY};

impl PostgresStorage {
    /// Creates schema and table if they are missing. Any number of processes may do that at any time.
    ///
    /// Where both are there it needs no right to create anything.
    ///
    /// # Errors
    /// [`StorageError`], permanent if this user may not create them.
    ///
    /// # Cancel safety
    /// A dropped call creates both or nothing.
    pub async fn migrate(&self) -> Result<(), StorageError> {
        let Inner { pool, table, .. } = &*self.0;
        let explain = |error| self.0.explain(error);
        let found: PgRow = sqlx::query(
            "SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = $1) AS in_schema,
                    EXISTS (SELECT FROM pg_class JOIN pg_namespace AS n ON n.oid = relnamespace
                            WHERE nspname = $1 AND relname = $2) AS is_there",
        )
        .bind(table.schema())
        .bind(table.name())
        .fetch_one(pool)
        .await
        .map_err(explain)?;
        if found.try_get("is_there").map_err(explain)? {
            return Ok(());
        }
        // Two that create the same at the same time would collide, IF NOT EXISTS or not.
        let lock = fingerprint(table.quoted().as_bytes()).cast_signed();
        let mut transaction = pool.begin().await.map_err(explain)?;
        sqlx::query("SELECT pg_advisory_xact_lock($1)").bind(lock).execute(&mut *transaction).await.map_err(explain)?;
        if !found.try_get::<bool, _>("in_schema").map_err(explain)? {
            sqlx::raw_sql(AssertSqlSafe(table.create_schema())).execute(&mut *transaction).await.map_err(explain)?;
        }
        sqlx::raw_sql(AssertSqlSafe(table.create())).execute(&mut *transaction).await.map_err(explain)?;
        transaction.commit().await.map_err(explain)
    }
}

impl Inner {
    /// Whether everything is there, and this user may use it.
    pub(crate) async fn check(&self) -> Result<(), StorageError> {
        let explain = |error| self.explain(error);
        let found = sqlx::query(
            "SELECT has_schema_privilege(n.oid, 'USAGE') AS \"USAGE\", has_table_privilege(c.oid, 'SELECT') AS \"SELECT\",
                    has_table_privilege(c.oid, 'INSERT') AS \"INSERT\", has_table_privilege(c.oid, 'UPDATE') AS \"UPDATE\",
                    current_setting('transaction_read_only')::boolean AS read_only
             FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace WHERE nspname = $1 AND relname = $2",
        )
        .bind(String::from(self.table.schema()))
        .bind(String::from(self.table.name()));
        let found = self.fetch(found).await?;
        let found = found.first().ok_or_else(|| AdapterError::no_table(self.table.quoted(), REMEDY))?;
        for right in ["USAGE", "SELECT", "INSERT", "UPDATE"] {
            if !found.try_get::<bool, _>(right).map_err(explain)? {
                return Err(AdapterError::no_right(right, self.table.quoted()).into());
            }
        }
        if found.try_get("read_only").map_err(explain)? {
            return Err(read_only().into());
        }
        // The statement for no keys at all: the columns are there, and one row for each key.
        self.ask(&ACQUIRE, &[], self.lock_timeout).await.map(drop)
    }
}
