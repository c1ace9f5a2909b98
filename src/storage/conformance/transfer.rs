//! What a release reserves, for whom, and for how long.

use alloc::format;
use alloc::vec::Vec;
use core::time::Duration;

use super::Harness;
use super::case::{Case, GRAIN, Outcome, Stop, expect, same, timeless, unchanged};
use super::contender::Contender;
use crate::lease::Lease;
use crate::storage::{Reply, Request, Storage, Takeover, Version};
use crate::term::Term;
use crate::text::Id;
use crate::time::Instant;

/// Whatever a claim may say of an expired lease: none of it is about a released one.
fn takeovers(version: Version) -> [Takeover; 3] {
    [Takeover::Expired, Takeover::ReleasedOnly, Takeover::Unchanged(version)]
}

/// Wins the key and releases it, reserved for another; answers the term, and the clock before the release was sent.
async fn hand_over<H: Harness>(
    case: &Case<'_, H>,
    from: &Contender<'_, H>,
    to: &Contender<'_, H>,
    within: Duration,
) -> Result<(Term, Instant), Stop> {
    let grant = from.win(None).await?;
    let sent = case.now();
    from.release_to(to, within).await?;
    Ok((grant.term, sent))
}

pub(super) async fn reserved_is_refused_to_another<H: Harness>(case: &Case<'_, H>) -> Outcome {
    let key = case.key("a")?;
    let (a, b, c) = (case.contender(&key, 1)?.value("stays")?, case.contender(&key, 2)?, case.contender(&key, 3)?);
    let within = case.long().saturating_sub(Duration::from_micros(1)); // counts in whole ms, rounded up
    let version = a.win(None).await?.version;
    let sent = case.now();
    a.release_to(&b, within).await?;
    let before = c.lease().await?;
    // By now all who are asked have seen it: where observers judge, each counts from then.
    let told = case.now();
    expect(before.version > version, format!("a version after {version}"), &before)?;
    let expected = Lease { value: a.claim.value.clone(), ..Lease::new(before.term, before.version, case.long()) };
    same("the reserved lease, which shows nobody", timeless(&before), expected)?;
    let left_at = |now: Instant, since| within.saturating_sub(now.saturating_duration_since(since));
    let (least, most) = (left_at(case.now(), sent).saturating_sub(GRAIN), case.long());
    let left = before.time_left;
    expect(least <= left && left <= most, format!("{least:?} to {most:?} left"), left)?;

    case.sleep(case.short() / 8).await;
    // The former leader is another, too.
    for other in [&c, &a] {
        for takeover in takeovers(before.version) {
            let asked = case.now();
            let refusal = other.takeover(takeover).refused(Some(before.term)).await?;
            let answered = case.now();
            let (least, most) = (left_at(answered, sent).saturating_sub(GRAIN), left_at(asked, told) + GRAIN);
            let after = refusal.retry_after;
            expect(least <= after && after <= most, format!("to ask again after {least:?} to {most:?}"), after)?;
            let left = refusal.lease.as_ref().map(|lease| lease.time_left);
            same("what the lease says is left", left, Some(after))?;
            same("the lease that a refusal shows", refusal.lease.as_ref().map(timeless), Some(timeless(&before)))?;
        }
    }
    unchanged(&before, &c.lease().await?)
}

pub(super) async fn reserved_is_granted_to_its_successor<H: Harness>(case: &Case<'_, H>) -> Outcome {
    for takeover in takeovers(Version::new(1 << 50)) {
        let key = case.key(&format!("{takeover:?}"))?;
        let (a, b, c) = (case.contender(&key, 1)?, case.contender(&key, 2)?, case.contender(&key, 3)?);
        let (term, _) = hand_over(case, &a, &b, case.long()).await?;
        let free = b.lease().await?;
        let b = b.takeover(takeover).value("b's")?;
        let new = b.win(Some(term)).await?;
        expect(new.term > term, format!("a term after {term}"), new.term)?;
        expect(new.version > free.version, format!("a version after {}", free.version), new.version)?;
        let lease = c.lease().await?;
        same("what others see", &lease, &b.shown(&new, &lease))?;
        b.has_left(b.claim.ttl, new.sent).await?;
        b.extend(new.term).await?;
        c.refused(Some(new.term)).await?;
    }
    Ok(())
}

pub(super) async fn outdated_claim_is_refused_while_reserved<H: Harness>(case: &Case<'_, H>) -> Outcome {
    let key = case.key("a")?;
    let (a, b, c) = (case.contender(&key, 1)?, case.contender(&key, 2)?, case.contender(&key, 3)?);
    let (term, _) = hand_over(case, &a, &b, case.long()).await?;
    let before = b.lease().await?;
    for outdated in [&b, &c] {
        let refusal = outdated.refused(None).await?;
        same("when to ask again, having looked", refusal.retry_after, Duration::ZERO)?;
        same("the lease to ask with", refusal.lease.as_ref().map(timeless), Some(timeless(&before)))?;
    }
    unchanged(&before, &b.lease().await?)?;
    b.win(Some(term)).await.map(drop)
}

pub(super) async fn reservation_ends_with_its_time<H: Harness>(case: &Case<'_, H>) -> Outcome {
    let key = case.key("a")?;
    let (a, b, c) = (case.contender(&key, 1)?, case.contender(&key, 2)?, case.contender(&key, 3)?);
    let (term, sent) = hand_over(case, &a, &b, case.short()).await?;
    let new = c.take_over(Some(term), sent.saturating_add(case.short())).await?;
    expect(new.term > term, format!("a term after {term}"), new.term)?;
    c.has_left(c.claim.ttl, new.sent).await?;
    // No time at all reserves nothing.
    c.release_to(&b, Duration::ZERO).await?;
    a.win(Some(new.term)).await.map(drop)
}

pub(super) async fn reserved_only_when_a_release_says_so<H: Harness>(case: &Case<'_, H>) -> Outcome {
    let key = case.key("a")?;
    let (a, b, c) = (case.contender(&key, 1)?, case.contender(&key, 2)?, case.contender(&key, 3)?);
    // Its lease would last for long, had it not been released.
    let mut known = Some(a.win(None).await?.term);
    a.release().await?;
    known = Some(b.win(known).await?.term);
    // Nor does one reservation make another: the successor releases plainly.
    b.release_to(&c, case.long()).await?;
    known = Some(c.win(known).await?.term);
    c.release().await?;
    known = Some(b.win(known).await?.term);
    // A revoke is a release without a successor.
    a.revoke().await?;
    known = known.max(Some(c.lease().await?.term));
    c.win(known).await.map(drop)
}

pub(super) async fn reserved_once_by_a_repeated_release<H: Harness>(case: &Case<'_, H>) -> Outcome {
    let key = case.key("a")?;
    let (a, b, c) = (case.contender(&key, 1)?, case.contender(&key, 2)?, case.contender(&key, 3)?);
    let (term, _) = hand_over(case, &a, &b, case.long()).await?;
    let before = b.lease().await?;
    // It was sent again, since its answer was lost; nothing else that lingered counts either.
    a.release_to(&b, case.long() / 2).await?;
    a.release_to(&c, case.long()).await?;
    a.release().await?;
    c.release_to(&c, case.long()).await?;
    unchanged(&before, &b.lease().await?)?;
    c.refused(Some(term)).await?;
    let new = b.win(Some(term)).await?;
    a.release_to(&c, case.long()).await?;
    b.leads(new.term).await?;
    b.extend(new.term).await.map(drop)
}

pub(super) async fn reserved_goes_by_the_exact_id<H: Harness>(case: &Case<'_, H>) -> Outcome {
    let pairs = [("node-a", "NODE-A"), ("node-a", "node-a "), ("\u{e9}", "e\u{301}"), ("\u{e9}", "e"), ("ß", "ss")];
    for (number, (name, other)) in pairs.into_iter().enumerate() {
        let key = case.key(&format!("{number}"))?;
        let (name, other) = (Id::new(name)?, Id::new(other)?);
        for (name, other) in [(&name, &other), (&other, &name)] {
            let (a, next) = (case.contender(&key, 1)?, case.contender(&key, 2)?.with(|claim| claim.id = name.clone()));
            let similar = case.contender(&key, 3)?.with(|claim| claim.id = other.clone());
            let known = a.get().await?.map(|lease| lease.term);
            let grant = a.win(known).await?;
            a.release_to(&next, case.long()).await?;
            similar.refused(Some(grant.term)).await?;
            next.win(Some(grant.term)).await?;
            next.release().await?;
        }
    }
    Ok(())
}

pub(super) async fn batches_reserve_like_singles<H: Harness>(case: &Case<'_, H>) -> Outcome {
    let (keys, mut requests, mut terms) = (["c", "a", "e", "b", "d"], Vec::<Request>::new(), Vec::new());
    let contender = |name: &str, number| case.contender(&case.key(name)?, number);
    for (place, name) in (0_u32..).zip(keys) {
        let a = contender(name, 1)?;
        terms.push(a.win(None).await?.term);
        // Each for another; one for nobody.
        let within = case.long() / (place + 1);
        requests
            .push(if place == 2 { a.releasing() } else { a.transferring(&contender(name, 2 + place)?, within) }.into());
    }
    let replies = case.within(case.harness.patience(), case.handle(0)?.call_all(requests)).await;
    same("the replies to a batch of releases", replies, Some(Vec::from([const { Ok(Reply::Released) }; 5])))?;
    for ((place, name), term) in (0_u32..).zip(keys).zip(terms) {
        let (successor, other) = (contender(name, 2 + place)?, contender(name, 2 + (place + 1) % 5)?);
        if place == 2 {
            other.win(Some(term)).await?;
            continue;
        }
        same("for how long it is reserved", other.lease().await?.ttl, case.long() / (place + 1))?;
        other.refused(Some(term)).await?;
        successor.win(Some(term)).await?;
    }
    Ok(())
}
