//! Claims.

use core::time::Duration;

use lessor::storage::{Acquired, Claim, Get, Record, Reply, Takeover};
use lessor::{StorageError, Term};
use lessor_kit::encoding::ttl_ms;
use sqlx::postgres::PgRow;

use crate::get::GET;
use crate::keyed::{Binding, Keyed, LEAST_PATIENCE, Statement, bytes, key, patience, value};
use crate::row;
use crate::statements::{CLOCK, COLUMNS, FLUSHED, LAST, PATIENCE, Text};
use crate::storage::Inner;

pub(crate) const ACQUIRE: Keyed<Claim> = Keyed { statement, reply };

impl Inner {
    /// A claim for a key that is still live will be refused: a look is the cheapest way to find out.
    pub(crate) async fn acquire(&self, claim: &Claim) -> Result<Reply, StorageError> {
        if self.held.contains(&claim.key)
            && let Some(refused) = self.refused(claim).await?
        {
            return Ok(refused);
        }
        let reply = self.ask_one(&ACQUIRE, claim).await?;
        let held = matches!(&reply, Reply::Acquired(Acquired::Refused { retry_after, .. }) if !retry_after.is_zero());
        self.held.set(&claim.key, held);
        Ok(reply)
    }

    /// The answer, if it is a refusal.
    async fn refused(&self, claim: &Claim) -> Result<Option<Reply>, StorageError> {
        let rows = self.fetch((GET.statement)(self, &[&Get::new(claim.key.clone())], LEAST_PATIENCE)).await?;
        let Some(row) = rows.first() else { return Ok(None) };
        let reading = row::reading(Some(row), claim.key.as_str())?;
        let verdict = Record::judge(reading.record.as_ref(), &claim.clone().into(), reading.now_ms, Term::FIRST);
        Ok(verdict.write.is_none().then_some(verdict.reply))
    }
}

fn statement(storage: &Inner, claims: &[&Claim], longest: Duration) -> Statement {
    let unchanged = |claim: &Claim| match claim.takeover {
        Takeover::Unchanged(version) => i64::try_from(version.get()).ok(),
        _ => None,
    };
    Binding::new(&storage.statements.acquire, claims)
        .bind(patience(claims.iter().map(|claim| claim.ttl), longest))
        .bind(storage.channel())
        .column(|claim| key(&claim.key))
        .column(|claim| bytes(claim.session))
        .column(|claim| String::from(claim.id.as_str()))
        .column(|claim| ttl_ms(claim.ttl))
        .column(|claim| value(claim.value.as_ref()))
        .column(|claim| claim.after.map_or(0, i64::from))
        .column(|claim| claim.takeover == Takeover::Expired)
        .column(unchanged)
        .into_statement()
}

fn reply(claim: &Claim, row: Option<&PgRow>) -> Result<Reply, StorageError> {
    if let Some(row) = row
        && let Some(term) = row::term(row, "new_term")?
        && let Some(version) = row::version(row, "new_version")?
    {
        return Ok(Acquired::granted(term, version).into());
    }
    let reading = row::reading(row, claim.key.as_str())?;
    let verdict = Record::judge(reading.record.as_ref(), &claim.clone().into(), reading.now_ms, Term::FIRST);
    if verdict.write.is_none() {
        return Ok(verdict.reply);
    }
    // Another was faster: what was read is what was there before.
    let lease = reading.record.map(|record| record.lease(reading.now_ms));
    Ok(Acquired::refused(lease, Duration::ZERO).into())
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
    key: "$3::text",
    session: "$4::bytea",
    id: "$5::text",
    ttl: "$6::bigint",
    value: "$7::text",
    after: "$8::bigint",
    expired: "$9::boolean",
    unchanged: "$10::bigint",
};

/// For many: the columns of row `c`.
const EACH: Values = Values {
    key: "c.key",
    session: "c.session",
    id: "c.id",
    ttl: "c.ttl",
    value: "c.value",
    after: "c.after",
    expired: "c.expired",
    unchanged: "c.unchanged",
};

impl Values {
    /// Whether it is granted on row `l`: a reign is begun, or one that was begun is repeated.
    fn grantable(&self, now: &str) -> String {
        let Self { session, after, expired, unchanged, .. } = self;
        format!(
            "CASE WHEN l.expires > {now}
            THEN l.session = {session} OR {after} >= l.term
                AND (l.session IS NULL OR l.version = {unchanged} AND l.expires - {now} > l.ttl)
            ELSE {after} >= l.term
                AND ({expired} OR l.session IS NULL OR l.session = {session} OR l.version = {unchanged})
        END"
        )
    }

    /// The row that is proposed.
    fn row(&self) -> String {
        let Self { key, session, id, ttl, value, after, .. } = self;
        format!(
            "{key}, {session}, {id}, {after} + 1, 1, {ttl}, {CLOCK} + {ttl}, {CLOCK}, CASE WHEN {PATIENCE} THEN {value} END"
        )
    }

    /// Tells the followers, but not where an earlier try of the same claim was granted.
    fn notified(&self) -> String {
        let key = self.key;
        format!("CASE WHEN $2::text IS NOT NULL AND g.term <> coalesce(l.term, 0) THEN pg_notify($2, {key})::text END")
    }
}

/// For one key in a form of its own: most of what a refused claim costs the server is to set the statement up.
pub(crate) fn text(table: &str) -> Text {
    let kept = format!("CASE l.session WHEN excluded.session THEN least(l.expires - {CLOCK}, l.ttl) END");
    let granted = |row: &str, second: &str| {
        format!(
            "INSERT INTO {table} AS l (key, session, id, term, version, ttl, expires, since, value)
    {row}
    ON CONFLICT (key) DO UPDATE SET
        session = excluded.session, id = excluded.id, value = excluded.value,
        term = greatest(l.term, excluded.term), version = l.version + 1,
        since = CASE WHEN excluded.term > l.term THEN {CLOCK} ELSE l.since END,
        ttl = greatest(excluded.ttl, {kept}),
        expires = {CLOCK} + greatest(excluded.ttl, {kept})
    WHERE {second}
    RETURNING l.key, l.term, l.version, {FLUSHED}"
        )
    };
    let row = format!(
        "SELECT {}
    WHERE {} < {LAST} AND NOT EXISTS (
        SELECT FROM seen AS l WHERE ({}) IS NOT TRUE
    )",
        ONE.row(),
        ONE.after,
        ONE.grantable("l.now"),
    );
    let one = format!(
        "WITH seen AS MATERIALIZED (
    SELECT {COLUMNS}, {CLOCK} AS now FROM {table} AS l WHERE l.key = $3::text
), granted AS (
    {}
)
SELECT 1::bigint AS place, g.term AS new_term, g.version AS new_version, l.*, {}
FROM (SELECT) AS one LEFT JOIN granted AS g ON true LEFT JOIN seen AS l ON true",
        granted(&row, &ONE.grantable(CLOCK)),
        ONE.notified(),
    );
    let columns = [
        ("key", "text"),
        ("session", "bytea"),
        ("id", "text"),
        ("ttl", "bigint"),
        ("value", "text"),
        ("after", "bigint"),
        ("expired", "boolean"),
        ("unchanged", "bigint"),
    ];
    let rows = format!(
        "SELECT {} FROM claim AS c LEFT JOIN seen AS l ON l.key = c.key
    WHERE {} < {LAST} AND (l.key IS NULL OR {})
    ORDER BY c.key COLLATE \"C\"",
        EACH.row(),
        EACH.after,
        EACH.grantable("l.now"),
    );
    let second = format!("EXISTS (SELECT FROM claim AS c WHERE c.key = excluded.key AND {})", EACH.grantable(CLOCK));
    let many = Text::many(3, &columns, |claims| {
        format!(
            "WITH claim AS (
    {claims}
), seen AS MATERIALIZED (
    SELECT {COLUMNS}, {CLOCK} AS now FROM claim AS c JOIN {table} AS l ON l.key = c.key
), granted AS (
    {}
)
SELECT c.place, g.term AS new_term, g.version AS new_version, l.*, {}
FROM claim AS c LEFT JOIN granted AS g ON g.key = c.key LEFT JOIN seen AS l ON l.key = c.key",
            granted(&rows, &second),
            EACH.notified(),
        )
    });
    Text { one: one.into(), many }
}
