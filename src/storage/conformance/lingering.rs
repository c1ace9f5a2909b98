//! Writes that come later than what they were judged by was read: what happens in between is not undone.
//!
//! The faults of adapters that read, judge, and write on a condition: what the condition leaves out.

use alloc::format;
use alloc::vec::Vec;
use core::convert::Infallible;
use core::future::Future;
use core::pin::pin;

use futures::StreamExt;
use futures::future::{Either, join, join_all, select};

use super::case::{Case, Outcome, Stop, expect, same, timeless, unchanged};
use super::contender::Contender;
use super::late::{End, Late, ROUNDS, Rounds, can_linger};
use super::wakeups::{quiet, subscribe};
use super::{HANDLES, Harness};
use crate::lease::Lease;
use crate::storage::{Acquired, ErrorKind, Get, Renewed, Reply, Request, Revoke, Storage, StorageError};
use crate::term::Term;

/// That a late claim was refused, and wrote nothing.
async fn was_refused<H: Harness>(observer: &Contender<'_, H>, reply: Reply, before: &Lease) -> Outcome {
    let refused = matches!(reply, Reply::Acquired(Acquired::Refused { .. }));
    expect(refused, format!("no grant: since it was judged there was term {}, which is over", before.term), reply)?;
    unchanged(before, &observer.lease().await?)
}

/// That a late renewal was lost, and wrote nothing.
async fn was_lost<H: Harness>(observer: &Contender<'_, H>, reply: Reply, before: &Lease) -> Outcome {
    let lost = matches!(reply, Reply::Renewed(Renewed::Lost { .. }));
    expect(lost, "no renewal: since it was judged the reign has ended", reply)?;
    unchanged(before, &observer.lease().await?)
}

/// That all of these pass, at the same time: each waits for most of its own.
async fn all<F: Future<Output = Outcome>>(ways: impl IntoIterator<Item = F>) -> Outcome {
    join_all(ways).await.into_iter().collect()
}

/// A claim lingers, of a key in this state; meanwhile another reigns, and that ends.
async fn claim_lingers<H: Harness>(case: &Case<'_, H>, before: Option<End>, between: End) -> Outcome {
    let mut rounds = Rounds::of(3);
    loop {
        let late = rounds.next(case).await?;
        let key = case.key(&format!("{before:?} {between:?} {}", late.round))?;
        let (a, b) = (case.contender(&key, 1)?, case.contender(&key, 2)?);
        let known = match before {
            Some(end) => Some(end.of_a_reign(case, &case.contender(&key, 3)?, None).await?.term),
            None => None,
        };
        let claim = late.ask(case, a.after(known).claim);
        if let Some((reply, over)) = rounds.between(case, claim, between.of_a_reign(case, &b, known)).await? {
            return was_refused(&b, reply, &over).await;
        }
    }
}

pub(super) async fn lingering_claim_shares_no_term<H: Harness>(case: &Case<'_, H>) -> Outcome {
    let ways = [End::Release, End::Expiry].map(|before| [(before, End::Release), (before, End::Expiry)]);
    all(ways.into_iter().flatten().map(|(before, between)| claim_lingers(case, Some(before), between))).await
}

pub(super) async fn lingering_first_claim_shares_no_term<H: Harness>(case: &Case<'_, H>) -> Outcome {
    all([End::Release, End::Expiry].map(|between| claim_lingers(case, None, between))).await
}

/// A claim for the own live lease is sent again and lingers; meanwhile the reign ends.
async fn repeat_lingers<H: Harness>(case: &Case<'_, H>, end: End) -> Outcome {
    let mut rounds = Rounds::of(3);
    loop {
        let late = rounds.next(case).await?;
        let key = case.key(&format!("{end:?} {}", late.round))?;
        let (a, observer) = (case.contender(&key, 1)?, case.contender(&key, 2)?);
        let mine = end.fit(case, &a);
        mine.win(None).await?;
        if let Some((reply, over)) = rounds.between(case, late.ask(case, a.claim.clone()), end.comes(&mine)).await? {
            return was_refused(&observer, reply, &over).await;
        }
    }
}

pub(super) async fn lingering_repeat_revives_nothing<H: Harness>(case: &Case<'_, H>) -> Outcome {
    all([End::Revoke, End::Release, End::Expiry].map(|end| repeat_lingers(case, end))).await
}

/// A renewal lingers; meanwhile the reign ends.
async fn renewal_lingers<H: Harness>(case: &Case<'_, H>, end: End) -> Outcome {
    let mut rounds = Rounds::of(3);
    loop {
        let late = rounds.next(case).await?;
        let key = case.key(&format!("{end:?} {}", late.round))?;
        let (a, observer) = (case.contender(&key, 1)?, case.contender(&key, 2)?);
        let mine = end.fit(case, &a);
        let renewal = late.ask(case, a.renewal(mine.win(None).await?.term));
        if let Some((reply, over)) = rounds.between(case, renewal, end.comes(&mine)).await? {
            return was_lost(&observer, reply, &over).await;
        }
    }
}

pub(super) async fn lingering_renewal_revives_nothing<H: Harness>(case: &Case<'_, H>) -> Outcome {
    all([End::Revoke, End::Release, End::Expiry].map(|end| renewal_lingers(case, end))).await
}

/// A reign ends, and another one begins: its lease, and its term.
async fn succeeded<H: Harness>(
    end: End,
    old: &Contender<'_, H>,
    new: &Contender<'_, H>,
) -> Result<(Lease, Term), Stop> {
    let over = end.comes(old).await?;
    let term = new.win(Some(over.term)).await?.term;
    Ok((new.lease().await?, term))
}

/// A renewal lingers; meanwhile the reign ends, and another begins.
async fn renewal_lingers_into_another_reign<H: Harness>(case: &Case<'_, H>, end: End) -> Outcome {
    let mut rounds = Rounds::of(3);
    loop {
        let late = rounds.next(case).await?;
        let key = case.key(&format!("{end:?} {}", late.round))?;
        let (a, b) = (case.contender(&key, 1)?, case.contender(&key, 2)?);
        let mine = end.fit(case, &a);
        let renewal = late.ask(case, a.renewal(mine.win(None).await?.term));
        if let Some((reply, (lease, term))) = rounds.between(case, renewal, succeeded(end, &mine, &b)).await? {
            was_lost(&b, reply, &lease).await?;
            return b.extend(term).await.map(drop);
        }
    }
}

pub(super) async fn lingering_renewal_takes_nothing_from_another<H: Harness>(case: &Case<'_, H>) -> Outcome {
    all([End::Revoke, End::Release, End::Expiry].map(|end| renewal_lingers_into_another_reign(case, end))).await
}

/// A release lingers; meanwhile the reign has ended by itself, and another begins.
async fn release_lingers<H: Harness>(case: &Case<'_, H>, end: End, transfers: bool) -> Outcome {
    let mut rounds = Rounds::of(3);
    loop {
        let late = rounds.next(case).await?;
        let key = case.key(&format!("{end:?} {transfers} {}", late.round))?;
        let (a, b, c) = (case.contender(&key, 1)?, case.contender(&key, 2)?, case.contender(&key, 3)?);
        let mine = end.fit(case, &a);
        mine.win(None).await?;
        let release = if transfers { a.transferring(&c, case.long()) } else { a.releasing() };
        let release = late.ask(case, release);
        if let Some((_, (lease, term))) = rounds.between(case, release, succeeded(end, &mine, &b)).await? {
            unchanged(&lease, &b.lease().await?)?;
            return b.extend(term).await.map(drop);
        }
    }
}

pub(super) async fn lingering_release_ends_no_later_reign<H: Harness>(case: &Case<'_, H>) -> Outcome {
    all([(End::Expiry, false), (End::Expiry, true), (End::Revoke, false), (End::Revoke, true)]
        .map(|(end, transfers)| release_lingers(case, end, transfers)))
    .await
}

/// A revoke lingers; meanwhile the reign ends, and another begins.
async fn revoke_lingers<H: Harness>(case: &Case<'_, H>, names_the_term: bool) -> Outcome {
    let mut rounds = Rounds::of(2);
    loop {
        let late = rounds.next(case).await?;
        let key = case.key(&format!("{names_the_term} {}", late.round))?;
        let (a, b) = (case.contender(&key, 1)?, case.contender(&key, 2)?);
        let old = a.win(None).await?.term;
        let revoke = Revoke::new(key).term(names_the_term.then_some(old)).now(true);
        let (revoke, next) = (late.ask(case, revoke), succeeded(End::Release, &a, &b));
        let Some((reply, (lease, term))) = rounds.between(case, revoke, next).await? else { continue };
        let after = b.lease().await?;
        if names_the_term {
            same("what was revoked of a term that is over", reply, Reply::Revoked(None))?;
            unchanged(&lease, &after)?;
            b.extend(term).await?;
        } else {
            // Whoever holds the key when it comes, and no other.
            let Reply::Revoked(Some(taken)) = reply else {
                return Err(Stop::failed(format!("a revoke of term {term}"), reply));
            };
            // Two handles need not agree about the time that is left: without a clock of the storage each counts from its own sight.
            same("the lease that was revoked", timeless(&taken), timeless(&lease))?;
            expect(taken.time_left <= taken.ttl, "no more left than its ttl", &taken)?;
            same("who holds the key, and in which term", (after.id, Some(after.term)), (None, term.next()))?;
        }
        return Ok(());
    }
}

pub(super) async fn lingering_revoke_takes_no_later_reign<H: Harness>(case: &Case<'_, H>) -> Outcome {
    all([true, false].map(|names_the_term| revoke_lingers(case, names_the_term))).await
}

/// Asks until everything of the batch is answered: for what was given up in favour of another, alone.
async fn batch<H: Harness>(
    case: &Case<'_, H>,
    late: &Late<H::Storage>,
    requests: &[Request],
) -> Result<Vec<Reply>, Stop> {
    let Some(replies) = case.within(late.limit, late.handle.call_all(requests.into())).await else {
        return Err(Stop::saw(format!("a batch answers within {:?}", late.limit), "no answer"));
    };
    let fits = replies.len() == requests.len();
    expect(fits, format!("{} replies", requests.len()), &replies)?;
    let gave_up = |error: &StorageError| error.kind() == ErrorKind::Transient;
    let replies = requests.iter().zip(replies).map(|(request, reply)| async move {
        match reply {
            Err(error) if gave_up(&error) => late.ask(case, request.clone()).await,
            Err(error) => Err(Stop::saw("each request of a batch has its own answer", error.in_full())),
            Ok(reply) => Ok(reply),
        }
    });
    join_all(replies).await.into_iter().collect()
}

pub(super) async fn lingering_batch_is_judged_key_by_key<H: Harness>(case: &Case<'_, H>) -> Outcome {
    let mut rounds = Rounds::of(3);
    loop {
        let late = rounds.next(case).await?;
        let key = |name: &str| case.key(&format!("{name} {}", late.round));
        let mine = |name: &str| case.contender(&key(name)?, 1);
        let (moved, free, led, lost, new) = (mine("moved")?, mine("free")?, mine("led")?, mine("lost")?, mine("new")?);
        let known = moved.win(None).await?.term;
        moved.release().await?;
        let free_term = free.win(None).await?.term;
        free.release().await?;
        let (led_term, lost_term) = (led.win(None).await?.term, lost.win(None).await?.term);
        let requests = [
            moved.after(Some(known)).claim.into(),
            free.after(Some(free_term)).claim.into(),
            led.renewal(led_term).into(),
            lost.renewal(lost_term).into(),
            new.claim.clone().into(),
        ];
        let others = async {
            let other = case.contender(&moved.claim.key, 2)?;
            let (moved, revoked) =
                join(End::Release.of_a_reign(case, &other, Some(known)), End::Revoke.comes(&lost)).await;
            Ok((moved?, revoked?))
        };
        let batch = batch(case, &late, &requests);
        let Some((replies, (over, revoked))) = rounds.between(case, batch, others).await? else { continue };
        let fits = matches!(
            replies.as_slice(),
            [
                Reply::Acquired(Acquired::Refused { .. }),
                Reply::Acquired(Acquired::Granted { .. }),
                Reply::Renewed(Renewed::Extended { .. }),
                Reply::Renewed(Renewed::Lost { .. }),
                Reply::Acquired(Acquired::Granted { .. }),
            ]
        );
        expect(fits, "refused, granted, extended, lost, granted", replies)?;
        unchanged(&over, &moved.lease().await?)?;
        unchanged(&revoked, &lost.lease().await?)?;
        for granted in [&free, &led, &new] {
            granted.leads(granted.lease().await?.term).await?;
        }
        return Ok(());
    }
}

/// Asks for what changes the key, and looks at it meanwhile: it is as before or as after, and nothing between.
async fn whole<H: Harness>(
    case: &Case<'_, H>,
    late: &Late<H::Storage>,
    observer: &Contender<'_, H>,
    request: impl Into<Request>,
) -> Result<Reply, Stop> {
    let before = observer.get().await?;
    let mut seen = Vec::new();
    let reply = {
        let looks = async {
            for number in (0..HANDLES).cycle() {
                let look = Get::new(observer.claim.key.clone());
                let look = case.answer("get", case.handle(number)?.call(look.into())).await?;
                seen.extend(if let Reply::Got(lease) = look { Some(lease) } else { None });
                case.pause().await;
            }
            Err::<Infallible, _>(Stop::saw("handles to look through", "none"))
        };
        match select(pin!(late.ask(case, request)), pin!(looks)).await {
            Either::Left((reply, _)) => reply?,
            Either::Right((Err(stop), _)) => return Err(stop),
            Either::Right((Ok(never), _)) => match never {},
        }
    };
    let after = observer.get().await?;
    let is = |seen: &Option<Lease>, whole: &Option<Lease>| match (seen, whole) {
        (Some(seen), Some(whole)) => timeless(seen) == timeless(whole) && (seen.is_live() || !whole.is_live()),
        (None, None) => true,
        _ => false,
    };
    for seen in seen {
        expect(is(&seen, &before) || is(&seen, &after), format!("{before:?}, or {after:?}"), seen)?;
    }
    Ok(reply)
}

/// The term of a grant that nobody was in the way of.
fn granted(reply: Reply) -> Result<Term, Stop> {
    match reply {
        Reply::Acquired(Acquired::Granted { term, .. }) => Ok(term),
        other => Err(Stop::failed("a grant, since nobody else has asked", other)),
    }
}

pub(super) async fn lingering_grant_is_whole<H: Harness>(case: &Case<'_, H>) -> Outcome {
    let late = Rounds::of(1).next(case).await?;
    for before in [None, Some(End::Release), Some(End::Expiry), Some(End::Revoke)] {
        let key = case.key(&format!("{before:?}"))?;
        let (a, observer) = (case.contender(&key, 1)?.value("first")?, case.contender(&key, 2)?);
        let known = match before {
            Some(end) => Some(end.of_a_reign(case, &case.contender(&key, 3)?, None).await?.term),
            None => None,
        };
        let term = granted(whole(case, &late, &observer, a.after(known).claim).await?)?;
        // A new reign on the own live lease.
        granted(whole(case, &late, &observer, a.value("second")?.after(Some(term)).claim).await?)?;
    }
    Ok(())
}

pub(super) async fn lingering_change_is_whole<H: Harness>(case: &Case<'_, H>) -> Outcome {
    let late = Rounds::of(1).next(case).await?;
    let key = case.key("a")?;
    let (a, b) = (case.contender(&key, 1)?.value("one")?, case.contender(&key, 2)?);
    let first = a.ttl(case.long() / 2).win(None).await?.term;
    let reply = whole(case, &late, &b, a.value("two")?.renewal(first)).await?;
    expect(matches!(reply, Reply::Renewed(Renewed::Extended { .. })), "a renewal of the live lease", reply)?;
    same("the reply to a release", whole(case, &late, &b, a.releasing()).await?, Reply::Released)?;
    let second = a.win(Some(first)).await?.term;
    let transfer = a.transferring(&b, case.long());
    same("the reply to a release", whole(case, &late, &b, transfer).await?, Reply::Released)?;
    let lease = b.win(Some(second)).await?;
    let reply = whole(case, &late, &a, Revoke::new(key).now(true)).await?;
    let Reply::Revoked(Some(taken)) = reply else { return Err(Stop::failed("a revoke of the live lease", reply)) };
    same("the term that was revoked", taken.term, lease.term)
}

pub(super) async fn lingering_release_wakes_when_it_came<H: Harness>(case: &Case<'_, H>) -> Outcome {
    can_linger(case).await?;
    let key = case.key("a")?;
    let (a, follower) = (case.contender(&key, 1)?, case.contender(&key, 2)?);
    let mut wakeups = subscribe(&follower)?;
    let mut rounds = Rounds::of(2);
    let mut known = None;
    while rounds.done < ROUNDS {
        let late = rounds.next(case).await?;
        known = Some(a.win(known).await?.term);
        quiet(case, &mut wakeups).await;
        let sees_it_free = async {
            while case.within(late.limit, wakeups.next()).await == Some(Some(())) {
                if follower.lease().await?.id.is_none() {
                    return Ok(true);
                }
            }
            Ok::<_, Stop>(false)
        };
        let (released, woken) = join(late.ask(case, a.releasing()), sees_it_free).await;
        same("the reply to a release", released?, Reply::Released)?;
        if woken? {
            return Ok(());
        }
    }
    Err(Stop::saw("a wake-up after a release that came late, when it shows", "none in any of three rounds"))
}
