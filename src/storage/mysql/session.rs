//! One connection for one write.

use alloc::string::String;
use alloc::vec::Vec;
use core::pin::pin;
use core::time::Duration;

use async_io::Timer;
use futures::TryStreamExt;
use futures::future::{Either, select};
use sqlx::mysql::{MySqlConnection, MySqlQueryResult};
use sqlx::pool::PoolConnection;
use sqlx::{AssertSqlSafe, Error, Executor, MySql};

use super::Shared;
use super::error::is_locked;
use super::statement::SESSIONS;
use super::write::Write;
use crate::lease::Key;

/// What a statement did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Done {
    /// Whether the row was written.
    pub(super) wrote: bool,
    /// What the statement said in the place of the last inserted id.
    pub(super) said: u64,
}

impl From<MySqlQueryResult> for Done {
    fn from(result: MySqlQueryResult) -> Self {
        Self { wrote: result.rows_affected() > 0, said: result.last_insert_id() }
    }
}

/// Dropped without an answer, it notes that a statement about this key may still wait for a lock.
struct InFlight<'a> {
    shared: &'a Shared,
    key: &'a Key,
    answered: bool,
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        if !self.answered {
            self.shared.locked.lock().insert(self.key.clone());
        }
    }
}

/// A connection that is closed unless what was asked on it came to an end: the pool would hand it on in the middle of a
/// transaction, or while it waits for a lock.
struct Session {
    connection: PoolConnection<MySql>,
    over: bool,
}

impl Session {
    fn connection(&mut self) -> &mut MySqlConnection {
        &mut self.connection
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if !self.over {
            self.connection.close_on_drop();
        }
    }
}

impl Shared {
    async fn session(&self) -> Result<Session, Error> {
        Ok(Session { connection: self.pool.acquire().await?, over: false })
    }

    /// One statement, committed by itself. `None`: it is not answered yet, and may still wait for a lock.
    pub(super) async fn run(&self, write: &Write<'_>, patience: Duration) -> Option<Result<Done, Error>> {
        let mut session = match self.session().await {
            Ok(session) => session,
            Err(error) => return Some(Err(error)),
        };
        let mut in_flight = InFlight { shared: self, key: write.key, answered: false };
        let done = {
            let asked = write.statement.prepared().execute(session.connection());
            match select(pin!(asked), Timer::after(patience)).await {
                Either::Left((done, _)) => done,
                Either::Right(_) => return None,
            }
        };
        in_flight.answered = !matches!(&done, Err(error) if is_locked(error));
        // An error of the server has undone the statement.
        session.over = matches!(done, Ok(_) | Err(Error::Database(_)));
        Some(done.map(Done::from))
    }

    /// One transaction, which begins and ends on the server: while it holds locks, nobody waits for this program.
    ///
    /// `lock`: it fails at once where another holds a row's lock.
    pub(super) async fn run_together(&self, lock: bool, writes: &[Write<'_>]) -> Result<Vec<Done>, Error> {
        let (mut text, mut sessions) = (String::from("START TRANSACTION; "), Vec::new());
        if lock {
            self.statements.lock(writes.iter().map(|write| write.key), &mut text);
            text.push_str("; ");
        }
        for write in writes {
            write.statement.inline(&mut text, &mut sessions);
            text.push_str("; ");
        }
        text.push_str("COMMIT AND NO CHAIN NO RELEASE");
        let mut session = self.session().await?;
        sqlx::query(SESSIONS).bind(sessions).execute(session.connection()).await?;
        let done = all(session.connection(), text).await;
        if let Err(Error::Database(_)) = done {
            sqlx::raw_sql("ROLLBACK AND NO CHAIN NO RELEASE").execute(session.connection()).await?;
        }
        session.over = matches!(done, Ok(_) | Err(Error::Database(_)));
        Ok(done?.into_iter().skip(1 + usize::from(lock)).take(writes.len()).collect())
    }
}

async fn all(connection: &mut MySqlConnection, text: String) -> Result<Vec<Done>, Error> {
    let mut results = connection.fetch_many(sqlx::raw_sql(AssertSqlSafe(text)));
    let mut done = Vec::new();
    while let Some(result) = results.try_next().await? {
        if let sqlx::Either::Left(result) = result {
            done.push(result.into());
        }
    }
    Ok(done)
}
