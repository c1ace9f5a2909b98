//! One connection for one write.

use alloc::string::String;
use alloc::vec::Vec;
use core::pin::pin;
use core::time::Duration;

use async_io::Timer;
use futures::TryStreamExt;
use futures::future::{Either, select};
use sqlx::mysql::{MySqlConnection, MySqlQueryResult};
use sqlx::{AssertSqlSafe, Error, Executor};

use super::Shared;
use super::error::is_locked;
use super::statement::SESSIONS;
use super::write::Write;
use crate::lease::Key;
use crate::storage::sql::Connection;

/// So many of them would be a sign that nobody comes back to them: they are only a hint.
const MOST_LOCKED: usize = 10_000;

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
            let mut locked = self.shared.locked.lock();
            if locked.len() >= MOST_LOCKED {
                locked.clear();
            }
            locked.insert(self.key.clone());
        }
    }
}

impl Shared {
    /// One statement, committed by itself. `None`: it is not answered yet, and may still wait for a lock.
    pub(super) async fn run(&self, write: &Write<'_>, patience: Duration) -> Option<Result<Done, Error>> {
        let mut connection = match Connection::of(&self.pool).await {
            Ok(session) => session,
            Err(error) => return Some(Err(error)),
        };
        let mut in_flight = InFlight { shared: self, key: write.key, answered: false };
        let done = {
            let asked = write.statement.prepared().execute(connection.get());
            match select(pin!(asked), Timer::after(patience)).await {
                Either::Left((done, _)) => done,
                Either::Right(_) => return None,
            }
        };
        in_flight.answered = !matches!(&done, Err(error) if is_locked(error));
        Some(connection.end(done).map(Done::from))
    }

    /// One transaction, which begins and ends on the server: while it holds locks, nobody waits for this program.
    ///
    /// It fails at once where another holds a row's lock.
    pub(super) async fn run_together(&self, writes: &[Write<'_>]) -> Result<Vec<Done>, Error> {
        let (mut text, mut sessions) = (String::from("START TRANSACTION; "), Vec::new());
        self.statements.lock(writes.iter().map(|write| write.key), &mut text);
        text.push_str("; ");
        for write in writes {
            write.statement.inline(&mut text, &mut sessions);
            text.push_str("; ");
        }
        text.push_str("COMMIT AND NO CHAIN NO RELEASE");
        let mut connection = Connection::of(&self.pool).await?;
        sqlx::query(SESSIONS).bind(sessions).execute(connection.get()).await?;
        let done = all(connection.get(), text).await;
        if let Err(Error::Database(_)) = done {
            sqlx::raw_sql("ROLLBACK AND NO CHAIN NO RELEASE").execute(connection.get()).await?;
        }
        Ok(connection.end(done)?.into_iter().skip(2).take(writes.len()).collect())
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
