//! The half of `WatchObject` that decides: which sockets want to know of which keys, and all keys that there are.

use js_sys::Array;
use lessor::Key;
use lessor::storage::{Get, List, Request};
use lessor_service::{
    Failure, Heard, Kind, Layout, Looker, Looking, Owner, Patterns, STATES, Said, json, too_many_keys, too_many_watched,
};
use lessor_wire::{Problem, WireList, WireRequest};
use wasm_bindgen::prelude::*;

use crate::sql::{Result, Sql, exception, number, optional};

const TABLES: &str = "
CREATE TABLE IF NOT EXISTS lessor_layout (one INTEGER PRIMARY KEY CHECK (one = 1), layout TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS lessor_keys (key TEXT PRIMARY KEY, owner TEXT NOT NULL) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS lessor_keys_of_owner ON lessor_keys (owner);
CREATE TABLE IF NOT EXISTS lessor_watching (
    prefix INTEGER NOT NULL, pattern TEXT NOT NULL, socket TEXT NOT NULL, PRIMARY KEY (prefix, pattern, socket)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS lessor_watching_of_socket ON lessor_watching (socket);";

/// How many keys begin so; no more than are looked up.
const COUNT_WITHIN: &str = "SELECT count(*) FROM (SELECT 1 FROM lessor_keys WHERE key >= ?1
    AND key < ?1 || CAST(x'FF' AS TEXT) LIMIT 501)";

/// Who watches what. The answers are for `objects.js`.
#[wasm_bindgen]
#[derive(Debug)]
pub struct Watchers {
    sql: Sql,
    layout: Layout,
    used: Looking,
}

#[wasm_bindgen]
impl Watchers {
    /// Over the object's storage.
    ///
    /// # Errors
    /// An exception of the storage.
    #[wasm_bindgen(constructor)]
    pub fn new(sql: Sql, shards: Option<String>) -> Result<Self> {
        sql.run(TABLES, Vec::new())?;
        let layout = Layout::read(shards.as_deref()).map_err(exception)?;
        Ok(Self { sql, layout, used: Looking::default() })
    }

    /// How keys are spread over objects.
    #[must_use]
    pub fn layout(&self) -> String {
        self.layout.name()
    }

    /// Admits keys that are used for the first time, all or none, and lists them: nothing, or a problem in JSON. `owner` is whose they
    /// are, and how many keys that may have; without one nothing is counted.
    ///
    /// # Errors
    /// An exception of the storage.
    pub fn admit(&self, keys: Vec<String>, owner: &str) -> Result<String> {
        if let Some(problem) = self.other_layout()? {
            return text(&problem);
        }
        let Owner { name, keys: most, .. } = Owner::read(owner);
        let listed = |key: &String| self.count("SELECT count(*) FROM lessor_keys WHERE key = ?", key);
        let mut new = 0;
        for key in &keys {
            new += 1 - listed(key)?;
        }
        let owned = self.count("SELECT count(*) FROM lessor_keys WHERE owner = ?", name)?;
        if let Some(most) = most
            && new > 0
            && owned + new > most
        {
            return text(&too_many_keys(owned, most));
        }
        for key in keys {
            self.sql.run("INSERT OR IGNORE INTO lessor_keys VALUES (?, ?)", vec![key.into(), name.into()])?;
        }
        Ok(String::new())
    }

    /// Lists a key no more.
    ///
    /// # Errors
    /// An exception of the storage.
    pub fn drop_key(&self, key: &str) -> Result<()> {
        self.sql.run("DELETE FROM lessor_keys WHERE key = ?", vec![key.into()])
    }

    /// Forgets all sockets but these, a list in JSON.
    ///
    /// # Errors
    /// An exception of the storage.
    pub fn keep(&self, sockets: &str) -> Result<()> {
        let query = "DELETE FROM lessor_watching WHERE socket NOT IN (SELECT value FROM json_each(?))";
        self.sql.run(query, vec![sockets.into()])
    }

    /// Forgets a socket.
    ///
    /// # Errors
    /// An exception of the storage.
    pub fn forget(&self, socket: &str) -> Result<()> {
        self.sql.run("DELETE FROM lessor_watching WHERE socket = ?", vec![socket.into()])
    }

    /// Takes what a client said on its socket: what to answer it; what instead, if an object does not answer; and which
    /// objects to ask for states, which come before.
    ///
    /// # Errors
    /// An exception of the storage.
    pub fn hear(&self, now_ms: f64, socket: &str, looker: &str, text: &str) -> Result<Array> {
        let looker = Looker::read(looker);
        match self.used.hear(&looker, text, now_ms) {
            Err(failure) => Ok(Array::of1(&said(&Said::Failed(failure)))),
            Ok(Heard::Unwatch(patterns)) => {
                let query = "DELETE FROM lessor_watching WHERE prefix = ? AND pattern = ? AND socket = ?";
                self.each(&patterns, socket, query)?;
                Ok(Array::of1(&said(&Said::Unwatched { number: patterns.number })))
            }
            Ok(Heard::Watch(patterns)) => self.watch(socket, patterns, &looker, now_ms),
        }
    }

    /// Takes news, keys and changes in turn: sockets, and the places of the changes that they are to hear, in turn.
    ///
    /// # Errors
    /// An exception of the storage.
    pub fn spread(&self, news: &Array) -> Result<Array> {
        let told = Array::new();
        for place in (0..news.length()).step_by(2) {
            let key = news.get(place);
            // Nearly always it is listed: but not if this object is younger than the key.
            self.sql.run("INSERT OR IGNORE INTO lessor_keys VALUES (?, '')", vec![key.clone()])?;
            // Each beginning of the key is looked up: how many others are watched does not matter.
            let query =
                "WITH RECURSIVE lengths (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM lengths WHERE n < length(?1))
                SELECT socket FROM lessor_watching WHERE prefix = 0 AND pattern = ?1 UNION
                SELECT socket FROM lengths CROSS JOIN lessor_watching ON prefix = 1 AND pattern = substr(?1, 1, n)";
            for mut row in self.sql.rows(query, vec![key])? {
                told.push(&row.text()?.into());
                told.push(&(place + 1).into());
            }
        }
        Ok(told)
    }

    /// Takes a `WireList`, a text of JSON, and the key before the first one, if there is one: the last key of the page and
    /// the first one of the next, if there is a next; and which objects to ask for leases. Or a problem in JSON, alone.
    ///
    /// # Errors
    /// An exception of the storage, or of who asks.
    pub fn list(&self, now_ms: f64, looker: &str, list: &str, after: &str) -> Result<Array> {
        let list: List = json::read::<WireList>(list).map_err(exception)?.into();
        let limit = list.page_size();
        let from = list.start.as_ref().map_or("", Key::as_str);
        let mut keys = self.keys(&list.prefix, from, after, limit + 1)?;
        let next = if keys.len() > limit { keys.pop() } else { None };
        let last = keys.last().filter(|_| next.is_some());
        // Over a binding nobody is counted.
        let counted =
            if looker.is_empty() { Ok(()) } else { self.used.look_up(&Looker::read(looker), keys.len(), now_ms) };
        if let Err(problem) = counted {
            return Ok(Array::of1(&text(&problem)?.into()));
        }
        let shown = |key: Option<&Key>| optional(key.map(Key::as_str));
        let answer = Array::of2(&shown(last), &shown(next.as_ref()));
        self.asks(&keys, &answer)?;
        Ok(answer)
    }
}

impl Watchers {
    /// Keys that were used once are where they were then.
    fn other_layout(&self) -> Result<Option<Problem>> {
        let ours = self.layout.name();
        self.sql.run("INSERT OR IGNORE INTO lessor_layout VALUES (1, ?)", vec![ours.as_str().into()])?;
        for mut row in self.sql.rows("SELECT layout FROM lessor_layout", Vec::new())? {
            let first = row.text()?;
            if first != ours {
                let detail = format!("leases are kept in {first}, and LESSOR_SHARDS says {ours}: set it back");
                return Ok(Some(Kind::Unconfigured.because(detail)));
            }
        }
        Ok(None)
    }

    fn count(&self, query: &str, of: &str) -> Result<u64> {
        self.sql.rows(query, vec![of.into()])?.next().map_or(Ok(0), |mut row| row.number())
    }

    fn watch(&self, socket: &str, patterns: Patterns, looker: &Looker, now_ms: f64) -> Result<Array> {
        let number = Some(patterns.number);
        let refused = |problem| Ok(Array::of1(&said(&Said::Failed(Failure { problem, number }))));
        let count = self.count("SELECT count(*) FROM lessor_watching WHERE socket = ?", socket)?;
        let asked = patterns.keys.len() + patterns.prefixes.len();
        if let Some(problem) = too_many_watched(count, asked) {
            return refused(problem);
        }
        // What was asked for twice is not looked for twice.
        let again =
            |number: usize, prefix: &String| patterns.prefixes.iter().take(number).any(|before| before == prefix);
        let prefixes = || patterns.prefixes.iter().enumerate().filter(|(number, prefix)| !again(*number, prefix));
        let mut wanted = patterns.keys.len();
        for (_, prefix) in prefixes() {
            // Counted first: whoever is refused costs no more than that.
            wanted += if wanted > STATES { 0 } else { self.count(COUNT_WITHIN, prefix)? as usize };
        }
        if let Err(problem) = self.used.look_up(looker, wanted.min(STATES), now_ms) {
            return refused(problem);
        }
        let mut keys: Vec<Key> = Vec::new();
        let mut add = |key| {
            if !keys.contains(&key) {
                keys.push(key);
            }
            keys.len()
        };
        let mut found = 0;
        for key in &patterns.keys {
            found = add(key.clone());
        }
        for (_, prefix) in prefixes() {
            if found <= STATES {
                found = self.keys(prefix, "", "", STATES + 1)?.into_iter().map(&mut add).last().unwrap_or(found);
            }
        }
        let more = found > STATES || wanted > STATES;
        keys.truncate(STATES);
        self.each(&patterns, socket, "INSERT OR IGNORE INTO lessor_watching VALUES (?, ?, ?)")?;
        let watched = |more| said(&Said::Watched { number: patterns.number, more });
        let answer = Array::of2(&watched(more), &watched(true));
        self.asks(&keys, &answer)?;
        Ok(answer)
    }

    fn each(&self, patterns: &Patterns, socket: &str, query: &str) -> Result<()> {
        let keys = patterns.keys.iter().map(|key| (0, key.as_str()));
        let prefixes = patterns.prefixes.iter().map(|prefix| (1, prefix.as_str()));
        for (prefix, pattern) in keys.chain(prefixes) {
            self.sql.run(query, vec![prefix.into(), pattern.into(), socket.into()])?;
        }
        Ok(())
    }

    fn keys(&self, prefix: &str, from: &str, after: &str, limit: usize) -> Result<Vec<Key>> {
        // No key has that byte: nothing beyond the prefix is looked at.
        let query = "SELECT key FROM lessor_keys WHERE key >= ?1 AND key < ?1 || CAST(x'FF' AS TEXT)
            AND key >= ?2 AND key > ?3 ORDER BY key LIMIT ?4";
        let values = vec![prefix.into(), from.into(), after.into(), number(limit as u64)?];
        self.sql.rows(query, values)?.map(|mut row| Key::new(row.text()?).map_err(exception)).collect()
    }

    /// Names of objects, what to ask them, and keys with their places in the same order, in turn.
    fn asks(&self, keys: &[Key], asks: &Array) -> Result<()> {
        let named = keys.iter().enumerate().map(|(place, key)| (self.layout.object(key), (place, key)));
        for (name, asked) in self.layout.grouped(named) {
            let places = Array::new();
            let mut gets = Vec::with_capacity(asked.len());
            for (place, key) in asked {
                gets.push(WireRequest::try_from(Request::from(Get::new(key.clone()))).map_err(exception)?);
                places.push(&key.as_str().into());
                places.push(&place.into());
            }
            asks.push(&name.into());
            asks.push(&json::write(&gets, exception)?.into());
            asks.push(&places);
        }
        Ok(())
    }
}

fn said(said: &Said) -> JsValue {
    serde_json::to_string(said).unwrap_or_default().into()
}

fn text(problem: &Problem) -> Result<String> {
    json::write(problem, exception)
}
