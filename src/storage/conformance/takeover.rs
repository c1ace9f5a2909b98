//! What the take-over guard lets through.

use core::time::Duration;

use super::Harness;
use super::case::{Case, Outcome, expect, unchanged};
use crate::storage::{Takeover, Version};

pub(super) async fn takeover_unchanged_takes_what_it_saw<H: Harness>(case: &Case<'_, H>) -> Outcome {
    let key = case.key("a")?;
    let (a, b) = (case.contender(&key, 1)?.ttl(case.short()), case.contender(&key, 2)?);
    let old = a.win(None).await?;
    a.expire().await?;
    let new = b.takeover(Takeover::Unchanged(old.version)).win(Some(old.term)).await?;
    expect(new.term > old.term, "a new term", new)?;
    b.leads(new.term).await
}

pub(super) async fn takeover_unchanged_refuses_what_moved<H: Harness>(case: &Case<'_, H>) -> Outcome {
    let key = case.key("a")?;
    let (a, b) = (case.contender(&key, 1)?.ttl(case.short()), case.contender(&key, 2)?);
    a.win(None).await?;
    let lease = a.expire().await?;
    for other in [Version::new(lease.version.get().wrapping_sub(1)), lease.version.next()] {
        let refusal = b.takeover(Takeover::Unchanged(other)).refused(Some(lease.term)).await?;
        let wait = Duration::from_nanos(1)..=lease.ttl;
        expect(wait.contains(&refusal.retry_after), "to watch for up to the ttl of the lease", refusal)?;
        unchanged(&lease, &a.lease().await?)?;
    }
    b.takeover(Takeover::Unchanged(lease.version)).win(Some(lease.term)).await.map(drop)
}

pub(super) async fn takeover_released_only_waits<H: Harness>(case: &Case<'_, H>) -> Outcome {
    let key = case.key("a")?;
    let (a, b) = (case.contender(&key, 1)?.ttl(case.short()), case.contender(&key, 2)?);
    a.win(None).await?;
    let lease = a.expire().await?;
    let refusal = b.takeover(Takeover::ReleasedOnly).refused(Some(lease.term)).await?;
    let wait = Duration::from_nanos(1)..=lease.ttl;
    expect(wait.contains(&refusal.retry_after), "to watch for up to the ttl of the lease", refusal)?;
    unchanged(&lease, &a.lease().await?)?;
    b.takeover(Takeover::Expired).win(Some(lease.term)).await.map(drop)
}

pub(super) async fn takeover_does_not_bind_a_released_key<H: Harness>(case: &Case<'_, H>) -> Outcome {
    for (name, takeover) in
        [("released only", Takeover::ReleasedOnly), ("unchanged", Takeover::Unchanged(Version::new(1 << 50)))]
    {
        let key = case.key(name)?;
        let (a, b) = (case.contender(&key, 1)?, case.contender(&key, 2)?.takeover(takeover));
        let old = a.win(None).await?;
        a.release().await?;
        let new = b.win(Some(old.term)).await?;
        b.leads(new.term).await?;
        case.contender(&case.key(name)?, 3)?.takeover(takeover).refused(Some(new.term)).await?;
    }
    let new = case.contender(&case.key("new")?, 1)?.takeover(Takeover::ReleasedOnly);
    new.win(None).await.map(drop)
}

pub(super) async fn takeover_does_not_bind_the_own_lease<H: Harness>(case: &Case<'_, H>) -> Outcome {
    for (name, takeover) in
        [("released only", Takeover::ReleasedOnly), ("unchanged", Takeover::Unchanged(Version::new(1 << 50)))]
    {
        let a = case.contender(&case.key(name)?, 1)?.takeover(takeover);
        let brief = a.ttl(case.short());
        let old = brief.win(None).await?;
        brief.expire().await?;
        let new = a.win(Some(old.term)).await?;
        expect(new.term > old.term, "a new term", new)?;
        // Live and mine: the same.
        a.win(Some(new.term)).await?;
    }
    Ok(())
}
