//! The half of `LeaseObject` that decides: the shipped `Record::judge` over one reading of the clock.

use js_sys::Array;
use lessor::storage::{Record, Request};
use lessor::{Key, Term};
use lessor_service::{Change, Kind, Layout, Owner, Reported, Waiting, json, too_far_ahead};
use lessor_wire::{Problem, WireReply, WireRequest};
use serde::Serialize;
use wasm_bindgen::prelude::*;

use crate::errand::{ASK, FORGET, HISTORY, MARK, WAITING};
use crate::sql::{Result, Sql, exception};
use crate::table::Table;

/// The leases of one Durable Object, in its table.
///
/// Every answer comes from the table, so that an instance that was superseded cannot answer from its memory: its
/// access to storage fails. The answers are for `objects.js`.
#[wasm_bindgen]
#[derive(Debug)]
pub struct Leases {
    table: Table,
    waiting: Waiting,
    /// How the object is called, where the platform says it.
    name: Option<String>,
    layout: Layout,
}

/// What came of an errand besides its answers.
#[derive(Default)]
struct Written {
    /// The end of the first lease that was written.
    due_ms: Option<u64>,
    /// Whether there is something to tell.
    news: bool,
    /// Keys that are used for the first time, and were not admitted yet.
    unknown: Vec<Key>,
}

/// What is known of keys that are used for the first time.
#[derive(Clone, Copy)]
enum Admission<'a> {
    /// Nobody was asked: nothing is done.
    Unasked,
    Admitted,
    /// Why not, in JSON.
    Refused(&'a str),
}

#[wasm_bindgen]
impl Leases {
    /// Over the storage of the object of this name, with keys spread as this variable says.
    ///
    /// # Errors
    /// An exception of the storage.
    #[wasm_bindgen(constructor)]
    pub fn new(sql: Sql, name: Option<String>, shards: Option<String>) -> Result<Self> {
        let layout = Layout::read(shards.as_deref()).map_err(exception)?;
        Ok(Self { table: Table::open(sql)?, waiting: Waiting::default(), name, layout })
    }

    /// Does an errand: its answers, by when the alarm is due, whether there is news; and keys that are used for the first time, as long as
    /// `admission` is missing: then nothing of it may stay. Is it empty, they are admitted, else it says why they are not. `owner` is
    /// who asks, and what that may.
    ///
    /// # Errors
    /// An exception of the storage.
    pub fn run(
        &self,
        now_ms: f64,
        errand: &str,
        payload: &str,
        owner: &str,
        admission: Option<String>,
    ) -> Result<Array> {
        let now_ms = now_ms as u64;
        let admission = match admission.as_deref() {
            None => Admission::Unasked,
            Some("") => Admission::Admitted,
            Some(problem) => Admission::Refused(problem),
        };
        let mut written = Written::default();
        let answers = Array::new();
        match errand {
            ASK => {
                let requests: Vec<WireRequest> = json::read(payload).map_err(exception)?;
                let ahead = Owner::read(owner).ahead;
                for request in requests.into_iter().map(Request::from) {
                    answers.push(&self.judge(&request, now_ms, ahead, admission, &mut written)?);
                }
            }
            HISTORY => {
                let key = Key::new(payload).map_err(exception)?;
                answers.push(&text(&Reported::History(self.table.history(&key, now_ms)?))?);
            }
            WAITING => {
                let key = Key::new(payload).map_err(exception)?;
                answers.push(&text(&Reported::Waiting(self.waiting.of(&key, now_ms)))?);
            }
            FORGET => {
                let key = Key::new(payload).map_err(exception)?;
                answers.push(&self.forget(&key, now_ms)?);
            }
            MARK => {
                answers.push(&self.mark(payload, now_ms)?);
            }
            other => return Err(exception(format_args!("no errand {other}"))),
        }
        let Written { due_ms, news, unknown } = written;
        let unknown: Array = unknown.iter().map(|key| JsValue::from(key.as_str())).collect();
        Ok(Array::of4(&answers, &due(due_ms), &news.into(), &unknown))
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

fn text(value: &impl Serialize) -> Result<JsValue> {
    json::write(value, exception).map(JsValue::from)
}

fn due(at_ms: Option<u64>) -> JsValue {
    at_ms.map_or(JsValue::UNDEFINED, |at_ms| (at_ms as f64).into())
}

impl Leases {
    /// One atomic step on one key: nothing else comes between what is read and what is written.
    fn judge(
        &self,
        request: &Request,
        now_ms: u64,
        ahead: Option<u64>,
        admission: Admission<'_>,
        written: &mut Written,
    ) -> Result<JsValue> {
        let Some(key) = request.key() else {
            return failed(Kind::Invalid.because("this object knows leases by their keys, and no lists"));
        };
        if let Some(problem) = self.misplaced(key) {
            return failed(problem);
        }
        let current = self.table.record(key)?;
        if let Some(problem) = too_far_ahead(request, current.as_ref().map_or(0, |record| record.term.get()), ahead) {
            return failed(problem);
        }
        // It keeps what it has acknowledged: terms begin with the first.
        let verdict = Record::judge(current.as_ref(), request, now_ms, Term::FIRST);
        self.waiting.note(request, &verdict.reply, now_ms);
        if let Some(record) = verdict.write {
            if current.as_ref().is_none_or(is_forgotten) {
                match admission {
                    Admission::Admitted => {}
                    Admission::Refused(problem) => return Ok(format!("{{\"failed\":{problem}}}").into()),
                    Admission::Unasked => {
                        written.unknown.push(key.clone());
                        return Ok(JsValue::NULL);
                    }
                }
            }
            if record.session.is_some() {
                written.due_ms = Some(written.due_ms.unwrap_or(u64::MAX).min(record.expires_ms));
            }
            self.table.write(key, &record)?;
            if record.wakes_followers(current.as_ref()) {
                // A release may have written who comes next.
                let who = if record.session.is_some() { &record } else { current.as_ref().unwrap_or(&record) };
                self.table.note(key, Change::by(request), &who.id, record.term, now_ms)?;
                written.news = true;
            }
        }
        text(&WireReply::try_from(verdict.reply).map_err(exception)?)
    }

    /// Another Worker, or this one with other settings, would look for the key elsewhere, and find it free.
    fn misplaced(&self, key: &Key) -> Option<Problem> {
        let (name, object) = (self.name.as_deref()?, self.layout.object(key));
        let detail =
            || format!("key {key} is in the object {object}, and {name} was asked: LESSOR_SHARDS is another there");
        (name != object).then(|| Kind::Misdirected.because(detail()))
    }

    /// Moves a mark on, for who holds the key: where it was.
    fn mark(&self, payload: &str, now_ms: u64) -> Result<JsValue> {
        let mut lines = payload.split('\n');
        let mut line = || lines.next().unwrap_or_default();
        let (key, name) = (Key::new(line()).map_err(exception)?, line());
        let mut number = || line().parse::<u64>().map_err(|_| exception("a mark is a key, a name, a term and a time"));
        let (term, at_ms) = (number()?, number()?);
        if let Some(problem) = self.misplaced(&key) {
            return failed(problem);
        }
        let before_ms = self.table.mark(&key, name)?;
        if at_ms > before_ms {
            let lease = self.table.record(&key)?.map(|record| record.lease(now_ms));
            if !lease.is_some_and(|lease| lease.is_live() && lease.term.get() == term) {
                return failed(Kind::Conflict.because("the term is over"));
            }
            self.table.set_mark(&key, name, at_ms)?;
        }
        Ok(before_ms.to_string().into())
    }

    /// Forgets who held the key. The term stays: whoever is granted it next gets a later one.
    fn forget(&self, key: &Key, now_ms: u64) -> Result<JsValue> {
        if let Some(problem) = self.misplaced(key) {
            return failed(problem);
        }
        let Some(mut record) = self.table.record(key)? else { return text(&Reported::Forgotten {}) };
        // Also where it was revoked: its former holder may still believe in it.
        if record.session.is_some() && !record.lease(now_ms).time_left.is_zero() {
            return failed(Kind::Conflict.because("somebody holds the key: revoke it first, with now"));
        }
        (record.session, record.value) = (None, None);
        (record.ttl_ms, record.expires_ms) = (0, 0);
        self.table.write(key, &record)?;
        self.table.forget(key)?;
        text(&Reported::Forgotten {})
    }
}

/// Nobody holds it, and no lists show it.
const fn is_forgotten(record: &Record) -> bool {
    record.session.is_none() && record.ttl_ms == 0
}

fn failed(problem: Problem) -> Result<JsValue> {
    text(&WireReply::from(problem))
}
