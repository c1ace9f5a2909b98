//! Many rows in one transaction, which the server runs without waiting for this program.

use core::time::Duration;
use std::collections::VecDeque;

use async_io::Timer;
use futures::{FutureExt, TryStreamExt};
use lessor_kit::batch::Batch;
use lessor_kit::sqlx::Connection;
use sqlx::mysql::{MySqlConnection, MySqlQueryResult};
use sqlx::{AssertSqlSafe, Either, Error, Executor};

use crate::error::{is_duplicate, is_locked};
use crate::statement::Script;
use crate::storage::{Leases, MOST_KEYS};
use crate::write::{Outcome, Write};

/// About the longest text, in bytes: every server takes a packet of 1 MiB.
const LONGEST: usize = 1 << 19;

/// Between two looks at a lock that another holds.
const PAUSE: Duration = Duration::from_millis(4);

impl Leases {
    /// In transactions that do not wait. One that meets a lock is taken apart, until the locked rows are alone. Those
    /// are tried again until the patience ends.
    pub(crate) async fn write_together(
        &self,
        writes: &[(usize, &Write<'_>)],
        patience: Duration,
        outcomes: &mut Batch<Outcome>,
    ) {
        let mut open: VecDeque<_> = parts(writes).into();
        let mut deadline = Timer::after(patience);
        let mut is_over = false;
        while let Some(part) = open.pop_front() {
            let in_part: Vec<_> = part.iter().map(|(_, write)| *write).collect();
            let done = self.transact(&in_part).await;
            is_over |= (&mut deadline).now_or_never().is_some();
            match done {
                Ok(done) => {
                    for ((place, write), outcome) in part.iter().zip(done) {
                        self.left_behind.forget(write.key);
                        outcomes.answer(*place, Ok(outcome));
                    }
                }
                Err(error) if is_locked(&error) && part.len() > 1 => {
                    let (one, other) = part.split_at(part.len() / 2);
                    open.extend([one, other]);
                }
                Err(error) if is_locked(&error) && !is_over => {
                    open.push_back(part);
                    Timer::after(PAUSE).await;
                }
                // Only a first row has this, which is always alone.
                Err(error) if is_duplicate(&error) => {
                    for (place, write) in part {
                        self.left_behind.forget(write.key);
                        outcomes.answer(*place, Ok(Outcome::Taken));
                    }
                }
                Err(error) => {
                    let error = self.explain(error);
                    part.iter().for_each(|(place, _)| outcomes.answer(*place, Err(error.clone())));
                }
            }
        }
    }

    /// One transaction, in the order of the writes. It fails at once where another holds a row's lock.
    ///
    /// It begins and ends on the server: while it holds locks, nobody waits for this program.
    async fn transact(&self, writes: &[&Write<'_>]) -> Result<Vec<Outcome>, Error> {
        let keys: Vec<_> = writes.iter().map(|write| write.key).collect();
        let mut script = Script::default();
        script.push_sql("START TRANSACTION");
        script.push(&self.statements.lock(&keys));
        writes.iter().for_each(|write| script.push(&write.statement));
        script.push_sql("COMMIT AND NO CHAIN NO RELEASE");

        let mut connection = Connection::of(&self.pool).await?;
        script.preparation().execute(connection.get()).await?;
        let inserts = writes.iter().any(|write| write.inserts);
        if inserts {
            // It may wait all the same, for whoever has locked the range where its key belongs.
            sqlx::raw_sql("SET innodb_lock_wait_timeout = 1").execute(connection.get()).await?;
        }
        let results = run(connection.get(), script).await;
        if let Err(Error::Database(_)) = results {
            sqlx::raw_sql("ROLLBACK AND NO CHAIN NO RELEASE").execute(connection.get()).await?;
        }
        let results = if inserts {
            // That setting ends with the connection, which is closed.
            drop(connection);
            results
        } else {
            connection.end(results)
        };
        match results?.as_slice() {
            [_start, _lock, written @ .., _commit] => Ok(written.iter().map(Outcome::of).collect()),
            _ => Err(Error::Protocol("the server did not answer each statement of a transaction".into())),
        }
    }
}

/// What the server says of each statement. Rows, of the lock, say nothing.
async fn run(connection: &mut MySqlConnection, script: Script) -> Result<Vec<MySqlQueryResult>, Error> {
    let mut answers = connection.fetch_many(sqlx::raw_sql(AssertSqlSafe(script.into_sql())));
    let mut results = Vec::new();
    while let Some(answer) = answers.try_next().await? {
        if let Either::Left(result) = answer {
            results.push(result);
        }
    }
    Ok(results)
}

/// Parts that fit into one text each.
fn parts<'w, 'k>(writes: &'w [(usize, &'w Write<'k>)]) -> Vec<&'w [(usize, &'w Write<'k>)]> {
    let mut parts = Vec::new();
    let mut rest = writes;
    while !rest.is_empty() {
        let mut size = 0;
        let fitting = rest.iter().take(MOST_KEYS).take_while(|(_, write)| {
            size += write.statement.size();
            size <= LONGEST
        });
        // One that is too long by itself is tried all the same.
        let (part, others) = rest.split_at(fitting.count().max(1));
        parts.push(part);
        rest = others;
    }
    parts
}
