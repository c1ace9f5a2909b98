//! The statements: each operation is one, for one key and for many.

use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

/// The server's clock when it is asked, in whole ms. Not `now()`, which is when the transaction began: before any
/// wait for a lock.
pub(super) const CLOCK: &str = "(date_part('epoch', clock_timestamp()) * 1000)::bigint";

/// The columns of a row, by name: the table may have others one day.
const SEEN: &str = "l.key, l.session, l.holder, l.term, l.version, l.ttl, l.expires, l.value";

/// The last term there is: after it nothing is granted.
const LAST: &str = "9007199254740991";

/// Set for this statement alone, where it is going to lock a row: how long it waits for another's lock.
const PATIENCE: &str = "(SELECT set_config('lock_timeout', $1, true)) IS NOT NULL";

/// What is answered is on the disk.
const FLUSHED: &str =
    "CASE current_setting('synchronous_commit') WHEN 'off' THEN set_config('synchronous_commit', 'on', true) END";

/// The texts for one table.
#[derive(Clone, Debug)]
pub(super) struct Statements {
    pub(super) acquire: Text,
    /// A renewal where nobody holds the row's lock and the lease is the claimant's: all but a few.
    pub(super) extend: Arc<str>,
    pub(super) renew: Text,
    pub(super) release: Text,
    pub(super) get: Text,
}

/// One statement, for one key and for many: the first has its parameters one by one, the second in arrays.
#[derive(Clone, Debug)]
pub(super) struct Text {
    pub(super) one: Arc<str>,
    pub(super) many: Arc<str>,
}

impl Text {
    /// One text for both, on where the requests are.
    fn new(first: usize, columns: &[(&str, &str)], text: impl Fn(&str) -> String) -> Self {
        let one = columns.iter().zip(first..).map(|((name, kind), number)| format!("${number}::{kind} AS {name}, "));
        let one = format!("SELECT {}1::bigint AS place", one.collect::<String>());
        Self { one: text(&one).into(), many: Self::many(first, columns, text) }
    }

    /// `columns` are those of a request; their parameters are numbered from `first` on.
    fn many(first: usize, columns: &[(&str, &str)], text: impl Fn(&str) -> String) -> Arc<str> {
        let arrays = columns.iter().zip(first..).map(|((_, kind), number)| format!("${number}::{kind}[]"));
        let arrays = arrays.collect::<Vec<_>>().join(", ");
        let names = columns.iter().map(|(name, _)| format!("{name}, ")).collect::<String>();
        text(&format!("SELECT * FROM unnest({arrays}) WITH ORDINALITY AS c ({names}place)")).into()
    }
}

impl Statements {
    pub(super) fn new(table: &str) -> Self {
        Self {
            acquire: acquire(table),
            extend: extend(table).into(),
            renew: renew(table),
            release: release(table),
            get: get(table),
        }
    }
}

/// How a claim's parameters are written: for one key, and for many.
struct Claimed([&'static str; 8]);

const ONE: Claimed = Claimed([
    "$3::text",
    "$4::bytea",
    "$5::text",
    "$6::bigint",
    "$7::text",
    "$8::bigint",
    "$9::boolean",
    "$10::bigint",
]);
const EACH: Claimed =
    Claimed(["c.key", "c.session", "c.holder", "c.ttl", "c.value", "c.after", "c.expired", "c.unchanged"]);

impl Claimed {
    /// Whether it is granted on row `l`: a reign is begun, or one that was begun is repeated.
    fn grantable(&self, now: &str) -> String {
        let Self([_, session, _, _, _, after, expired, unchanged]) = self;
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
        let Self([key, session, holder, ttl, value, after, ..]) = self;
        format!(
            "{key}, {session}, {holder}, {after} + 1, 1, {ttl}, {CLOCK} + {ttl}, CASE WHEN {PATIENCE} THEN {value} END"
        )
    }

    /// Not where an earlier try of the same claim was granted.
    fn told(&self) -> String {
        let Self([key, ..]) = self;
        format!("CASE WHEN $2::text IS NOT NULL AND g.term <> coalesce(l.term, 0) THEN pg_notify($2, {key})::text END")
    }

    fn after(&self) -> &'static str {
        let Self([.., after, _, _]) = self;
        after
    }
}

/// For one key in a form of its own: most of what a refused claim costs the server is to set the statement up.
fn acquire(table: &str) -> Text {
    let kept = format!("CASE l.session WHEN excluded.session THEN least(l.expires - {CLOCK}, l.ttl) END");
    let granted = |row: &str, second: &str| {
        format!(
            "INSERT INTO {table} AS l (key, session, holder, term, version, ttl, expires, value)
    {row}
    ON CONFLICT (key) DO UPDATE SET
        session = excluded.session, holder = excluded.holder, value = excluded.value,
        term = greatest(l.term, excluded.term), version = l.version + 1,
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
        ONE.after(),
        ONE.grantable("l.now"),
    );
    let one = format!(
        "WITH seen AS MATERIALIZED (
    SELECT {SEEN}, {CLOCK} AS now FROM {table} AS l WHERE l.key = $3::text
), granted AS (
    {}
)
SELECT 1::bigint AS place, g.term AS new_term, g.version AS new_version, l.*, {}
FROM (SELECT) AS one LEFT JOIN granted AS g ON true LEFT JOIN seen AS l ON true",
        granted(&row, &ONE.grantable(CLOCK)),
        ONE.told(),
    );
    let columns = [
        ("key", "text"),
        ("session", "bytea"),
        ("holder", "text"),
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
        EACH.after(),
        EACH.grantable("l.now"),
    );
    let second = format!("EXISTS (SELECT FROM claim AS c WHERE c.key = excluded.key AND {})", EACH.grantable(CLOCK));
    let many = Text::many(3, &columns, |claims| {
        format!(
            "WITH claim AS (
    {claims}
), seen AS MATERIALIZED (
    SELECT {SEEN}, {CLOCK} AS now FROM claim AS c JOIN {table} AS l ON l.key = c.key
), granted AS (
    {}
)
SELECT c.place, g.term AS new_term, g.version AS new_version, l.*, {}
FROM claim AS c LEFT JOIN granted AS g ON g.key = c.key LEFT JOIN seen AS l ON l.key = c.key",
            granted(&rows, &second),
            EACH.told(),
        )
    });
    Text { one: one.into(), many }
}

fn extend(table: &str) -> String {
    let kept = format!("greatest($4::bigint, least(l.expires - {CLOCK}, l.ttl))");
    format!(
        "UPDATE {table} AS l SET
    holder = $3, value = $5, version = l.version + 1, ttl = {kept}, expires = {CLOCK} + {kept}
WHERE l.ctid = (
    SELECT ctid FROM {table} WHERE key = $1 AND session = $2 AND term = $6 AND expires > {CLOCK}
    FOR NO KEY UPDATE SKIP LOCKED
)
RETURNING l.version AS new_version, {FLUSHED}"
    )
}

fn renew(table: &str) -> Text {
    let mine = |now: &str| format!("l.key = c.key AND l.session = c.session AND l.term = c.term AND l.expires > {now}");
    let kept = "greatest(c.ttl, least(l.expires - k.now, l.ttl))";
    let columns = [
        ("key", "text"),
        ("session", "bytea"),
        ("holder", "text"),
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
        holder = c.holder, value = c.value, version = l.version + 1,
        ttl = {kept}, expires = k.now + {kept}
    FROM got AS k JOIN claim AS c ON c.key = k.key
    WHERE {locked}
    RETURNING l.key, l.version, {FLUSHED}
)
SELECT c.place, n.version AS new_version,
       l.session, l.holder, l.term, l.version, l.ttl, l.expires, l.value, {CLOCK} AS now
FROM claim AS c LEFT JOIN renewed AS n ON n.key = c.key LEFT JOIN {table} AS l ON l.key = c.key"#,
            looked = mine(CLOCK),
            locked = mine("k.now"),
        )
    })
}

fn release(table: &str) -> Text {
    let told = |key: &str| format!("CASE WHEN $2::text IS NOT NULL THEN pg_notify($2, {key})::text END");
    let one = format!(
        "UPDATE {table} AS l SET session = NULL, version = l.version + 1
WHERE l.key = $3 AND l.session = $4 AND {PATIENCE}
RETURNING 1::bigint AS place, {FLUSHED}, {}",
        told("l.key")
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
            told("c.key")
        )
    });
    Text { one: one.into(), many }
}

fn get(table: &str) -> Text {
    Text::new(1, &[("key", "text")], |keys| {
        format!(
            "WITH claim AS (
    {keys}
)
SELECT c.place, l.session, l.holder, l.term, l.version, l.ttl, l.expires, l.value, {CLOCK} AS now
FROM claim AS c JOIN {table} AS l ON l.key = c.key"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the documentation shows, and gives reasons for, is what runs.
    #[test]
    fn the_documentation_shows_what_runs() {
        let lines: Vec<_> = include_str!("../postgres.rs").lines().map_while(|line| line.strip_prefix("//!")).collect();
        let documented: Vec<_> = lines.iter().map(|line| line.strip_prefix(' ').unwrap_or(line)).collect();
        let documented = documented.join("\n");
        assert!(documented.contains(&format!("`clock` stands for `{CLOCK}`")));
        let statements = Statements::new("lessor_leases");
        for statement in [statements.acquire.one, statements.extend, statements.renew.one] {
            let shown = statement.replace(CLOCK, "clock");
            assert!(documented.contains(&format!("```sql\n{shown}\n```")), "{shown}");
        }
    }
}
