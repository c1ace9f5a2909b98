//! The table and the only statements that touch it.

use std::collections::BTreeMap;

use lessor::Key;
use lessor::storage::{List, Page, Record};
use lessor_kit::encoding::{session_to_bytes, signed};
use lessor_kit::error::AdapterError;
use lessor_kit::name::checked;
use lessor_kit::row::Reading;
use rusqlite::{Connection, OptionalExtension, params};

use crate::row;

/// The table and the only statements that touch it.
#[derive(Clone, Debug)]
pub(crate) struct Table {
    pub(crate) name: String,
    pub(crate) create: String,
    pub(crate) select: String,
    select_from: String,
    upsert: String,
}

/// The outer error is the database's: all that was asked together failed. The inner one is that of one row.
pub(crate) type Read<T> = rusqlite::Result<Result<T, AdapterError>>;

/// Moves when a version that does not know it must not use the table. It stands in the table's text: `user_version` is the
/// database's, which may be your program's.
const LAYOUT: u32 = 1;

/// The layout that stands in a table's text.
fn layout(text: &str) -> Option<u32> {
    let (_, rest) = text.split_once("-- layout ")?;
    let digits = rest.split(|letter: char| !letter.is_ascii_digit()).next()?;
    // Too large for a number is newer, too.
    (!digits.is_empty()).then(|| digits.parse().unwrap_or(u32::MAX))
}

/// The machine's clock, in ms since 1970. SQLite counts in whole milliseconds and tells days in floating point:
/// rounding makes the milliseconds whole again. All of a statement sees the same time.
const NOW: &str = "CAST(round((julianday('now') - 2440587.5) * 86400000) AS INTEGER)";

impl Table {
    /// SQLite does not tell names apart by case, hence lower case only: two names that differ are two tables.
    pub(crate) fn new(name: &str) -> Result<Self, AdapterError> {
        let fits = |name: &str| {
            let first = name.bytes().next().is_some_and(|first| first.is_ascii_lowercase() || first == b'_');
            let rest = name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
            first && rest && name.len() <= 63 && !name.starts_with("sqlite_")
        };
        let allowed = "1 to 63 of a-z, 0-9 and _, not beginning with a digit or with sqlite_";
        checked("table", name, fits, allowed).map(|name| Self::named(&name))
    }

    pub(crate) fn standard() -> Self {
        Self::named("lessor_leases")
    }

    fn named(name: &str) -> Self {
        Self {
            name: name.into(),
            create: format!(
                "CREATE TABLE IF NOT EXISTS main.\"{name}\" ( -- layout {LAYOUT}
    key     TEXT    NOT NULL PRIMARY KEY,
    session BLOB,             -- 16 bytes, a secret; NULL: released, zeros: revoked, held by nobody until it ends
    id      TEXT    NOT NULL, -- the candidate's; after a release in favour of another, that one's
    term    INTEGER NOT NULL, -- 1 to 2^53 - 1, never falls
    version INTEGER NOT NULL, -- moves at every write
    ttl     INTEGER NOT NULL, -- ms
    expires INTEGER NOT NULL, -- ms since 1970, by this machine's clock; released: until when it is reserved
    since   INTEGER NOT NULL, -- likewise, when the term was granted
    value   TEXT
) STRICT, WITHOUT ROWID;"
            ),
            // One row in any case: the clock is read where the key has none, too.
            select: format!(
                "SELECT {NOW}, l.key, l.session, l.id, l.term, l.version, l.ttl, l.expires, l.since, l.value
                 FROM (SELECT 1) LEFT JOIN main.\"{name}\" AS l ON l.key = ?1"
            ),
            select_from: format!(
                "SELECT {NOW}, key, session, id, term, version, ttl, expires, since, value
                 FROM main.\"{name}\" WHERE key >= ?1 ORDER BY key"
            ),
            upsert: format!(
                "INSERT INTO main.\"{name}\" (key, session, id, term, version, ttl, expires, since, value)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
                 ON CONFLICT (key) DO UPDATE SET session = excluded.session, id = excluded.id,
                     term = excluded.term, version = excluded.version, ttl = excluded.ttl,
                     expires = excluded.expires, since = excluded.since, value = excluded.value"
            ),
        }
    }

    /// Whether this version knows how to use the table. SQLite keeps the text that a table was created with; where no layout
    /// stands in it, it is the first.
    ///
    /// The outer error is the database's.
    pub(crate) fn is_known(&self, connection: &Connection) -> rusqlite::Result<Result<(), AdapterError>> {
        let sql = "SELECT sql FROM main.sqlite_schema WHERE type = 'table' AND name = ?1";
        let text: Option<String> = connection.query_row(sql, [&self.name], |row| row.get(0)).optional()?.flatten();
        let layout = text.as_deref().and_then(layout).unwrap_or(1);
        if layout <= LAYOUT {
            return Ok(Ok(()));
        }
        let problem =
            format!("the table {} was made by a newer version of lessor-sqlite than this program has", self.name);
        let remedy = "update this program, or give it a table of its own";
        Ok(Err(AdapterError::wrong_setup("layout", layout.to_string(), problem, remedy)))
    }

    /// Reads clock and row together.
    pub(crate) fn read(&self, connection: &Connection, key: &str) -> Read<Reading> {
        connection.prepare_cached(&self.select)?.query_row([key], |row| row::reading(row, key))
    }

    /// Reads the rows of a page, as few as will do.
    pub(crate) fn list(&self, connection: &Connection, list: &List) -> Read<Page> {
        // SQLite compares texts by the bytes that they have in the file. In a database that keeps them as UTF-16 these
        // are others than a key's, and have another order: there all rows are read and put in order here.
        let encoding = |row: &rusqlite::Row<'_>| row.get::<_, String>(0);
        let in_order = connection.pragma_query_value(None, "encoding", encoding)? == "UTF-8";
        let from = list.start.as_ref().map_or("", Key::as_str).max(&list.prefix);
        let mut statement = connection.prepare_cached(&self.select_from)?;
        let mut rows = statement.query([if in_order { from } else { "" }])?;
        let mut leases = BTreeMap::new();
        while let Some(row) = rows.next()? {
            // What is no key is no election.
            let Some(key) = row::key(row)? else { continue };
            if key.as_str() < from {
                continue;
            }
            if !key.as_str().starts_with(&list.prefix) {
                if in_order { break } else { continue }
            }
            match row::reading(row, key.as_str())? {
                Ok(Reading { record, now_ms, .. }) => {
                    leases.extend(record.map(|record| (key, record.lease(now_ms))));
                }
                Err(unreadable) => return Ok(Err(unreadable)),
            }
            // One more than the page shows: the next page begins there.
            if in_order && leases.len() > list.page_size() {
                break;
            }
        }
        Ok(Ok(list.page(leases)))
    }

    pub(crate) fn write(&self, connection: &Connection, key: &Key, record: &Record) -> rusqlite::Result<()> {
        let session = record.session.map(session_to_bytes);
        let numbers = [record.term.get(), record.version.get(), record.ttl_ms, record.expires_ms, record.since_ms];
        let value = record.value.as_ref().map(lessor::Value::as_str);
        self.upsert(connection, key.as_str(), session, record.id.as_str(), numbers, value)
    }

    /// Writes a row and reads it back. Its key is empty, so it is no election's; roll it back.
    pub(crate) fn probe(&self, connection: &Connection) -> Read<Reading> {
        self.upsert(connection, "", Some([0; 16]), "check", [1; 5], Some("check"))?;
        self.read(connection, "")
    }

    fn upsert(
        &self,
        connection: &Connection,
        key: &str,
        session: Option<[u8; 16]>,
        id: &str,
        numbers: [u64; 5],
        value: Option<&str>,
    ) -> rusqlite::Result<()> {
        let [term, version, ttl, expires, since] = numbers.map(signed);
        let row = params![key, session, id, term, version, ttl, expires, since, value];
        connection.prepare_cached(&self.upsert)?.execute(row).map(|_| ())
    }
}
