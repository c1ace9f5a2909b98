//! What has to hold when the whole storage is hurt.

use alloc::format;
use core::time::Duration;

use super::case::{Case, GRAIN, Outcome, Stop, expect, needs, same};
use super::contender::{Contender, Grant};
use super::{Harness, age};
use crate::config::Config;
use crate::storage::{Acquired, Renewed, Revoke, StorageError, StorageExt, Takeover};
use crate::term::Term;

/// That an operation whose reply the harness broke has failed.
async fn broken<H: Harness, T>(case: &Case<'_, H>, answer: impl Future<Output = Result<T, StorageError>>) -> Outcome {
    match case.within(case.harness.patience(), answer).await {
        Some(Ok(_)) => Err(Stop::failed("Harness::break_reply lets the operation fail", "it succeeded")),
        Some(Err(_)) | None => Ok(()),
    }
}

pub(super) async fn broken_reply_is_healed_by_asking_again<H: Harness>(case: &Case<'_, H>) -> Outcome {
    let key = case.key("a")?;
    let (a, b) = (case.contender(&key, 1)?, case.contender(&key, 2)?);
    let break_reply = || case.power(needs::BREAK_REPLY, case.harness.break_reply(a.storage));

    break_reply().await?;
    broken(case, a.storage.acquire(a.claim.clone())).await?;
    let applied = b.lease().await?;
    let grant = a.win(None).await?;
    same("the term of the claim whose reply was lost", grant.term, applied.term)?;

    break_reply().await?;
    broken(case, a.storage.renew(a.renewal(grant.term))).await?;
    a.extend(grant.term).await?;

    break_reply().await?;
    broken(case, a.storage.release(a.releasing())).await?;
    a.release().await?;
    let next = b.win(Some(grant.term)).await?;
    expect(next.term > grant.term, format!("a term after {}", grant.term), next.term)?;

    break_reply().await?;
    broken(case, a.storage.revoke(Revoke::from(&key).now(true))).await?;
    same("what a revoke took that was sent again", a.revoke().await?, None)?;
    same("the term of the revoke", Some(b.lease().await?.term), next.term.next())
}

/// Between two looks at a storage that may be frozen.
async fn pause<H: Harness>(case: &Case<'_, H>) {
    let freeze = case.harness.freeze_after_loss().unwrap_or_default();
    case.sleep((freeze / 64).max(case.short() / 16)).await;
}

/// Claims until the storage grants again: at once, or after its freeze.
pub(super) async fn regain<H: Harness>(case: &Case<'_, H>, contender: &Contender<'_, H>) -> Result<Grant, Stop> {
    let freeze = case.harness.freeze_after_loss().unwrap_or_default();
    let give_up = case.now().saturating_add(freeze).saturating_add(case.harness.patience());
    let mut known: Option<Term> = None;
    loop {
        let sent = case.now();
        match contender.acquire(known).await? {
            Acquired::Granted { term, version } => return Ok(Grant { term, version, sent, told: case.now() }),
            Acquired::Refused { lease, retry_after } => {
                expect(sent < give_up, "a grant on a free key", (&lease, retry_after))?;
                known = known.max(lease.map(|lease| lease.term));
            }
        }
        pause(case).await;
    }
}

pub(super) async fn restart_keeps_terms<H: Harness>(case: &Case<'_, H>) -> Outcome {
    let key = case.key("a")?;
    let a = case.contender(&key, 1)?;
    let old = a.win(None).await?;
    a.release().await?;
    case.power(needs::RESTART, case.harness.restart()).await?;
    let handles = case.reopen().await?;
    let case = case.on(&handles);
    let new = regain(&case, &case.contender(&key, 2)?).await?;
    expect(new.term > old.term, format!("a term after {}", old.term), new.term)
}

pub(super) async fn restart_keeps_leases<H: Harness>(case: &Case<'_, H>) -> Outcome {
    if case.harness.freeze_after_loss().is_some() {
        return Err(Stop::Needs(needs::DURABLE));
    }
    let key = case.key("a")?;
    let a = case.contender(&key, 1)?.value("a's")?;
    let grant = a.win(None).await?;
    case.sleep(case.short()).await;
    case.power(needs::RESTART, case.harness.restart()).await?;
    let handles = case.reopen().await?;
    let case = case.on(&handles);
    let (a, b) = (case.contender(&key, 1)?.value("a's")?, case.contender(&key, 2)?);
    b.refused(Some(grant.term)).await?;
    same("the version", a.lease().await?.version, grant.version)?;
    same("the value", a.lease().await?.value, a.claim.value.clone())?;
    a.leads(grant.term).await?;
    a.extend(grant.term).await?;
    let looked = case.now();
    let lease = a.lease().await?;
    // It may answer none.
    if lease.age.is_some() { age::counts_from(&case, &grant, looked, &lease) } else { Ok(()) }
}

pub(super) async fn clock_back_lease_lasts_no_longer_than_ttl<H: Harness>(case: &Case<'_, H>) -> Outcome {
    let key = case.key("a")?;
    let a = case.contender(&key, 1)?.ttl(case.short());
    let old = a.win(None).await?;
    case.power(needs::CLOCK_BACK, case.harness.turn_clock_back(Config::MAX_DURATION)).await?;
    let handles = case.reopen().await?;
    let case = case.on(&handles);
    let (a, b) = (case.contender(&key, 1)?.ttl(case.short()), case.contender(&key, 2)?);

    let lease = a.lease().await?;
    expect(lease.time_left <= case.short(), "no more left than the ttl", &lease)?;
    // It is younger than it was, or new, if anything.
    let most = case.now().saturating_duration_since(old.sent).saturating_add(GRAIN);
    expect(lease.age.is_none_or(|age| age <= most), format!("an age of at most {most:?}"), lease)?;
    if let Acquired::Refused { lease, retry_after } = b.acquire(None).await? {
        expect(retry_after <= case.short(), "to ask again within the ttl", (lease, retry_after))?;
    }
    // A leader that lives on brings its lease back to the clock.
    let sent = case.now();
    let not_before = match a.renew(old.term).await? {
        Renewed::Extended { .. } => sent.saturating_add(case.short()),
        Renewed::Lost { .. } => sent,
    };
    let new = b.take_over(Some(old.term), not_before).await?;
    expect(new.term > old.term, format!("a term after {}", old.term), new.term)?;
    b.leads(new.term).await
}

pub(super) async fn clock_back_dead_leader_is_replaced<H: Harness>(case: &Case<'_, H>) -> Outcome {
    let key = case.key("a")?;
    let old = case.contender(&key, 1)?.ttl(case.short()).win(None).await?;
    case.power(needs::CLOCK_BACK, case.harness.turn_clock_back(Config::MAX_DURATION)).await?;
    let handles = case.reopen().await?;
    let case = case.on(&handles);
    let mut b = case.contender(&key, 2)?;
    // Its holder never renews. Only who saw the version unchanged for long enough on its own clock may take it.
    b.claim.takeover = Takeover::Unchanged(old.version.next());
    b.refused(Some(old.term)).await?;
    b.claim.takeover = Takeover::Unchanged(old.version);
    let new = b.win(Some(old.term)).await?;
    expect(new.term > old.term, format!("a term after {}", old.term), new.term)?;
    b.leads(new.term).await
}

pub(super) async fn clock_back_reservation_ends<H: Harness>(case: &Case<'_, H>) -> Outcome {
    let contender = |name: &str, number| case.contender(&case.key(name)?, number);
    let (reserved, free) = (contender("reserved", 1)?, contender("free", 1)?);
    let terms = (reserved.win(None).await?.term, free.win(None).await?.term);
    reserved.release_to(&contender("reserved", 2)?, case.long()).await?;
    free.release().await?;
    // By less than a ttl: a plain release has no end that could be ahead now.
    case.power(needs::CLOCK_BACK, case.harness.turn_clock_back(case.long() / 2)).await?;
    let handles = case.reopen().await?;
    let later = case.on(&handles);
    later.contender(&case.key("free")?, 3)?.win(Some(terms.1)).await?;
    // By more than the reservation could have left.
    case.power(needs::CLOCK_BACK, case.harness.turn_clock_back(Config::MAX_DURATION)).await?;
    let handles = case.reopen().await?;
    let later = case.on(&handles);
    later.contender(&case.key("reserved")?, 3)?.win(Some(terms.0)).await.map(drop)
}

pub(super) async fn data_loss_terms_still_grow<H: Harness>(case: &Case<'_, H>) -> Outcome {
    let key = case.key("a")?;
    let a = case.contender(&key, 1)?;
    let old = a.win(None).await?;
    let newest = a.win(Some(old.term)).await?;
    case.power(needs::LOSE_DATA, case.harness.lose_data()).await?;
    let handles = case.reopen().await?;
    let case = case.on(&handles);
    // It has never seen a term of the key.
    let new = regain(&case, &case.contender(&key, 2)?).await?;
    expect(new.term > newest.term, format!("a term after {}", newest.term), new.term)
}

pub(super) async fn data_loss_freezes<H: Harness>(case: &Case<'_, H>) -> Outcome {
    let Some(freeze) = case.harness.freeze_after_loss() else { return Err(Stop::Needs(needs::LOSE_DATA)) };
    let key = case.key("a")?;
    let old = case.contender(&key, 1)?.win(None).await?;
    let before = case.now();
    case.power(needs::LOSE_DATA, case.harness.lose_data()).await?;
    let handles = case.reopen().await?;
    let case = case.on(&handles);
    let (a, b) = (case.contender(&key, 1)?, case.contender(&key, 2)?);
    let thawed = before.saturating_add(freeze);
    let give_up = thawed.saturating_add(case.harness.patience());
    loop {
        a.lose(old.term).await?;
        for (contender, known) in [(&a, Some(old.term)), (&b, None)] {
            let answer = contender.acquire(known).await?;
            let now = case.now();
            match answer {
                Acquired::Granted { .. } => {
                    let early = thawed.saturating_duration_since(now);
                    return expect(early <= GRAIN, "no grant within the freeze", format!("{early:?} early"));
                }
                Acquired::Refused { lease, retry_after } => {
                    expect(now < give_up, "a grant after the freeze", (&lease, retry_after))?;
                    expect(retry_after > Duration::ZERO || lease.is_some(), "to wait for the thaw", retry_after)?;
                }
            }
        }
        pause(&case).await;
    }
}
