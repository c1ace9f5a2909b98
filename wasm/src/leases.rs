//! The half of `LeaseObject` that decides: the shipped `Record` functions over one reading of the clock.

use js_sys::Array;
use lessor::wire::{Ask, Told};
use lessor::{Key, Record, Request as Operation, Session, Term, Verdict};
use serde::Serialize;
use wasm_bindgen::prelude::*;

use crate::errand::{ASK, HISTORY, REVOKE};
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

/// The end of the first lease that was written, and whether there is something to tell.
#[derive(Default)]
struct Written {
    due_ms: Option<u64>,
    news: bool,
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

    /// Does an errand: its answers, by when the alarm is due, whether there is news.
    ///
    /// # Errors
    /// An exception of the storage.
    pub fn run(&self, now_ms: f64, errand: &str, payload: &str) -> Result<Array> {
        let now_ms = now_ms as u64;
        let mut written = Written::default();
        let answers = Array::new();
        match errand {
            ASK => {
                let asks: Vec<Ask> = json::read(payload).map_err(exception)?;
                for ask in asks {
                    answers.push(&text(&self.judge(ask.into(), now_ms, &mut written)?)?);
                }
            }
            REVOKE => {
                let term = self.revoke(&key(payload)?, now_ms, &mut written)?;
                answers.push(&text(&Reported::Revoked { term })?);
            }
            HISTORY => drop(answers.push(&text(&Reported::History(self.table.history(&key(payload)?, now_ms)?))?)),
            other => return Err(exception(format_args!("no errand {other}"))),
        }
        Ok(Array::of3(&answers, &due(written.due_ms), &written.news.into()))
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

/// What is answered besides operations.
#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum Reported {
    Revoked { term: Option<Term> },
    History(Vec<Entry>),
    Change(News),
}

fn text(value: &impl Serialize) -> Result<JsValue> {
    serde_json::to_string(value).map(JsValue::from).map_err(exception)
}

fn key(payload: &str) -> Result<Key> {
    Key::new(payload).map_err(exception)
}

fn due(at_ms: Option<u64>) -> JsValue {
    at_ms.map_or(JsValue::UNDEFINED, |at_ms| (at_ms as f64).into())
}

impl Leases {
    fn judge(&self, operation: Operation, now_ms: u64, written: &mut Written) -> Result<Told> {
        Ok(match operation {
            Operation::Acquire(claim) => {
                let record = self.table.record(&claim.key)?;
                let Verdict { answer, write } = Record::acquire(record.as_ref(), &claim, now_ms, Term::FIRST);
                if let Some(write) = write {
                    self.write(&claim.key, &write, written)?;
                    if record.is_none_or(|record| (record.session, record.term) != (write.session, write.term)) {
                        self.note(&claim.key, Change::Granted, &write, now_ms, written)?;
                    }
                }
                answer.into()
            }
            Operation::Renew(claim, term) => {
                let record = self.table.record(&claim.key)?;
                let Verdict { answer, write } = Record::renew(record.as_ref(), &claim, term, now_ms);
                if let Some(write) = write {
                    self.write(&claim.key, &write, written)?;
                }
                answer.into()
            }
            Operation::Release(key, session) => {
                self.release(&key, session, now_ms, written)?;
                Told::Released {}
            }
            Operation::Get(key) => Told::Lease(self.table.record(&key)?.map(|record| record.lease(now_ms))),
            _ => Told::Failed(Kind::Invalid.because("unknown operation")),
        })
    }

    fn release(&self, key: &Key, session: Session, now_ms: u64, written: &mut Written) -> Result<()> {
        let Some(write) = Record::release(self.table.record(key)?.as_ref(), session) else { return Ok(()) };
        self.write(key, &write, written)?;
        self.note(key, Change::Released, &write, now_ms, written)
    }

    fn revoke(&self, key: &Key, now_ms: u64, written: &mut Written) -> Result<Option<Term>> {
        let Some(write) = Record::revoke(self.table.record(key)?.as_ref()) else { return Ok(None) };
        self.write(key, &write, written)?;
        self.note(key, Change::Revoked, &write, now_ms, written)?;
        Ok(Some(write.term))
    }

    fn write(&self, key: &Key, record: &Record, written: &mut Written) -> Result<()> {
        if record.session.is_some() {
            let due_ms = written.due_ms.unwrap_or(u64::MAX).min(record.expires_ms);
            written.due_ms = Some(due_ms);
        }
        self.table.write(key, record)
    }

    fn note(&self, key: &Key, change: Change, record: &Record, now_ms: u64, written: &mut Written) -> Result<()> {
        written.news = true;
        self.table.note(key, change, record, now_ms)
    }
}
