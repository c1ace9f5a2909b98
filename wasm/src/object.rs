//! The Durable Object that holds records: the shipped `Record` functions over one reading of the clock.

use core::fmt;

use lessor::wire::{Ask, Told};
use lessor::{Key, Record, Request as Operation, Session, Term, Verdict};
use serde::{Deserialize, Serialize};
use worker::{DurableObject, Env, Request, Response, Result, State, durable_object};

use crate::clock;
use crate::problem::Kind;
use crate::table::{Change, Entry, Table};

/// What the front asks of an object.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Errand {
    Ask(Vec<Ask>),
    Revoke(Key),
    History(Key),
}

/// What the object answers.
#[derive(Debug, Serialize)]
#[serde(rename_all = "snake_case")]
enum Answer {
    Told(Vec<Told>),
    Revoked { term: Option<Term> },
    History(Vec<Entry>),
}

/// Holds the records of one key, or of a shard of keys, in a SQLite table.
///
/// Reached only through a binding: it trusts who asks. Every answer comes from the table, so that an instance that was
/// superseded cannot answer from its memory: its access to storage fails.
#[durable_object(fetch)]
pub struct LeaseObject {
    state: State,
}

impl fmt::Debug for LeaseObject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LeaseObject").finish_non_exhaustive()
    }
}

impl DurableObject for LeaseObject {
    fn new(state: State, _: Env) -> Self {
        Self { state }
    }

    async fn fetch(&self, mut request: Request) -> Result<Response> {
        let errand: Errand = request.json().await?;
        // From here to the answer nothing is awaited: that makes it one atomic step.
        Response::from_json(&self.run(errand)?)
    }
}

impl LeaseObject {
    fn run(&self, errand: Errand) -> Result<Answer> {
        let table = Table::open(self.state.storage().sql())?;
        let now_ms = clock::now_ms();
        Ok(match errand {
            Errand::Ask(asks) => {
                let told = asks.into_iter().map(|ask| judge(&table, ask.into(), now_ms));
                Answer::Told(told.collect::<Result<_>>()?)
            }
            Errand::Revoke(key) => Answer::Revoked { term: revoke(&table, &key, now_ms)? },
            Errand::History(key) => Answer::History(table.history(&key, now_ms)?),
        })
    }
}

fn judge(table: &Table, operation: Operation, now_ms: u64) -> Result<Told> {
    Ok(match operation {
        Operation::Acquire(claim) => {
            let record = table.record(&claim.key)?;
            let Verdict { answer, write } = Record::acquire(record.as_ref(), &claim, now_ms, Term::FIRST);
            if let Some(write) = write {
                table.write(&claim.key, &write)?;
                if record.is_none_or(|record| (record.session, record.term) != (write.session, write.term)) {
                    table.note(&claim.key, Change::Granted, &write, now_ms)?;
                }
            }
            answer.into()
        }
        Operation::Renew(claim, term) => {
            let record = table.record(&claim.key)?;
            let Verdict { answer, write } = Record::renew(record.as_ref(), &claim, term, now_ms);
            if let Some(write) = write {
                table.write(&claim.key, &write)?;
            }
            answer.into()
        }
        Operation::Release(key, session) => {
            release(table, &key, session, now_ms)?;
            Told::Released {}
        }
        Operation::Get(key) => Told::Lease(table.record(&key)?.map(|record| record.lease(now_ms))),
        _ => Told::Failed(Kind::Invalid.because("unknown operation")),
    })
}

fn release(table: &Table, key: &Key, session: Session, now_ms: u64) -> Result<()> {
    let Some(write) = Record::release(table.record(key)?.as_ref(), session) else { return Ok(()) };
    table.write(key, &write)?;
    table.note(key, Change::Released, &write, now_ms)
}

fn revoke(table: &Table, key: &Key, now_ms: u64) -> Result<Option<Term>> {
    let Some(write) = Record::revoke(table.record(key)?.as_ref()) else { return Ok(None) };
    table.write(key, &write)?;
    table.note(key, Change::Revoked, &write, now_ms)?;
    Ok(Some(write.term))
}
