//! What a claim comes to on a key that is new, live or released.

use alloc::format;
use core::time::Duration;

use super::Harness;
use super::case::{Case, GRAIN, Outcome, Stop, expect, same, unchanged};
use crate::storage::{Takeover, Version};
use crate::term::Term;

pub(super) async fn first_claim_creates_term_one_or_seed<H: Harness>(case: &Case<'_, H>) -> Outcome {
    let a = case.contender(&case.key("a")?, 1)?.value("v")?;
    let grant = a.win(None).await?;
    match case.harness.freeze_after_loss() {
        None => same("the first term of a key", grant.term, Term::FIRST)?,
        Some(_) => expect(grant.term > Term::FIRST, "a first term of the storage's clock in ms", grant.term)?,
    }
    same("the version of a new record", grant.version, Version::FIRST)?;
    let lease = a.lease().await?;
    let expected = a.shown(&grant, &lease);
    same("the lease", lease, expected)?;
    a.has_left(a.claim.ttl, grant.sent).await
}

pub(super) async fn first_claim_goes_past_what_was_seen<H: Harness>(case: &Case<'_, H>) -> Outcome {
    let seen = term(1 << 52);
    let grant = case.contender(&case.key("a")?, 1)?.win(Some(seen)).await?;
    same("the first term after one that was seen", Some(grant.term), seen.next())
}

pub(super) async fn claim_beyond_the_record_goes_past_what_was_seen<H: Harness>(case: &Case<'_, H>) -> Outcome {
    let (a, b) = (case.contender(&case.key("a")?, 1)?, case.contender(&case.key("a")?, 2)?);
    a.win(None).await?;
    let seen = term(1 << 52);
    same("the term of a new reign", Some(a.win(Some(seen)).await?.term), seen.next())?;
    let further = term(1 << 52 | 100);
    b.refused(Some(further)).await?;
    a.release().await?;
    same("the term after a release", Some(b.win(Some(further)).await?.term), further.next())?;
    b.leads(term(1 << 52 | 101)).await
}

pub(super) async fn last_term_is_exact_and_the_end<H: Harness>(case: &Case<'_, H>) -> Outcome {
    let (a, b) = (case.contender(&case.key("a")?, 1)?, case.contender(&case.key("a")?, 2)?);
    let last_but_one = term(Term::LAST.get() - 1);
    let mut known = term(Term::LAST.get() - 2);
    for expected in [last_but_one, Term::LAST] {
        known = a.win(Some(known)).await?.term;
        same("the term near the end", known, expected)?;
        a.extend(known).await?;
        same("the term that is shown", a.lease().await?.term, expected)?;
    }
    a.release().await?;
    let before = a.lease().await?;
    for contender in [&a, &b] {
        let refusal = contender.refused(Some(Term::LAST)).await?;
        expect(!refusal.retry_after.is_zero(), "no invitation to ask again at once", refusal)?;
    }
    unchanged(&before, &a.lease().await?)?;
    let new = case.contender(&case.key("new")?, 1)?;
    new.refused(Some(Term::LAST)).await?;
    same("what was never granted", new.get().await?, None)
}

pub(super) async fn grant_repeats_for_a_lost_reply<H: Harness>(case: &Case<'_, H>) -> Outcome {
    let a = case.contender(&case.key("a")?, 1)?;
    let mut known = None;
    for _ in 0..3 {
        let first = a.win(known).await?;
        let again = a.value("again")?.win(known).await?;
        same("the term of the same claim, asked again", again.term, first.term)?;
        expect(again.version > first.version, format!("a version after {}", first.version), again.version)?;
        a.has_left(a.claim.ttl, again.sent).await?;
        a.leads(first.term).await?;
        known = Some(first.term);
    }
    Ok(())
}

pub(super) async fn acquire_repeat_never_shortens<H: Harness>(case: &Case<'_, H>) -> Outcome {
    let a = case.contender(&case.key("a")?, 1)?;
    let grant = a.win(None).await?;
    let hasty = a.ttl(a.claim.ttl / 4);
    hasty.win(None).await?;
    a.has_left(a.claim.ttl, grant.sent).await?;
    hasty.win(Some(grant.term)).await?;
    a.has_left(a.claim.ttl, grant.sent).await
}

pub(super) async fn new_reign_new_term_on_own_live_lease<H: Harness>(case: &Case<'_, H>) -> Outcome {
    let a = case.contender(&case.key("a")?, 1)?;
    let old = a.win(None).await?;
    let new = a.win(Some(old.term)).await?;
    expect(new.term > old.term, format!("a term after {}", old.term), new.term)?;
    expect(new.version > old.version, format!("a version after {}", old.version), new.version)?;
    a.lose(old.term).await?;
    a.extend(new.term).await?;
    a.leads(new.term).await
}

pub(super) async fn held_answers_holder_and_time_left<H: Harness>(case: &Case<'_, H>) -> Outcome {
    let key = case.key("a")?;
    let a = case.contender(&key, 1)?.value("http://a")?;
    let grant = a.win(None).await?;
    for known in [None, Some(grant.term)] {
        let refusal = case.contender(&key, 2)?.refused(known).await?;
        let ttl = a.claim.ttl;
        let least = ttl.saturating_sub(case.now().saturating_duration_since(grant.sent)).saturating_sub(GRAIN);
        let left = least.max(Duration::from_nanos(1))..=ttl;
        expect(left.contains(&refusal.retry_after), format!("to ask again after {left:?}"), &refusal)?;
        let Some(lease) = refusal.lease else {
            return Err(Stop::failed("the lease that is in the way", "none"));
        };
        expect(left.contains(&lease.time_left), format!("{left:?} left"), &lease)?;
        let expected = a.shown(&grant, &lease);
        same("the lease that is in the way", lease, expected)?;
    }
    Ok(())
}

pub(super) async fn refused_claim_changes_nothing<H: Harness>(case: &Case<'_, H>) -> Outcome {
    let key = case.key("a")?;
    let a = case.contender(&key, 1)?.value("a's")?.ttl(case.long() / 2);
    let b = case.contender(&key, 2)?.value("b's")?;
    let grant = a.win(None).await?;
    let before = a.lease().await?;
    for takeover in [Takeover::Expired, Takeover::Unchanged(grant.version), Takeover::ReleasedOnly] {
        for known in [None, Some(grant.term), grant.term.next()] {
            b.takeover(takeover).refused(known).await?;
            unchanged(&before, &a.lease().await?)?;
        }
    }
    a.release().await?;
    let before = a.lease().await?;
    b.refused(None).await?;
    unchanged(&before, &a.lease().await?)
}

pub(super) async fn same_id_two_sessions_are_two<H: Harness>(case: &Case<'_, H>) -> Outcome {
    let key = case.key("a")?;
    let a = case.contender(&key, 1)?;
    let twin = case.contender(&key, 2)?.with(|claim| claim.id = a.claim.id.clone());
    let grant = a.win(None).await?;
    twin.refused(None).await?;
    twin.refused(Some(grant.term)).await?;
    twin.lose(grant.term).await?;
    twin.release().await?;
    a.extend(grant.term).await?;
    a.leads(grant.term).await
}

pub(super) async fn released_is_free_at_once<H: Harness>(case: &Case<'_, H>) -> Outcome {
    let (a, b) = (case.contender(&case.key("a")?, 1)?, case.contender(&case.key("a")?, 2)?);
    let old = a.win(None).await?;
    a.release().await?;
    let new = b.value("b's")?.win(Some(old.term)).await?;
    expect(new.term > old.term, format!("a term after {}", old.term), new.term)?;
    expect(new.version > old.version, format!("a version after {}", old.version), new.version)?;
    b.leads(new.term).await?;
    b.has_left(b.claim.ttl, new.sent).await?;
    a.refused(Some(new.term)).await.map(drop)
}

pub(super) async fn outdated_claim_is_refused_after_release<H: Harness>(case: &Case<'_, H>) -> Outcome {
    let (a, b) = (case.contender(&case.key("a")?, 1)?, case.contender(&case.key("a")?, 2)?);
    let first = a.win(None).await?;
    a.release().await?;
    for lingered in [&a, &b] {
        let refusal = lingered.refused(None).await?;
        same("when to ask again, having looked", refusal.retry_after, Duration::ZERO)?;
        same("the term to ask with", refusal.lease.map(|lease| lease.term), Some(first.term))?;
    }
    let second = b.win(Some(first.term)).await?;
    b.release().await?;
    for lingered in [&a, &b] {
        for known in [None, Some(first.term)] {
            let refusal = lingered.refused(known).await?;
            same("when to ask again, having looked", refusal.retry_after, Duration::ZERO)?;
            same("the term to ask with", refusal.lease.map(|lease| lease.term), Some(second.term))?;
        }
    }
    a.win(Some(second.term)).await.map(drop)
}

pub(super) async fn outdated_claim_is_refused_after_expiry<H: Harness>(case: &Case<'_, H>) -> Outcome {
    let (a, b) = (case.contender(&case.key("a")?, 1)?, case.contender(&case.key("a")?, 2)?);
    let a = a.ttl(case.short());
    let grant = a.win(None).await?;
    let before = a.expire().await?;
    for lingered in [&a, &b] {
        let refusal = lingered.refused(None).await?;
        same("when to ask again, having looked", refusal.retry_after, Duration::ZERO)?;
        same("the term to ask with", refusal.lease.map(|lease| lease.term), Some(grant.term))?;
    }
    unchanged(&before, &a.lease().await?)?;
    b.win(Some(grant.term)).await.map(drop)
}

/// A term from 1 to the last.
fn term(number: u64) -> Term {
    Term::new(number).unwrap_or(Term::LAST)
}
