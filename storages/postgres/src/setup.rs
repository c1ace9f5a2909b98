//! The table, created.

use lessor::StorageError;
use lessor_kit::encoding::fingerprint;
use lessor_kit::error::AdapterError;
use lessor_kit::timeout::{self, within};
use lessor_kit::version::{mark, marked, usable};
use sqlx::postgres::{PgConnection, PgRow};
use sqlx::{AssertSqlSafe, Connection, Row};

use crate::storage::PostgresStorage;

impl PostgresStorage {
    /// Creates schema and table if they are missing. Any number of processes may do that at any time.
    ///
    /// Where both are there it needs no right to create anything.
    ///
    /// # Errors
    /// [`StorageError`], permanent if this user may not create them, transient if the server says nothing for ten seconds.
    ///
    /// # Cancel safety
    /// A dropped call creates both or nothing.
    pub async fn migrate(&self) -> Result<(), StorageError> {
        let primary = self.primary();
        let table = &primary.table;
        let explain = |error| primary.explain(error);
        let look = format!(
            "SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = $1) AS in_schema, c.relkind IS NOT NULL AS is_there,
                    obj_description(c.oid, 'pg_class') AS note,
                    c.relkind IN ('r', 'p') AND pg_has_role(c.relowner, 'USAGE') AS is_own
             FROM (SELECT) AS one LEFT JOIN (pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace) ON {}",
            table.found()
        );
        let look = sqlx::query(AssertSqlSafe(look)).bind(table.schema());
        // What is created may take its time. A server that is there answers.
        let begun = async {
            let mut connection = primary.reach().await?;
            let found: PgRow = look.fetch_one(&mut connection).await.map_err(explain)?;
            Ok::<_, StorageError>((connection, found))
        };
        let (mut connection, found) = within(timeout::CHECK, begun).await??;
        let note: Option<&str> = found.try_get("note").map_err(explain)?;
        let mut sql = Vec::new();
        if found.try_get("is_there").map_err(explain)? {
            usable(&table.quoted(), note)?;
            if found.try_get::<Option<bool>, _>("is_own").map_err(explain)? == Some(true) {
                sql.extend(marked(note).map(|note| table.comment(&note)));
            }
            if sql.is_empty() {
                return Ok(());
            }
        } else {
            if !found.try_get::<bool, _>("in_schema").map_err(explain)? {
                sql.push(table.create_schema());
            }
            sql.extend([table.create(), table.comment(&mark())]);
        }
        create_alone(&mut connection, &table.quoted(), sql).await.map_err(|error| self.may_not_create(error))
    }

    /// As any error, but for this right there is other advice.
    fn may_not_create(&self, error: sqlx::Error) -> StorageError {
        match error.as_database_error() {
            Some(said) if said.code().is_some_and(|code| code == "42501") => {
                let advice = "have an administrator run the SQL of PostgresBuilder::migration_sql() and grant the rights that \
                              the README lists, or grant CREATE, or name a schema of the user's own (PostgresBuilder::schema)";
                AdapterError::forbidden(said.message()).advising(advice).into()
            }
            _ => self.primary().explain(error),
        }
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
