//! What a revoke takes, and what it leaves to its holder.

use alloc::format;
use core::time::Duration;

use super::Harness;
use super::case::{Case, GRAIN, Outcome, Stop, expect, same, unchanged};
use super::contender::Contender;
use crate::lease::Lease;
use crate::storage::Takeover;
use crate::term::Term;

/// Revokes what somebody holds: the lease as it was before.
pub(super) async fn revoked<H: Harness>(operator: &Contender<'_, H>) -> Result<Lease, Stop> {
    operator.revoke().await?.ok_or_else(|| Stop::failed("a revoke answers the lease as it was", "that nobody held it"))
}

/// As [`revoked`], and the key waits for the end of that lease.
async fn softly_revoked<H: Harness>(operator: &Contender<'_, H>) -> Result<Lease, Stop> {
    let taken = operator.revoke_softly().await?;
    taken.ok_or_else(|| Stop::failed("a revoke answers the lease as it was", "that nobody held it"))
}

/// The term after this one, which a revoke begins.
fn following(term: Term) -> Term {
    term.next().unwrap_or(Term::LAST)
}

pub(super) async fn revoke_takes_a_live_lease<H: Harness>(case: &Case<'_, H>) -> Outcome {
    let key = case.key("a")?;
    let (a, operator) = (case.contender(&key, 1)?.value("stays")?, case.contender(&key, 2)?);
    let grant = a.win(None).await?;
    let before = operator.lease().await?;
    let taken = revoked(&operator).await?;
    unchanged(&before, &taken)?;
    let least = a.claim.ttl.saturating_sub(case.now().saturating_duration_since(grant.sent)).saturating_sub(GRAIN);
    expect(taken.time_left >= least, format!("the lease as it was, with at least {least:?} left"), &taken)?;

    let after = operator.lease().await?;
    expect(after.version > before.version, format!("a version after {}", before.version), &after)?;
    let value = before.value.clone();
    let expected = Lease { value, ..Lease::new(following(before.term), after.version, before.ttl) };
    same("the lease after it", after, expected)
}

pub(super) async fn revoke_ends_the_reign<H: Harness>(case: &Case<'_, H>) -> Outcome {
    let key = case.key("a")?;
    let (a, operator) = (case.contender(&key, 1)?, case.contender(&key, 2)?);
    let grant = a.win(None).await?;
    revoked(&operator).await?;
    let before = operator.lease().await?;
    for term in [grant.term, before.term] {
        same("the lease that is shown", a.lose(term).await?, Some(before.clone()))?;
        same("the revoked lease", operator.lease().await?, before.clone())?;
    }
    Ok(())
}

pub(super) async fn revoked_is_free_at_once<H: Harness>(case: &Case<'_, H>) -> Outcome {
    for takeover in [Takeover::Expired, Takeover::ReleasedOnly] {
        let key = case.key(&format!("{takeover:?}"))?;
        let (a, b) = (case.contender(&key, 1)?, case.contender(&key, 2)?.takeover(takeover));
        let mut known = None;
        for next in [&b, &a] {
            let old = a.takeover(takeover).win(known).await?;
            let taken = revoked(&b).await?;
            let free = b.lease().await?;
            let new = next.win(Some(free.term)).await?;
            expect(new.term > free.term, format!("a term after {}", free.term), new.term)?;
            expect(new.version > free.version, format!("a version after {}", free.version), new.version)?;
            same("the term that was revoked", taken.term, old.term)?;
            next.leads(new.term).await?;
            next.has_left(next.claim.ttl, new.sent).await?;
            next.release().await?;
            known = Some(new.term);
        }
    }
    Ok(())
}

/// Nobody holds it, and nobody is granted it while its former holder may still believe in it.
pub(super) async fn revoked_is_nobodys_until_its_end<H: Harness>(case: &Case<'_, H>) -> Outcome {
    let key = case.key("long")?;
    let (a, b, operator) =
        (case.contender(&key, 1)?.value("stays")?, case.contender(&key, 2)?, case.contender(&key, 3)?);
    let grant = a.win(None).await?;
    let before = operator.lease().await?;
    unchanged(&before, &softly_revoked(&operator).await?)?;

    let after = operator.lease().await?;
    expect(after.version > before.version, format!("a version after {}", before.version), &after)?;
    let value = before.value.clone();
    let expected = Lease { value, ..Lease::new(following(before.term), after.version, before.ttl) };
    same("the lease after it", Lease { time_left: Duration::ZERO, ..after.clone() }, expected)?;
    operator.has_left(a.claim.ttl, grant.sent).await?;

    a.release().await?;
    for term in [grant.term, after.term] {
        a.lose(term).await?;
    }
    for claimant in [&a, &b] {
        for takeover in [Takeover::Expired, Takeover::ReleasedOnly] {
            let refusal = claimant.takeover(takeover).refused(Some(after.term)).await?;
            let since = case.now().saturating_duration_since(grant.sent);
            let told = refusal.retry_after.saturating_add(since).saturating_add(GRAIN) >= a.claim.ttl;
            expect(told && refusal.retry_after <= a.claim.ttl, "what is left of the lease", refusal.retry_after)?;
        }
    }
    same("what was revoked again", operator.revoke_softly().await?, None)?;
    unchanged(&after, &operator.lease().await?)?;

    let key = case.key("short")?;
    let (a, b) = (case.contender(&key, 1)?.ttl(case.short()), case.contender(&key, 2)?);
    let grant = a.win(None).await?;
    softly_revoked(&b).await?;
    let term = b.lease().await?.term;
    let new = b.take_over(Some(term), grant.sent.saturating_add(a.claim.ttl)).await?;
    expect(new.term > term, format!("a term after {term}"), new.term)?;
    b.leads(new.term).await
}

/// What was revoked, and what has ended, is free as soon as somebody says so.
pub(super) async fn revoked_is_free_when_that_is_asked_for<H: Harness>(case: &Case<'_, H>) -> Outcome {
    let key = case.key("a")?;
    let (a, b) = (case.contender(&key, 1)?, case.contender(&key, 2)?.takeover(Takeover::ReleasedOnly));
    a.win(None).await?;
    softly_revoked(&b).await?;
    let waiting = b.lease().await?;
    unchanged(&waiting, &revoked(&b).await?)?;
    let free = b.lease().await?;
    same("the lease that waits no more", (free.id.clone(), free.time_left), (None, Duration::ZERO))?;
    b.win(Some(free.term)).await.map(drop)
}

/// The storage's clock says that it is over. Whoever does not trust that clock waits as for any lease that nobody gave up.
pub(super) async fn revoked_without_haste_is_to_be_taken_over<H: Harness>(case: &Case<'_, H>) -> Outcome {
    for watched in [true, false] {
        let key = case.key(&format!("watched {watched}"))?;
        let (a, b) = (case.contender(&key, 1)?.ttl(case.short()), case.contender(&key, 2)?);
        a.win(None).await?;
        let before = a.expire().await?;
        unchanged(&before, &softly_revoked(&b).await?)?;
        let over = b.lease().await?;
        let shown = (over.id.clone(), over.term, over.time_left, over.ttl);
        same("the lease after it", shown, (None, following(before.term), Duration::ZERO, before.ttl))?;
        same("what was revoked again", b.revoke_softly().await?, None)?;

        let refusal = b.takeover(Takeover::ReleasedOnly).refused(Some(over.term)).await?;
        same("for how long it is to be watched", refusal.retry_after, over.ttl)?;
        unchanged(&over, &b.lease().await?)?;
        let takeover = if watched { Takeover::Unchanged(over.version) } else { Takeover::Expired };
        let new = b.takeover(takeover).win(Some(over.term)).await?;
        expect(new.term > over.term, format!("a term after {}", over.term), new.term)?;
        b.leads(new.term).await?;
    }
    Ok(())
}

pub(super) async fn outdated_claim_is_refused_after_revoke<H: Harness>(case: &Case<'_, H>) -> Outcome {
    let key = case.key("a")?;
    let (a, b) = (case.contender(&key, 1)?, case.contender(&key, 2)?);
    let grant = a.win(None).await?;
    revoked(&b).await?;
    let before = b.lease().await?;
    // Its first claim, sent again, and claims of those that saw it lead: the term of the revoke refuses them.
    for lingered in [&a, &b] {
        for known in [None, Some(grant.term)] {
            let refusal = lingered.refused(known).await?;
            same("when to ask again, having looked", refusal.retry_after, Duration::ZERO)?;
            same("the lease to ask with", refusal.lease, Some(before.clone()))?;
        }
    }
    same("the revoked lease", b.lease().await?, before.clone())?;
    a.win(Some(before.term)).await.map(drop)
}

pub(super) async fn revoke_of_missing_key_is_nothing<H: Harness>(case: &Case<'_, H>) -> Outcome {
    let a = case.contender(&case.key("a")?, 1)?;
    same("what was revoked", a.revoke().await?, None)?;
    same("what was never granted", a.get().await?, None)?;
    a.win(None).await.map(drop)
}

pub(super) async fn revoke_of_a_released_key_is_nothing<H: Harness>(case: &Case<'_, H>) -> Outcome {
    let key = case.key("a")?;
    let (a, operator) = (case.contender(&key, 1)?.value("stays")?, case.contender(&key, 2)?);
    let grant = a.win(None).await?;
    a.release().await?;
    let before = a.lease().await?;
    for _ in 0..2 {
        same("what was revoked", operator.revoke().await?, None)?;
        same("the released lease", a.lease().await?, before.clone())?;
    }
    let new = a.win(Some(grant.term)).await?;
    same("the term after the one that was released", new.term.max(grant.term), new.term)?;
    revoked(&operator).await?;
    let before = a.lease().await?;
    for _ in 0..2 {
        same("what was revoked a second time", operator.revoke().await?, None)?;
        same("the revoked lease", a.lease().await?, before.clone())?;
    }
    Ok(())
}

pub(super) async fn revoke_of_an_expired_lease_frees_it<H: Harness>(case: &Case<'_, H>) -> Outcome {
    let key = case.key("a")?;
    let (a, b) = (case.contender(&key, 1)?.ttl(case.short()), case.contender(&key, 2)?);
    let grant = a.win(None).await?;
    let before = a.expire().await?;
    unchanged(&before, &revoked(&b).await?)?;
    let free = b.lease().await?;
    same("the term of the revoke", free.term, following(grant.term))?;
    same("the holder of the revoked lease", free.id, None)?;
    b.takeover(Takeover::ReleasedOnly).win(Some(free.term)).await.map(drop)
}

pub(super) async fn revoke_in_the_last_term_is_the_end<H: Harness>(case: &Case<'_, H>) -> Outcome {
    let key = case.key("a")?;
    let (a, b) = (case.contender(&key, 1)?, case.contender(&key, 2)?);
    let last_but_one = Term::LAST.previous();
    same("the last term", a.win(last_but_one).await?.term, Term::LAST)?;
    same("the term that was revoked", revoked(&b).await?.term, Term::LAST)?;
    let lease = b.lease().await?;
    same("who holds the key, and in which term", (lease.id, lease.term), (None, Term::LAST))?;
    a.lose(Term::LAST).await?;
    b.refused(Some(Term::LAST)).await.map(drop)
}

pub(super) async fn late_release_after_a_revoke_harms_nobody<H: Harness>(case: &Case<'_, H>) -> Outcome {
    let key = case.key("a")?;
    let (a, b) = (case.contender(&key, 1)?, case.contender(&key, 2)?);
    a.win(None).await?;
    revoked(&b).await?;
    let free = b.lease().await?;
    a.release().await?;
    same("the revoked lease", b.lease().await?, free.clone())?;
    let new = b.win(Some(free.term)).await?;
    let before = b.lease().await?;
    a.release().await?;
    unchanged(&before, &b.lease().await?)?;
    b.extend(new.term).await.map(drop)
}

pub(super) async fn revoke_of_another_term_is_nothing<H: Harness>(case: &Case<'_, H>) -> Outcome {
    let key = case.key("a")?;
    let (a, b, operator) = (case.contender(&key, 1)?, case.contender(&key, 2)?, case.contender(&key, 3)?);
    let old = a.win(None).await?;
    // It lingers, and comes when the lease is a successor's.
    a.release().await?;
    let new = b.win(Some(old.term)).await?;
    let before = b.lease().await?;
    for other in [Some(old.term), new.term.next()].into_iter().flatten() {
        same("what was revoked of another term", operator.revoke_term(other).await?, None)?;
        unchanged(&before, &b.lease().await?)?;
    }
    b.extend(new.term).await?;
    // Of the same handle: where observers judge, each counts from when it saw the write.
    let before = operator.lease().await?;
    let taken = operator.revoke_term(new.term).await?;
    unchanged(
        &before,
        &taken.ok_or_else(|| Stop::failed("a revoke of this term takes the lease", "that nobody held it"))?,
    )?;
    same("what was revoked again", operator.revoke_term(new.term).await?, None)?;
    same("the term of the revoke", operator.lease().await?.term, following(new.term))
}
