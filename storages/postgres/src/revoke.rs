//! Revokes.

use core::time::Duration;

use lessor::storage::{Reply, Revoke, Session};
use lessor_kit::encoding::session_to_bytes;
use lessor_kit::lane::Answer;
use sqlx::postgres::PgConnection;

use crate::binding::{key, limit, statement};
use crate::error::Failure;
use crate::row;
use crate::server::Primary;
use crate::statements::{CLOCK, COLUMNS, FLUSHED, LAST, PATIENCE, notified};

impl Primary {
    /// The row is as it was before. There is none where nobody held the key in the term that is meant.
    pub(crate) async fn revoke(
        &self,
        connection: &mut PgConnection,
        revoke: &Revoke,
        patience: Option<Duration>,
    ) -> Result<Answer, Failure> {
        let statement = statement(&self.statements.revoke)
            .bind(limit(self.limit(patience)))
            .bind(self.channel())
            .bind(key(&revoke.key))
            .bind(revoke.term.map(i64::from))
            .bind(session_to_bytes(Session::NOBODY).to_vec())
            .bind(revoke.now);
        let rows = self.fetch(connection, statement).await?;
        let reading = row::reading(rows.first(), revoke.key.as_str());
        Ok(Answer::done(
            reading.map(|reading| Reply::Revoked(reading.record.map(|record| record.lease(reading.now_ms)))),
        ))
    }
}

pub(crate) fn text(table: &str) -> String {
    format!(
        "WITH locked AS MATERIALIZED (
    SELECT {COLUMNS} FROM {table} AS l
    WHERE l.key = $3 AND l.session IS NOT NULL AND l.term = coalesce($4::bigint, l.term) AND {PATIENCE}
        AND ($6 OR l.session <> $5)
    FOR NO KEY UPDATE
), revoked AS (
    UPDATE {table} AS l SET
        session = CASE WHEN $6 THEN NULL ELSE $5::bytea END, expires = CASE WHEN $6 THEN 0 ELSE l.expires END,
        term = least(l.term + 1, {LAST}), version = l.version + 1, since = {CLOCK}
    FROM locked AS k WHERE l.key = k.key
    RETURNING l.key, {FLUSHED}, {}
)
SELECT k.*, {CLOCK} AS now FROM locked AS k JOIN revoked AS n ON n.key = k.key",
        notified("$2", "l.key")
    )
}
