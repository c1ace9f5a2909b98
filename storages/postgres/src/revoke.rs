//! Revokes.

use core::time::Duration;

use lessor::StorageError;
use lessor::storage::{Reply, Revoke};
use sqlx::postgres::PgRow;

use crate::keyed::{Binding, Keyed, Statement, key, patience};
use crate::row;
use crate::statements::{CLOCK, COLUMNS, FLUSHED, LAST, PATIENCE, Text, notified};
use crate::storage::Inner;

pub(crate) const REVOKE: Keyed<Revoke> = Keyed { statement, reply };

fn statement(storage: &Inner, revokes: &[&Revoke], longest: Duration) -> Statement {
    Binding::new(&storage.statements.revoke, revokes)
        .bind(patience([], longest))
        .bind(storage.channel())
        .column(|revoke| key(&revoke.key))
        .column(|revoke| revoke.term.map(i64::from))
        .into_statement()
}

/// The row is as it was before. There is none where nobody held the key in the term that is meant.
fn reply(revoke: &Revoke, row: Option<&PgRow>) -> Result<Reply, StorageError> {
    let reading = row::reading(row, revoke.key.as_str())?;
    Ok(Reply::Revoked(reading.record.map(|record| record.lease(reading.now_ms))))
}

pub(crate) fn text(table: &str) -> Text {
    Text::new(3, &[("key", "text"), ("term", "bigint")], |keys| {
        format!(
            r#"WITH claim AS (
    {keys}
), locked AS MATERIALIZED (
    SELECT {COLUMNS} FROM claim AS c JOIN {table} AS l ON l.key = c.key AND l.session IS NOT NULL
    WHERE l.term = coalesce(c.term, l.term) AND {PATIENCE} ORDER BY l.key COLLATE "C" FOR NO KEY UPDATE OF l
), revoked AS (
    UPDATE {table} AS l SET
        session = NULL, term = least(l.term + 1, {LAST}), version = l.version + 1, since = {CLOCK}
    FROM locked AS k WHERE l.key = k.key
    RETURNING l.key, {FLUSHED}
)
SELECT c.place, k.*, {CLOCK} AS now, {}
FROM claim AS c JOIN locked AS k ON k.key = c.key JOIN revoked AS n ON n.key = c.key"#,
            notified("c.key")
        )
    })
}
