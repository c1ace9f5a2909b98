//! Claims.

use core::time::Duration;
use std::collections::HashMap;

use lessor::storage::{Acquired, Claim, Reply, Takeover};
use lessor::{Key, StorageError};
use lessor_kit::encoding::ttl_ms;
use lessor_kit::lane::Answer;
use lessor_kit::row::Reading;
use sqlx::postgres::{PgConnection, PgRow};

use crate::binding::{Columns, bytes, key, limit, statement, value};
use crate::error::Failure;
use crate::row;
use crate::server::Primary;
use crate::statements::{CLOCK, COLUMNS, FLUSHED, LAST, PATIENCE, Text, many};
use crate::timeline::Freeze;

impl Primary {
    /// A claim for a key that is still live will be refused: a look is the cheapest way to find out.
    pub(crate) async fn acquire(
        &self,
        connection: &mut PgConnection,
        claim: &Claim,
        patience: Option<Duration>,
    ) -> Result<Answer, Failure> {
        if let Some(left) = self.freeze.as_ref().and_then(Freeze::left) {
            let frozen = self.frozen(connection, &[claim], left).await?.pop();
            return Ok(frozen.unwrap_or(Answer::Locked));
        }
        if self.held.contains(&claim.key)
            && let Some(refused) = self.refuse(connection, &[claim]).await?.pop().flatten()
        {
            return Ok(refused);
        }
        let statement = statement(&self.statements.acquire.one)
            .bind(limit(self.limit(patience)))
            .bind(key(&claim.key))
            .bind(bytes(claim.session))
            .bind(String::from(claim.id.as_str()))
            .bind(ttl_ms(claim.ttl))
            .bind(value(claim.value.as_ref()))
            .bind(after(claim))
            .bind(claim.takeover == Takeover::Expired)
            .bind(unchanged(claim));
        let rows = self.fetch(connection, statement).await?;
        let row = rows.first();
        let answer = match self.judged(claim, row)? {
            Answer::Locked => {
                // Another was faster: what was read is what was there before.
                let reading = row::reading(row, claim.key.as_str())?;
                let lease = reading.record.map(|record| record.lease(reading.now_ms));
                Answer::done(Ok(Acquired::refused(lease, Duration::ZERO).into()))
            }
            answer => answer,
        };
        Ok(answer)
    }

    /// Without a wait. What is neither granted nor refused has met a lock, or another who was faster.
    pub(crate) async fn acquire_all(
        &self,
        connection: &mut PgConnection,
        claims: &[&Claim],
    ) -> Result<Vec<Answer>, Failure> {
        if let Some(left) = self.freeze.as_ref().and_then(Freeze::left) {
            return self.frozen(connection, claims, left).await;
        }
        let all_are_held = claims.iter().all(|claim| self.held.contains(&claim.key));
        let mut answers: Vec<Option<Answer>> =
            if all_are_held { self.refuse(connection, claims).await? } else { claims.iter().map(|_| None).collect() };
        let open = claims.iter().zip(&answers).filter(|(_, answer)| answer.is_none());
        let open: Vec<&Claim> = open.map(|(claim, _)| *claim).collect();
        if !open.is_empty() {
            let statement = Columns::new(&self.statements.acquire.many, &open)
                .bind(limit(self.limit(None)))
                .column(|claim| key(&claim.key))
                .column(|claim| bytes(claim.session))
                .column(|claim| String::from(claim.id.as_str()))
                .column(|claim| ttl_ms(claim.ttl))
                .column(|claim| value(claim.value.as_ref()))
                .column(after)
                .column(|claim| claim.takeover == Takeover::Expired)
                .column(unchanged)
                .into_statement();
            let rows = self.fetch(connection, statement).await?;
            let mut found = HashMap::new();
            for row in &rows {
                found.insert(row::key(row)?, row);
            }
            for (claim, answer) in claims.iter().zip(&mut answers).filter(|(_, answer)| answer.is_none()) {
                *answer = Some(match found.get(&claim.key) {
                    Some(row) => self.judged(claim, Some(row))?,
                    None => Answer::Locked,
                });
            }
        }
        Ok(answers.into_iter().flatten().collect())
    }

    /// Nothing is granted for so long, whatever is there.
    async fn frozen(
        &self,
        connection: &mut PgConnection,
        claims: &[&Claim],
        left: Duration,
    ) -> Result<Vec<Answer>, Failure> {
        let keys: Vec<&Key> = claims.iter().map(|claim| &claim.key).collect();
        let readings = self.look(connection, &keys).await?;
        let answers = readings.into_iter().map(|reading| {
            Answer::done(reading.map(|Reading { record, now_ms, .. }| {
                Acquired::refused(record.map(|record| record.lease(now_ms)), left).into()
            }))
        });
        Ok(answers.collect())
    }

    /// The answers to those that a look refuses.
    async fn refuse(&self, connection: &mut PgConnection, claims: &[&Claim]) -> Result<Vec<Option<Answer>>, Failure> {
        let keys: Vec<&Key> = claims.iter().map(|claim| &claim.key).collect();
        let readings = self.look(connection, &keys).await?;
        let answers = claims.iter().zip(readings).map(|(claim, reading)| match reading {
            Ok(reading) => reading.settles(&(*claim).clone().into()).map(|reply| Answer::seen(reply, reading)),
            Err(error) => Some(Answer::done(Err(error))),
        });
        Ok(answers.collect())
    }

    /// Granted, or refused by what the row says. [`Answer::Locked`]: neither.
    fn judged(&self, claim: &Claim, row: Option<&PgRow>) -> Result<Answer, StorageError> {
        if let Some(row) = row
            && let Some(term) = row::term(row, "new_term")?
            && let Some(version) = row::version(row, "new_version")?
        {
            self.held.set(&claim.key, false);
            if row::column(row, "is_new")? == Some(true) {
                self.tell_later(&claim.key);
            }
            return Ok(Answer::done(Ok(Acquired::granted(term, version).into())));
        }
        let reading = match row::reading(row, claim.key.as_str()) {
            Ok(reading) => reading,
            Err(error) => return Ok(Answer::done(Err(error))),
        };
        let Some(reply) = reading.settles(&claim.clone().into()) else { return Ok(Answer::Locked) };
        let held = matches!(&reply, Reply::Acquired(Acquired::Refused { retry_after, .. }) if !retry_after.is_zero());
        self.held.set(&claim.key, held);
        Ok(Answer::seen(reply, reading))
    }
}

fn after(claim: &Claim) -> i64 {
    claim.after.map_or(0, i64::from)
}

/// The version that the candidate saw unchanged.
fn unchanged(claim: &Claim) -> Option<i64> {
    match claim.takeover {
        Takeover::Unchanged(version) => i64::try_from(version.get()).ok(),
        _ => None,
    }
}

/// Whether a storage wrote the row, exactly as [`lessor_kit::row::Reading`] judges it: no other one is granted.
///
/// Control characters are looked for in the bytes of UTF-8: what a class of characters means depends on the database.
fn readable(row: &str) -> String {
    let is_plain =
        |column: &str| format!("encode(convert_to({row}.{column}, 'UTF8'), 'hex') !~ '^(..)*([01].|7f|c2[89])'");
    format!(
        "{row}.version >= 0 AND {row}.ttl >= 0 AND {row}.expires >= 0 AND {row}.since >= 0
        AND ({row}.session IS NULL OR octet_length({row}.session) = 16) AND octet_length({row}.id) BETWEEN 1 AND 128
        AND {} AND ({row}.value IS NULL OR octet_length({row}.value) <= 4096 AND {})",
        is_plain("id"),
        is_plain("value")
    )
}

/// A claim's values, as a statement writes them.
struct Values {
    key: &'static str,
    session: &'static str,
    id: &'static str,
    ttl: &'static str,
    value: &'static str,
    after: &'static str,
    /// Whether it takes over whatever has expired.
    expired: &'static str,
    /// The version that it has seen unchanged, or NULL.
    unchanged: &'static str,
}

/// For one key: parameters.
const ONE: Values = Values {
    key: "$2::text",
    session: "$3::bytea",
    id: "$4::text",
    ttl: "$5::bigint",
    value: "$6::text",
    after: "$7::bigint",
    expired: "$8::boolean",
    unchanged: "$9::bigint",
};

/// For many: the columns of row `c`, under names that the table does not have.
const EACH: Values = Values {
    key: "c.name",
    session: "c.by",
    id: "c.who",
    ttl: "c.wanted",
    value: "c.shown",
    after: "c.after",
    expired: "c.expired",
    unchanged: "c.unchanged",
};

impl Values {
    /// Whether it is granted on the row, if that can be read: a reign is begun, or one that was begun is repeated.
    fn granted_on(&self, row: &str, now: &str) -> String {
        format!("{} AND {}", self.grantable_on(row, now), readable(row))
    }

    fn grantable_on(&self, row: &str, now: &str) -> String {
        let Self { session, id, after, expired, unchanged, .. } = self;
        format!(
            "CASE WHEN {row}.expires > {now}
            THEN {row}.session = {session} OR {after} >= {row}.term
                AND (({row}.session IS NULL OR {row}.version = {unchanged}) AND {row}.expires - {now} > {row}.ttl
                    OR {row}.session IS NULL AND {row}.id COLLATE \"C\" = {id})
            ELSE {after} >= {row}.term
                AND ({expired} OR {row}.session IS NULL OR {row}.session = {session} OR {row}.version = {unchanged})
        END"
        )
    }

    /// The first term after those that the claimant knows. `seeded`: and after those that the server has lost.
    fn next_term(&self, seeded: bool) -> String {
        let next = format!("{} + 1", self.after);
        if seeded { format!("greatest({next}, {CLOCK})") } else { next }
    }

    /// The row that is proposed.
    fn row(&self, seeded: bool) -> String {
        let Self { key, session, id, ttl, value, .. } = self;
        let term = self.next_term(seeded);
        format!(
            "{key}, {session}, {id}, {term}, 1, {ttl}, {CLOCK} + {ttl}, {CLOCK}, CASE WHEN {PATIENCE} THEN {value} END"
        )
    }
}

/// For one key in a form of its own: most of what a refused claim costs the server is to set the statement up.
pub(crate) fn text(table: &str, seeded: bool) -> Text {
    Text { one: one(table, seeded).into(), many: each(table, seeded).into() }
}

fn one(table: &str, seeded: bool) -> String {
    let kept = format!("CASE l.session WHEN excluded.session THEN least(l.expires - {CLOCK}, l.ttl) END");
    format!(
        "WITH seen AS MATERIALIZED (
    SELECT {COLUMNS}, {CLOCK} AS now FROM {table} AS l WHERE l.key = $2::text
), granted AS (
    INSERT INTO {table} AS l (key, session, id, term, version, ttl, expires, since, value)
    SELECT {row}
    WHERE {after} < {LAST} AND NOT EXISTS (
        SELECT FROM seen AS l WHERE ({first}) IS NOT TRUE
    )
    ON CONFLICT (key) DO UPDATE SET
        session = excluded.session, id = excluded.id, value = excluded.value,
        term = CASE WHEN {after} >= l.term THEN excluded.term ELSE l.term END, version = l.version + 1,
        since = CASE WHEN {after} >= l.term THEN {CLOCK} ELSE l.since END,
        ttl = greatest(excluded.ttl, {kept}),
        expires = {CLOCK} + greatest(excluded.ttl, {kept})
    WHERE {second}
    RETURNING l.term, l.version, {FLUSHED}
)
SELECT g.term AS new_term, g.version AS new_version, g.term IS DISTINCT FROM l.term AS is_new, l.*
FROM (SELECT) AS one LEFT JOIN granted AS g ON true LEFT JOIN seen AS l ON true",
        row = ONE.row(seeded),
        after = ONE.after,
        first = ONE.granted_on("l", "l.now"),
        second = ONE.granted_on("l", CLOCK),
    )
}

/// The rows that are there are locked and updated, where nobody else holds their lock; those that are missing are
/// inserted.
fn each(table: &str, seeded: bool) -> String {
    let columns = [
        ("name", "text"),
        ("by", "bytea"),
        ("who", "text"),
        ("wanted", "bigint"),
        ("shown", "text"),
        ("after", "bigint"),
        ("expired", "boolean"),
        ("unchanged", "bigint"),
    ];
    let kept = "greatest(c.wanted, CASE l.session WHEN c.by THEN least(l.expires - c.now, l.ttl) END)";
    format!(
        "WITH seen AS MATERIALIZED (
    SELECT c.*, l.*, {CLOCK} AS now
    FROM {claims} LEFT JOIN LATERAL (
        SELECT {COLUMNS} FROM {table} AS l WHERE l.key = c.name OFFSET 0
    ) AS l ON true
), got AS MATERIALIZED (
    SELECT c.name, c.by, c.who, c.wanted, c.shown, c.after, c.expired, c.unchanged, k.at, {CLOCK} AS now
    FROM seen AS c, LATERAL (
        SELECT l.ctid AS at FROM {table} AS l WHERE l.key = c.name AND {looked}
        FOR NO KEY UPDATE SKIP LOCKED
    ) AS k
    WHERE c.after < {LAST} AND {seen}
), taken AS (
    UPDATE {table} AS l SET
        session = c.by, id = c.who, value = c.shown,
        term = CASE WHEN c.after >= l.term THEN {next} ELSE l.term END, version = l.version + 1,
        since = CASE WHEN c.after >= l.term THEN c.now ELSE l.since END,
        ttl = {kept}, expires = c.now + {kept}
    FROM got AS c WHERE l.ctid = c.at AND l.key = c.name AND {had}
    RETURNING l.key, l.term, l.version, l.since = c.now AS is_new, {FLUSHED}
), created AS (
    INSERT INTO {table} AS l (key, session, id, term, version, ttl, expires, since, value)
    SELECT {row} FROM seen AS c
    WHERE c.key IS NULL AND c.after < {LAST}
    ORDER BY c.name COLLATE \"C\"
    ON CONFLICT (key) DO NOTHING
    RETURNING l.key, l.term, l.version, {FLUSHED}
)
SELECT key, term AS new_term, version AS new_version, is_new, NULL::bytea AS session, NULL::text AS id,
    NULL::bigint AS term, NULL::bigint AS version, NULL::bigint AS ttl, NULL::bigint AS expires, NULL::bigint AS since,
    NULL::text AS value, NULL::bigint AS now
FROM taken
UNION ALL
SELECT key, term, version, true, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL FROM created
UNION ALL
SELECT c.key, NULL, NULL, NULL, c.session, c.id, c.term, c.version, c.ttl, c.expires, c.since, c.value, c.now
FROM seen AS c WHERE c.key IS NOT NULL AND ({seen}) IS NOT TRUE",
        claims = many(2, &columns),
        looked = EACH.grantable_on("l", CLOCK),
        had = EACH.granted_on("l", "c.now"),
        next = EACH.next_term(seeded),
        row = EACH.row(seeded),
        seen = EACH.granted_on("c", "c.now"),
    )
}
