//! Many requests at once.

use alloc::format;
use alloc::vec::Vec;

use super::Harness;
use super::case::{Case, Outcome, Stop, expect, same, timeless};
use super::contender::Contender;
use crate::lease::Lease;
use crate::storage::{Acquired, Get, List, Page, Renewal, Renewed, Reply, Request, Revoke, Storage, StorageError};
use crate::term::Term;
use crate::text::Id;

type Replies<T> = Vec<Result<T, StorageError>>;

/// The replies to a batch, as many as there were requests.
async fn ask<H: Harness>(case: &Case<'_, H>, requests: Vec<Request>) -> Result<Replies<Reply>, Stop> {
    let limit = case.harness.patience();
    let count = requests.len();
    let Some(replies) = case.within(limit, case.handle(0)?.call_all(requests)).await else {
        return Err(Stop::failed(format!("a batch answers within {limit:?}"), "no answer"));
    };
    expect(replies.len() == count, format!("{count} replies"), &replies)?;
    Ok(replies)
}

/// The replies to requests of one kind.
fn of<T>(kind: &str, replies: Replies<Reply>, fit: impl Fn(&Reply) -> Option<T>) -> Result<Replies<T>, Stop> {
    let fitting = |reply: Result<Reply, StorageError>| match reply {
        Ok(reply) => fit(&reply).map(Ok).ok_or_else(|| Stop::failed(format!("a reply to {kind} in its place"), reply)),
        Err(error) => Ok(Err(error)),
    };
    replies.into_iter().map(fitting).collect()
}

async fn acquire_all<H: Harness>(
    case: &Case<'_, H>,
    contenders: &[Contender<'_, H>],
) -> Result<Replies<Acquired>, Stop> {
    let claims = contenders.iter().map(|contender| contender.claim.clone().into()).collect();
    of("a claim", ask(case, claims).await?, |reply| match reply {
        Reply::Acquired(acquired) => Some(acquired.clone()),
        _ => None,
    })
}

async fn renew_all<H: Harness>(case: &Case<'_, H>, renewals: Vec<Renewal>) -> Result<Replies<Renewed>, Stop> {
    let renewals = renewals.into_iter().map(Request::from).collect();
    of("a renewal", ask(case, renewals).await?, |reply| match reply {
        Reply::Renewed(renewed) => Some(renewed.clone()),
        _ => None,
    })
}

async fn release_all<H: Harness>(case: &Case<'_, H>, contenders: &[Contender<'_, H>]) -> Result<Replies<()>, Stop> {
    let releases = contenders.iter().map(|contender| contender.releasing().into()).collect();
    of("a release", ask(case, releases).await?, |reply| matches!(reply, Reply::Released).then_some(()))
}

async fn get_all<H: Harness>(
    case: &Case<'_, H>,
    contenders: &[Contender<'_, H>],
) -> Result<Replies<Option<Lease>>, Stop> {
    let looks = contenders.iter().map(|contender| Get::new(contender.claim.key.clone()).into()).collect();
    of("a look", ask(case, looks).await?, |reply| match reply {
        Reply::Got(lease) => Some(lease.clone()),
        _ => None,
    })
}

/// Contenders for keys whose order is neither that of their names nor its reverse.
fn shuffled<'a, H: Harness>(case: &'a Case<'_, H>, session: u32) -> Result<Vec<Contender<'a, H>>, Stop> {
    (0..13_u32).map(|i| case.contender(&case.key(&format!("key {}", i * 5 % 13))?, session)).collect()
}

/// The terms of replies that all have to be grants.
fn granted(replies: Replies<Acquired>) -> Result<Vec<Term>, Stop> {
    let term = |reply| match reply {
        Ok(Acquired::Granted { term, .. }) => Ok(term),
        other => Err(Stop::failed("each claim of the batch is granted", other)),
    };
    replies.into_iter().map(term).collect()
}

pub(super) async fn batches_answer_in_order<H: Harness>(case: &Case<'_, H>) -> Outcome {
    // Terms by which the replies can be told apart.
    let seen: Vec<_> = (0..13).map(|i| Term::new((1 << 52) + 10 * i)).collect();
    let expected: Vec<_> = seen.iter().filter_map(|term| term.and_then(Term::next)).collect();
    let contenders: Vec<_> = shuffled(case, 1)?.iter().zip(&seen).map(|(a, seen)| a.after(*seen)).collect();

    let terms = granted(acquire_all(case, &contenders).await?)?;
    same("the terms, in the order of the claims", &terms, &expected)?;

    let leases = get_all(case, &contenders).await?;
    let shown: Vec<_> = leases.into_iter().map(|lease| lease.map(|lease| lease.map(|lease| lease.term))).collect();
    same("the terms, in the order of the keys", shown, expected.iter().map(|term| Ok(Some(*term))).collect())?;

    // Each second renewal is for a term that is not led.
    let wrong = |i: usize, term: &Term| if i.is_multiple_of(2) { *term } else { Term::FIRST };
    let terms = expected.iter().enumerate().map(|(i, term)| wrong(i, term));
    let renewals = contenders.iter().zip(terms).map(|(contender, term)| contender.renewal(term)).collect();
    let renewed = renew_all(case, renewals).await?;
    for (i, (reply, term)) in renewed.into_iter().zip(&expected).enumerate() {
        let fits = match &reply {
            Ok(Renewed::Extended { .. }) => i % 2 == 0,
            Ok(Renewed::Lost { lease: Some(lease) }) => i % 2 == 1 && lease.term == *term,
            _ => false,
        };
        expect(fits, format!("the reply to renewal {i} in its place"), reply)?;
    }
    Ok(())
}

pub(super) async fn batches_mix_results<H: Harness>(case: &Case<'_, H>) -> Outcome {
    let other = |name: &str| case.contender(&case.key(name)?, 2);
    let held = other("held")?.win(None).await?;
    let released = other("released")?.win(None).await?;
    other("released")?.release().await?;
    other("outdated")?.win(None).await?;
    other("outdated")?.release().await?;

    let mine = |name: &str| case.contender(&case.key(name)?, 1);
    let mut contenders = [
        mine("outdated")?,
        mine("new")?,
        mine("held")?.after(Some(held.term)),
        mine("released")?.after(Some(released.term)),
    ]
    .into_iter()
    .collect::<Vec<_>>();
    let acquired = acquire_all(case, &contenders).await?;
    let grants: Vec<_> = acquired.iter().map(|reply| matches!(reply, Ok(Acquired::Granted { .. }))).collect();
    expect(
        acquired.iter().all(Result::is_ok) && grants == [false, true, false, true],
        "refused, granted, refused, granted",
        &acquired,
    )?;

    let terms = acquired.iter().map(|reply| match reply {
        Ok(Acquired::Granted { term, .. }) => *term,
        _ => held.term,
    });
    contenders.push(mine("missing")?);
    let terms = terms.chain([Term::FIRST]);
    let renewals = contenders.iter().zip(terms).map(|(contender, term)| contender.renewal(term)).collect();
    let renewed = renew_all(case, renewals).await?;
    let extended: Vec<_> = renewed.iter().map(|reply| matches!(reply, Ok(Renewed::Extended { .. }))).collect();
    let fits = renewed.iter().all(Result::is_ok) && extended == [false, true, false, true, false];
    expect(fits, "lost, extended, lost, extended, lost", &renewed)?;

    let done = release_all(case, &contenders).await?;
    expect(done.iter().all(Result::is_ok), "every release answers ok", done)?;

    let leases = get_all(case, &contenders).await?;
    let ids: Vec<_> = leases.into_iter().map(|lease| lease.map(|lease| lease.map(|lease| lease.id))).collect();
    let held_by = Some(other("held")?.claim.id);
    same("who holds the keys", ids, [Some(None), Some(None), Some(held_by), Some(None), None].map(Ok).to_vec())
}

pub(super) async fn batches_refuse_a_duplicate_in_its_place<H: Harness>(case: &Case<'_, H>) -> Outcome {
    let (a, b) = (case.contender(&case.key("a")?, 1)?, case.contender(&case.key("b")?, 1)?);
    // An error ends nothing: what follows it is answered.
    let fresh = case.contender(&case.key("c")?, 1)?;
    let twice = [a.with(|_| {}), b.with(|_| {}), a.value("again")?, b.value("again")?, a, fresh];
    let errors = [false, false, true, true, true, false];
    let fits = |seen: Vec<bool>| same("whether each reply is an error", seen, errors.to_vec());

    let acquired = acquire_all(case, &twice).await?;
    fits(acquired.iter().map(Result::is_err).collect())?;
    let terms = granted(acquired.into_iter().filter(Result::is_ok).collect())?;
    let versions = |leases: &[Result<Option<Lease>, StorageError>]| -> Vec<_> {
        leases
            .iter()
            .take(2)
            .map(|lease| lease.as_ref().ok()?.as_ref().map(|lease| (lease.version, lease.value.clone())))
            .collect()
    };
    let before = get_all(case, &twice).await?;
    fits(before.iter().map(Result::is_err).collect())?;
    let renewals = twice.iter().zip(terms.iter().cycle()).map(|(contender, term)| contender.renewal(*term)).collect();
    let renewed = renew_all(case, renewals).await?;
    fits(renewed.iter().map(Result::is_err).collect())?;
    let after = get_all(case, &twice).await?;
    expect(versions(&before) != versions(&after), "the first of each key is renewed", &after)?;
    same(
        "the values, which only the duplicates have",
        versions(&after).into_iter().flatten().filter_map(|(_, value)| value).count(),
        0,
    )?;

    let released = release_all(case, &twice).await?;
    fits(released.iter().map(Result::is_err).collect())?;
    for (contender, _) in twice.iter().zip(errors).filter(|(_, error)| !error) {
        same("the holder after the release", contender.lease().await?.id, None::<Id>)?;
    }
    Ok(())
}

pub(super) async fn batches_mix_operations<H: Harness>(case: &Case<'_, H>) -> Outcome {
    let (mine, others) =
        (|name: &str| case.contender(&case.key(name)?, 1), |name: &str| case.contender(&case.key(name)?, 2));
    let (new, missing, mut renewed) = (mine("new")?, mine("missing")?, mine("renewed")?);
    let (lost, released, free) = (mine("lost")?, mine("released")?, mine("free")?);
    let (seen, held, taken, listed) = (others("seen")?, others("held")?, others("taken")?, others("listed/a")?);
    for contender in [&lost, &released, &free, &seen, &held, &taken, &listed] {
        contender.win(None).await?;
    }
    let term = renewed.win(None).await?.term;
    renewed = renewed.value("renewed")?;
    let wrong = term.next().unwrap_or(Term::LAST);
    free.release().await?;
    let key = |contender: &Contender<'_, H>| contender.claim.key.clone();
    let list = List::new().prefix(case.key("listed/")?.as_str());

    let requests: [Request; 14] = [
        Get::new(key(&seen)).into(),
        new.claim.clone().into(),
        Revoke::new(key(&taken)).now(true).into(),
        renewed.renewal(term).into(),
        list.clone().into(),
        released.releasing().into(),
        mine("held")?.claim.into(),
        Get::new(key(&new)).into(),
        lost.renewal(wrong).into(),
        Revoke::new(key(&held)).now(true).into(),
        Revoke::new(key(&free)).now(true).into(),
        list.into(),
        Get::new(key(&missing)).into(),
        released.claim.clone().into(),
    ];
    let replies = ask(case, requests.into()).await?;
    let shows = |lease: &Lease, contender: &Contender<'_, H>| lease.id.as_ref() == Some(&contender.claim.id);
    let lists = |page: &Page| page.entries.iter().map(|entry| &entry.key).eq([&listed.claim.key]);
    for (place, reply) in replies.into_iter().enumerate() {
        let (fits, expected) = match (place, &reply) {
            (0, Ok(Reply::Got(Some(lease)))) => (shows(lease, &seen), "a look"),
            (1, Ok(Reply::Acquired(Acquired::Granted { .. }))) => (true, "a grant"),
            (2, Ok(Reply::Revoked(Some(lease)))) => (shows(lease, &taken), "a revoke"),
            (3, Ok(Reply::Renewed(Renewed::Extended { .. }))) => (true, "a renewal"),
            (4 | 11, Ok(Reply::Listed(page))) => (lists(page), "a list"),
            (5, Ok(Reply::Released)) => (true, "a release"),
            (6, Ok(Reply::Acquired(Acquired::Refused { lease: Some(lease), .. }))) => {
                (shows(lease, &held), "a refusal")
            }
            (8, Ok(Reply::Renewed(Renewed::Lost { lease: Some(lease) }))) => (shows(lease, &lost), "a lost renewal"),
            (10, Ok(Reply::Revoked(None))) => (true, "a revoke"),
            (12, Ok(Reply::Got(None))) => (true, "a look"),
            (7 | 9 | 13, Err(_)) => (true, "an error"),
            _ => (false, "another reply"),
        };
        expect(fits, format!("the reply to request {place} in its place"), (expected, reply))?;
    }
    new.leads(new.lease().await?.term).await?;
    same("the renewed value", renewed.lease().await?.value, renewed.claim.value.clone())?;
    held.leads(held.lease().await?.term).await?;
    let mut ids = Vec::new();
    for freed in [&taken, &released, &free] {
        ids.push(freed.lease().await?.id);
    }
    same("who holds what was revoked and released", ids, [None, None, None].to_vec())
}

pub(super) async fn batches_may_be_empty<H: Harness>(case: &Case<'_, H>) -> Outcome {
    ask(case, Vec::new()).await.map(drop)
}

pub(super) async fn batches_write_like_singles<H: Harness>(case: &Case<'_, H>) -> Outcome {
    let mut contenders = Vec::new();
    for contender in shuffled(case, 1)? {
        contenders.push(contender.value(contender.claim.key.as_str())?.ttl(case.long() / 2));
    }
    let sent = case.now();
    let terms = granted(acquire_all(case, &contenders).await?)?;
    for (contender, term) in contenders.iter().zip(&terms) {
        contender.leads(*term).await?;
        contender.has_left(contender.claim.ttl, sent).await?;
        same("the value of its own key", contender.lease().await?.value, contender.claim.value.clone())?;
        same("the term of the same claim, asked again", contender.win(None).await?.term, *term)?;
    }

    let renewals: Vec<_> = contenders
        .iter()
        .zip(&terms)
        .map(|(contender, term)| Renewal { ttl: case.long(), value: None, ..contender.renewal(*term) })
        .collect();
    let sent = case.now();
    let renewed = renew_all(case, renewals.clone()).await?;
    for ((contender, renewal), reply) in contenders.iter().zip(&renewals).zip(renewed) {
        contender.has_left(renewal.ttl, sent).await?;
        let lease = contender.lease().await?;
        same("the renewed value", &lease.value, &None)?;
        same("the renewal", reply, Ok(Renewed::extended(lease.version)))?;
    }

    let leases = get_all(case, &contenders).await?;
    for (contender, reply) in contenders.iter().zip(leases) {
        let single = contender.lease().await?;
        same("the lease", reply.map(|lease| lease.as_ref().map(timeless)), Ok(Some(timeless(&single))))?;
    }

    release_all(case, &contenders).await?;
    for (contender, term) in contenders.iter().zip(&terms) {
        same("the holder after the release", contender.lease().await?.id, None)?;
        contender.win(Some(*term)).await?;
    }
    Ok(())
}
