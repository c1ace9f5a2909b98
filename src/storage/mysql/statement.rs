//! The statements: each for one row, and what goes into it.

use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt::Write as _;
use core::time::Duration;

use sqlx::mysql::MySqlArguments;
use sqlx::query::Query;
use sqlx::{AssertSqlSafe, MySql};

use crate::lease::{Key, Session, Term, Value, Version};
use crate::record::{Claim, Record};
use crate::storage::sql::ttl_ms;

/// The server's clock when it is asked, in whole ms since 1970.
///
/// `UTC_TIMESTAMP` is when the statement began. What has passed since then, in a wait for a lock say, is the difference
/// of two local times, in any time zone; where the local time is set meanwhile, it does not count.
pub(super) const CLOCK: &str = "((TIMESTAMPDIFF(MICROSECOND, '1970-01-01', UTC_TIMESTAMP(6)) \
    + IF(TIMESTAMPDIFF(MICROSECOND, NOW(6), SYSDATE(6)) BETWEEN 0 AND 600000000, \
    TIMESTAMPDIFF(MICROSECOND, NOW(6), SYSDATE(6)), 0)) DIV 1000)";

/// Stands for a value in the texts here. No name has it.
const PLACE: char = '\u{1}';

/// Where a batch finds its sessions, as bytes: they are sent apart from its text, which is logged if it is slow.
pub(super) const SESSIONS: &str = "SET @lessor_sessions = CAST(? AS BINARY)";

/// The texts for one table.
#[derive(Clone, Debug)]
pub(super) struct Statements {
    look: String,
    create: Arc<str>,
    grant: Arc<str>,
    renew: Arc<str>,
    release: Arc<str>,
    lock: String,
}

impl Statements {
    pub(super) fn new(table: &str) -> Self {
        let look = format!(
            "SELECT l.`key`, l.session, CAST(l.holder AS BINARY) AS holder, l.term, l.version, l.ttl, l.expires,
    CAST(l.value AS BINARY) AS value, {CLOCK} AS now, @@autocommit AS autocommit
FROM {table} AS l WHERE l.`key` "
        );
        let create = format!(
            "INSERT INTO {table} (`key`, session, holder, term, version, ttl, expires, value)
SELECT CAST(? AS BINARY), CAST(? AS BINARY), CONVERT(CAST(? AS BINARY) USING utf8mb4), ?, ?, ?,
    {CLOCK} + ?, CONVERT(CAST(? AS BINARY) USING utf8mb4)
FROM DUAL WHERE @@autocommit = 1"
        );
        let grant = format!(
            "UPDATE {table} AS l SET
    l.session = ?, l.holder = CONVERT(CAST(? AS BINARY) USING utf8mb4),
    l.value = CONVERT(CAST(? AS BINARY) USING utf8mb4),
    l.term = ?, l.version = ?, l.ttl = ?, l.expires = {CLOCK} + ?
WHERE l.`key` = ? AND l.version = ? AND l.term = ? AND l.session <=> ? AND (? OR l.expires > {CLOCK})
    AND @@autocommit = 1"
        );
        let kept = format!("GREATEST(?, LEAST(l.expires - {CLOCK}, l.ttl))");
        let renew = format!(
            "UPDATE {table} AS l SET
    l.holder = CONVERT(CAST(? AS BINARY) USING utf8mb4),
    l.value = CONVERT(CAST(? AS BINARY) USING utf8mb4),
    l.version = LAST_INSERT_ID(l.version + 1), l.ttl = {kept},
    l.expires = {CLOCK} + {kept}
WHERE l.`key` = ? AND l.session = ? AND l.term = ? AND l.expires > {CLOCK} AND @@autocommit = 1"
        );
        let release = format!(
            "UPDATE {table} AS l SET l.session = NULL, l.version = l.version + 1
WHERE l.`key` = ? AND l.session = ? AND @@autocommit = 1"
        );
        let lock = format!("SELECT COUNT(*) FROM {table} FORCE INDEX (PRIMARY) WHERE `key` ");
        // A name may have a question mark, and so has what is written before it is known which it is.
        let place = |text: String| -> Arc<str> {
            let parts: Vec<_> = text.split(table).map(|part| part.replace('?', "\u{1}")).collect();
            parts.join(table).into()
        };
        let (create, grant, renew, release) = (place(create), place(grant), place(renew), place(release));
        Self { look, create, grant, renew, release, lock }
    }

    /// What is seen of the keys. It locks nothing.
    pub(super) fn look(&self, keys: &[&Key]) -> Statement {
        let places: Vec<_> = keys.iter().map(|_| "\u{1}").collect();
        let text = format!("{}IN ({})", self.look, places.join(", "));
        Statement { text: text.into(), values: keys.iter().map(|of| key(of)).collect() }
    }

    /// Locks the rows, or fails at once.
    pub(super) fn lock<'k>(&self, keys: impl Iterator<Item = &'k Key>, out: &mut String) {
        out.push_str(&self.lock);
        let mut before = "IN (";
        for of in keys {
            out.push_str(before);
            hex(of.as_str().as_bytes(), out);
            before = ", ";
        }
        out.push_str(") FOR UPDATE NOWAIT");
    }

    /// The first record of a key.
    pub(super) fn create(&self, of: &Key, record: &Record) -> Statement {
        let ttl = Part::Number(ttl_ms(Duration::from_millis(record.ttl_ms)));
        Statement {
            text: self.create.clone(),
            values: [
                key(of),
                record.session.map_or(Part::Null, Part::Session),
                text(record.holder.as_str()),
                term(record.term),
                version(record.version),
                ttl.clone(),
                ttl,
                value(record.value.as_ref()),
            ]
            .into(),
        }
    }

    /// The record in the place of the one that was seen, if that is still there. `live`: and if it has not expired.
    pub(super) fn grant(&self, of: &Key, seen: &Record, record: &Record, live: bool) -> Statement {
        let ttl = Part::Number(ttl_ms(Duration::from_millis(record.ttl_ms)));
        Statement {
            text: self.grant.clone(),
            values: [
                record.session.map_or(Part::Null, Part::Session),
                text(record.holder.as_str()),
                value(record.value.as_ref()),
                term(record.term),
                version(record.version),
                ttl.clone(),
                ttl,
                key(of),
                version(seen.version),
                term(seen.term),
                seen.session.map_or(Part::Null, Part::Session),
                Part::Number(i64::from(!live)),
            ]
            .into(),
        }
    }

    /// Says the new version in the place of the last inserted id.
    pub(super) fn renew(&self, claim: &Claim, of: Term) -> Statement {
        let ttl = Part::Number(ttl_ms(claim.ttl));
        Statement {
            text: self.renew.clone(),
            values: [
                text(claim.holder.as_str()),
                value(claim.value.as_ref()),
                ttl.clone(),
                ttl,
                key(&claim.key),
                Part::Session(claim.session),
                term(of),
            ]
            .into(),
        }
    }

    pub(super) fn release(&self, of: &Key, session: Session) -> Statement {
        Statement { text: self.release.clone(), values: [key(of), Part::Session(session)].into() }
    }
}

/// A text and what belongs in its places.
#[derive(Clone, Debug)]
pub(super) struct Statement {
    text: Arc<str>,
    values: Vec<Part>,
}

#[derive(Clone, Debug)]
enum Part {
    Bytes(Vec<u8>),
    Number(i64),
    Session(Session),
    Null,
}

fn key(key: &Key) -> Part {
    Part::Bytes(key.as_str().as_bytes().into())
}

fn text(text: &str) -> Part {
    Part::Bytes(text.as_bytes().into())
}

fn value(value: Option<&Value>) -> Part {
    value.map_or(Part::Null, |value| text(value.as_str()))
}

fn term(term: Term) -> Part {
    Part::Number(term.into())
}

fn version(version: Version) -> Part {
    number(version.get())
}

/// Of those that the column takes.
fn number(number: u64) -> Part {
    Part::Number(i64::try_from(number).unwrap_or(i64::MAX))
}

pub(super) fn bytes(session: Session) -> [u8; 16] {
    session.to_bits().to_be_bytes()
}

impl Statement {
    /// To be prepared, with what belongs in its places apart from it.
    pub(super) fn prepared(&self) -> Query<'static, MySql, MySqlArguments> {
        let query = sqlx::query(AssertSqlSafe(self.text.replace(PLACE, "?")));
        self.values.iter().fold(query, |query, value| match value {
            Part::Bytes(bytes) => query.bind(bytes.clone()),
            Part::Number(number) => query.bind(*number),
            Part::Session(session) => query.bind(Vec::from(bytes(*session))),
            Part::Null => query.bind(None::<Vec<u8>>),
        })
    }

    /// As part of a text of several: bytes in hexadecimal, which mean the same in every `sql_mode` and character set.
    /// Sessions are put aside, for [`SESSIONS`].
    pub(super) fn inline(&self, out: &mut String, sessions: &mut Vec<u8>) {
        let mut values = self.values.iter();
        for (number, text) in self.text.split(PLACE).enumerate() {
            if number > 0 {
                match values.next() {
                    Some(Part::Bytes(bytes)) => hex(bytes, out),
                    Some(Part::Number(number)) => {
                        let _ = write!(out, "{number}");
                    }
                    Some(Part::Session(session)) => {
                        let _ = write!(out, "SUBSTRING(@lessor_sessions, {}, 16)", sessions.len() + 1);
                        sessions.extend(bytes(*session));
                    }
                    Some(Part::Null) | None => out.push_str("NULL"),
                }
            }
            out.push_str(text);
        }
    }

    /// About how long it gets.
    pub(super) fn size(&self) -> usize {
        let value = |value: &Part| if let Part::Bytes(bytes) = value { 2 * bytes.len() } else { 40 };
        self.text.len() + self.values.iter().map(value).sum::<usize>()
    }
}

fn hex(bytes: &[u8], out: &mut String) {
    out.push_str("x'");
    for byte in bytes {
        let _ = write!(out, "{byte:02x}");
    }
    out.push('\'');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lease::{Holder, Key};
    use crate::record::Takeover;
    use core::time::Duration;

    fn claim() -> Claim {
        Claim {
            key: Key::new("k'?").unwrap(),
            holder: Holder::new("h?").unwrap(),
            session: Session::from_bits(7),
            ttl: Duration::from_secs(1),
            value: None,
            after: None,
            takeover: Takeover::Expired,
        }
    }

    /// A question mark in a name is no place, and a session does not get into the text of a batch.
    #[test]
    fn places() {
        let statements = Statements::new("`why?`.`t`");
        let statement = statements.renew(&claim(), Term::FIRST);
        assert_eq!(statement.text.matches(PLACE).count(), statement.values.len());
        let (mut text, mut sessions) = (String::new(), Vec::new());
        statement.inline(&mut text, &mut sessions);
        assert!(text.starts_with("UPDATE `why?`.`t` AS l SET"), "{text}");
        assert!(text.contains("l.`key` = x'6b273f' AND l.session = SUBSTRING(@lessor_sessions, 1, 16)"), "{text}");
        assert_eq!(text.matches('?').count(), 1, "{text}");
        assert_eq!(sessions, bytes(Session::from_bits(7)));
        for statement in [statements.release(&claim().key, claim().session), statements.look(&[&claim().key])] {
            assert_eq!(statement.text.matches(PLACE).count(), statement.values.len());
        }
    }

    /// What the documentation shows, and gives reasons for, is what runs.
    #[test]
    fn the_documentation_shows_what_runs() {
        let lines: Vec<_> = include_str!("../mysql.rs").lines().map_while(|line| line.strip_prefix("//!")).collect();
        let documented: Vec<_> = lines.iter().map(|line| line.strip_prefix(' ').unwrap_or(line)).collect();
        let documented = documented.join("\n");
        assert!(documented.contains(&CLOCK.replace(" + IF", "\n + IF").replace(", TIME", ",\n TIME")), "{CLOCK}");
        let statements = Statements::new("lessor_leases");
        for statement in [statements.create, statements.grant, statements.renew, statements.release] {
            let shown = statement.replace(CLOCK, "clock").replace(PLACE, "?");
            assert!(documented.contains(&format!("```sql\n{shown}\n```")), "{shown}");
        }
    }
}
