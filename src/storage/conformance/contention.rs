//! Many at once: each operation is one atomic step.

use alloc::format;
use alloc::vec::Vec;
use core::time::Duration;

use futures::future::{join, join_all};

use super::Harness;
use super::case::{Case, GRAIN, Outcome, Stop, expect, same};
use super::contender::Contender;
use crate::mutex::Mutex;
use crate::storage::{Acquired, ErrorKind, Renewed, Revoke, StorageExt};
use crate::term::Term;

const CONTENDERS: u32 = 16;

/// A claim among many.
async fn claim<H: Harness>(
    case: &Case<'_, H>,
    contender: &Contender<'_, H>,
    known: Option<Term>,
) -> Result<Acquired, Stop> {
    let claim = contender.after(known).claim;
    let ask = || contender.storage.acquire(claim.clone());
    case.insist(case.harness.patience(), "a contended claim", ask).await
}

/// All ask at once; answers who was granted the key, which has to be one.
async fn race<'a, H: Harness>(
    case: &Case<'_, H>,
    contenders: &'a [Contender<'a, H>],
    known: Option<Term>,
) -> Result<(&'a Contender<'a, H>, Term), Stop> {
    let answers = join_all(contenders.iter().map(|contender| claim(case, contender, known))).await;
    let mut winners = Vec::new();
    for (contender, answer) in contenders.iter().zip(answers) {
        if let Acquired::Granted { term, .. } = answer? {
            winners.push((contender, term));
        }
    }
    let seen: Vec<_> = winners.iter().map(|(winner, term)| (&winner.claim.id, term)).collect();
    expect(winners.len() == 1, format!("one winner among {}", contenders.len()), seen)?;
    let (winner, term) = winners.pop().ok_or_else(|| Stop::saw("one winner", "none"))?;
    for loser in contenders.iter().filter(|loser| loser.claim.session != winner.claim.session) {
        let refusal = loser.refused(Some(term)).await?;
        let holder = refusal.lease.and_then(|lease| lease.id);
        same("the holder that the losers are told", holder, Some(winner.claim.id.clone()))?;
    }
    winner.leads(term).await?;
    Ok((winner, term))
}

pub(super) async fn concurrent_claims_have_one_winner<H: Harness>(case: &Case<'_, H>) -> Outcome {
    for key in ["a", "b", "c"] {
        let key = case.key(key)?;
        let contenders = (0..CONTENDERS).map(|number| case.contender(&key, number)).collect::<Result<Vec<_>, _>>()?;
        race(case, &contenders, None).await?;
    }
    Ok(())
}

pub(super) async fn concurrent_takeovers_have_one_winner<H: Harness>(case: &Case<'_, H>) -> Outcome {
    let key = case.key("a")?;
    let contenders = (0..CONTENDERS).map(|number| case.contender(&key, number)).collect::<Result<Vec<_>, _>>()?;
    let (mut leader, mut known) = race(case, &contenders, None).await?;
    for _ in 0..3 {
        leader.release().await?;
        let (winner, term) = race(case, &contenders, Some(known)).await?;
        expect(term > known, format!("a term after {known}"), term)?;
        (leader, known) = (winner, term);
    }
    leader.release().await?;
    let gone = case.contender(&key, CONTENDERS)?.ttl(case.short());
    let old = gone.win(Some(known)).await?;
    gone.expire().await?;
    let (_, term) = race(case, &contenders, Some(old.term)).await?;
    expect(term > old.term, format!("a term after {}", old.term), term)
}

pub(super) async fn contended_terms_are_distinct_and_grow<H: Harness>(case: &Case<'_, H>) -> Outcome {
    const REIGNS: u32 = 4;
    let key = case.key("a")?;
    let give_up = case.now().saturating_add(case.harness.patience().saturating_mul(3));
    // A reign begins after the last was released, so grants are also heard of in their order.
    let terms = Mutex::new(Vec::new());
    let contenders = (0..CONTENDERS / 2).map(|number| {
        let terms = &terms;
        let key = &key;
        async move {
            let contender = case.contender(key, number)?;
            let (mut known, mut reigns) = (None, 0);
            while reigns < REIGNS {
                match claim(case, &contender, known).await? {
                    Acquired::Granted { term, .. } => {
                        terms.lock().push(term);
                        reigns += 1;
                        known = Some(term);
                        // The grant was whole: it can be renewed, and nobody else has had any of it.
                        let renewal = contender.renewal(term);
                        let renew = || contender.storage.renew(renewal.clone());
                        let renewed = case.insist(case.harness.patience(), "a contended renewal", renew).await?;
                        let extended = matches!(renewed, Renewed::Extended { .. });
                        expect(extended, format!("a renewal of term {term}, which was just granted"), renewed)?;
                        contender.release().await?;
                    }
                    Acquired::Refused { lease, .. } => known = known.max(lease.map(|lease| lease.term)),
                }
                expect(case.now() < give_up, format!("{REIGNS} reigns for each of many"), reigns)?;
                case.sleep(Duration::from_millis(1)).await;
            }
            Ok::<_, Stop>(())
        }
    });
    for outcome in join_all(contenders).await {
        outcome?;
    }
    let terms = terms.lock();
    expect(terms.iter().zip(terms.iter().skip(1)).all(|(old, new)| old < new), "terms that grow strictly", &*terms)
}

pub(super) async fn concurrent_revokes_take_once<H: Harness>(case: &Case<'_, H>) -> Outcome {
    let key = case.key("a")?;
    let contenders = (0..CONTENDERS).map(|number| case.contender(&key, number)).collect::<Result<Vec<_>, _>>()?;
    let leader = case.contender(&key, CONTENDERS)?;
    let mut known = None;
    for _ in 0..3 {
        let old = leader.win(known).await?;
        let revokes = contenders.iter().map(|contender| async {
            match case.within(case.harness.patience(), contender.storage.revoke(Revoke::from(&key).now(true))).await {
                Some(Ok(lease)) => Ok(Some(lease.is_some())),
                // It may give up on one of two that collide, and it is open then who took it.
                Some(Err(error)) if error.kind() == ErrorKind::Transient => Ok(None),
                seen => Err(Stop::failed("a contended revoke is answered", seen)),
            }
        });
        let took = join_all(revokes).await.into_iter().collect::<Result<Vec<_>, Stop>>()?;
        let takers = took.iter().filter(|took| **took == Some(true)).count();
        let open = took.contains(&None);
        expect(takers == 1 || takers == 0 && open, format!("one of {CONTENDERS} revokes takes the lease"), &took)?;
        if let Some(lease) = leader.revoke().await? {
            expect(open, "the lease was taken", lease)?;
        }
        let lease = leader.lease().await?;
        same("who holds the key, and in which term", (lease.id, Some(lease.term)), (None, old.term.next()))?;
        known = Some(lease.term);
    }
    Ok(())
}

pub(super) async fn renewal_and_takeover_never_both_win<H: Harness>(case: &Case<'_, H>) -> Outcome {
    let ttl = case.short();
    for (name, before_end) in [("a", ttl / 16), ("b", ttl / 32), ("c", ttl / 64), ("d", Duration::ZERO)] {
        let key = case.key(name)?;
        let (a, b) = (case.contender(&key, 1)?.ttl(ttl), case.contender(&key, 2)?);
        let old = a.win(None).await?;
        let renewal = async {
            case.sleep(ttl - before_end).await;
            let sent = case.now();
            Ok::<_, Stop>((a.renew(old.term).await?, sent))
        };
        let takeover = async {
            case.sleep(ttl - before_end).await;
            let new = b.take_over(Some(old.term), old.sent.saturating_add(ttl)).await?;
            Ok::<_, Stop>((new, case.now()))
        };
        let (renewal, takeover) = join(renewal, takeover).await;
        let ((renewed, sent), (new, told)) = (renewal?, takeover?);
        expect(new.term > old.term, format!("a term after {}", old.term), new)?;
        if let Renewed::Extended { .. } = renewed {
            let early = sent.saturating_add(ttl).saturating_duration_since(told);
            expect(early <= GRAIN, "no grant to another while the renewed lease lasts", format!("{early:?} early"))?;
        }
        b.leads(new.term).await?;
    }
    Ok(())
}
