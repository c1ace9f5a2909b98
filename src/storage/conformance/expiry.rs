//! How long a lease lasts, and what follows it.

use alloc::format;
use core::time::Duration;

use super::Harness;
use super::case::{Case, Outcome, Stop, expect, same};
use super::contender::Grant;
use crate::storage::Renewed;

pub(super) async fn expired_is_free_not_before<H: Harness>(case: &Case<'_, H>) -> Outcome {
    let key = case.key("a")?;
    let (a, b) = (case.contender(&key, 1)?.ttl(case.short()), case.contender(&key, 2)?);
    let old = a.win(None).await?;
    let new = b.take_over(Some(old.term), old.sent.saturating_add(case.short())).await?;
    expect(new.term > old.term, format!("a term after {}", old.term), new.term)?;
    b.leads(new.term).await
}

pub(super) async fn renewed_lease_is_free_not_before<H: Harness>(case: &Case<'_, H>) -> Outcome {
    let ttl = case.short().saturating_mul(2);
    for round in ["a", "b", "c", "d", "e"] {
        let key = case.key(round)?;
        let (a, b) = (case.contender(&key, 1)?.ttl(ttl), case.contender(&key, 2)?);
        let old = a.win(None).await?;
        case.sleep(ttl / 4).await;
        let sent = case.now();
        match a.renew(old.term).await? {
            Renewed::Extended { .. } => {
                b.take_over(Some(old.term), sent.saturating_add(ttl)).await?;
                return Ok(());
            }
            // The machine was too slow for the lease; that is no fault of the storage.
            Renewed::Lost { .. } if case.now() >= old.sent.saturating_add(ttl) => {}
            lost => return Err(Stop::failed("a renewal well within the ttl", lost)),
        }
    }
    Err(Stop::failed("a renewal within the ttl in one of five rounds", "all too slow: give Harness::ttl more room"))
}

pub(super) async fn expired_own_lease_gets_a_new_term<H: Harness>(case: &Case<'_, H>) -> Outcome {
    let a = case.contender(&case.key("a")?, 1)?;
    let brief = a.ttl(case.short());
    let old = brief.win(None).await?;
    brief.expire().await?;
    let new = a.win(Some(old.term)).await?;
    expect(new.term > old.term, format!("a term after {}", old.term), new.term)?;
    a.lose(old.term).await?;
    a.extend(new.term).await.map(drop)
}

pub(super) async fn terms_grow_across_release_and_expiry<H: Harness>(case: &Case<'_, H>) -> Outcome {
    let key = case.key("a")?;
    let (a, b) = (case.contender(&key, 1)?, case.contender(&key, 2)?);
    let (brief_a, brief_b) = (a.ttl(case.short()), b.ttl(case.short()));
    let grows = |old: Grant, new: Grant| {
        expect(new.term > old.term && new.version > old.version, format!("more than {old:?}"), new)
    };

    let first = brief_a.win(None).await?;
    brief_a.expire().await?;
    let taken_over = brief_b.win(Some(first.term)).await?;
    grows(first, taken_over)?;
    brief_b.expire().await?;
    let own_again = b.win(Some(taken_over.term)).await?;
    grows(taken_over, own_again)?;
    b.release().await?;
    let after_release = a.win(Some(own_again.term)).await?;
    grows(own_again, after_release)?;
    let new_reign = a.win(Some(after_release.term)).await?;
    grows(after_release, new_reign)?;
    a.release().await?;
    let own_after_release = a.win(Some(new_reign.term)).await?;
    grows(new_reign, own_after_release)?;
    a.leads(own_after_release.term).await
}

pub(super) async fn ttl_has_millisecond_resolution<H: Harness>(case: &Case<'_, H>) -> Outcome {
    let base = case.long() / 2;
    let ms = Duration::from_millis;
    let cases = [
        ("whole", base + ms(1), base + ms(1)),
        ("odd", base + ms(987), base + ms(987)),
        ("a little more", base + ms(7) + Duration::from_nanos(1), base + ms(8)),
        ("a little less", base + ms(7) - Duration::from_nanos(1), base + ms(7)),
        ("micros", base + ms(3) + Duration::from_micros(500), base + ms(4)),
    ];
    for (name, asked, given) in cases {
        let a = case.contender(&case.key(name)?, 1)?.ttl(asked);
        let grant = a.win(None).await?;
        same("the ttl of a grant", a.lease().await?.ttl, given)?;
        a.has_left(given, grant.sent).await?;
        let more = Duration::from_secs(1);
        let a = a.ttl(asked + more);
        a.extend(grant.term).await?;
        same("the ttl of a renewal", a.lease().await?.ttl, given + more)?;
    }
    Ok(())
}

pub(super) async fn longest_ttl_lasts<H: Harness>(case: &Case<'_, H>) -> Outcome {
    let ttl = case.harness.longest_ttl();
    let a = case.contender(&case.key("a")?, 1)?.ttl(ttl);
    let grant = a.win(None).await?;
    a.has_left(ttl, grant.sent).await?;
    same("the ttl of the lease", a.lease().await?.ttl, ttl)?;
    let sent = case.now();
    a.extend(grant.term).await?;
    a.has_left(ttl, sent).await
}
