//! The statements: each operation is one, for one key and for many.

use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;

/// The server's clock when it is asked, in whole ms. Not `now()`, which is when the transaction began: before any
/// wait for a lock.
pub(super) const CLOCK: &str = "floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint";

/// For this statement alone: how long it waits for another's lock, and that what it answers is on the disk.
const SETTINGS: &str = "settings AS MATERIALIZED (
    SELECT set_config('lock_timeout', $1, true),
           CASE current_setting('synchronous_commit') WHEN 'off' THEN set_config('synchronous_commit', 'on', true) END
)";

/// The texts for one table.
#[derive(Clone, Debug)]
pub(super) struct Statements {
    pub(super) acquire: Arc<str>,
    pub(super) renew: Arc<str>,
    pub(super) release: Arc<str>,
    pub(super) get: Arc<str>,
}

impl Statements {
    pub(super) fn new(table: &str) -> Self {
        Self {
            acquire: acquire(table).into(),
            renew: renew(table).into(),
            release: release(table).into(),
            get: get(table).into(),
        }
    }
}

/// Whether claim `c` is granted on row `l`: a reign is begun, or one that was begun is repeated.
fn grantable(now: &str) -> String {
    format!(
        "(c.after >= l.term AND (
            l.session IS NULL
            OR l.session = c.session
            OR c.expired AND l.expires <= {now}
            OR l.version = c.unchanged AND l.expires - {now} NOT BETWEEN 1 AND l.ttl
        ) OR l.session = c.session AND l.expires > {now})"
    )
}

fn acquire(table: &str) -> String {
    let kept = format!("CASE WHEN l.session = excluded.session THEN least(l.expires - {CLOCK}, l.ttl) END");
    format!(
        r#"WITH {SETTINGS}, claim AS MATERIALIZED (
    SELECT * FROM unnest($3::text[], $4::bytea[], $5::text[], $6::bigint[], $7::text[], $8::bigint[], $9::boolean[],
        $10::bigint[]) WITH ORDINALITY AS c (key, session, holder, ttl, value, after, expired, unchanged, place)
), seen AS MATERIALIZED (
    SELECT l.*, {CLOCK} AS now FROM claim AS c JOIN {table} AS l ON l.key = c.key
), granted AS (
    INSERT INTO {table} AS l (key, session, holder, term, version, ttl, expires, value)
    SELECT c.key, c.session, c.holder, c.after + 1, 1, c.ttl, {CLOCK} + c.ttl, c.value
    FROM settings, claim AS c LEFT JOIN seen AS l ON l.key = c.key
    WHERE c.after < 9007199254740991 AND (l.key IS NULL OR {first})
    ORDER BY c.key COLLATE "C"
    ON CONFLICT (key) DO UPDATE SET
        session = excluded.session, holder = excluded.holder, value = excluded.value,
        term = greatest(l.term, excluded.term), version = l.version + 1,
        ttl = greatest(excluded.ttl, {kept}),
        expires = {CLOCK} + greatest(excluded.ttl, {kept})
    WHERE EXISTS (
        SELECT FROM claim AS c WHERE c.key = excluded.key AND {second}
    )
    RETURNING l.key, l.term, l.version
)
SELECT c.place, g.term AS new_term, g.version AS new_version,
       l.session, l.holder, l.term, l.version, l.ttl, l.expires, l.value, l.now,
       CASE WHEN $2::text IS NOT NULL AND g.term <> coalesce(l.term, 0) THEN pg_notify($2, c.key)::text END
FROM claim AS c LEFT JOIN granted AS g ON g.key = c.key LEFT JOIN seen AS l ON l.key = c.key"#,
        first = grantable("l.now"),
        second = grantable(CLOCK),
    )
}

fn renew(table: &str) -> String {
    let mine = |now: &str| format!("l.key = c.key AND l.session = c.session AND l.term = c.term AND l.expires > {now}");
    let kept = "greatest(c.ttl, least(l.expires - k.now, l.ttl))";
    format!(
        r#"WITH {SETTINGS}, claim AS MATERIALIZED (
    SELECT * FROM unnest($2::text[], $3::bytea[], $4::text[], $5::bigint[], $6::text[], $7::bigint[])
        WITH ORDINALITY AS c (key, session, holder, ttl, value, term, place)
), locked AS MATERIALIZED (
    SELECT l.key FROM settings, claim AS c JOIN {table} AS l
        ON {looked}
    ORDER BY l.key COLLATE "C" FOR NO KEY UPDATE OF l
), got AS MATERIALIZED (
    SELECT key, {CLOCK} AS now FROM locked
), renewed AS (
    UPDATE {table} AS l SET
        holder = c.holder, value = c.value, version = l.version + 1,
        ttl = {kept}, expires = k.now + {kept}
    FROM got AS k JOIN claim AS c ON c.key = k.key
    WHERE {locked}
    RETURNING l.key, l.version
)
SELECT c.place, n.version AS new_version,
       l.session, l.holder, l.term, l.version, l.ttl, l.expires, l.value, {CLOCK} AS now
FROM claim AS c LEFT JOIN renewed AS n ON n.key = c.key LEFT JOIN {table} AS l ON l.key = c.key"#,
        looked = mine(CLOCK),
        locked = mine("k.now"),
    )
}

fn release(table: &str) -> String {
    format!(
        r#"WITH {SETTINGS}, claim AS MATERIALIZED (
    SELECT * FROM unnest($3::text[], $4::bytea[]) WITH ORDINALITY AS c (key, session, place)
), locked AS MATERIALIZED (
    SELECT l.key, l.session FROM settings, claim AS c JOIN {table} AS l ON l.key = c.key AND l.session = c.session
    ORDER BY l.key COLLATE "C" FOR NO KEY UPDATE OF l
), released AS (
    UPDATE {table} AS l SET session = NULL, version = l.version + 1
    FROM locked AS k WHERE l.key = k.key AND l.session = k.session
    RETURNING l.key
)
SELECT c.place, CASE WHEN $2::text IS NOT NULL AND n.key IS NOT NULL THEN pg_notify($2, c.key)::text END
FROM claim AS c LEFT JOIN released AS n ON n.key = c.key"#
    )
}

fn get(table: &str) -> String {
    format!(
        "SELECT c.place, l.session, l.holder, l.term, l.version, l.ttl, l.expires, l.value, {CLOCK} AS now
FROM unnest($1::text[]) WITH ORDINALITY AS c (key, place) JOIN {table} AS l ON l.key = c.key"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    /// What the documentation shows, and gives reasons for, is what runs.
    #[test]
    fn the_documentation_shows_what_runs() {
        let lines: Vec<_> = include_str!("../postgres.rs").lines().map_while(|line| line.strip_prefix("//!")).collect();
        let documented: Vec<_> = lines.iter().map(|line| line.strip_prefix(' ').unwrap_or(line)).collect();
        let documented = documented.join("\n");
        assert!(documented.contains(&format!("`clock` stands for\n`{CLOCK}`")));
        let statements = Statements::new("lessor_leases");
        for statement in [statements.acquire, statements.renew] {
            let shown = statement.replace(CLOCK, "clock");
            assert!(documented.contains(&format!("```sql\n{shown}\n```")), "{shown}");
        }
    }
}
