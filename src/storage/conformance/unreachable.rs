//! A handle that reaches no storage: nothing is answered that nobody said.

use alloc::format;
use alloc::vec::Vec;

use futures::future::{join, join_all};

use super::Harness;
use super::case::{Case, Outcome, Stop, expect};
use crate::storage::{Get, List, Request, Revoke, Storage};

pub(super) async fn unreachable_check_fails<H: Harness>(case: &Case<'_, H>) -> Outcome {
    let nowhere = case.unreachable().await?;
    let limit = case.harness.patience();
    match case.within(limit, nowhere.check()).await {
        Some(Err(_)) => Ok(()),
        Some(Ok(())) => Err(Stop::saw("check asks the storage, and fails where it reaches none", "it succeeded")),
        None => Err(Stop::saw(format!("check fails within {limit:?}"), "no answer")),
    }
}

pub(super) async fn unreachable_answers_nothing<H: Harness>(case: &Case<'_, H>) -> Outcome {
    let nowhere = case.unreachable().await?;
    let contender = |name: &str| case.contender(&case.key(name)?, 1);
    let (new, led, seen, taken) = (contender("new")?, contender("led")?, contender("seen")?, contender("taken")?);
    let released = contender("released")?;
    for contender in [&seen, &taken, &released] {
        contender.win(None).await?;
    }
    let term = led.win(None).await?.term;
    let requests: [Request; 6] = [
        new.claim.clone().into(),
        led.renewal(term).into(),
        released.releasing().into(),
        Get::new(seen.claim.key.clone()).into(),
        Revoke::new(taken.claim.key.clone()).into(),
        List::new().prefix(case.key("")?.as_str()).into(),
    ];
    let limit = case.harness.patience();
    // To wait for a storage that may come back is right, too: who asks has a limit of its own.
    let singles = join_all(requests.iter().map(|request| case.within(limit, nowhere.call(request.clone()))));
    let (singles, together) = join(singles, case.within(limit, nowhere.call_all(requests.to_vec()))).await;
    let answers: Vec<_> = singles.into_iter().flatten().collect();
    expect(answers.iter().all(Result::is_err), "no operation succeeds without a storage", &answers)?;
    let answers = together.unwrap_or_default();
    expect(answers.iter().all(Result::is_err), "nothing of a batch succeeds without a storage", &answers)
}
