//! A claim.

use lessor::Term;
use lessor::storage::{Claim, Takeover};

use super::kept::ms;
use super::{Answer, Clause, Judgement, Kept, Number};

// What a claim may say of another's expired lease; a number from 1 on names a version.
const EXPIRED: Number = 0;
const RELEASED_ONLY: Number = -1;

fn take(claim: &Claim) -> Number {
    match claim.takeover {
        Takeover::Expired => EXPIRED,
        Takeover::Unchanged(version) => version.get().into(),
        _ => RELEASED_ONLY,
    }
}

fn next_term(term: Number, after: Number, seed: Number) -> Number {
    (term.max(after) + 1).max(seed)
}

pub(super) fn acquire<'a>(
    record: Option<Kept<'a>>,
    claim: &'a Claim,
    now: Number,
    seed: Number,
    without: Option<Clause>,
) -> Judgement<'a> {
    let has = |clause| without != Some(clause);
    let (owner, ident, ttl) = (claim.session, claim.id.as_str(), ms(claim.ttl));
    let (after, take) = (claim.after.map_or(0, Term::get).into(), take(claim));
    // Where there is no record its term is 0.
    let old = record.map_or(0, |record| record.term);
    let fresh = if has(Clause::NewTerm) { next_term(old, after, seed) } else { old.max(1).max(seed) };
    let Some(record) = record else {
        let created = Kept { owner: Some(owner), ident, term: fresh, version: 1, ttl, expires: now + ttl };
        return (Answer::Granted(fresh), Some(created));
    };
    let (live, mine) = (record.is_live(now), record.owner == Some(owner));
    let outdated = after < record.term;
    let (own_live, own_expired) = (live && mine, mine && !live);
    let live_keeps = own_live && (outdated || !has(Clause::OwnLiveLeaseEnds));
    let keeps = live_keeps || own_expired && !has(Clause::OwnExpiredLeaseEnds);
    let unchanged = take >= 1 && take == record.version;
    let stuck = unchanged && !outdated && (record.is_ahead(now) || !has(Clause::AheadOfTheClock));
    let reserved = record.owner.is_none() && record.ident != ident && record.reserved(now) > 0;
    let spared = if has(Clause::Version) { take == EXPIRED || unchanged } else { take != RELEASED_ONLY };
    let free = record.owner.is_none() || mine || spared;
    let refuses = live && !stuck && has(Clause::Live)
        || outdated && has(Clause::Outdated)
        || reserved && has(Clause::Reservation);
    let granted = own_live || free && !refuses;
    if !granted {
        return (Answer::Refused, Some(record));
    }
    let term = if keeps { record.term } else { fresh };
    let extended = record.extended(owner, ttl, ident, now, without);
    (Answer::Granted(term), Some(Kept { owner: Some(owner), term, ..extended }))
}
