//! Releases.

use core::time::Duration;

use lessor::StorageError;
use lessor::storage::{Release, Reply};
use sqlx::postgres::PgRow;

use crate::keyed::{Binding, Keyed, Statement, bytes, key, patience};
use crate::statements::{FLUSHED, PATIENCE, Text, notified};
use crate::storage::Inner;

pub(crate) const RELEASE: Keyed<Release> = Keyed { statement, reply };

fn statement(storage: &Inner, releases: &[&Release], longest: Duration) -> Statement {
    Binding::new(&storage.statements.release, releases)
        .bind(patience([], longest))
        .bind(storage.channel())
        .column(|release| key(&release.key))
        .column(|release| bytes(release.session))
        .into_statement()
}

fn reply(_: &Release, _: Option<&PgRow>) -> Result<Reply, StorageError> {
    Ok(Reply::Released)
}

pub(crate) fn text(table: &str) -> Text {
    let one = format!(
        "UPDATE {table} AS l SET session = NULL, version = l.version + 1
WHERE l.key = $3 AND l.session = $4 AND {PATIENCE}
RETURNING 1::bigint AS place, {FLUSHED}, {}",
        notified("l.key")
    );
    let many = Text::many(3, &[("key", "text"), ("session", "bytea")], |releases| {
        format!(
            r#"WITH claim AS (
    {releases}
), locked AS MATERIALIZED (
    SELECT l.key, l.session FROM claim AS c JOIN {table} AS l ON l.key = c.key AND l.session = c.session
    WHERE {PATIENCE} ORDER BY l.key COLLATE "C" FOR NO KEY UPDATE OF l
), released AS (
    UPDATE {table} AS l SET session = NULL, version = l.version + 1
    FROM locked AS k WHERE l.key = k.key AND l.session = k.session
    RETURNING l.key, {FLUSHED}
)
SELECT c.place, {} FROM claim AS c JOIN released AS n ON n.key = c.key"#,
            notified("c.key")
        )
    });
    Text { one: one.into(), many }
}
