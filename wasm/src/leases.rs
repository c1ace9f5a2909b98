//! The half of `LeaseObject` that decides: the shipped `Record::judge` over one reading of the clock.

use js_sys::Array;
use lessor::storage::{Record, Request};
use lessor::{Key, Term};
use lessor_wire::{WireReply, WireRequest};
use serde::Serialize;
use wasm_bindgen::prelude::*;

use crate::errand::{ASK, HISTORY};
use crate::json;
use crate::problem::Kind;
use crate::sql::{Result, Sql, exception};
use crate::table::{Change, Entry, News, Table};

/// The leases of one Durable Object, in its table.
///
/// Every answer comes from the table, so that an instance that was superseded cannot answer from its memory: its
/// access to storage fails. The answers are for `objects.js`.
#[wasm_bindgen]
#[derive(Debug)]
pub struct Leases {
    table: Table,
}

/// What came of an errand besides its answers.
#[derive(Default)]
struct Written {
    /// The end of the first lease that was written.
    due_ms: Option<u64>,
    /// Whether there is something to tell.
    news: bool,
    /// Whether a key is among it that nobody has been told of before.
    new_key: bool,
}

#[wasm_bindgen]
impl Leases {
    /// Over the object's storage.
    ///
    /// # Errors
    /// An exception of the storage.
    #[wasm_bindgen(constructor)]
    pub fn new(sql: Sql) -> Result<Self> {
        Ok(Self { table: Table::open(sql)? })
    }

    /// Does an errand: its answers, by when the alarm is due, whether there is news, whether of a new key.
    ///
    /// # Errors
    /// An exception of the storage.
    pub fn run(&self, now_ms: f64, errand: &str, payload: &str) -> Result<Array> {
        let now_ms = now_ms as u64;
        let mut written = Written::default();
        let answers = Array::new();
        match errand {
            ASK => {
                let requests: Vec<WireRequest> = json::read(payload).map_err(exception)?;
                for request in requests {
                    answers.push(&text(&self.judge(&request.into(), now_ms, &mut written)?)?);
                }
            }
            HISTORY => {
                let key = Key::new(payload).map_err(exception)?;
                answers.push(&text(&Reported::History(self.table.history(&key, now_ms)?))?);
            }
            other => return Err(exception(format_args!("no errand {other}"))),
        }
        let Written { due_ms, news, new_key } = written;
        Ok(Array::of4(&answers, &due(due_ms), &news.into(), &new_key.into()))
    }

    /// Takes note of what has expired: when the alarm is due again.
    ///
    /// # Errors
    /// An exception of the storage.
    pub fn tidy(&self, now_ms: f64) -> Result<JsValue> {
        let now_ms = now_ms as u64;
        self.table.expire(now_ms)?;
        self.table.due_ms(now_ms).map(due)
    }

    /// What has not been told yet: its last number, then keys and changes in turn. Nothing if all has been.
    ///
    /// # Errors
    /// An exception of the storage.
    pub fn news(&self, now_ms: f64) -> Result<Option<Array>> {
        let Some((news, last)) = self.table.news(now_ms as u64)? else { return Ok(None) };
        let told = Array::of1(&due(Some(last)));
        for change in news {
            told.push(&change.key.as_str().into());
            told.push(&text(&Reported::Change(change))?);
        }
        Ok(Some(told))
    }

    /// The news up to this one have been told.
    ///
    /// # Errors
    /// An exception of the storage.
    pub fn told(&self, last: f64) -> Result<()> {
        self.table.told(last as u64)
    }
}

/// What is answered besides replies.
#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum Reported {
    History(Vec<Entry>),
    Change(News),
}

fn text(value: &impl Serialize) -> Result<JsValue> {
    json::write(value, exception).map(JsValue::from)
}

fn due(at_ms: Option<u64>) -> JsValue {
    at_ms.map_or(JsValue::UNDEFINED, |at_ms| (at_ms as f64).into())
}

impl Leases {
    /// One atomic step on one key: nothing else comes between what is read and what is written.
    fn judge(&self, request: &Request, now_ms: u64, written: &mut Written) -> Result<WireReply> {
        let Some(key) = request.key() else {
            return Ok(Kind::Invalid.because("this object knows leases by their keys, and no lists").into());
        };
        let current = self.table.record(key)?;
        // It keeps what it has acknowledged: terms begin with the first.
        let verdict = Record::judge(current.as_ref(), request, now_ms, Term::FIRST);
        if let Some(record) = verdict.write {
            if record.session.is_some() {
                written.due_ms = Some(written.due_ms.unwrap_or(u64::MAX).min(record.expires_ms));
            }
            self.table.write(key, &record)?;
            if record.wakes_followers(current.as_ref()) {
                // A release may have written who comes next.
                let who = if record.session.is_some() { &record } else { current.as_ref().unwrap_or(&record) };
                self.table.note(key, Change::by(request), &who.id, record.term, now_ms)?;
                written.news = true;
                written.new_key |= current.is_none();
            }
        }
        WireReply::try_from(verdict.reply).map_err(exception)
    }
}
