//! The statements for one table. The [crate's documentation](crate) shows them, and says why they are safe.

use core::time::Duration;

use lessor::storage::{List, Record, Release, Renewal};
use lessor::{Id, Key, Value};
use lessor_kit::encoding::{signed, ttl_ms};

use crate::statement::{Param, Statement, Template};

/// The server's clock when it is asked, in whole ms since 1970.
///
/// `UTC_TIMESTAMP` is when the statement began. What has passed since then, in a wait for a lock say, is the difference
/// of two local times, in any time zone; where the local time is set meanwhile, it does not count.
const CLOCK: &str = "((TIMESTAMPDIFF(MICROSECOND, '1970-01-01', UTC_TIMESTAMP(6))
 + IF(TIMESTAMPDIFF(MICROSECOND, NOW(6), SYSDATE(6)) BETWEEN 0 AND 600000000,
 TIMESTAMPDIFF(MICROSECOND, NOW(6), SYSDATE(6)), 0)) DIV 1000)";

const LOOK: &str = "\
SELECT l.`key`, l.session, CAST(l.id AS BINARY) AS id, l.term, l.version, l.ttl, l.expires, l.since,
    CAST(l.value AS BINARY) AS value, {clock} AS now, @@autocommit AS autocommit
FROM {table} AS l WHERE l.`key` IN ({keys})";

const LIST: &str = "\
SELECT l.`key`, l.session, CAST(l.id AS BINARY) AS id, l.term, l.version, l.ttl, l.expires, l.since,
    CAST(l.value AS BINARY) AS value, {clock} AS now, @@autocommit AS autocommit
FROM {table} AS l WHERE l.`key` >= ? AND l.`key` < ? ORDER BY l.`key` LIMIT ?";

const LOCK: &str = "\
SELECT COUNT(*) FROM {table} FORCE INDEX (PRIMARY) WHERE `key` IN ({keys}) FOR UPDATE NOWAIT";

const CREATE: &str = "\
INSERT INTO {table} (`key`, session, id, term, version, ttl, expires, since, value)
SELECT CAST(? AS BINARY), CAST(? AS BINARY), CONVERT(CAST(? AS BINARY) USING utf8mb4), ?, ?, ?,
    {clock} + ?, {clock}, CONVERT(CAST(? AS BINARY) USING utf8mb4)
FROM DUAL WHERE @@autocommit = 1";

const GRANT: &str = "\
UPDATE {table} AS l SET
    l.session = ?, l.id = CONVERT(CAST(? AS BINARY) USING utf8mb4),
    l.value = CONVERT(CAST(? AS BINARY) USING utf8mb4),
    l.term = ?, l.version = ?, l.ttl = ?, l.expires = {clock} + ?, l.since = IF(?, {clock}, l.since)
WHERE l.`key` = ? AND l.version = ? AND l.term = ? AND l.session <=> ? AND (? OR l.expires > {clock})
    AND @@autocommit = 1";

const RENEW: &str = "\
UPDATE {table} AS l SET
    l.id = CONVERT(CAST(? AS BINARY) USING utf8mb4),
    l.value = CONVERT(CAST(? AS BINARY) USING utf8mb4),
    l.version = LAST_INSERT_ID(l.version + 1), l.ttl = GREATEST(?, LEAST(l.expires - {clock}, l.ttl)),
    l.expires = {clock} + GREATEST(?, LEAST(l.expires - {clock}, l.ttl))
WHERE l.`key` = ? AND l.session = ? AND l.term = ? AND l.expires > {clock} AND @@autocommit = 1";

const RELEASE: &str = "\
UPDATE {table} AS l SET l.session = NULL, l.version = l.version + 1
WHERE l.`key` = ? AND l.session = ? AND @@autocommit = 1";

const REVOKE: &str = "\
UPDATE {table} AS l SET l.session = NULL, l.term = ?, l.version = ?, l.since = {clock}
WHERE l.`key` = ? AND l.version = ? AND l.term = ? AND l.session <=> ? AND @@autocommit = 1";

/// The statements for one table.
#[derive(Clone, Debug)]
pub(crate) struct Statements {
    table: String,
    list: Template,
    create: Template,
    grant: Template,
    renew: Template,
    release: Template,
    revoke: Template,
}

impl Statements {
    /// The table is quoted.
    pub(crate) fn new(table: &str) -> Self {
        let [list, create, grant, renew, release, revoke] =
            [LIST, CREATE, GRANT, RENEW, RELEASE, REVOKE].map(|sql| template(sql, table));
        Self { table: table.into(), list, create, grant, renew, release, revoke }
    }

    /// The rows of these keys, as last committed. It locks nothing, and waits for nobody.
    pub(crate) fn look(&self, keys: &[&Key]) -> Statement {
        self.of_keys(LOOK, keys)
    }

    /// Locks the rows of these keys, or fails at once.
    pub(crate) fn lock(&self, keys: &[&Key]) -> Statement {
        self.of_keys(LOCK, keys)
    }

    fn of_keys(&self, sql: &str, keys: &[&Key]) -> Statement {
        let places = vec!["?"; keys.len()].join(", ");
        let template = template(&sql.replace("{keys}", &places), &self.table);
        template.with(keys.iter().map(|of| key(of)).collect::<Vec<_>>())
    }

    /// One row more than the page has, to see whether there is a next one.
    pub(crate) fn list(&self, list: &List) -> Statement {
        let prefix = list.prefix.as_bytes();
        let from = list.start.as_ref().map_or(prefix, |from| from.as_str().as_bytes().max(prefix));
        // No byte of UTF-8 is 0xff: after all keys that begin with the prefix, and before all others that follow.
        let end = [prefix, &[0xff]].concat();
        let limit = i64::try_from(list.page_size() + 1).unwrap_or(i64::MAX);
        self.list.with([Param::Bytes(from.into()), Param::Bytes(end), Param::Number(limit)])
    }

    /// The first record of a key.
    pub(crate) fn create(&self, of: &Key, record: &Record) -> Statement {
        self.create.with([
            key(of),
            session(record),
            id(&record.id),
            Param::Number(record.term.into()),
            version(record),
            ttl(Duration::from_millis(record.ttl_ms)),
            ttl(Duration::from_millis(record.ttl_ms)),
            value(record.value.as_ref()),
        ])
    }

    /// A grant in the place of the record that was seen, if that is still there.
    ///
    /// The term of a reign is repeated only while its lease lives, and goes on as long as it has lasted.
    pub(crate) fn grant(&self, of: &Key, seen: &Record, record: &Record) -> Statement {
        let new_term = Param::Number((record.term != seen.term).into());
        self.grant.with([
            session(record),
            id(&record.id),
            value(record.value.as_ref()),
            Param::Number(record.term.into()),
            version(record),
            ttl(Duration::from_millis(record.ttl_ms)),
            ttl(Duration::from_millis(record.ttl_ms)),
            new_term.clone(),
            key(of),
            version(seen),
            Param::Number(seen.term.into()),
            session(seen),
            new_term,
        ])
    }

    /// Says the new version in the place of the last inserted id.
    pub(crate) fn renew(&self, renewal: &Renewal) -> Statement {
        self.renew.with([
            id(&renewal.id),
            value(renewal.value.as_ref()),
            ttl(renewal.ttl),
            ttl(renewal.ttl),
            key(&renewal.key),
            Param::Session(renewal.session),
            Param::Number(renewal.term.into()),
        ])
    }

    pub(crate) fn release(&self, release: &Release) -> Statement {
        self.release.with([key(&release.key), Param::Session(release.session)])
    }

    /// Takes the lease that was seen from its holder, if it is still as it was.
    pub(crate) fn revoke(&self, of: &Key, seen: &Record, record: &Record) -> Statement {
        self.revoke.with([
            Param::Number(record.term.into()),
            version(record),
            key(of),
            version(seen),
            Param::Number(seen.term.into()),
            session(seen),
        ])
    }
}

fn template(sql: &str, table: &str) -> Template {
    Template::new(sql, |piece| piece.replace("{clock}", CLOCK).replace("{table}", table))
}

fn key(key: &Key) -> Param {
    Param::Bytes(key.as_str().into())
}

fn id(id: &Id) -> Param {
    Param::Bytes(id.as_str().into())
}

fn value(value: Option<&Value>) -> Param {
    value.map_or(Param::Null, |value| Param::Bytes(value.as_str().into()))
}

fn session(record: &Record) -> Param {
    record.session.map_or(Param::Null, Param::Session)
}

fn version(record: &Record) -> Param {
    Param::Number(signed(record.version.get()))
}

fn ttl(ttl: Duration) -> Param {
    Param::Number(ttl_ms(ttl))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the documentation shows, and gives reasons for, is what runs.
    #[test]
    fn the_documentation_shows_what_runs() {
        let lines: Vec<_> = include_str!("lib.rs").lines().map_while(|line| line.strip_prefix("//!")).collect();
        let documented: Vec<_> = lines.iter().map(|line| line.strip_prefix(' ').unwrap_or(line)).collect();
        let documented = documented.join("\n");
        for sql in [CLOCK, LOOK, LIST, LOCK, CREATE, GRANT, RENEW, RELEASE, REVOKE] {
            let shown = sql.replace("{table}", "lessor_leases").replace("{clock}", "clock").replace("{keys}", "?, ..");
            assert!(documented.contains(&format!("```sql\n{shown}\n```")), "{shown}");
        }
    }

    #[test]
    fn a_page_begins_and_ends_with_its_prefix() {
        let key = |key| Key::new(key).unwrap();
        let statements = Statements::new("`t`");
        let bounds = |list: List| format!("{:?}", statements.list(&list));
        let bytes = |bytes: &[u8]| format!("{:?}", Param::Bytes(bytes.into()));
        for (list, from, end) in [
            (List::new(), &b""[..], &b"\xff"[..]),
            (List::new().prefix("a/"), b"a/", b"a/\xff"),
            (List::new().prefix("a/").start(Some(key("a/b"))), b"a/b", b"a/\xff"),
            (List::new().prefix("b/").start(Some(key("a"))), b"b/", b"b/\xff"),
        ] {
            let shown = bounds(list);
            let values = format!("[{}, {}, {:?}]", bytes(from), bytes(end), Param::Number(101));
            assert!(shown.contains(&values), "{shown}: {values}");
        }
    }
}
