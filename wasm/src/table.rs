//! The records of an object, as rows by key, and the changes of hands that there were.

use std::cell::Cell;

use js_sys::JsString;
use lessor::storage::{Record, Session, Version};
use lessor::{Id, Key, Term, Value};
use lessor_service::{Change, Entry, News};
use wasm_bindgen::prelude::*;

use crate::sql::{Result, Row, Sql, damaged, number};

/// How many changes are kept of each key.
const KEPT: u64 = 100;

/// How many changes are told at a time.
const TOLD: u64 = 100;

const TABLES: &str = "
CREATE TABLE IF NOT EXISTS lessor_records (
    key TEXT PRIMARY KEY, session TEXT, id TEXT NOT NULL, term INTEGER NOT NULL, version INTEGER NOT NULL,
    ttl_ms INTEGER NOT NULL, expires_ms INTEGER NOT NULL, since_ms INTEGER NOT NULL, value TEXT
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS lessor_changes (
    number INTEGER PRIMARY KEY AUTOINCREMENT, key TEXT NOT NULL, at_ms INTEGER NOT NULL, change TEXT NOT NULL,
    id TEXT NOT NULL, term INTEGER NOT NULL
);
CREATE INDEX IF NOT EXISTS lessor_changes_of_key ON lessor_changes (key, number);
CREATE TABLE IF NOT EXISTS lessor_told (one INTEGER PRIMARY KEY CHECK (one = 1), number INTEGER NOT NULL);
INSERT OR IGNORE INTO lessor_told VALUES (1, 0);";

/// Made by who first marks something: few do.
const MARKS: &str = "
CREATE TABLE IF NOT EXISTS lessor_marks (key TEXT, name TEXT, at_ms INTEGER NOT NULL, PRIMARY KEY (key, name)) WITHOUT ROWID;";

/// Made at the first write: to look at a key that nobody ever used costs none.
#[derive(Debug)]
pub(crate) struct Table {
    sql: Sql,
    made: Cell<bool>,
}

/// A panic leaves nothing half done here: whether the tables are made only ever becomes true, after they are.
impl core::panic::RefUnwindSafe for Table {}

impl Table {
    pub(crate) fn open(sql: Sql) -> Result<Self> {
        let made = sql.rows("SELECT name FROM sqlite_master WHERE name = 'lessor_told'", Vec::new())?.next().is_some();
        Ok(Self { sql, made: Cell::new(made) })
    }

    fn rows(&self, query: &str, values: Vec<JsValue>) -> Result<impl Iterator<Item = Row>> {
        // Also the look at storage that an instance which was superseded fails at.
        let (query, values) = if self.made.get() { (query, values) } else { ("SELECT 1 LIMIT 0", Vec::new()) };
        self.sql.rows(query, values)
    }

    fn run(&self, query: &str, values: Vec<JsValue>) -> Result<()> {
        self.make()?;
        self.sql.run(query, values)
    }

    fn make(&self) -> Result<()> {
        if !self.made.get() {
            self.sql.run(TABLES, Vec::new())?;
            self.made.set(true);
        }
        Ok(())
    }

    pub(crate) fn record(&self, key: &Key) -> Result<Option<Record>> {
        if !self.made.get() {
            self.rows("", Vec::new()).map(drop)?;
            return Ok(None);
        }
        let row = READ.with(|query| self.sql.text(query, key.as_str()))?;
        row.as_deref().map(read).transpose()
    }

    pub(crate) fn write(&self, key: &Key, record: &Record) -> Result<()> {
        self.make()?;
        WRITE.with(|query| self.sql.write(query, key.as_str(), record))
    }

    /// Takes note of a change of hands.
    pub(crate) fn note(&self, key: &Key, change: Change, id: &Id, term: Term, now_ms: u64) -> Result<()> {
        let query = "INSERT INTO lessor_changes (key, at_ms, change, id, term) VALUES (?, ?, ?, ?, ?)";
        let (id, term) = (id.as_str().into(), number(term.get())?);
        self.run(query, vec![key.as_str().into(), number(now_ms)?, change.word().into(), id, term])?;
        let query =
            "DELETE FROM lessor_changes WHERE key = ?1 AND number <= (SELECT number FROM lessor_changes WHERE key = ?1
            ORDER BY number DESC LIMIT 1 OFFSET ?2)";
        self.run(query, vec![key.as_str().into(), number(KEPT)?])
    }

    /// Forgets the changes of hands of a key, and its marks.
    pub(crate) fn forget(&self, key: &Key) -> Result<()> {
        self.run("DELETE FROM lessor_changes WHERE key = ?", vec![key.as_str().into()])?;
        self.run(MARKS, Vec::new())?;
        self.run("DELETE FROM lessor_marks WHERE key = ?", vec![key.as_str().into()])
    }

    /// Up to when what this name stands for is done: 0 at first.
    pub(crate) fn mark(&self, key: &Key, name: &str) -> Result<u64> {
        self.run(MARKS, Vec::new())?;
        let query = "SELECT at_ms FROM lessor_marks WHERE key = ? AND name = ?";
        let mut rows = self.rows(query, vec![key.as_str().into(), name.into()])?;
        rows.next().map_or(Ok(0), |mut row| row.number())
    }

    /// All of it is done up to then.
    pub(crate) fn set_mark(&self, key: &Key, name: &str, at_ms: u64) -> Result<()> {
        let query = "INSERT OR REPLACE INTO lessor_marks VALUES (?, ?, ?)";
        self.run(query, vec![key.as_str().into(), name.into(), number(at_ms)?])
    }

    /// Takes note of the leases that have expired.
    pub(crate) fn expire(&self, now_ms: u64) -> Result<()> {
        let query = "SELECT key FROM lessor_records AS record WHERE session IS NOT NULL AND expires_ms <= ? AND
            (SELECT change FROM lessor_changes WHERE key = record.key ORDER BY number DESC LIMIT 1) = 'granted'";
        for mut row in self.rows(query, vec![number(now_ms)?])? {
            let key = Key::new(row.text()?).map_err(|_| damaged("key"))?;
            if let Some(record) = self.record(&key)? {
                self.note(&key, Change::Expired, &record.id, record.term, now_ms)?;
            }
        }
        Ok(())
    }

    /// When the next lease expires.
    pub(crate) fn due_ms(&self, now_ms: u64) -> Result<Option<u64>> {
        let query = "SELECT expires_ms FROM lessor_records WHERE session IS NOT NULL AND expires_ms > ? ORDER BY expires_ms LIMIT 1";
        self.rows(query, vec![number(now_ms)?])?.next().map(|mut row| row.number()).transpose()
    }

    /// The changes of hands of a key, newest first.
    pub(crate) fn history(&self, key: &Key, now_ms: u64) -> Result<Vec<Entry>> {
        let query = "SELECT change, id, term, at_ms FROM lessor_changes WHERE key = ? ORDER BY number DESC";
        let rows = self.rows(query, vec![key.as_str().into()])?;
        rows.map(|mut row| {
            let (change, id) = (row.text()?, row.text()?);
            let (term, at_ms) = (row.number()?, row.number()?);
            Ok(Entry { change, id, term, ago_ms: now_ms.saturating_sub(at_ms) })
        })
        .collect()
    }

    /// The oldest changes that have not been told yet, and the number of the last one of them.
    pub(crate) fn news(&self, now_ms: u64) -> Result<Option<(Vec<News>, u64)>> {
        let query = "SELECT number, key, change, id, term, at_ms FROM lessor_changes
            WHERE number > (SELECT number FROM lessor_told) ORDER BY number LIMIT ?";
        let (mut news, mut last) = (Vec::new(), None);
        for mut row in self.rows(query, vec![number(TOLD)?])? {
            last = Some(row.number()?);
            let key = Key::new(row.text()?).map_err(|_| damaged("key"))?;
            let (change, id) = (row.text()?, row.text()?);
            let (term, at_ms) = (row.number()?, row.number()?);
            let lease = self.record(&key)?.map(|record| record.lease(now_ms));
            news.push(News { key, change, id, term, ago_ms: now_ms.saturating_sub(at_ms), lease });
        }
        Ok(last.map(|last| (news, last)))
    }

    /// The changes up to this number have been told.
    pub(crate) fn told(&self, last: u64) -> Result<()> {
        self.run("UPDATE lessor_told SET number = ?1 WHERE number < ?1", vec![number(last)?])
    }
}

thread_local! {
    /// A whole row as one text, its parts divided by what no name and no value contains.
    static READ: JsString = JsString::from(
        "SELECT coalesce(session, '') || char(10) || id || char(10) || term || char(10) || version
        || char(10) || ttl_ms || char(10) || expires_ms || char(10) || since_ms || char(10) || coalesce('v' || value, '')
        FROM lessor_records WHERE key = ?",
    );

    static WRITE: JsString = JsString::from(
        "INSERT INTO lessor_records VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) ON CONFLICT (key) DO UPDATE SET
        session = ?2, id = ?3, term = ?4, version = ?5, ttl_ms = ?6, expires_ms = ?7, since_ms = ?8, value = ?9",
    );
}

fn read(row: &str) -> Result<Record> {
    let mut parts = row.split('\n');
    let mut part = |what| parts.next().ok_or_else(|| damaged(what));
    let session = part("session")?;
    let session = (!session.is_empty()).then(|| u128::from_str_radix(session, 16).map_err(|_| damaged("session")));
    let id = Id::new(part("id")?).map_err(|_| damaged("id"))?;
    let mut number = |what| part(what)?.parse::<u64>().map_err(|_| damaged(what));
    let term = Term::new(number("term")?).ok_or_else(|| damaged("term"))?;
    let version = Version::new(number("version")?);
    let (ttl_ms, expires_ms, since_ms) = (number("ttl_ms")?, number("expires_ms")?, number("since_ms")?);
    let value = part("value")?.strip_prefix('v').map(|value| Value::new(value).map_err(|_| damaged("value")));
    let session = session.transpose()?.map(Session::from_bits);
    let mut record = Record::restore(session, id, term, version, ttl_ms, expires_ms);
    (record.since_ms, record.value) = (since_ms, value.transpose()?);
    Ok(record)
}
