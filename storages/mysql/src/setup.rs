//! Whether the table is there and may be used, and how it is created.

use lessor::StorageError;
use lessor_kit::error::AdapterError;
use sqlx::mysql::{MySqlConnection, MySqlRow};
use sqlx::{AssertSqlSafe, Connection, Row};

use crate::error::{is_no_database, is_no_right, is_perhaps_missing};
use crate::server::Primary;
use crate::storage::MySqlStorage;

const COLUMNS: &str = "`key`, session, id, term, version, ttl, expires, since, value";

/// What the server has to take at once, in bytes. A flight's text is shorter.
pub(crate) const LONGEST_TEXT: i64 = 8 << 20;

impl MySqlStorage {
    /// Creates the table if it is missing, and its database if one was [named](crate::MySqlBuilder::database). Any
    /// number of processes may do that at any time.
    ///
    /// Where the table is there it needs no right to create anything. It opens a connection for that.
    ///
    /// # Errors
    /// [`StorageError`], permanent if this user may not create them.
    ///
    /// # Cancel safety
    /// What a dropped call has begun may still be created.
    pub async fn migrate(&self) -> Result<(), StorageError> {
        let primary = self.primary();
        let mut connection = primary.door.open().await.map_err(|error| primary.explain(error))?.connection;
        let created = primary.create(&mut connection).await;
        close(connection).await;
        created
    }
}

impl Primary {
    async fn create(&self, connection: &mut MySqlConnection) -> Result<(), StorageError> {
        let explain = |error| self.explain(error);
        if is_there(connection, &self.table.quoted()).await.map_err(explain)? {
            return Ok(());
        }
        match run(connection, self.table.create()).await {
            Err(error) if is_no_database(&error) => {
                let Some(create_database) = self.table.create_database() else { return Err(explain(error)) };
                run(connection, create_database).await.map_err(explain)?;
                run(connection, self.table.create()).await.map_err(explain)
            }
            created => created.map_err(explain),
        }
    }

    /// Whether everything is there, and this user may use it.
    pub(crate) async fn check(&self) -> Result<(), StorageError> {
        let mut connection = self.door.open().await.map_err(|error| self.explain(error))?.connection;
        let mut checked = self.check_rights(&mut connection).await;
        if checked.is_ok() {
            checked = self.check_settings(&mut connection).await;
        }
        close(connection).await;
        checked
    }

    /// Each statement is refused, or not, before it would do anything.
    async fn check_rights(&self, connection: &mut MySqlConnection) -> Result<(), StorageError> {
        let table = self.table.quoted();
        for (right, sql) in [
            ("SELECT", format!("SELECT {COLUMNS} FROM {table} WHERE 1 = 0")),
            ("INSERT", format!("INSERT INTO {table} ({COLUMNS}) SELECT {COLUMNS} FROM {table} WHERE 1 = 0")),
            ("UPDATE", format!("UPDATE {table} SET version = version WHERE 1 = 0")),
            ("UPDATE", format!("SELECT version FROM {table} WHERE 1 = 0 FOR UPDATE SKIP LOCKED")),
        ] {
            match run(connection, sql).await {
                Err(error) if is_no_right(&error) => return Err(AdapterError::no_right(right, table).into()),
                done => done.map_err(|error| self.explain(error))?,
            }
        }
        Ok(())
    }

    /// Whether what is written is kept, all or nothing, and a long text is taken.
    async fn check_settings(&self, connection: &mut MySqlConnection) -> Result<(), StorageError> {
        let explain = |error| self.explain(error);
        let found: MySqlRow = sqlx::query(
            "SELECT (SELECT CAST(engine AS BINARY) FROM information_schema.tables
                     WHERE table_schema = COALESCE(?, DATABASE()) AND table_name = ?) AS engine,
                    CAST(@@max_allowed_packet AS SIGNED) AS longest",
        )
        .bind(self.table.database())
        .bind(self.table.name())
        .fetch_one(connection)
        .await
        .map_err(explain)?;
        let longest = found.try_get_unchecked::<i64, _>("longest").map_err(explain)?;
        if longest < LONGEST_TEXT {
            let problem = "requests for many keys, which are sent as one text, may not fit into a packet";
            let remedy = format!("set it to {LONGEST_TEXT} or more");
            return Err(AdapterError::wrong_setup("max_allowed_packet", longest.to_string(), problem, remedy).into());
        }
        match found.try_get_unchecked::<Option<&str>, _>("engine").map_err(explain)? {
            Some(engine) if !engine.eq_ignore_ascii_case("InnoDB") => {
                let table = self.table.quoted();
                let problem = format!("the table {table} is kept by an engine without transactions");
                let remedy = format!("ALTER TABLE {table} ENGINE = InnoDB");
                Err(AdapterError::wrong_setup("engine", engine, problem, remedy).into())
            }
            // A temporary table, say, is not listed: it is there, since it could be asked.
            _ => Ok(()),
        }
    }
}

/// With a word: a server notes in its log who leaves without.
pub(crate) async fn close(connection: MySqlConnection) {
    let _ = connection.close().await;
}

/// Whether this user finds the table.
pub(crate) async fn is_there(connection: &mut MySqlConnection, table: &str) -> sqlx::Result<bool> {
    match run(connection, format!("SELECT 1 FROM {table} WHERE 1 = 0")).await {
        Err(error) if is_perhaps_missing(&error) => Ok(false),
        looked => looked.map(|()| true),
    }
}

pub(crate) async fn run(connection: &mut MySqlConnection, sql: String) -> sqlx::Result<()> {
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(connection).await.map(drop)
}
