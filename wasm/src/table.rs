//! The records of an object, as rows by key, and the changes of hands that there were.

use lessor::{Holder, Key, Record, Session, Term, Value, Version};
use serde::Serialize;
use worker::{Error, Result, SqlStorage, SqlStorageValue};

/// How many changes are kept of each key.
const KEPT: i64 = 100;

const TABLES: &str = "
CREATE TABLE IF NOT EXISTS lessor_records (
    key TEXT PRIMARY KEY, session TEXT, holder TEXT NOT NULL, term INTEGER NOT NULL, version INTEGER NOT NULL,
    ttl_ms INTEGER NOT NULL, expires_ms INTEGER NOT NULL, value TEXT
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS lessor_changes (
    number INTEGER PRIMARY KEY AUTOINCREMENT, key TEXT NOT NULL, at_ms INTEGER NOT NULL, change TEXT NOT NULL,
    id TEXT NOT NULL, term INTEGER NOT NULL
);
CREATE INDEX IF NOT EXISTS lessor_changes_of_key ON lessor_changes (key, number);";

/// What happened to a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Change {
    Granted,
    Released,
    Revoked,
}

impl Change {
    const fn word(self) -> &'static str {
        match self {
            Self::Granted => "granted",
            Self::Released => "released",
            Self::Revoked => "revoked",
        }
    }
}

/// A change of hands, as it is shown.
#[derive(Debug, Serialize)]
pub(crate) struct Entry {
    change: String,
    id: String,
    term: u64,
    ago_ms: u64,
}

pub(crate) struct Table(SqlStorage);

impl Table {
    pub(crate) fn open(sql: SqlStorage) -> Result<Self> {
        sql.exec(TABLES, None)?;
        Ok(Self(sql))
    }

    pub(crate) fn record(&self, key: &Key) -> Result<Option<Record>> {
        let query =
            "SELECT session, holder, term, version, ttl_ms, expires_ms, value FROM lessor_records WHERE key = ?";
        let row = self.0.exec(query, vec![key.as_str().to_owned().into()])?.raw().next().transpose()?;
        row.map(read).transpose()
    }

    pub(crate) fn write(&self, key: &Key, record: &Record) -> Result<()> {
        let query = "INSERT INTO lessor_records (key, session, holder, term, version, ttl_ms, expires_ms, value)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (key) DO UPDATE SET session = excluded.session, holder = excluded.holder,
            term = excluded.term, version = excluded.version, ttl_ms = excluded.ttl_ms, expires_ms = excluded.expires_ms,
            value = excluded.value";
        let session = record.session.map(|session| format!("{:032x}", session.to_bits()));
        let values = vec![
            key.as_str().to_owned().into(),
            text(session),
            record.holder.as_str().to_owned().into(),
            number(record.term.get())?,
            number(record.version.get())?,
            number(record.ttl_ms)?,
            number(record.expires_ms)?,
            text(record.value.as_ref().map(|value| value.as_str().to_owned())),
        ];
        self.0.exec(query, values).map(drop)
    }

    /// Takes note of a change of hands.
    pub(crate) fn note(&self, key: &Key, change: Change, record: &Record, now_ms: u64) -> Result<()> {
        let values = vec![
            key.as_str().to_owned().into(),
            number(now_ms)?,
            change.word().to_owned().into(),
            record.holder.as_str().to_owned().into(),
            number(record.term.get())?,
        ];
        let query = "INSERT INTO lessor_changes (key, at_ms, change, id, term) VALUES (?, ?, ?, ?, ?)";
        self.0.exec(query, values)?;
        let query =
            "DELETE FROM lessor_changes WHERE key = ?1 AND number <= (SELECT number FROM lessor_changes WHERE key = ?1
            ORDER BY number DESC LIMIT 1 OFFSET ?2)";
        self.0.exec(query, vec![key.as_str().to_owned().into(), SqlStorageValue::Integer(KEPT)]).map(drop)
    }

    /// The changes of hands of a key, newest first.
    pub(crate) fn history(&self, key: &Key, now_ms: u64) -> Result<Vec<Entry>> {
        let query = "SELECT change, id, term, at_ms FROM lessor_changes WHERE key = ? ORDER BY number DESC";
        let rows = self.0.exec(query, vec![key.as_str().to_owned().into()])?.raw();
        rows.map(|row| {
            let mut row = row?.into_iter();
            let (change, id) = (read_text(row.next())?, read_text(row.next())?);
            let (term, at_ms) = (read_number(row.next())?, read_number(row.next())?);
            Ok(Entry { change, id, term, ago_ms: now_ms.saturating_sub(at_ms) })
        })
        .collect()
    }
}

fn read(row: Vec<SqlStorageValue>) -> Result<Record> {
    let mut row = row.into_iter();
    let mut next = || row.next();
    let session = match next() {
        Some(SqlStorageValue::Null) => None,
        other => Some(u128::from_str_radix(&read_text(other)?, 16).map_err(|_| damaged("session"))?),
    };
    let holder = Holder::new(read_text(next())?).map_err(|_| damaged("holder"))?;
    let term = Term::new(read_number(next())?).ok_or_else(|| damaged("term"))?;
    let version = Version::new(read_number(next())?);
    let (ttl_ms, expires_ms) = (read_number(next())?, read_number(next())?);
    let value = match next() {
        Some(SqlStorageValue::Null) => None,
        other => Some(Value::new(read_text(other)?).map_err(|_| damaged("value"))?),
    };
    Ok(Record { session: session.map(Session::from_bits), holder, term, version, ttl_ms, expires_ms, value })
}

/// Numbers of JavaScript are exact up to here, and terms, versions and ms stay below.
fn number(number: u64) -> Result<SqlStorageValue> {
    let number = i64::try_from(number).map_err(|_| damaged("a number"))?;
    SqlStorageValue::try_from_i64(number)
}

fn text(text: Option<String>) -> SqlStorageValue {
    text.map_or(SqlStorageValue::Null, SqlStorageValue::from)
}

fn read_text(value: Option<SqlStorageValue>) -> Result<String> {
    if let Some(SqlStorageValue::String(text)) = value { Ok(text) } else { Err(damaged("a text")) }
}

fn read_number(value: Option<SqlStorageValue>) -> Result<u64> {
    let number = match value {
        Some(SqlStorageValue::Integer(number)) => u64::try_from(number).ok(),
        Some(SqlStorageValue::Float(number)) if (0.0..=MOST).contains(&number) => Some(number as u64),
        _ => None,
    };
    number.ok_or_else(|| damaged("a number"))
}

const MOST: f64 = 9_007_199_254_740_991.0;

fn damaged(what: &str) -> Error {
    Error::RustError(format!("a row of lessor_records has no valid {what}"))
}
