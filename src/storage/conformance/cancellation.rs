//! Operations that are dropped half-way: applied or not, but never in the way of what follows.

use alloc::format;
use core::future::{Future, poll_fn};
use core::pin::{Pin, pin};
use core::task::Poll;

use super::Harness;
use super::case::{Case, Outcome, expect, same};
use crate::storage::{Acquired, List, Revoke, StorageExt};

/// Polls so many times, with a turn for others in between, and drops.
async fn give_up_after<F: Future>(polls: u32, operation: F) {
    let mut operation = pin!(operation);
    for _ in 0..polls {
        if poll_fn(|cx| Poll::Ready(Pin::as_mut(&mut operation).poll(cx).is_ready())).await {
            return;
        }
        let mut waited = false;
        poll_fn(|cx| {
            if waited {
                return Poll::Ready(());
            }
            waited = true;
            cx.waker().wake_by_ref();
            Poll::Pending
        })
        .await;
    }
}

pub(super) async fn dropped_operation_is_harmless<H: Harness>(case: &Case<'_, H>) -> Outcome {
    for polls in 0..4 {
        let key = case.key(&format!("{polls}"))?;
        let (a, b) = (case.contender(&key, 1)?, case.contender(&key, 2)?);

        give_up_after(polls, a.storage.acquire(a.claim.clone())).await;
        let grant = a.win(None).await?;
        same("the term after a dropped claim", a.win(None).await?.term, grant.term)?;
        b.refused(Some(grant.term)).await?;

        give_up_after(polls, a.storage.renew(a.renewal(grant.term))).await;
        a.extend(grant.term).await?;

        give_up_after(polls, b.storage.acquire(b.after(Some(grant.term)).claim)).await;
        give_up_after(polls, b.storage.get(&key)).await;
        a.leads(grant.term).await?;

        // Whether the release is applied now, later or never: the next reign has its own term, and keeps the key.
        give_up_after(polls, a.storage.release(a.releasing())).await;
        let new = match b.acquire(Some(grant.term)).await? {
            Acquired::Granted { term, .. } => term,
            Acquired::Refused { .. } => {
                a.release().await?;
                b.win(Some(grant.term)).await?.term
            }
        };
        expect(new > grant.term, format!("a term after {}", grant.term), new)?;
        a.lose(grant.term).await?;
        b.extend(new).await?;
        b.leads(new).await?;

        give_up_after(polls, a.storage.list(List::new().prefix(key.as_str()))).await;
        same("how many leases are listed", case.list(List::new().prefix(key.as_str())).await?.entries.len(), 1)?;
        // Whether the revoke is applied now, later or never: the key can be taken from whoever holds it.
        give_up_after(polls, a.storage.revoke(Revoke::from(&key).now(true))).await;
        a.revoke().await?;
        same("who holds the key", b.lease().await?.id, None)?;
        b.lose(new).await?;
    }
    Ok(())
}
