//! What a release gives up, and what it must not touch.

use super::Harness;
use super::case::{Case, Outcome, expect, same, unchanged};
use crate::lease::Lease;
use crate::storage::Takeover;

pub(super) async fn release_needs_session<H: Harness>(case: &Case<'_, H>) -> Outcome {
    let (a, b) = (case.contender(&case.key("a")?, 1)?, case.contender(&case.key("a")?, 2)?);
    let grant = a.win(None).await?;
    let before = a.lease().await?;
    b.release().await?;
    unchanged(&before, &a.lease().await?)?;
    a.extend(grant.term).await.map(drop)
}

pub(super) async fn release_is_idempotent<H: Harness>(case: &Case<'_, H>) -> Outcome {
    let a = case.contender(&case.key("a")?, 1)?;
    a.win(None).await?;
    a.release().await?;
    let before = a.lease().await?;
    for _ in 0..3 {
        a.release().await?;
        same("the released lease", a.lease().await?, before.clone())?;
    }
    Ok(())
}

pub(super) async fn release_keeps_the_term<H: Harness>(case: &Case<'_, H>) -> Outcome {
    let a = case.contender(&case.key("a")?, 1)?.value("stays")?;
    // Not in the first term, which is what a storage might begin anew with.
    let old = a.win(None).await?;
    let grant = a.win(Some(old.term)).await?;
    a.release().await?;
    let lease = a.lease().await?;
    expect(lease.version > grant.version, "a version that moved", &lease)?;
    let value = a.claim.value.clone();
    let expected = Lease { value, ..Lease::new(grant.term, lease.version, a.claim.ttl) };
    same("the released lease", lease, expected)
}

pub(super) async fn release_of_missing_key_is_nothing<H: Harness>(case: &Case<'_, H>) -> Outcome {
    let a = case.contender(&case.key("a")?, 1)?;
    a.release().await?;
    same("what was never granted", a.get().await?, None)?;
    a.win(None).await.map(drop)
}

pub(super) async fn release_of_an_expired_lease_frees_it<H: Harness>(case: &Case<'_, H>) -> Outcome {
    let key = case.key("a")?;
    let (a, b) = (case.contender(&key, 1)?.ttl(case.short()), case.contender(&key, 2)?);
    let grant = a.win(None).await?;
    a.expire().await?;
    a.release().await?;
    same("the holder of the released lease", a.lease().await?.id, None)?;
    b.takeover(Takeover::ReleasedOnly).win(Some(grant.term)).await.map(drop)
}

pub(super) async fn late_release_of_old_session_harms_nobody<H: Harness>(case: &Case<'_, H>) -> Outcome {
    let key = case.key("a")?;
    let old = case.contender(&key, 1)?;
    // The same candidate goes on with a new session, then another has its turn.
    let new = case.contender(&key, 2)?.with(|claim| claim.id = old.claim.id.clone());
    let other = case.contender(&key, 3)?;
    let mut grant = old.win(None).await?;
    old.release().await?;
    for next in [&new, &other] {
        grant = next.win(Some(grant.term)).await?;
        let before = next.lease().await?;
        old.release().await?;
        unchanged(&before, &next.lease().await?)?;
        next.extend(grant.term).await?;
        next.release().await?;
    }
    Ok(())
}
