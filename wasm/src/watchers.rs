//! The half of `WatchObject` that decides: which sockets want to know of which keys, and all keys that there are.

use js_sys::Array;
use lessor::Key;
use lessor::storage::{Get, List, Request};
use lessor_wire::{Problem, WireList, WireRequest};
use serde::{Deserialize, Serialize};
use wasm_bindgen::prelude::*;

use crate::access::{Caller, Role};
use crate::json;
use crate::limits::{STATES, WATCHED};
use crate::problem::Kind;
use crate::route::Layout;
use crate::sql::{Result, Sql, exception, number, optional};

const TABLES: &str = "
CREATE TABLE IF NOT EXISTS lessor_keys (key TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS lessor_watching (
    prefix INTEGER NOT NULL, pattern TEXT NOT NULL, socket TEXT NOT NULL, PRIMARY KEY (prefix, pattern, socket)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS lessor_watching_of_socket ON lessor_watching (socket);";

/// What a client says on its socket.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Heard {
    Watch(Patterns),
    Unwatch(Patterns),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Patterns {
    /// Comes back when it is done.
    number: u64,
    #[serde(default)]
    keys: Vec<Key>,
    #[serde(default)]
    prefixes: Vec<String>,
}

/// What is said to a client.
#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum Said {
    Watched { number: u64, more: bool },
    Unwatched { number: u64 },
    Failed(Problem),
}

/// Who watches what. The answers are for `objects.js`.
#[wasm_bindgen]
#[derive(Debug)]
pub struct Watchers {
    sql: Sql,
    layout: Layout,
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
        Ok(Self { sql, layout: Layout::read(shards.as_deref()).map_err(exception)? })
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
    pub fn hear(&self, socket: &str, caller: &str, text: &str) -> Result<Array> {
        let caller = Caller::looking_at(caller);
        let heard = json::read(text)
            .map_err(|error| Kind::Invalid.because(format!("the message is not as it should be: {error}")));
        match heard.and_then(|heard| checked(heard, &caller)) {
            Err(problem) => Ok(Array::of1(&said(&Said::Failed(problem)))),
            Ok(Heard::Unwatch(patterns)) => {
                let query = "DELETE FROM lessor_watching WHERE prefix = ? AND pattern = ? AND socket = ?";
                self.each(&patterns, socket, query)?;
                Ok(Array::of1(&said(&Said::Unwatched { number: patterns.number })))
            }
            Ok(Heard::Watch(patterns)) => self.watch(socket, patterns),
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
            self.sql.run("INSERT OR IGNORE INTO lessor_keys VALUES (?)", vec![key.clone()])?;
            let query = "SELECT socket FROM lessor_watching WHERE prefix = 0 AND pattern = ?1 UNION
                SELECT socket FROM lessor_watching WHERE prefix = 1 AND substr(?1, 1, length(pattern)) = pattern";
            for mut row in self.sql.rows(query, vec![key])? {
                told.push(&row.text()?.into());
                told.push(&(place + 1).into());
            }
        }
        Ok(told)
    }

    /// Takes a `WireList`, a text of JSON, and the key before the first one, if there is one: the last key of the page and
    /// the first one of the next, if there is a next; and which objects to ask for leases.
    ///
    /// # Errors
    /// An exception of the storage, or of who asks.
    pub fn list(&self, list: &str, after: &str) -> Result<Array> {
        let list: List = json::read::<WireList>(list).map_err(exception)?.into();
        let limit = list.page_size();
        let from = list.start.as_ref().map_or("", Key::as_str);
        let mut keys = self.keys(&list.prefix, from, after, limit + 1)?;
        let next = if keys.len() > limit { keys.pop() } else { None };
        let last = keys.last().filter(|_| next.is_some());
        let shown = |key: Option<&Key>| optional(key.map(Key::as_str));
        let answer = Array::of2(&shown(last), &shown(next.as_ref()));
        self.asks(&keys, &answer)?;
        Ok(answer)
    }
}

impl Watchers {
    fn watch(&self, socket: &str, patterns: Patterns) -> Result<Array> {
        let query = "SELECT count(*) FROM lessor_watching WHERE socket = ?";
        let mut count = 0;
        for mut row in self.sql.rows(query, vec![socket.into()])? {
            count = row.number()?;
        }
        let asked = patterns.keys.len() + patterns.prefixes.len();
        if count + asked as u64 > WATCHED {
            let detail = format!("{count} are watched already and {asked} more are asked for, allowed are {WATCHED}");
            return Ok(Array::of1(&said(&Said::Failed(Kind::TooLarge.because(detail)))));
        }
        self.each(&patterns, socket, "INSERT OR IGNORE INTO lessor_watching VALUES (?, ?, ?)")?;
        let (mut keys, mut seen) = (Vec::new(), 0);
        let mut add = |key| {
            if !keys.contains(&key) {
                keys.push(key);
            }
        };
        patterns.keys.into_iter().for_each(&mut add);
        for (number, prefix) in patterns.prefixes.iter().enumerate() {
            // What was asked for twice, or is beyond the most, is not looked for.
            if seen <= STATES && !patterns.prefixes.iter().take(number).any(|before| before == prefix) {
                let found = self.keys(prefix, "", "", STATES + 1)?;
                seen += found.len();
                found.into_iter().for_each(&mut add);
            }
        }
        let more = keys.len() > STATES || seen > STATES;
        keys.truncate(STATES);
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

fn checked(heard: Heard, caller: &Caller) -> core::result::Result<Heard, Problem> {
    let (Heard::Watch(patterns) | Heard::Unwatch(patterns)) = &heard;
    patterns.keys.iter().try_for_each(|key| caller.may(Role::Read, key))?;
    for prefix in &patterns.prefixes {
        if prefix.len() > Key::MAX_LEN {
            let detail = format!("a prefix has {} bytes, allowed are {}", prefix.len(), Key::MAX_LEN);
            return Err(Kind::Invalid.because(detail));
        }
        caller.may_within(Role::Read, prefix)?;
    }
    Ok(heard)
}

fn said(said: &Said) -> JsValue {
    serde_json::to_string(said).unwrap_or_default().into()
}
