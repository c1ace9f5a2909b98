//! Whether the table is there and may be used, and how it is created.

use lessor::StorageError;
use lessor_kit::error::AdapterError;
use sqlx::mysql::{MySqlConnection, MySqlRow};
use sqlx::{AssertSqlSafe, Row};

use crate::error::{is_no_database, is_no_right, is_perhaps_missing, nothing_is_committed};
use crate::storage::Leases;

const COLUMNS: &str = "`key`, session, id, term, version, ttl, expires, since, value";

impl Leases {
    /// The table, if it is missing, and its database, if one was named.
    pub(crate) async fn create(&self) -> Result<(), StorageError> {
        let explain = |error| self.explain(error);
        let mut connection = self.pool.acquire().await.map_err(explain)?;
        match run(&mut connection, format!("SELECT 1 FROM {} WHERE 1 = 0", self.table.quoted())).await {
            Ok(()) => return Ok(()),
            Err(error) if is_perhaps_missing(&error) => {}
            Err(error) => return Err(explain(error)),
        }
        match run(&mut connection, self.table.create()).await {
            Err(error) if is_no_database(&error) => {
                let Some(create_database) = self.table.create_database() else { return Err(explain(error)) };
                run(&mut connection, create_database).await.map_err(explain)?;
                run(&mut connection, self.table.create()).await.map_err(explain)
            }
            created => created.map_err(explain),
        }
    }

    /// Whether everything is there, and this user may use it.
    pub(crate) async fn check(&self) -> Result<(), StorageError> {
        let table = self.table.quoted();
        let mut connection = self.pool.acquire().await.map_err(|error| self.explain(error))?;
        // Each is refused, or not, before it would do anything.
        for (right, sql) in [
            ("SELECT", format!("SELECT {COLUMNS} FROM {table} WHERE 1 = 0")),
            ("INSERT", format!("INSERT INTO {table} ({COLUMNS}) SELECT {COLUMNS} FROM {table} WHERE 1 = 0")),
            ("UPDATE", format!("UPDATE {table} SET version = version WHERE 1 = 0")),
            ("UPDATE", format!("SELECT version FROM {table} WHERE 1 = 0 FOR UPDATE NOWAIT")),
        ] {
            match run(&mut connection, sql).await {
                Err(error) if is_no_right(&error) => return Err(AdapterError::no_right(right, table).into()),
                done => done.map_err(|error| self.explain(error))?,
            }
        }
        self.check_settings(&mut connection).await
    }

    /// Whether what is written is kept, all or nothing.
    async fn check_settings(&self, connection: &mut MySqlConnection) -> Result<(), StorageError> {
        let explain = |error| self.explain(error);
        let found: Option<MySqlRow> = sqlx::query(
            "SELECT CAST(engine AS BINARY) AS engine, @@autocommit AS autocommit FROM information_schema.tables
             WHERE table_schema = COALESCE(?, DATABASE()) AND table_name = ?",
        )
        .bind(self.table.database())
        .bind(self.table.name())
        .fetch_optional(connection)
        .await
        .map_err(explain)?;
        // A temporary table, say: it is there, since it could be asked.
        let Some(found) = found else { return Ok(()) };
        if found.try_get_unchecked::<i64, _>("autocommit").map_err(explain)? == 0 {
            return Err(nothing_is_committed().into());
        }
        match found.try_get_unchecked::<Option<&str>, _>("engine").map_err(explain)? {
            Some(engine) if !engine.eq_ignore_ascii_case("InnoDB") => {
                let table = self.table.quoted();
                let problem = format!("the table {table} is kept by an engine without transactions");
                Err(AdapterError::wrong_setup(
                    "engine",
                    engine,
                    problem,
                    format!("ALTER TABLE {table} ENGINE = InnoDB"),
                )
                .into())
            }
            _ => Ok(()),
        }
    }
}

async fn run(connection: &mut MySqlConnection, sql: String) -> sqlx::Result<()> {
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(connection).await.map(drop)
}
