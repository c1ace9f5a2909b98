//! The table: created, and looked at.

use lessor::StorageError;
use lessor_kit::encoding::fingerprint;
use lessor_kit::error::AdapterError;
use sqlx::postgres::{PgConnection, PgRow};
use sqlx::{AssertSqlSafe, Connection, Executor, Row, SqlSafeStr};

use crate::error::read_only;
use crate::server::{Primary, REMEDY};
use crate::storage::PostgresStorage;

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
        let primary = self.primary();
        let table = &primary.table;
        let explain = |error| primary.explain(error);
        let mut connection = primary.door.open().await.map_err(explain)?;
        let found: PgRow = sqlx::query(
            "SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = $1) AS in_schema,
                    EXISTS (SELECT FROM pg_class JOIN pg_namespace AS n ON n.oid = relnamespace
                            WHERE nspname = $1 AND relname = $2) AS is_there",
        )
        .bind(table.schema())
        .bind(table.name())
        .fetch_one(&mut connection)
        .await
        .map_err(explain)?;
        if found.try_get("is_there").map_err(explain)? {
            return Ok(());
        }
        let schema = (!found.try_get::<bool, _>("in_schema").map_err(explain)?).then(|| table.create_schema());
        let sql = schema.into_iter().chain([table.create()]);
        create_alone(&mut connection, &table.quoted(), sql).await.map_err(explain)
    }
}

/// Nobody else creates this at the same time: the two would collide, `IF NOT EXISTS` or not.
pub(crate) async fn create_alone(
    connection: &mut PgConnection,
    what: &str,
    sql: impl IntoIterator<Item = String>,
) -> sqlx::Result<()> {
    let lock = fingerprint(what.as_bytes()).cast_signed();
    let mut transaction = connection.begin().await?;
    sqlx::query("SELECT pg_advisory_xact_lock($1)").bind(lock).execute(&mut *transaction).await?;
    for sql in sql {
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut *transaction).await?;
    }
    transaction.commit().await
}

impl Primary {
    /// Whether everything is there, and this user may use it.
    pub(crate) async fn check(&self) -> Result<(), StorageError> {
        let explain = |error| self.explain(error);
        let mut connection = self.door.open().await.map_err(explain)?;
        let found: Option<PgRow> = sqlx::query(
            "SELECT has_schema_privilege(n.oid, 'USAGE') AS \"USAGE\", has_table_privilege(c.oid, 'SELECT') AS \"SELECT\",
                    has_table_privilege(c.oid, 'INSERT') AS \"INSERT\", has_table_privilege(c.oid, 'UPDATE') AS \"UPDATE\",
                    current_setting('transaction_read_only')::boolean AS read_only
             FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace WHERE nspname = $1 AND relname = $2",
        )
        .bind(self.table.schema())
        .bind(self.table.name())
        .fetch_optional(&mut connection)
        .await
        .map_err(explain)?;
        let found = found.ok_or_else(|| AdapterError::no_table(self.table.quoted(), REMEDY))?;
        for right in ["USAGE", "SELECT", "INSERT", "UPDATE"] {
            if !found.try_get::<bool, _>(right).map_err(explain)? {
                return Err(AdapterError::no_right(right, self.table.quoted()).into());
            }
        }
        if found.try_get("read_only").map_err(explain)? {
            return Err(read_only().into());
        }
        // The columns are there, and one row for each key.
        for text in [&self.statements.acquire.one, &self.statements.acquire.many] {
            connection.prepare(AssertSqlSafe(text.clone()).into_sql_str()).await.map_err(explain)?;
        }
        Ok(())
    }
}
