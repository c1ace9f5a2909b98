use alloc::format;
use alloc::string::{String, ToString};

use rusqlite::types::ValueRef;
use rusqlite::{Connection, Row, params};

use super::error::{InvalidTable, UnreadableRow};
use crate::lease::{Holder, Key, Session, Term, Value, Version};
use crate::record::Record;

/// The table and the only statements that touch it.
#[derive(Clone, Debug)]
pub(super) struct Table {
    pub(super) name: String,
    pub(super) create: String,
    select: String,
    upsert: String,
}

/// What one statement saw: the row, and the storage's clock.
#[derive(Debug)]
pub(super) struct Reading {
    pub(super) record: Option<Record>,
    pub(super) now_ms: u64,
}

impl Table {
    /// SQLite does not tell names apart by case, hence lower case only: two names that differ are two tables.
    pub(super) fn new(name: &str) -> Result<Self, InvalidTable> {
        let first = name.bytes().next().is_some_and(|first| first.is_ascii_lowercase() || first == b'_');
        let rest = name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
        if !first || !rest || name.len() > 63 || name.starts_with("sqlite_") {
            return Err(InvalidTable { given: name.chars().take(80).collect() });
        }
        Ok(Self::named(name))
    }

    pub(super) fn standard() -> Self {
        Self::named("lessor_leases")
    }

    fn named(name: &str) -> Self {
        Self {
            name: name.into(),
            create: format!(
                "CREATE TABLE IF NOT EXISTS main.\"{name}\" (
    key     TEXT    NOT NULL PRIMARY KEY,
    session BLOB,             -- 16 bytes, a secret; NULL: released
    holder  TEXT    NOT NULL, -- the candidate's id
    term    INTEGER NOT NULL, -- 1 to 2^53 - 1, never falls
    version INTEGER NOT NULL, -- moves at every write
    ttl     INTEGER NOT NULL, -- ms
    expires INTEGER NOT NULL, -- ms since 1970, by this machine's clock
    value   TEXT
) STRICT, WITHOUT ROWID;"
            ),
            // The clock gives whole milliseconds as seconds in floating point; rounding makes them whole again.
            select: format!(
                "SELECT CAST(round(unixepoch('subsec') * 1000) AS INTEGER),
                        l.key IS NOT NULL, l.session, l.holder, l.term, l.version, l.ttl, l.expires, l.value
                 FROM (SELECT 1) LEFT JOIN main.\"{name}\" AS l ON l.key = ?1"
            ),
            upsert: format!(
                "INSERT INTO main.\"{name}\" (key, session, holder, term, version, ttl, expires, value)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
                 ON CONFLICT (key) DO UPDATE SET session = excluded.session, holder = excluded.holder,
                     term = excluded.term, version = excluded.version, ttl = excluded.ttl,
                     expires = excluded.expires, value = excluded.value"
            ),
        }
    }

    /// Reads clock and row together.
    pub(super) fn read(&self, connection: &Connection, key: &str) -> Read<Reading> {
        connection.prepare_cached(&self.select)?.query_row([key], |row| Columns { row, key }.reading())
    }

    pub(super) fn write(&self, connection: &Connection, key: &Key, record: &Record) -> rusqlite::Result<()> {
        let session = record.session.map(|session| session.to_bits().to_be_bytes());
        let numbers = [record.term.get(), record.version.get(), record.ttl_ms, record.expires_ms];
        let value = record.value.as_ref().map(Value::as_str);
        self.upsert(connection, key.as_str(), session, record.holder.as_str(), numbers, value)
    }

    /// Writes a row and reads it back. Its key is empty, so it is no election's; roll it back.
    pub(super) fn probe(&self, connection: &Connection) -> Read<Reading> {
        self.upsert(connection, "", Some([0; 16]), "check", [1; 4], Some("check"))?;
        self.read(connection, "")
    }

    fn upsert(
        &self,
        connection: &Connection,
        key: &str,
        session: Option<[u8; 16]>,
        holder: &str,
        numbers: [u64; 4],
        value: Option<&str>,
    ) -> rusqlite::Result<()> {
        let [term, version, ttl, expires] = numbers.map(integer);
        let row = params![key, session, holder, term, version, ttl, expires, value];
        connection.prepare_cached(&self.upsert)?.execute(row).map(|_| ())
    }
}

/// The largest that the column can hold stands for everything beyond: 292 million years, or as many writes.
fn integer(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A row under suspicion: another program may have written it.
struct Columns<'a> {
    row: &'a Row<'a>,
    key: &'a str,
}

/// The outer error is the database's, the inner one this row's.
pub(super) type Read<T> = rusqlite::Result<Result<T, UnreadableRow>>;

/// `?` for the inner of the two results.
macro_rules! readable {
    ($read:expr) => {
        match $read? {
            Ok(value) => value,
            Err(unreadable) => return Ok(Err(unreadable)),
        }
    };
}

impl Columns<'_> {
    fn reading(&self) -> Read<Reading> {
        let now_ms = readable!(self.number(0, "(the machine's clock)"));
        if !self.row.get::<_, bool>(1)? {
            return Ok(Ok(Reading { record: None, now_ms }));
        }
        let session = |value: ValueRef<'_>| match value {
            ValueRef::Null => Some(None),
            ValueRef::Blob(bytes) => Some(Some(Session::from_bits(u128::from_be_bytes(bytes.try_into().ok()?)))),
            _ => None,
        };
        let value = |value: ValueRef<'_>| match value {
            ValueRef::Null => Some(None),
            value => Value::new(value.as_str().ok()?).ok().map(Some),
        };
        let record = Record {
            session: readable!(self.column(2, "session", "16 bytes or NULL", session)),
            holder: readable!(self.column(3, "holder", "a candidate's id", |id| Holder::new(id.as_str().ok()?).ok())),
            term: readable!(self.column(4, "term", "1 to 2^53 - 1", |term| Term::new(unsigned(term)?))),
            version: Version::new(readable!(self.number(5, "version"))),
            ttl_ms: readable!(self.number(6, "ttl")),
            expires_ms: readable!(self.number(7, "expires")),
            value: readable!(self.column(8, "value", "a published value or NULL", value)),
        };
        Ok(Ok(Reading { record: Some(record), now_ms }))
    }

    fn number(&self, index: usize, column: &'static str) -> Read<u64> {
        self.column(index, column, "a whole number of at least 0", unsigned)
    }

    fn column<T>(
        &self,
        index: usize,
        column: &'static str,
        expected: &'static str,
        parse: impl FnOnce(ValueRef<'_>) -> Option<T>,
    ) -> Read<T> {
        let value = self.row.get_ref(index)?;
        Ok(parse(value).ok_or_else(|| UnreadableRow { key: self.key.into(), column, found: describe(value), expected }))
    }
}

fn unsigned(value: ValueRef<'_>) -> Option<u64> {
    u64::try_from(value.as_i64().ok()?).ok()
}

/// Never the bytes of a blob: they may be a session.
fn describe(value: ValueRef<'_>) -> String {
    match value {
        ValueRef::Null => "NULL".to_string(),
        ValueRef::Integer(number) => number.to_string(),
        ValueRef::Real(number) => number.to_string(),
        ValueRef::Text(text) => format!("a text of {} bytes", text.len()),
        ValueRef::Blob(bytes) => format!("a blob of {} bytes", bytes.len()),
    }
}
