//! For how long a term has lasted, where the storage knows it.

use alloc::format;

use super::Harness;
use super::case::{Case, GRAIN, Outcome, Stop, expect, needs, same};
use super::contender::{Contender, Grant};
use super::revocation::revoked;
use crate::lease::Lease;
use crate::storage::List;

/// That the lease has the age of a term that began with this grant, and is as old as a look at it that was sent then.
pub(super) fn counts_from<H: Harness>(
    case: &Case<'_, H>,
    grant: &Grant,
    looked: crate::Instant,
    lease: &Lease,
) -> Outcome {
    let Some(age) = lease.age else { return Err(Stop::Needs(needs::AGE)) };
    let least = looked.saturating_duration_since(grant.told).saturating_sub(GRAIN);
    let most = case.now().saturating_duration_since(grant.sent).saturating_add(GRAIN);
    expect((least..=most).contains(&age), format!("an age from {least:?} to {most:?}"), lease)
}

/// That a look at the lease shows the age of a term that began with this grant.
async fn has_age<H: Harness>(case: &Case<'_, H>, contender: &Contender<'_, H>, grant: &Grant) -> Outcome {
    let looked = case.now();
    counts_from(case, grant, looked, &contender.lease().await?)
}

pub(super) async fn age_counts_from_the_grant<H: Harness>(case: &Case<'_, H>) -> Outcome {
    let key = case.key("a")?;
    let (a, observer) = (case.contender(&key, 1)?, case.contender(&key, 2)?);
    let grant = a.win(None).await?;
    for _ in 0..3 {
        has_age(case, &observer, &grant).await?;
        case.sleep(case.short() / 2).await;
    }
    has_age(case, &observer, &grant).await
}

pub(super) async fn age_goes_on_with_the_term<H: Harness>(case: &Case<'_, H>) -> Outcome {
    let key = case.key("a")?;
    let (a, observer) = (case.contender(&key, 1)?, case.contender(&key, 2)?);
    let grant = a.win(None).await?;
    has_age(case, &observer, &grant).await?;
    for value in ["one", "two"] {
        case.sleep(case.short()).await;
        a.value(value)?.extend(grant.term).await?;
        has_age(case, &observer, &grant).await?;
    }
    case.sleep(case.short()).await;
    same("the term of the same claim, asked again", a.win(None).await?.term, grant.term)?;
    has_age(case, &observer, &grant).await
}

pub(super) async fn age_begins_anew_with_each_term<H: Harness>(case: &Case<'_, H>) -> Outcome {
    let key = case.key("a")?;
    let (a, b) = (case.contender(&key, 1)?, case.contender(&key, 2)?);
    let brief = a.ttl(case.short());
    let pause = || case.sleep(case.short());
    let first = a.win(None).await?;
    has_age(case, &b, &first).await?;

    pause().await;
    let own_live = a.win(Some(first.term)).await?;
    has_age(case, &b, &own_live).await?;

    pause().await;
    a.release().await?;
    let own_released = a.win(Some(own_live.term)).await?;
    has_age(case, &b, &own_released).await?;

    pause().await;
    a.release().await?;
    let released = brief.win(Some(own_released.term)).await?;
    has_age(case, &b, &released).await?;
    brief.expire().await?;
    let own_expired = brief.win(Some(released.term)).await?;
    has_age(case, &b, &own_expired).await?;
    brief.expire().await?;
    let taken_over = b.win(Some(own_expired.term)).await?;
    has_age(case, &b, &taken_over).await?;

    pause().await;
    revoked(&a).await?;
    pause().await;
    let after_revoke = b.win(Some(a.lease().await?.term)).await?;
    has_age(case, &b, &after_revoke).await
}

pub(super) async fn age_is_shown_always_or_never<H: Harness>(case: &Case<'_, H>) -> Outcome {
    let key = case.key("a")?;
    let (a, b) = (case.contender(&key, 1)?, case.contender(&key, 2)?);
    let list = || case.list(List::new().prefix(key.as_str()));
    let mut knows: Option<bool> = None;
    let mut sees = |what: &str, lease: Option<Lease>| {
        let lease = lease.ok_or_else(|| Stop::failed(format!("a lease in {what}"), "none"))?;
        let held = lease.id.is_some();
        let shown = lease.age.is_some();
        if !held {
            return expect(!shown, format!("no age in {what}, since nobody holds the lease"), lease);
        }
        let expected = *knows.get_or_insert(shown);
        expect(shown == expected, format!("{} in {what}", if expected { "an age" } else { "no age" }), lease)
    };

    let grant = a.win(None).await?;
    sees("a look", a.get().await?)?;
    sees("another's look", b.get().await?)?;
    sees("a refusal", b.refused(None).await?.lease)?;
    sees("a list", list().await?.entries.pop().map(|entry| entry.lease))?;
    sees("a lost renewal", b.lose(grant.term).await?)?;
    a.extend(grant.term).await?;
    sees("a look after a renewal", b.get().await?)?;
    sees("a revoke", a.revoke().await?)?;
    sees("a look after a revoke", b.get().await?)?;
    sees("a renewal after a revoke", a.lose(grant.term).await?)?;
    sees("a list after a revoke", list().await?.entries.pop().map(|entry| entry.lease))?;

    let brief = a.ttl(case.short());
    let known = Some(b.lease().await?.term);
    let grant = brief.win(known).await?;
    sees("a look at an expired lease", Some(brief.expire().await?))?;
    sees("a late renewal", brief.lose(grant.term).await?)?;
    sees("a list of an expired lease", list().await?.entries.pop().map(|entry| entry.lease))?;
    brief.release().await?;
    sees("a look after a release", b.get().await?)?;
    sees("a refusal after a release", b.refused(None).await?.lease)?;
    sees("a list after a release", list().await?.entries.pop().map(|entry| entry.lease))?;
    if knows == Some(true) { Ok(()) } else { Err(Stop::Needs(needs::AGE)) }
}
