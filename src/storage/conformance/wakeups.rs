//! Wake-ups: hints, so one may be missed while a subscription is still on its way. Each case has several rounds.

use alloc::vec::Vec;
use core::time::Duration;

use futures::StreamExt;

use super::Harness;
use super::case::{Case, Outcome, Stop, expect, needs};
use super::contender::Contender;
use super::powers::regain;
use super::revocation::revoked;
use crate::storage::{Storage, Wakeups};
use crate::term::Term;

const ROUNDS: u32 = 5;
/// Of wake-ups after a restart: the first may be of the connection.
const TWICE: u32 = 2;

pub(super) fn subscribe<H: Harness>(follower: &Contender<'_, H>) -> Result<Wakeups, Stop> {
    let wakeups = follower.storage.subscribe(&follower.claim.key);
    if wakeups.is_never() { Err(Stop::Needs(needs::WAKEUPS)) } else { Ok(wakeups) }
}

async fn woken<H: Harness>(case: &Case<'_, H>, wakeups: &mut Wakeups, limit: Duration) -> bool {
    case.within(limit, wakeups.next()).await == Some(Some(()))
}

/// Takes wake-ups until there are no more; answers how many.
pub(super) async fn quiet<H: Harness>(case: &Case<'_, H>, wakeups: &mut Wakeups) -> u32 {
    let mut count = 0;
    while count < 100 && woken(case, wakeups, case.short()).await {
        count += 1;
    }
    count
}

pub(super) async fn wakeup_at_release<H: Harness>(case: &Case<'_, H>) -> Outcome {
    wakeup_after_release(case, false).await
}

pub(super) async fn wakeup_at_transfer<H: Harness>(case: &Case<'_, H>) -> Outcome {
    wakeup_after_release(case, true).await
}

async fn wakeup_after_release<H: Harness>(case: &Case<'_, H>, reserves: bool) -> Outcome {
    let key = case.key("a")?;
    let (a, follower) = (case.contender(&key, 1)?, case.contender(&key, 2)?);
    let mut wakeups = subscribe(&follower)?;
    let mut known = None;
    for _ in 0..ROUNDS {
        let leader = if reserves && known.is_some() { &follower } else { &a };
        known = Some(leader.win(known).await?.term);
        quiet(case, &mut wakeups).await;
        if reserves {
            leader.release_to(&follower, case.long()).await?
        } else {
            leader.release().await?
        };
        if woken(case, &mut wakeups, case.harness.patience() / ROUNDS).await {
            return Ok(());
        }
    }
    Err(Stop::failed("a wake-up after a release", "none"))
}

pub(super) async fn wakeup_at_revoke<H: Harness>(case: &Case<'_, H>) -> Outcome {
    let key = case.key("a")?;
    let (a, operator, follower) = (case.contender(&key, 1)?, case.contender(&key, 2)?, case.contender(&key, 3)?);
    let mut wakeups = subscribe(&follower)?;
    let mut known = None;
    for _ in 0..ROUNDS {
        a.win(known).await?;
        quiet(case, &mut wakeups).await;
        revoked(&operator).await?;
        known = Some(operator.lease().await?.term);
        if woken(case, &mut wakeups, case.harness.patience() / ROUNDS).await {
            return Ok(());
        }
    }
    Err(Stop::failed("a wake-up after a revoke", "none"))
}

pub(super) async fn wakeup_at_grant_to_another<H: Harness>(case: &Case<'_, H>) -> Outcome {
    for after_expiry in [false, true] {
        let key = case.key(if after_expiry { "expired" } else { "released" })?;
        let (a, b, follower) = (case.contender(&key, 1)?, case.contender(&key, 2)?, case.contender(&key, 3)?);
        let brief = a.ttl(case.short());
        let mut wakeups = subscribe(&follower)?;
        let (mut known, mut heard): (Option<Term>, bool) = (None, false);
        for _ in 0..ROUNDS {
            let old = brief.win(known).await?;
            if after_expiry {
                brief.expire().await?;
            } else {
                brief.release().await?;
            }
            quiet(case, &mut wakeups).await;
            known = Some(b.win(Some(old.term)).await?.term);
            heard = woken(case, &mut wakeups, case.harness.patience() / ROUNDS).await;
            if heard {
                break;
            }
            b.release().await?;
        }
        expect(heard, "a wake-up after a grant to another", "none")?;
    }
    Ok(())
}

pub(super) async fn wakeups_coalesce_and_are_kept<H: Harness>(case: &Case<'_, H>) -> Outcome {
    const HANDOVERS: u32 = 8;
    let key = case.key("a")?;
    let (a, follower) = (case.contender(&key, 1)?, case.contender(&key, 2)?);
    let mut wakeups = subscribe(&follower)?;
    let mut known = None;
    let mut seen = Vec::new();
    for _ in 0..ROUNDS {
        quiet(case, &mut wakeups).await;
        for _ in 0..HANDOVERS {
            known = Some(a.win(known).await?.term);
            a.release().await?;
        }
        // Nobody polls until all of them have arrived.
        case.sleep(case.short()).await;
        let kept = woken(case, &mut wakeups, case.harness.patience() / ROUNDS).await;
        let count = u32::from(kept) + quiet(case, &mut wakeups).await;
        if (1..=HANDOVERS / 2).contains(&count) {
            return Ok(());
        }
        seen.push(count);
    }
    Err(Stop::failed("one wake-up, or a few, for 16 events while nobody polled", seen))
}

pub(super) async fn no_wakeup_at_renewal<H: Harness>(case: &Case<'_, H>) -> Outcome {
    let key = case.key("a")?;
    let (a, follower) = (case.contender(&key, 1)?, case.contender(&key, 2)?);
    let mut wakeups = subscribe(&follower)?;
    let grant = a.win(None).await?;
    for _ in 0..ROUNDS {
        quiet(case, &mut wakeups).await;
        for _ in 0..3 {
            a.extend(grant.term).await?;
        }
        if quiet(case, &mut wakeups).await == 0 {
            return Ok(());
        }
    }
    Err(Stop::failed("no wake-up after a renewal", "one in each of five rounds"))
}

pub(super) async fn wakeups_outlive_a_restart<H: Harness>(case: &Case<'_, H>) -> Outcome {
    let key = case.key("a")?;
    let (a, follower) = (case.contender(&key, 1)?, case.contender(&key, 2)?);
    let mut wakeups = subscribe(&follower)?;
    // It has listened before, with the connection that it is about to lose.
    let mut known = None;
    for _ in 0..ROUNDS {
        known = Some(a.win(known).await?.term);
        a.release().await?;
        if woken(case, &mut wakeups, case.harness.patience() / ROUNDS).await {
            break;
        }
    }
    case.power(needs::RESTART, case.harness.restart()).await?;
    let handles = case.reopen().await?;
    let later = case.on(&handles);
    let a = later.contender(&key, 1)?;
    let mut heard = 0;
    known = known.max(Some(regain(&later, &a).await?.term));
    // It may take a while until it is connected again.
    let give_up = case.now().saturating_add(case.harness.patience().saturating_mul(3));
    while case.now() < give_up {
        quiet(case, &mut wakeups).await;
        a.release().await?;
        heard += u32::from(woken(case, &mut wakeups, case.harness.patience() / ROUNDS).await);
        if heard == TWICE {
            return Ok(());
        }
        known = Some(a.win(known).await?.term);
    }
    let seen = if heard == 0 { "none" } else { "only that of the new connection" };
    Err(Stop::saw("wake-ups after a restart, by a subscription from before it", seen))
}
