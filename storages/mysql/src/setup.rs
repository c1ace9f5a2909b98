//! The table, created.

use lessor::StorageError;
use lessor_kit::timeout::{self, within};
use lessor_kit::version::{marked, usable};
use sqlx::mysql::MySqlConnection;
use sqlx::{AssertSqlSafe, Connection};

use crate::error::{forbidden, is_no_database, is_no_right, is_perhaps_missing};
use crate::opening::note;
use crate::server::Primary;
use crate::storage::MySqlStorage;

impl MySqlStorage {
    /// Creates the table if it is missing, and its database if one was [named](crate::MySqlBuilder::database). Any
    /// number of processes may do that at any time.
    ///
    /// Where the table is there it needs no right to create anything. It opens a connection for that.
    ///
    /// # Errors
    /// [`StorageError`], permanent if this user may not create them, transient if the server says nothing for ten seconds.
    ///
    /// # Cancel safety
    /// What a dropped call has begun may still be created.
    pub async fn migrate(&self) -> Result<(), StorageError> {
        let primary = self.primary();
        let (mut connection, found) = primary.find(&primary.table.quoted()).await?;
        let created = match found {
            Ok(is_there) => primary.create(&mut connection, is_there).await,
            Err(error) => Err(primary.explain(error)),
        };
        close(connection).await;
        created
    }
}

/// What to do where this user may create nothing.
const CREATE_IT: &str = "have an administrator run the SQL of MySqlBuilder::migration_sql() and grant the rights that the \
                         README lists, or grant CREATE, or name a database of the user's own (MySqlBuilder::database)";

impl Primary {
    /// A connection, and whether this user finds the table. What is created may take its time; a server that is there
    /// answers.
    pub(crate) async fn find(&self, table: &str) -> Result<(MySqlConnection, sqlx::Result<bool>), StorageError> {
        let begun = async {
            let mut connection = self.reach().await?.connection;
            let found = is_there(&mut connection, table).await;
            Ok((connection, found))
        };
        within(timeout::CHECK, begun).await?
    }

    async fn create(&self, connection: &mut MySqlConnection, is_there: bool) -> Result<(), StorageError> {
        let explain = |error| self.explain(error);
        let may_not_create = |error| match is_no_right(&error) {
            true => forbidden(&error, CREATE_IT).into(),
            false => explain(error),
        };
        if is_there {
            return self.mark(connection).await;
        }
        match run(connection, self.table.create()).await {
            Err(error) if is_no_database(&error) => {
                let Some(create_database) = self.table.create_database() else { return Err(explain(error)) };
                run(connection, create_database).await.map_err(may_not_create)?;
                run(connection, self.table.create()).await.map_err(may_not_create)
            }
            created => created.map_err(may_not_create),
        }
    }

    /// Refuses a newer table, and tells one of its version that tells none, if this user may change it.
    async fn mark(&self, connection: &mut MySqlConnection) -> Result<(), StorageError> {
        let explain = |error| self.explain(error);
        let look = format!(
            "SELECT CAST(table_comment AS BINARY) AS note FROM information_schema.tables
             WHERE {} AND table_type = 'BASE TABLE'",
            self.table.found()
        );
        let found = sqlx::raw_sql(AssertSqlSafe(look)).fetch_optional(&mut *connection).await.map_err(explain)?;
        let note = found.as_ref().and_then(note);
        usable(&self.table.quoted(), note)?;
        // What is not listed is not this user's to change.
        let Some(comment) = found.as_ref().and_then(|_| marked(note)) else { return Ok(()) };
        match run(connection, self.table.comment(&comment)).await {
            Err(error) if is_no_right(&error) => Ok(()),
            done => done.map_err(explain),
        }
    }
}

/// With a word: a server notes in its log who leaves without.
pub(crate) async fn close(connection: MySqlConnection) {
    let _ = connection.close().await;
}

/// Whether this user finds the table.
async fn is_there(connection: &mut MySqlConnection, table: &str) -> sqlx::Result<bool> {
    match run(connection, format!("SELECT 1 FROM {table} WHERE 1 = 0")).await {
        Err(error) if is_perhaps_missing(&error) => Ok(false),
        looked => looked.map(|()| true),
    }
}

pub(crate) async fn run(connection: &mut MySqlConnection, sql: String) -> sqlx::Result<()> {
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(connection).await.map(drop)
}
