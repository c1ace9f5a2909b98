//! What a renewal extends, and what it must not touch.

use alloc::format;

use super::Harness;
use super::case::{Case, Outcome, expect, same, unchanged};
use super::contender::Grant;
use crate::lease::Lease;
use crate::storage::Takeover;
use crate::term::Term;

pub(super) async fn renew_extends_and_moves_version<H: Harness>(case: &Case<'_, H>) -> Outcome {
    let a = case.contender(&case.key("a")?, 1)?;
    let grant = a.ttl(case.long() / 2).win(None).await?;
    let mut newest = grant.version;
    for value in ["one", "two", "three"] {
        let a = a.value(value)?;
        let sent = case.now();
        let version = a.extend(grant.term).await?;
        expect(version > newest, format!("a version after {newest}"), version)?;
        newest = version;
        let lease = a.lease().await?;
        let expected = a.shown(&Grant { version, ..grant }, &lease);
        same("the renewed lease", lease, expected)?;
        a.has_left(a.claim.ttl, sent).await?;
    }
    Ok(())
}

pub(super) async fn renew_needs_session<H: Harness>(case: &Case<'_, H>) -> Outcome {
    let (a, b) = (case.contender(&case.key("a")?, 1)?, case.contender(&case.key("a")?, 2)?);
    let grant = a.ttl(case.long() / 2).win(None).await?;
    let before = a.lease().await?;
    let shown = b.value("b's")?.lose(grant.term).await?;
    same("the holder that is shown", shown.and_then(|lease| lease.id), Some(a.claim.id.clone()))?;
    unchanged(&before, &a.lease().await?)?;
    a.extend(grant.term).await.map(drop)
}

pub(super) async fn renew_needs_term<H: Harness>(case: &Case<'_, H>) -> Outcome {
    let a = case.contender(&case.key("a")?, 1)?;
    let brief = a.ttl(case.long() / 2);
    let old = brief.win(None).await?;
    let new = brief.win(Some(old.term)).await?;
    let before = a.lease().await?;
    for other in [old.term, new.term.next().unwrap_or(Term::LAST)] {
        let shown = a.value("other")?.lose(other).await?;
        same("the term that is shown", shown.map(|lease| lease.term), Some(new.term))?;
        unchanged(&before, &a.lease().await?)?;
    }
    a.extend(new.term).await.map(drop)
}

pub(super) async fn renew_never_revives_expired<H: Harness>(case: &Case<'_, H>) -> Outcome {
    let key = case.key("a")?;
    let (a, b) = (case.contender(&key, 1)?, case.contender(&key, 2)?);
    let brief = a.ttl(case.short());
    let grant = brief.win(None).await?;
    let before = brief.expire().await?;
    for late in [&a, &brief] {
        let shown = late.lose(grant.term).await?;
        let expired = Lease { age: None, ..before.clone() };
        same("the lease that is shown", shown.map(|lease| Lease { age: None, ..lease }), Some(expired.clone()))?;
        same("the lease", Lease { age: None, ..a.lease().await? }, expired)?;
    }
    b.win(Some(grant.term)).await.map(drop)
}

pub(super) async fn renew_after_release_is_lost<H: Harness>(case: &Case<'_, H>) -> Outcome {
    let a = case.contender(&case.key("a")?, 1)?;
    let grant = a.win(None).await?;
    a.release().await?;
    let before = a.lease().await?;
    same("the lease that is shown", a.lose(grant.term).await?, Some(before.clone()))?;
    same("the released lease", a.lease().await?, before)?;
    let b = case.contender(&case.key("a")?, 2)?.takeover(Takeover::ReleasedOnly);
    b.win(Some(grant.term)).await.map(drop)
}

pub(super) async fn renew_after_takeover_is_lost<H: Harness>(case: &Case<'_, H>) -> Outcome {
    let key = case.key("a")?;
    let (a, b) = (case.contender(&key, 1)?.ttl(case.short()), case.contender(&key, 2)?.ttl(case.long() / 2));
    let old = a.win(None).await?;
    a.expire().await?;
    let new = b.win(Some(old.term)).await?;
    let before = b.lease().await?;
    for term in [old.term, new.term] {
        let shown = a.ttl(case.long()).lose(term).await?;
        same("the holder that is shown", shown.and_then(|lease| lease.id), Some(b.claim.id.clone()))?;
        unchanged(&before, &b.lease().await?)?;
    }
    b.extend(new.term).await.map(drop)
}

pub(super) async fn renew_of_missing_key_is_lost<H: Harness>(case: &Case<'_, H>) -> Outcome {
    let a = case.contender(&case.key("a")?, 1)?;
    same("the lease that is shown", a.lose(Term::FIRST).await?, None)?;
    same("what was never granted", a.get().await?, None)
}

pub(super) async fn renew_never_shortens<H: Harness>(case: &Case<'_, H>) -> Outcome {
    let a = case.contender(&case.key("a")?, 1)?;
    let grant = a.win(None).await?;
    a.ttl(a.claim.ttl / 4).extend(grant.term).await?;
    a.has_left(a.claim.ttl, grant.sent).await
}
