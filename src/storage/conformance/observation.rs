//! What an observer sees.

use alloc::vec::Vec;

use super::case::{Case, Outcome, expect, same, unchanged};
use super::{HANDLES, Harness};
use crate::storage::{List, Storage, StorageExt};

pub(super) async fn get_shows_the_lease<H: Harness>(case: &Case<'_, H>) -> Outcome {
    let key = case.key("a")?;
    let a = case.contender(&key, 1)?.value("http://a")?;
    let grant = a.win(None).await?;
    let lease = case.contender(&key, 2)?.lease().await?;
    expect(lease.is_live() && lease.time_left <= lease.ttl, "a live lease", &lease)?;
    let expected = a.shown(&grant, &lease);
    same("the lease", lease, expected)
}

pub(super) async fn get_of_missing_key_is_none<H: Harness>(case: &Case<'_, H>) -> Outcome {
    let a = case.contender(&case.key("a")?, 1)?;
    same("what was never granted", a.get().await?, None)?;
    // A claim for another key that begins alike changes nothing about it.
    case.contender(&case.key("ab")?, 1)?.win(None).await?;
    same("what was never granted", a.get().await?, None)
}

pub(super) async fn get_writes_nothing<H: Harness>(case: &Case<'_, H>) -> Outcome {
    let a = case.contender(&case.key("a")?, 1)?;
    let grant = a.win(None).await?;
    let before = a.lease().await?;
    for _ in 0..3 {
        unchanged(&before, &a.lease().await?)?;
    }
    same("the version", a.lease().await?.version, grant.version)?;
    a.release().await?;
    let before = a.lease().await?;
    a.lease().await?;
    same("the released lease", a.lease().await?, before)
}

pub(super) async fn handles_see_one_storage<H: Harness>(case: &Case<'_, H>) -> Outcome {
    let key = case.key("a")?;
    let mut known = None;
    for number in (0..).take(HANDLES) {
        let (writer, reader) = (case.contender(&key, number)?, case.contender(&key, number + 1)?);
        let grant = writer.win(known).await?;
        let version = writer.extend(grant.term).await?;
        let lease = reader.lease().await?;
        same("the version seen by another handle", lease.version, version)?;
        same("the holder seen by another handle", lease.id, Some(writer.claim.id.clone()))?;
        writer.release().await?;
        same("the holder after a release", reader.lease().await?.id, None)?;
        known = Some(grant.term);
    }
    Ok(())
}

pub(super) async fn any_handle_goes_on_with_a_reign<H: Harness>(case: &Case<'_, H>) -> Outcome {
    let key = case.key("a")?;
    let (a, b) = (case.contender(&key, 1)?, case.contender(&key, 2)?);
    let mut known = None;
    for first in 0..HANDLES {
        // Nobody waits in between: each sees what was answered before, by whatever handle.
        let grant = a.through(first)?.win(known).await?;
        a.through(first + 1)?.extend(grant.term).await?;
        same("the term of the same claim, asked again", a.through(first + 2)?.win(known).await?.term, grant.term)?;
        let version = a.through(first + 3)?.extend(grant.term).await?;
        let refusal = b.through(first + 4)?.refused(Some(grant.term)).await?;
        same("the version that a refusal shows", refusal.lease.map(|lease| lease.version), Some(version))?;
        let page = case.answer("list", case.handle(first + 5)?.list(List::new().prefix(key.as_str()))).await?;
        let versions: Vec<_> = page.entries.iter().map(|entry| entry.lease.version).collect();
        same("the versions that a list shows", versions, [version].to_vec())?;
        a.through(first + 6)?.release().await?;
        known = Some(b.through(first + 7)?.win(Some(grant.term)).await?.term);
        same(
            "who is revoked",
            a.through(first + 1)?.revoke().await?.and_then(|lease| lease.id),
            Some(b.claim.id.clone()),
        )?;
        known = known.max(Some(a.through(first)?.lease().await?.term));
    }
    Ok(())
}

pub(super) async fn check_says_ok<H: Harness>(case: &Case<'_, H>) -> Outcome {
    case.answer("check", case.handle(0)?.check()).await
}
