//! A renewal, a release, a revoke.

use lessor::storage::{Release, Renewal, Revoke, Session};

use super::kept::ms;
use super::{Answer, Clause, Judgement, Kept, Number};

pub(super) fn renew<'a>(
    record: Option<Kept<'a>>,
    renewal: &'a Renewal,
    now: Number,
    without: Option<Clause>,
) -> Judgement<'a> {
    let has = |clause| without != Some(clause);
    let applies = |record: &Kept<'a>| {
        record.owner.is_some()
            && (record.owner == Some(renewal.session) || !has(Clause::Session))
            && (record.term == renewal.term.get().into() || !has(Clause::Term))
            && (record.is_live(now) || !has(Clause::NeverRevives))
    };
    match record.filter(applies) {
        Some(own) => {
            let extended = own.extended(renewal.session, ms(renewal.ttl), renewal.id.as_str(), now, without);
            (Answer::Extended, Some(extended))
        }
        None => (Answer::Lost, record),
    }
}

pub(super) fn release<'a>(
    record: Option<Kept<'a>>,
    asked: &'a Release,
    now: Number,
    without: Option<Clause>,
) -> Judgement<'a> {
    let is_own = |record: &Kept<'a>| match without {
        Some(Clause::OwnRelease) => record.owner.is_some(),
        _ => record.owner == Some(asked.session),
    };
    let Some(own) = record.filter(is_own) else { return (Answer::Released, record) };
    let after = match &asked.successor {
        Some(next) => {
            let within = ms(next.within);
            Kept { ident: next.id.as_str(), ttl: within, expires: now + within, ..own.freed() }
        }
        None => own.freed(),
    };
    (Answer::Released, Some(after))
}

pub(super) fn revoke<'a>(record: Option<Kept<'a>>, asked: &Revoke, without: Option<Clause>) -> Judgement<'a> {
    let applies = |record: &Kept<'a>| {
        record.owner.is_some()
            && asked.term.is_none_or(|term| Number::from(term.get()) == record.term)
            && (asked.now || record.owner != Some(Session::NOBODY))
    };
    let Some(meant) = record.filter(applies) else { return (Answer::Nothing, record) };
    let taken = if asked.now {
        meant.freed()
    } else {
        Kept { owner: Some(Session::NOBODY), version: meant.version + 1, ..meant }
    };
    let term = if without == Some(Clause::RevokedTerm) { meant.term } else { meant.term + 1 };
    (Answer::Revoked, Some(Kept { term, ..taken }))
}
