//! Renewals.

use core::time::Duration;

use lessor::storage::{Record, Renewal, Renewed, Reply};
use lessor::{StorageError, Term};
use lessor_kit::encoding::ttl_ms;
use sqlx::postgres::PgRow;

use crate::keyed::{self, Binding, Keyed, Statement, bytes, key, patience, value};
use crate::row;
use crate::statements::{CLOCK, FLUSHED, PATIENCE, Text};
use crate::storage::Inner;

pub(crate) const RENEW: Keyed<Renewal> = Keyed { statement, reply };

impl Inner {
    /// A short statement that mostly does. Without a row of it nothing was done, and the other one says why.
    pub(crate) async fn renew(&self, renewal: &Renewal) -> Result<Reply, StorageError> {
        let extend = keyed::statement(&self.statements.extend)
            .bind(key(&renewal.key))
            .bind(bytes(renewal.session))
            .bind(String::from(renewal.id.as_str()))
            .bind(ttl_ms(renewal.ttl))
            .bind(value(renewal.value.as_ref()))
            .bind(i64::from(renewal.term));
        match self.fetch(extend).await?.first() {
            Some(row) => reply(renewal, Some(row)),
            None => self.ask_one(&RENEW, renewal).await,
        }
    }
}

fn statement(storage: &Inner, renewals: &[&Renewal], longest: Duration) -> Statement {
    Binding::new(&storage.statements.renew, renewals)
        .bind(patience(renewals.iter().map(|renewal| renewal.ttl), longest))
        .column(|renewal| key(&renewal.key))
        .column(|renewal| bytes(renewal.session))
        .column(|renewal| String::from(renewal.id.as_str()))
        .column(|renewal| ttl_ms(renewal.ttl))
        .column(|renewal| value(renewal.value.as_ref()))
        .column(|renewal| i64::from(renewal.term))
        .into_statement()
}

fn reply(renewal: &Renewal, row: Option<&PgRow>) -> Result<Reply, StorageError> {
    if let Some(row) = row
        && let Some(version) = row::version(row, "new_version")?
    {
        return Ok(Renewed::extended(version).into());
    }
    let reading = row::reading(row, renewal.key.as_str())?;
    let verdict = Record::judge(reading.record.as_ref(), &renewal.clone().into(), reading.now_ms, Term::FIRST);
    if verdict.write.is_none() {
        return Ok(verdict.reply);
    }
    // Another was faster, or it expired while the lock was waited for.
    Ok(Renewed::lost(reading.record.map(|record| record.lease(reading.now_ms))).into())
}

/// Where nobody holds the row's lock and the lease is the claimant's.
pub(crate) fn extend(table: &str) -> String {
    let kept = format!("greatest($4::bigint, least(l.expires - {CLOCK}, l.ttl))");
    format!(
        "UPDATE {table} AS l SET
    id = $3, value = $5, version = l.version + 1, ttl = {kept}, expires = {CLOCK} + {kept}
WHERE l.ctid = (
    SELECT ctid FROM {table} WHERE key = $1 AND session = $2 AND term = $6 AND expires > {CLOCK}
    FOR NO KEY UPDATE SKIP LOCKED
)
RETURNING l.version AS new_version, {FLUSHED}"
    )
}

pub(crate) fn text(table: &str) -> Text {
    let mine = |now: &str| format!("l.key = c.key AND l.session = c.session AND l.term = c.term AND l.expires > {now}");
    let kept = "greatest(c.ttl, least(l.expires - k.now, l.ttl))";
    let columns = [
        ("key", "text"),
        ("session", "bytea"),
        ("id", "text"),
        ("ttl", "bigint"),
        ("value", "text"),
        ("term", "bigint"),
    ];
    Text::new(2, &columns, |claims| {
        format!(
            r#"WITH claim AS (
    {claims}
), locked AS MATERIALIZED (
    SELECT l.key FROM claim AS c JOIN {table} AS l ON {looked}
    WHERE {PATIENCE} ORDER BY l.key COLLATE "C" FOR NO KEY UPDATE OF l
), got AS MATERIALIZED (
    SELECT key, {CLOCK} AS now FROM locked
), renewed AS (
    UPDATE {table} AS l SET
        id = c.id, value = c.value, version = l.version + 1,
        ttl = {kept}, expires = k.now + {kept}
    FROM got AS k JOIN claim AS c ON c.key = k.key
    WHERE {locked}
    RETURNING l.key, l.version, {FLUSHED}
)
SELECT c.place, n.version AS new_version,
       l.session, l.id, l.term, l.version, l.ttl, l.expires, l.since, l.value, {CLOCK} AS now
FROM claim AS c LEFT JOIN renewed AS n ON n.key = c.key LEFT JOIN {table} AS l ON l.key = c.key"#,
            looked = mine(CLOCK),
            locked = mine("k.now"),
        )
    })
}
