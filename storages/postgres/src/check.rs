//! Whether everything is there, and does what it should.

use lessor::storage::{Acquired, Claim, Get, Release, Renewal, Renewed, Reply};
use lessor::{StorageError, Term};
use lessor_kit::error::AdapterError;
use lessor_kit::lane::Answer;
use lessor_kit::trial;
use sqlx::postgres::{PgConnection, PgRow};
use sqlx::{AssertSqlSafe, Connection, Executor, Row};
use std::sync::Arc;

use crate::error::{Failure, STALE_STATEMENT, read_only};
use crate::held::Held;
use crate::server::{Primary, REMEDY};

impl Primary {
    /// On a connection of its own, which is handed on when all is well.
    pub(crate) async fn check(&self) -> Result<PgConnection, StorageError> {
        let mut connection = self.open().await?;
        let row_security = self.check_rights(&mut connection).await?;
        match self.try_everything(&mut connection).await {
            Ok(()) => Ok(connection),
            Err(error) if row_security => {
                let table = self.table.quoted();
                let problem = format!("row level security keeps this user from rows of {table}: {error}");
                let remedy = format!(
                    "ALTER TABLE {table} DISABLE ROW LEVEL SECURITY, or add a policy that lets this user see and write all rows"
                );
                Err(AdapterError::wrong_setup("row_security", "on", problem, remedy).into())
            }
            Err(error) => Err(error),
        }
    }

    /// And whether row level security counts for this user.
    async fn check_rights(&self, connection: &mut PgConnection) -> Result<bool, StorageError> {
        let explain = |error| self.explain(error);
        let look = format!(
            "SELECT has_schema_privilege(n.oid, 'USAGE') AS \"USAGE\", has_table_privilege(c.oid, 'SELECT') AS \"SELECT\",
                    has_table_privilege(c.oid, 'INSERT') AS \"INSERT\", has_table_privilege(c.oid, 'UPDATE') AS \"UPDATE\",
                    current_setting('transaction_read_only')::boolean AS read_only,
                    row_security_active(c.oid) AS row_security,
                    c.relpersistence = 'u' OR EXISTS (
                        SELECT FROM pg_partition_tree(c.oid) AS t JOIN pg_class AS p ON p.oid = t.relid
                        WHERE p.relpersistence = 'u'
                    ) AS is_unlogged
             FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace WHERE {}",
            self.table.found()
        );
        let found: Option<PgRow> =
            sqlx::query(AssertSqlSafe(look)).fetch_optional(connection).await.map_err(explain)?;
        let found = found.ok_or_else(|| AdapterError::no_table(self.table.quoted(), REMEDY))?;
        for right in ["USAGE", "SELECT", "INSERT", "UPDATE"] {
            if !found.try_get::<bool, _>(right).map_err(explain)? {
                let (about, kind) = match right {
                    "USAGE" => (self.table.quoted_schema(), "SCHEMA "),
                    _ => (self.table.quoted(), ""),
                };
                let advice = format!("GRANT {right} ON {kind}{about} to the user");
                return Err(AdapterError::no_right(right, about).advising(advice).into());
            }
        }
        if found.try_get("read_only").map_err(explain)? {
            return Err(read_only().into());
        }
        if found.try_get("is_unlogged").map_err(explain)? {
            let table = self.table.quoted();
            let problem = format!("the table {table} is emptied by a crash, and its terms are given again");
            let remedy = format!("ALTER TABLE {table} SET LOGGED, and each of its partitions");
            return Err(AdapterError::wrong_setup("table", "unlogged", problem, remedy).into());
        }
        found.try_get("row_security").map_err(explain)
    }

    /// What candidates do, with keys that nobody has, in a transaction that is rolled back: nobody sees any of it, is
    /// told of it, or waits for it.
    async fn try_everything(&self, connection: &mut PgConnection) -> Result<(), StorageError> {
        let explain = |error| self.explain(error);
        let quiet =
            Self::new(self.address.clone(), self.table.clone(), self.lock_timeout, Arc::<Held>::default(), false, None);
        let mut transaction = connection.begin().await.map_err(explain)?;
        // What is asked for at the commit is asked for at once: there is none.
        transaction.execute(AssertSqlSafe("SET CONSTRAINTS ALL IMMEDIATE")).await.map_err(explain)?;
        let tried = quiet.reign(&mut transaction).await;
        let rolled_back = transaction.rollback().await.map_err(explain);
        tried.map_err(|error| self.lasting(error))?;
        rolled_back
    }

    /// What may be over on another connection is not, on one that has just been opened: a rule does not go with the
    /// statements.
    fn lasting(&self, error: StorageError) -> StorageError {
        match AdapterError::of(&error) {
            Some(AdapterError::Refused { code, message, .. }) if code == STALE_STATEMENT => {
                let problem = format!("the table {} has a rule, or is of another kind: {message}", self.table.quoted());
                AdapterError::wrong_setup("code", code, problem, as_it_is_created()).into()
            }
            _ => error,
        }
    }

    /// Each operation, alone and with others.
    async fn reign(&self, connection: &mut PgConnection) -> Result<(), StorageError> {
        let all = |what, answers, fits: &dyn Fn(&Reply) -> bool| {
            all(answers, fits).map_err(|error| error.unwrap_or_else(|| self.changed(what).into()))
        };
        let claim = trial::claim().map_err(StorageError::permanent)?;
        let other = trial::claim().map_err(StorageError::permanent)?;
        let answers = vec![self.acquire(connection, &claim, None).await.map_err(told)?];
        all("claim", answers, &is_granted)?;
        let extended = self.renew(connection, &renewal(&claim, Term::FIRST), None).await.map_err(told)?;
        all("renewal", vec![extended], &is_extended)?;
        let seen = self.get(connection, &[&Get::new(claim.key.clone())]).await.map_err(told)?;
        let is_mine = |reply: &Reply| matches!(reply, Reply::Got(Some(lease)) if lease.id.as_ref() == Some(&claim.id));
        all("look", seen, &is_mine)?;
        let release = Release::new(claim.key.clone(), claim.session);
        all("release", vec![self.release(connection, &release, None).await.map_err(told)?], &is_released)?;

        let again = claim.clone().after(Some(Term::FIRST));
        let granted = self.acquire_all(connection, &[&again, &other]).await.map_err(told)?;
        all("claim", granted, &is_granted)?;
        let second = Term::FIRST.next().unwrap_or(Term::LAST);
        let renewals = [&renewal(&again, second), &renewal(&other, Term::FIRST)];
        all("renewal", self.renew_all(connection, &renewals).await.map_err(told)?, &is_extended)?;
        let released = self.release_all(connection, &[&release]).await.map_err(told)?;
        all("release", released, &is_released)
    }

    /// What was written is not there.
    fn changed(&self, what: &'static str) -> AdapterError {
        let table = self.table.quoted();
        let problem =
            format!("the table {table} does not keep what is written to it: a trigger or a rule changes it, perhaps");
        AdapterError::wrong_setup("operation", what, problem, as_it_is_created())
    }
}

fn as_it_is_created() -> &'static str {
    "leave it as PostgresBuilder::migration_sql() creates it, without triggers and rules, or name another (PostgresBuilder::table)"
}

fn is_granted(reply: &Reply) -> bool {
    matches!(reply, Reply::Acquired(Acquired::Granted { .. }))
}

fn renewal(claim: &Claim, term: Term) -> Renewal {
    let Claim { key, id, session, ttl, value, .. } = claim.clone();
    Renewal::new(key, id, session, term, ttl).value(value)
}

fn is_extended(reply: &Reply) -> bool {
    matches!(reply, Reply::Renewed(Renewed::Extended { .. }))
}

fn is_released(reply: &Reply) -> bool {
    matches!(reply, Reply::Released)
}

/// Every answer is one of these. An error of its own, or `None`: it is another answer.
fn all(answers: Vec<Answer>, fits: &dyn Fn(&Reply) -> bool) -> Result<(), Option<StorageError>> {
    for answer in answers {
        match answer {
            Answer::Done { reply: Err(error), .. } => return Err(Some(error)),
            Answer::Done { reply: Ok(reply), .. } if fits(&reply) => {}
            // Nobody else has these keys: a row that is not to be had is not there.
            _ => return Err(None),
        }
    }
    Ok(())
}

fn told(failure: Failure) -> StorageError {
    match failure {
        Failure::Locked => AdapterError::Locked.into(),
        Failure::Refused(error) | Failure::OfOne(error) | Failure::Broken(error) => error,
    }
}
