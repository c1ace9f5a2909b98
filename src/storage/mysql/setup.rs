use alloc::string::String;

use sqlx::mysql::{MySqlConnection, MySqlRow};
use sqlx::{AssertSqlSafe, Row};

use super::MySqlStorage;
use super::error::{NotReady, explain, number};
use crate::storage::StorageError;

impl MySqlStorage {
    /// Creates the table if it is missing, and its database if one was [named](super::MySqlBuilder::database). Any
    /// number of processes may do that at any time.
    ///
    /// Where it is there it asks for no right to create anything.
    ///
    /// # Errors
    /// [`StorageError`], permanent if this user may not create them.
    ///
    /// # Cancel safety
    /// A dropped call may leave the database without the table.
    pub async fn migrate(&self) -> Result<(), StorageError> {
        let table = &self.0.table;
        let explain = |error| self.0.explain(error);
        let mut connection = self.0.pool.acquire().await.map_err(explain)?;
        let missing = match run(&mut connection, alloc::format!("SELECT 1 FROM {} WHERE 1 = 0", table.quoted())).await {
            Ok(()) => return Ok(()),
            Err(error) => error,
        };
        // Without a right to it the server says no more than that.
        if !matches!(number(&missing), Some(1049 | 1142 | 1146)) {
            return Err(explain(missing));
        }
        match run(&mut connection, table.create()).await {
            Err(error) if number(&error) == Some(1049) => {
                let Some(create) = table.create_database() else { return Err(explain(error)) };
                run(&mut connection, create).await.map_err(explain)?;
                run(&mut connection, table.create()).await.map_err(explain)
            }
            created => created.map_err(explain),
        }
    }

    /// Whether everything is there, and this user may use it.
    pub(super) async fn look_over(&self) -> Result<(), StorageError> {
        const COLUMNS: &str = "`key`, session, holder, term, version, ttl, expires, value";
        let (table, name) = (self.0.table.quoted(), &self.0.table);
        let explain = |error| self.0.explain(error);
        let mut connection = self.0.pool.acquire().await.map_err(explain)?;
        // Each is refused, or not, before it would do anything.
        for (right, sql) in [
            ("SELECT", alloc::format!("SELECT {COLUMNS} FROM {table} WHERE 1 = 0")),
            ("INSERT", alloc::format!("INSERT INTO {table} ({COLUMNS}) SELECT {COLUMNS} FROM {table} WHERE 1 = 0")),
            ("UPDATE", alloc::format!("UPDATE {table} SET version = version WHERE 1 = 0")),
            ("UPDATE", alloc::format!("SELECT version FROM {table} WHERE 1 = 0 FOR UPDATE NOWAIT")),
        ] {
            run(&mut connection, sql).await.map_err(|error| self.not_allowed(error, right))?;
        }
        let found: Option<MySqlRow> = sqlx::query(
            "SELECT CAST(engine AS BINARY) AS engine, @@autocommit AS autocommit FROM information_schema.tables
             WHERE table_schema = COALESCE(?, DATABASE()) AND table_name = ?",
        )
        .bind(name.database())
        .bind(name.name())
        .fetch_optional(&mut *connection)
        .await
        .map_err(explain)?;
        let Some(found) = found else { return Ok(()) };
        if found.try_get_unchecked::<i64, _>("autocommit").map_err(explain)? == 0 {
            return Err(StorageError::permanent(NotReady::NoAutocommit));
        }
        let engine = found.try_get_unchecked::<Option<&str>, _>("engine").map_err(explain)?.map(String::from);
        match engine {
            Some(engine) if !engine.eq_ignore_ascii_case("InnoDB") => {
                Err(StorageError::permanent(NotReady::NotInnoDb { table, engine }))
            }
            _ => Ok(()),
        }
    }

    fn not_allowed(&self, error: sqlx::Error, right: &'static str) -> StorageError {
        match number(&error) {
            Some(1142 | 1143) => StorageError::permanent(NotReady::NoRight { table: self.0.table.quoted(), right }),
            _ => explain(error, &self.0.table.quoted()),
        }
    }
}

async fn run(connection: &mut MySqlConnection, sql: String) -> sqlx::Result<()> {
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(connection).await.map(drop)
}
