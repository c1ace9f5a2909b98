//! Each request to its function.

use lessor::storage::Request;

use super::acquire::acquire;
use super::others::{release, renew, revoke};
use super::{Answer, Clause, Judgement, Kept, Number};

/// Judges a request to one record. `seed`: the least that a new term may be. `without`: as if there were no such clause.
pub fn judge<'a>(
    record: Option<Kept<'a>>,
    request: &'a Request,
    now: Number,
    seed: Number,
    without: Option<Clause>,
) -> Judgement<'a> {
    match request {
        Request::Acquire(claim) => acquire(record, claim, now, seed, without),
        Request::Renew(renewal) => renew(record, renewal, now, without),
        Request::Release(asked) => release(record, asked, now, without),
        Request::Revoke(asked) => revoke(record, asked, without),
        _ => (Answer::Shown, record),
    }
}

/// What a storage that has lost data says until no lease of before can be left. `None`: what it says always.
pub(crate) fn while_frozen(request: &Request) -> Option<Answer> {
    match request {
        Request::Acquire(_) => Some(Answer::Refused),
        Request::Renew(_) => Some(Answer::Lost),
        _ => None,
    }
}
