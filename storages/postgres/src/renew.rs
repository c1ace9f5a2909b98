//! Renewals.

use core::time::Duration;

use lessor::StorageError;
use lessor::storage::{Renewal, Renewed, Reply};
use lessor_kit::encoding::ttl_ms;
use lessor_kit::lane::Answer;
use lessor_kit::row::Reading;
use sqlx::postgres::{PgConnection, PgRow};
use std::sync::Arc;

use crate::binding::{Columns, bytes, key, limit, statement, value};
use crate::error::Failure;
use crate::row;
use crate::server::Primary;
use crate::statements::{CLOCK, FLUSHED, PATIENCE, many};

/// The statements of renewals.
#[derive(Clone, Debug)]
pub(crate) struct Renew {
    /// Where nobody holds the row's lock and the lease is the claimant's: all but a few.
    pub(crate) extend: Arc<str>,
    pub(crate) many: Arc<str>,
    /// Waits for the lock.
    pub(crate) wait: Arc<str>,
}

impl Primary {
    /// A short statement that mostly does. Without a row of it nothing was done, and a look says why.
    pub(crate) async fn renew(
        &self,
        connection: &mut PgConnection,
        renewal: &Renewal,
        patience: Option<Duration>,
    ) -> Result<Answer, Failure> {
        if let Some(patience) = patience {
            return self.renew_after_a_wait(connection, renewal, patience).await;
        }
        let extend = statement(&self.statements.renew.extend)
            .bind(key(&renewal.key))
            .bind(bytes(renewal.session))
            .bind(String::from(renewal.id.as_str()))
            .bind(ttl_ms(renewal.ttl))
            .bind(value(renewal.value.as_ref()))
            .bind(i64::from(renewal.term));
        if let Some(extended) = extended(self.fetch(connection, extend).await?.first())? {
            return Ok(extended);
        }
        let mut readings = self.look(connection, &[&renewal.key]).await?;
        Ok(readings.pop().map_or(Answer::Locked, |reading| not_extended(renewal, reading)))
    }

    /// Without a wait. What was not extended is looked at: it is lost, or another holds the row's lock.
    pub(crate) async fn renew_all(
        &self,
        connection: &mut PgConnection,
        renewals: &[&Renewal],
    ) -> Result<Vec<Answer>, Failure> {
        let statement = Columns::new(&self.statements.renew.many, renewals)
            .column(|renewal| key(&renewal.key))
            .column(|renewal| bytes(renewal.session))
            .column(|renewal| String::from(renewal.id.as_str()))
            .column(|renewal| ttl_ms(renewal.ttl))
            .column(|renewal| value(renewal.value.as_ref()))
            .column(|renewal| i64::from(renewal.term))
            .into_statement();
        let rows = self.fetch(connection, statement).await?;
        let mut answers = Vec::with_capacity(renewals.len());
        for row in row::placed(&rows, renewals.len())? {
            answers.push(extended(row)?);
        }
        let open = || renewals.iter().zip(&answers).filter(|(_, answer)| answer.is_none()).map(|(renewal, _)| *renewal);
        let missing: Vec<_> = open().collect();
        let keys: Vec<_> = missing.iter().map(|renewal| &renewal.key).collect();
        let readings = if keys.is_empty() { Vec::new() } else { self.look(connection, &keys).await? };
        let mut looked = missing.iter().zip(readings).map(|(renewal, reading)| not_extended(renewal, reading));
        Ok(answers.into_iter().map(|answer| answer.or_else(|| looked.next()).unwrap_or(Answer::Locked)).collect())
    }

    async fn renew_after_a_wait(
        &self,
        connection: &mut PgConnection,
        renewal: &Renewal,
        patience: Duration,
    ) -> Result<Answer, Failure> {
        let statement = statement(&self.statements.renew.wait)
            .bind(limit(self.limit(Some(patience))))
            .bind(key(&renewal.key))
            .bind(bytes(renewal.session))
            .bind(String::from(renewal.id.as_str()))
            .bind(ttl_ms(renewal.ttl))
            .bind(value(renewal.value.as_ref()))
            .bind(i64::from(renewal.term));
        let rows = self.fetch(connection, statement).await?;
        if let Some(extended) = extended(rows.first())? {
            return Ok(extended);
        }
        let reading = row::reading(rows.first(), renewal.key.as_str());
        Ok(match not_extended(renewal, reading.clone()) {
            // Another was faster, or it expired while the lock was waited for.
            Answer::Locked => {
                Answer::done(reading.map(|Reading { record, now_ms, .. }| {
                    Renewed::lost(record.map(|record| record.lease(now_ms))).into()
                }))
            }
            answer => answer,
        })
    }
}

fn extended(row: Option<&PgRow>) -> Result<Option<Answer>, StorageError> {
    let Some(row) = row else { return Ok(None) };
    let version = row::version(row, "new_version")?;
    Ok(version.map(|version| Answer::done(Ok(Renewed::extended(version).into()))))
}

/// By what was seen after it: lost, or still the claimant's, but locked.
fn not_extended(renewal: &Renewal, reading: Result<Reading, StorageError>) -> Answer {
    match reading {
        Ok(reading) => {
            let lost = reading.settles(&renewal.clone().into());
            lost.map_or(Answer::Locked, |reply: Reply| Answer::seen(reply, reading))
        }
        Err(error) => Answer::done(Err(error)),
    }
}

pub(crate) fn texts(table: &str) -> Renew {
    let kept = format!("greatest($4::bigint, least(l.expires - {CLOCK}, l.ttl))");
    let extend = format!(
        "UPDATE {table} AS l SET
    id = $3, value = $5, version = l.version + 1, ttl = {kept}, expires = {CLOCK} + {kept}
WHERE l.ctid = (
    SELECT ctid FROM {table} WHERE key = $1 AND session = $2 AND term = $6 AND expires > {CLOCK}
    FOR NO KEY UPDATE SKIP LOCKED
) AND l.key = $1
RETURNING l.version AS new_version, {FLUSHED}"
    );
    let columns = [
        ("key", "text"),
        ("session", "bytea"),
        ("id", "text"),
        ("ttl", "bigint"),
        ("value", "text"),
        ("term", "bigint"),
    ];
    let kept = "greatest(k.ttl, least(l.expires - k.now, l.ttl))";
    let many = format!(
        "UPDATE {table} AS l SET
    id = k.id, value = k.value, version = l.version + 1, ttl = {kept}, expires = k.now + {kept}
FROM (
    SELECT c.key, c.id, c.ttl, c.value, c.place, k.at, {CLOCK} AS now
    FROM {}, LATERAL (
        SELECT l.ctid AS at FROM {table} AS l WHERE l.key = c.key AND l.session = c.session AND l.term = c.term
        FOR NO KEY UPDATE SKIP LOCKED
    ) AS k
) AS k
WHERE l.ctid = k.at AND l.key = k.key AND l.expires > k.now
RETURNING k.place, l.version AS new_version, {FLUSHED}",
        many(1, &columns)
    );
    let kept = "greatest($5::bigint, least(l.expires - k.now, l.ttl))";
    let wait = format!(
        "WITH locked AS MATERIALIZED (
    SELECT l.key FROM {table} AS l
    WHERE l.key = $2 AND l.session = $3 AND l.term = $7 AND l.expires > {CLOCK} AND {PATIENCE} FOR NO KEY UPDATE
), got AS MATERIALIZED (
    SELECT key, {CLOCK} AS now FROM locked
), renewed AS (
    UPDATE {table} AS l SET
        id = $4, value = $6, version = l.version + 1, ttl = {kept}, expires = k.now + {kept}
    FROM got AS k WHERE l.key = k.key AND l.expires > k.now
    RETURNING l.version, {FLUSHED}
)
SELECT n.version AS new_version, l.session, l.id, l.term, l.version, l.ttl, l.expires, l.since, l.value, {CLOCK} AS now
FROM (SELECT) AS one LEFT JOIN renewed AS n ON true LEFT JOIN {table} AS l ON l.key = $2"
    );
    Renew { extend: extend.into(), many: many.into(), wait: wait.into() }
}
