//! The storage's half of the protocol: a table of every row of the operations, then properties over random histories.

mod limits;
mod properties;
mod tables;

use core::time::Duration;

use lessor::storage::{
    Acquired, Claim, Get, List, Page, Record, Release, Renewal, Renewed, Reply, Request, Revoke, Session, Successor,
    Takeover, Verdict, Version,
};
use lessor::{Id, Key, Lease, Term, Value};

const TTL: u64 = 10_000;
const NOW: u64 = 1_000_000;
/// When the term of every record here was granted.
const SINCE: u64 = NOW - 60_000;

/// What is answered, and what is written.
type Judged = (Reply, Option<Record>);

fn term(number: u64) -> Term {
    Term::new(number).unwrap()
}

fn ms(number: u64) -> Duration {
    Duration::from_millis(number)
}

fn session(number: u128) -> Session {
    Session::from_bits(number)
}

fn key() -> Key {
    Key::new("k").unwrap()
}

fn id(number: u128) -> Id {
    Id::new(format!("candidate {number}")).unwrap()
}

fn value(text: &str) -> Option<Value> {
    Some(Value::new(text).unwrap())
}

/// A claim of candidate 1.
fn claim(after: u64) -> Claim {
    claim_for(ms(TTL), after)
}

fn claim_for(ttl: Duration, after: u64) -> Claim {
    Claim::new(key(), id(1), session(1), ttl).value(value("claimed")).after(Term::new(after))
}

/// A renewal by candidate 1.
fn renewal(number: u64) -> Renewal {
    renewal_for(ms(TTL), number)
}

fn renewal_for(ttl: Duration, number: u64) -> Renewal {
    Renewal::new(key(), id(1), session(1), term(number), ttl).value(value("claimed"))
}

fn release() -> Release {
    Release::new(key(), session(1))
}

/// An operator's, at once.
fn revoke() -> Revoke {
    Revoke::new(key()).now(true)
}

/// The release of candidate 1, in favour of another.
fn transfer_to(candidate: u128, within: Duration) -> Release {
    release().successor(Some(Successor::new(id(candidate), within)))
}

/// The record of a candidate, in term 7 and version 20, half of its ttl used.
fn held_by(candidate: u128) -> Record {
    let (session, id, expires_ms) = (Some(session(candidate)), id(candidate), NOW + TTL / 2);
    let mut record = Record::restore(session, id, term(7), Version::new(20), TTL, expires_ms);
    record.since_ms = SINCE;
    record.value = value("stored");
    record
}

/// The record with this change.
fn with(mut record: Record, change: impl FnOnce(&mut Record)) -> Record {
    change(&mut record);
    record
}

fn expired(candidate: u128) -> Record {
    with(held_by(candidate), |record| record.expires_ms = NOW)
}

fn released() -> Record {
    with(held_by(2), |record| (record.session, record.expires_ms) = (None, 0))
}

/// Released, and reserved for a candidate, for half a ttl more.
fn reserved_for(candidate: u128) -> Record {
    with(held_by(candidate), |record| record.session = None)
}

fn in_last_term(record: Record) -> Record {
    with(record, |record| record.term = Term::LAST)
}

fn judge_at(record: Option<&Record>, request: impl Into<Request>, now_ms: u64, seed: Term) -> Judged {
    let Verdict { reply, write, .. } = Record::judge(record, &request.into(), now_ms, seed);
    (reply, write)
}

fn judge(record: Option<&Record>, request: impl Into<Request>) -> Judged {
    judge_at(record, request, NOW, Term::FIRST)
}

/// Granted this term in this version, and the record is the claim's. Term 7 goes on; any other begins.
fn grants(number: u64, version: u64) -> Judged {
    let (term, version) = (term(number), Version::new(version));
    let mut record = Record::restore(Some(session(1)), id(1), term, version, TTL, NOW + TTL);
    record.since_ms = if number == 7 { SINCE } else { NOW };
    record.value = value("claimed");
    (Reply::Acquired(Acquired::granted(term, version)), Some(record))
}

/// Refused with what is there, and the record is untouched.
fn refuses(record: &Record, retry_after_ms: u64) -> Judged {
    (Reply::Acquired(Acquired::refused(Some(record.lease(NOW)), ms(retry_after_ms))), None)
}

fn is_refused(judged: &Judged) -> bool {
    matches!(judged, (Reply::Acquired(Acquired::Refused { .. }), None))
}
