//! Releases.

use core::time::Duration;
use std::collections::BTreeSet;

use lessor::storage::{Release, Reply};
use lessor_kit::encoding::within_ms;
use lessor_kit::lane::Answer;
use sqlx::postgres::PgConnection;

use crate::binding::{Columns, bytes, key, limit, statement};
use crate::error::Failure;
use crate::row;
use crate::server::Primary;
use crate::statements::{CLOCK, FLUSHED, PATIENCE, Text, many, notified};

impl Primary {
    /// Where no row has the session there is nothing to release.
    pub(crate) async fn release(
        &self,
        connection: &mut PgConnection,
        release: &Release,
        patience: Option<Duration>,
    ) -> Result<Answer, Failure> {
        let release = statement(&self.statements.release.one)
            .bind(limit(self.limit(patience)))
            .bind(self.channel())
            .bind(key(&release.key))
            .bind(bytes(release.session))
            .bind(successor(release))
            .bind(within(release));
        self.fetch(connection, release).await?;
        Ok(Answer::done(Ok(Reply::Released)))
    }

    /// Without a wait. What was not released is looked at: another may hold the row's lock.
    pub(crate) async fn release_all(
        &self,
        connection: &mut PgConnection,
        releases: &[&Release],
    ) -> Result<Vec<Answer>, Failure> {
        let statement = Columns::new(&self.statements.release.many, releases)
            .bind(self.channel())
            .column(|release| key(&release.key))
            .column(|release| bytes(release.session))
            .column(successor)
            .column(within)
            .into_statement();
        let rows = self.fetch(connection, statement).await?;
        let released = rows.iter().map(row::key).collect::<Result<BTreeSet<_>, _>>()?;
        let missing: Vec<_> = releases.iter().filter(|release| !released.contains(&release.key)).collect();
        let mut locked = BTreeSet::new();
        if !missing.is_empty() {
            let keys: Vec<_> = missing.iter().map(|release| &release.key).collect();
            for (release, reading) in missing.iter().zip(self.look(connection, &keys).await?) {
                let session = reading.ok().and_then(|reading| reading.record).and_then(|record| record.session);
                if session == Some(release.session) {
                    locked.insert(&release.key);
                }
            }
        }
        let answer = |release: &&Release| {
            if locked.contains(&release.key) { Answer::Locked } else { Answer::done(Ok(Reply::Released)) }
        };
        Ok(releases.iter().map(answer).collect())
    }
}

/// For whom the key is reserved, or NULL.
fn successor(release: &Release) -> Option<String> {
    release.successor.as_ref().map(|successor| successor.id.as_str().into())
}

/// For how long, or NULL.
fn within(release: &Release) -> Option<i64> {
    release.successor.as_ref().map(|successor| within_ms(successor.within))
}

/// What is written to row `l`: who is named in its place, for how long, and since when.
fn reserved(id: &str, within: &str, now: &str) -> String {
    format!(
        "session = NULL, version = l.version + 1,
    id = coalesce({id}, l.id), ttl = coalesce({within}, l.ttl), expires = coalesce({now} + {within}, 0)"
    )
}

pub(crate) fn text(table: &str) -> Text {
    let one = format!(
        "UPDATE {table} AS l SET
    {}
WHERE l.key = $3 AND l.session = $4 AND {PATIENCE}
RETURNING {FLUSHED}, {}",
        reserved("$5::text", "$6::bigint", CLOCK),
        notified("$2", "l.key")
    );
    let many = format!(
        "UPDATE {table} AS l SET
    {}
FROM (
    SELECT c.key, c.successor, c.within, k.at, {CLOCK} AS now
    FROM {}, LATERAL (
        SELECT l.ctid AS at FROM {table} AS l WHERE l.key = c.key AND l.session = c.session
        FOR NO KEY UPDATE SKIP LOCKED
    ) AS k
) AS k
WHERE l.ctid = k.at AND l.key = k.key
RETURNING l.key, {FLUSHED}, {}",
        reserved("k.successor", "k.within", "k.now"),
        many(2, &[("key", "text"), ("session", "bytea"), ("successor", "text"), ("within", "bigint")]),
        notified("$1", "l.key")
    );
    Text { one: one.into(), many: many.into() }
}
