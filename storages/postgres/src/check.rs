//! Whether everything is there, and does what it should.

use lessor::storage::{Acquired, Claim, Get, Release, Renewal, Renewed, Reply};
use lessor::{StorageError, Term};
use lessor_kit::error::AdapterError;
use lessor_kit::lane::Answer;
use lessor_kit::trial;
use sqlx::postgres::{PgConnection, PgRow};
use sqlx::{AssertSqlSafe, Connection, Executor, Row};
use std::sync::Arc;

use crate::error::{Failure, read_only, replica};
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
                    current_setting('transaction_read_only')::boolean AS read_only, pg_is_in_recovery() AS is_replica,
                    row_security_active(c.oid) AS row_security
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
        if found.try_get("is_replica").map_err(explain)? {
            return Err(replica().into());
        }
        if found.try_get("read_only").map_err(explain)? {
            return Err(read_only().into());
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
        tried?;
        rolled_back
    }

    /// Each operation, alone and with others.
    async fn reign(&self, connection: &mut PgConnection) -> Result<(), StorageError> {
        let claim = trial::claim().map_err(StorageError::permanent)?;
        let other = trial::claim().map_err(StorageError::permanent)?;
        let answers = [self.acquire(connection, &claim, None).await.map_err(told)?];
        all(answers, |reply| matches!(reply, Reply::Acquired(Acquired::Granted { .. })))?;
        all([self.renew(connection, &renewal(&claim, Term::FIRST), None).await.map_err(told)?], is_extended)?;
        let seen = self.get(connection, &[&Get::new(claim.key.clone())]).await.map_err(told)?;
        all(seen, |reply| matches!(reply, Reply::Got(Some(lease)) if lease.id.as_ref() == Some(&claim.id)))?;
        let release = Release::new(claim.key.clone(), claim.session);
        all([self.release(connection, &release, None).await.map_err(told)?], is_released)?;

        let again = claim.clone().after(Some(Term::FIRST));
        let granted = self.acquire_all(connection, &[&again, &other]).await.map_err(told)?;
        all(granted, |reply| matches!(reply, Reply::Acquired(Acquired::Granted { .. })))?;
        let second = Term::FIRST.next().unwrap_or(Term::LAST);
        let renewals = [&renewal(&again, second), &renewal(&other, Term::FIRST)];
        all(self.renew_all(connection, &renewals).await.map_err(told)?, is_extended)?;
        let released = self.release_all(connection, &[&release]).await.map_err(told)?;
        all(released, is_released)
    }
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

/// Every answer is one of these.
fn all(answers: impl IntoIterator<Item = Answer>, fits: impl Fn(&Reply) -> bool) -> Result<(), StorageError> {
    for answer in answers {
        match answer {
            Answer::Done { reply, .. } if fits(&reply.clone()?) => {}
            Answer::Locked => return Err(AdapterError::Locked.into()),
            _ => return Err(AdapterError::Unfit.into()),
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
