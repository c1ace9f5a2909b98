//! The operations for many keys.

use alloc::format;
use alloc::vec::Vec;
use core::fmt::Debug;
use core::future::Future;

use super::Harness;
use super::case::{Case, Outcome, Stop, expect, same};
use super::contender::Contender;
use crate::lease::{Key, Lease, Session, Term};
use crate::record::{Acquired, Claim, Renewed};
use crate::storage::{Storage, StorageError};

/// The answers of a batch, as many as there were questions.
async fn answers<H: Harness, T: Debug>(
    case: &Case<'_, H>,
    questions: usize,
    batch: impl Future<Output = Vec<Result<T, StorageError>>>,
) -> Result<Vec<Result<T, StorageError>>, Stop> {
    let limit = case.harness.patience();
    let Some(answers) = case.within(limit, batch).await else {
        return Err(Stop::failed(format!("a batch answers within {limit:?}"), "no answer"));
    };
    expect(answers.len() == questions, format!("{questions} answers"), &answers)?;
    Ok(answers)
}

/// Contenders for keys whose order is neither that of their names nor its reverse.
fn shuffled<'a, H: Harness>(case: &'a Case<'_, H>, session: u32) -> Result<Vec<Contender<'a, H>>, Stop> {
    (0..13_u32).map(|i| case.contender(&case.key(&format!("key {}", i * 5 % 13))?, session)).collect()
}

fn claims<H: Harness>(contenders: &[Contender<'_, H>]) -> Vec<Claim> {
    contenders.iter().map(|contender| contender.claim.clone()).collect()
}

fn keys<H: Harness>(contenders: &[Contender<'_, H>]) -> Vec<Key> {
    contenders.iter().map(|contender| contender.claim.key.clone()).collect()
}

fn sessions<H: Harness>(contenders: &[Contender<'_, H>]) -> Vec<(Key, Session)> {
    contenders.iter().map(|contender| (contender.claim.key.clone(), contender.claim.session)).collect()
}

/// The terms of answers that all have to be grants.
fn granted(answers: Vec<Result<Acquired, StorageError>>) -> Result<Vec<Term>, Stop> {
    let term = |answer| match answer {
        Ok(Acquired::Granted { term, .. }) => Ok(term),
        other => Err(Stop::failed("each claim of the batch is granted", other)),
    };
    answers.into_iter().map(term).collect()
}

pub(super) async fn batches_answer_in_order<H: Harness>(case: &Case<'_, H>) -> Outcome {
    let storage = case.handle(0)?;
    // Terms by which the answers can be told apart.
    let seen: Vec<_> = (0..13).map(|i| Term::new((1 << 52) + 10 * i)).collect();
    let expected: Vec<_> = seen.iter().filter_map(|term| term.and_then(Term::next)).collect();
    let contenders: Vec<_> = shuffled(case, 1)?.iter().zip(&seen).map(|(a, seen)| a.after(*seen)).collect();
    let claims = claims(&contenders);

    let terms = granted(answers(case, claims.len(), storage.acquire_all(&claims)).await?)?;
    same("the terms, in the order of the claims", &terms, &expected)?;

    let keys = keys(&contenders);
    let leases = answers(case, keys.len(), storage.get_all(&keys)).await?;
    let shown: Vec<_> = leases.into_iter().map(|lease| lease.map(|lease| lease.map(|lease| lease.term))).collect();
    same("the terms, in the order of the keys", shown, expected.iter().map(|term| Ok(Some(*term))).collect())?;

    // Each second renewal is for a term that is not led.
    let wrong = |i: usize, term: &Term| if i.is_multiple_of(2) { *term } else { Term::FIRST };
    let renewals: Vec<_> =
        claims.into_iter().zip(expected.iter().enumerate().map(|(i, term)| wrong(i, term))).collect();
    let renewed = answers(case, renewals.len(), storage.renew_all(&renewals)).await?;
    for (i, (answer, term)) in renewed.into_iter().zip(&expected).enumerate() {
        let fits = match &answer {
            Ok(Renewed::Extended { .. }) => i % 2 == 0,
            Ok(Renewed::Lost(Some(lease))) => i % 2 == 1 && lease.term == *term,
            _ => false,
        };
        expect(fits, format!("the answer to renewal {i} in its place"), answer)?;
    }
    Ok(())
}

pub(super) async fn batches_mix_results<H: Harness>(case: &Case<'_, H>) -> Outcome {
    let storage = case.handle(0)?;
    let other = |name: &str| case.contender(&case.key(name)?, 2);
    let held = other("held")?.win(None).await?;
    let released = other("released")?.win(None).await?;
    other("released")?.release().await?;
    other("outdated")?.win(None).await?;
    other("outdated")?.release().await?;

    let mine = |name: &str| case.contender(&case.key(name)?, 1);
    let contenders = [
        mine("outdated")?,
        mine("new")?,
        mine("held")?.after(Some(held.term)),
        mine("released")?.after(Some(released.term)),
    ];
    let claims = claims(&contenders);
    let acquired = answers(case, claims.len(), storage.acquire_all(&claims)).await?;
    let grants: Vec<_> = acquired.iter().map(|answer| matches!(answer, Ok(Acquired::Granted { .. }))).collect();
    expect(
        acquired.iter().all(Result::is_ok) && grants == [false, true, false, true],
        "refused, granted, refused, granted",
        &acquired,
    )?;

    let terms: Vec<_> = acquired
        .iter()
        .map(|answer| match answer {
            Ok(Acquired::Granted { term, .. }) => *term,
            _ => held.term,
        })
        .collect();
    let missing = mine("missing")?;
    let renewals: Vec<_> = claims.into_iter().zip(terms).chain([(missing.claim.clone(), Term::FIRST)]).collect();
    let renewed = answers(case, renewals.len(), storage.renew_all(&renewals)).await?;
    let extended: Vec<_> = renewed.iter().map(|answer| matches!(answer, Ok(Renewed::Extended { .. }))).collect();
    let fits = renewed.iter().all(Result::is_ok) && extended == [false, true, false, true, false];
    expect(fits, "lost, extended, lost, extended, lost", &renewed)?;

    let mut releases = sessions(&contenders);
    releases.push((missing.claim.key.clone(), missing.claim.session));
    let done = answers(case, releases.len(), storage.release_all(&releases)).await?;
    expect(done.iter().all(Result::is_ok), "every release answers ok", done)?;

    let mut keys = keys(&contenders);
    keys.push(missing.claim.key);
    let leases = answers(case, keys.len(), storage.get_all(&keys)).await?;
    let holders: Vec<_> = leases.into_iter().map(|lease| lease.map(|lease| lease.map(|lease| lease.holder))).collect();
    let held_by = Some(other("held")?.claim.holder);
    same("the holders", holders, [Some(None), Some(None), Some(held_by), Some(None), None].map(Ok).to_vec())
}

pub(super) async fn batches_refuse_a_duplicate_in_its_place<H: Harness>(case: &Case<'_, H>) -> Outcome {
    let storage = case.handle(0)?;
    let (a, b) = (case.contender(&case.key("a")?, 1)?, case.contender(&case.key("b")?, 1)?);
    let twice = [a.with(|_| {}), b.with(|_| {}), a.value("again")?, b.value("again")?, a];
    let fits =
        |errors: Vec<bool>| same("whether each answer is an error", errors, [false, false, true, true, true].to_vec());

    let claims = claims(&twice);
    let acquired = answers(case, 5, storage.acquire_all(&claims)).await?;
    fits(acquired.iter().map(Result::is_err).collect())?;
    let terms = granted(acquired.into_iter().take(2).collect())?;
    let renewals: Vec<_> = claims.into_iter().zip(terms.into_iter().cycle()).collect();
    let keys = keys(&twice);
    let versions = |leases: &[Result<Option<Lease>, StorageError>]| -> Vec<_> {
        leases
            .iter()
            .take(2)
            .map(|lease| lease.as_ref().ok()?.as_ref().map(|lease| (lease.version, lease.value.clone())))
            .collect()
    };
    let before = answers(case, 5, storage.get_all(&keys)).await?;
    fits(before.iter().map(Result::is_err).collect())?;
    let renewed = answers(case, 5, storage.renew_all(&renewals)).await?;
    fits(renewed.iter().map(Result::is_err).collect())?;
    let after = answers(case, 5, storage.get_all(&keys)).await?;
    expect(versions(&before) != versions(&after), "the first of each key is renewed", &after)?;
    same(
        "the values, which only the duplicates have",
        versions(&after).into_iter().flatten().filter_map(|(_, value)| value).count(),
        0,
    )?;

    let released = answers(case, 5, storage.release_all(&sessions(&twice))).await?;
    fits(released.iter().map(Result::is_err).collect())?;
    for contender in twice.iter().take(2) {
        same("the holder after the release", contender.lease().await?.holder, None)?;
    }
    Ok(())
}

pub(super) async fn batches_may_be_empty<H: Harness>(case: &Case<'_, H>) -> Outcome {
    let storage = case.handle(0)?;
    answers(case, 0, storage.acquire_all(&[])).await?;
    answers(case, 0, storage.renew_all(&[])).await?;
    answers(case, 0, storage.release_all(&[])).await?;
    answers(case, 0, storage.get_all(&[])).await.map(drop)
}

pub(super) async fn batches_write_like_singles<H: Harness>(case: &Case<'_, H>) -> Outcome {
    let storage = case.handle(0)?;
    let mut contenders = Vec::new();
    for contender in shuffled(case, 1)? {
        contenders.push(contender.value(contender.claim.key.as_str())?.ttl(case.long() / 2));
    }
    let sent = case.now();
    let batch = claims(&contenders);
    let terms = granted(answers(case, batch.len(), storage.acquire_all(&batch)).await?)?;
    for (contender, term) in contenders.iter().zip(&terms) {
        contender.leads(*term).await?;
        contender.has_left(contender.claim.ttl, sent).await?;
        same("the value of its own key", contender.lease().await?.value, contender.claim.value.clone())?;
        same("the term of the same claim, asked again", contender.win(None).await?.term, *term)?;
    }

    let renewals: Vec<_> =
        batch.into_iter().map(|claim| Claim { ttl: case.long(), value: None, ..claim }).zip(terms).collect();
    let sent = case.now();
    let renewed = answers(case, renewals.len(), storage.renew_all(&renewals)).await?;
    for ((contender, (claim, _)), answer) in contenders.iter().zip(&renewals).zip(renewed) {
        contender.has_left(claim.ttl, sent).await?;
        let lease = contender.lease().await?;
        same("the renewed value", &lease.value, &None)?;
        same("the renewal", answer, Ok(Renewed::Extended { version: lease.version }))?;
    }

    let keys = keys(&contenders);
    let leases = answers(case, keys.len(), storage.get_all(&keys)).await?;
    for (contender, answer) in contenders.iter().zip(leases) {
        let single = contender.lease().await?;
        let timeless = |lease: Lease| Lease { time_left: single.time_left, ..lease };
        same("the lease", answer.map(|lease| lease.map(timeless)), Ok(Some(single.clone())))?;
    }

    answers(case, keys.len(), storage.release_all(&sessions(&contenders))).await?;
    for (contender, (_, term)) in contenders.iter().zip(&renewals) {
        same("the holder after the release", contender.lease().await?.holder, None)?;
        contender.win(Some(*term)).await?;
    }
    Ok(())
}
