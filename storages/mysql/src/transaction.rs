//! How rows are written: none of it waits for a row that another has locked.

use std::collections::BTreeSet;

use futures::TryStreamExt;
use lessor::Key;
use sqlx::mysql::{MySqlQueryResult, MySqlRow};
use sqlx::{AssertSqlSafe, Either, Executor};

use crate::address::Link;
use crate::error::{Failure, is_duplicate};
use crate::row;
use crate::server::Primary;
use crate::statement::{Script, Statement};
use crate::statements::{FREE, TAKEN};

/// What became of a statement that writes the row of a key, or nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The row is written. A renewal says its new version, in the place of the last inserted id.
    Written { said: u64 },
    /// The row is not as the statement asks for; or, for a first row, there is one. Nothing was written.
    Unmet,
    /// Another has locked it. Nothing was written.
    Locked,
}

impl Outcome {
    fn of(result: &MySqlQueryResult) -> Self {
        if result.rows_affected() > 0 { Self::Written { said: result.last_insert_id() } } else { Self::Unmet }
    }
}

/// What one statement of a text has answered.
#[derive(Default)]
pub(crate) struct Step {
    pub(crate) result: MySqlQueryResult,
    pub(crate) rows: Vec<MySqlRow>,
}

/// How often a transaction is tried with the rows that are free. Each time it has lost a race: somebody has locked
/// another one just then.
const ROUNDS: usize = 3;

/// What makes a row one that a transaction has to leave out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rows {
    /// They are there: it is locked.
    There,
    /// They are to be the first of their keys: somebody else's is there, committed or not.
    New,
}

impl Primary {
    /// One statement, committed by itself: one round trip.
    pub(crate) async fn write(&self, link: &mut Link, key: &Key, statement: &Statement) -> Result<Outcome, Failure> {
        let written = if link.waits {
            // For a lock it would wait a second: it asks for it first.
            let script = self.statements.transaction(&[key]).statement(statement).sql("COMMIT");
            self.run(link, script)
                .await
                .map(|steps| steps.get(2).map_or(Outcome::Unmet, |step| Outcome::of(&step.result)))
        } else {
            let done = statement.prepared().execute(&mut link.connection).await;
            done.map(|result| Outcome::of(&result))
        };
        let outcome = match written {
            Ok(outcome) => return Ok(outcome),
            Err(error) if is_duplicate(&error) => Ok(Outcome::Unmet),
            Err(error) => match self.failure(error) {
                Failure::Locked => Ok(Outcome::Locked),
                failure => Err(failure),
            },
        };
        if link.waits && !matches!(outcome, Err(Failure::Broken(_))) {
            self.run(link, Script::default().sql("ROLLBACK")).await.map_err(|error| self.failure(error))?;
        }
        outcome
    }

    /// One transaction about those of the rows that it can have, which are the first part of the answer, each by its
    /// place among the keys. Without any the rest is empty.
    ///
    /// It begins and ends on the server: while it holds locks, nobody waits for this program.
    pub(crate) async fn write_free<'k>(
        &self,
        link: &mut Link,
        keys: &[&'k Key],
        rows: Rows,
        script: impl Fn(&[usize], &[&'k Key]) -> Script,
    ) -> Result<(Vec<usize>, Vec<Step>), Failure> {
        let mut open: Vec<usize> = (0..keys.len()).collect();
        for _ in 0..ROUNDS {
            let some: Vec<&Key> = open.iter().filter_map(|place| keys.get(*place).copied()).collect();
            if some.is_empty() {
                break;
            }
            let done = self.run(link, script(&open, &some)).await;
            match done.map_err(|error| self.failure(error)) {
                Ok(steps) => return Ok((open, steps)),
                Err(Failure::Locked) => {
                    let found = self.roll_back_and_find(link, rows, &some).await?;
                    let may_be_had =
                        |(_, key): &(usize, &Key)| found.contains(key.as_str().as_bytes()) == (rows == Rows::There);
                    open = open.into_iter().zip(some).filter(may_be_had).map(|(place, _)| place).collect();
                }
                Err(broken @ Failure::Broken(_)) => return Err(broken),
                Err(refused) => {
                    self.run(link, Script::default().sql("ROLLBACK")).await.map_err(|error| self.failure(error))?;
                    return Err(refused);
                }
            }
        }
        Ok((Vec::new(), Vec::new()))
    }

    /// Each statement about the row of its key, all in one transaction.
    pub(crate) async fn write_each(
        &self,
        link: &mut Link,
        keys: &[&Key],
        statements: &[Statement],
    ) -> Result<Vec<Outcome>, Failure> {
        let script = |open: &[usize], keys: &[&Key]| {
            let open = open.iter().filter_map(|place| statements.get(*place));
            open.fold(self.statements.transaction(keys), Script::statement).sql("COMMIT")
        };
        let (had, steps) = self.write_free(link, keys, Rows::There, script).await?;
        let mut outcomes: Vec<_> = keys.iter().map(|_| Outcome::Locked).collect();
        for (place, step) in had.into_iter().zip(steps.iter().skip(2)) {
            if let Some(outcome) = outcomes.get_mut(place) {
                *outcome = Outcome::of(&step.result);
            }
        }
        Ok(outcomes)
    }

    /// The rows that nobody has locked; or those that are there, committed or not.
    async fn roll_back_and_find(
        &self,
        link: &mut Link,
        rows: Rows,
        keys: &[&Key],
    ) -> Result<BTreeSet<Vec<u8>>, Failure> {
        let find = if rows == Rows::There { FREE } else { TAKEN };
        let script = Script::default().sql("ROLLBACK").sql(&self.statements.about(find, keys));
        let steps = self.run(link, script).await.map_err(|error| self.failure(error))?;
        let found = steps.iter().flat_map(|step| &step.rows);
        found.map(|row| row::key_bytes(row).map(Vec::from)).collect()
    }

    /// What the server says of each statement of a text.
    pub(crate) async fn run(&self, link: &mut Link, script: Script) -> sqlx::Result<Vec<Step>> {
        let mut answers = link.connection.fetch_many(sqlx::raw_sql(AssertSqlSafe(script.into_text())));
        let (mut steps, mut rows) = (Vec::new(), Vec::new());
        while let Some(answer) = answers.try_next().await? {
            match answer {
                Either::Left(result) => steps.push(Step { result, rows: core::mem::take(&mut rows) }),
                Either::Right(row) => rows.push(row),
            }
        }
        Ok(steps)
    }
}
