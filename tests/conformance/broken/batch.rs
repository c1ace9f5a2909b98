//! Batches as the fault has them.

use futures::future::join_all;
use lessor::StorageError;
use lessor::storage::{Acquired, Renewed, Reply, Request, UniqueKeys};

use super::Handle;
use crate::fault::Fault;

impl Handle {
    /// A batch as the fault has it: one after the other, replies in their places.
    pub(super) async fn batch(&self, mut requests: Vec<Request>) -> Vec<Result<Reply, StorageError>> {
        if self.lateness.get().is_some() {
            return self.late_batch(requests).await;
        }
        let empty = requests.is_empty();
        if self.has(Fault::BatchPublishesOneValue) {
            publish_one_value(&mut requests);
        }
        reserve(self.shared.fault, &mut requests);
        let keys: Vec<_> = requests.iter().map(|request| (request.key().cloned(), request.operation())).collect();
        let mut replies = Vec::new();
        let mut unique = UniqueKeys::default();
        let mut asked = Vec::new();
        let mut stopped = false;
        for (request, (key, operation)) in requests.into_iter().zip(&keys) {
            let again = asked.contains(&(key, operation));
            asked.push((key, operation));
            let admitted = match key {
                Some(key) => unique.first_time(key),
                None if again && self.has(Fault::BatchTakesOneList) => Err(StorageError::permanent("two lists")),
                None => Ok(()),
            };
            let reply = match admitted {
                Err(_) if self.has(Fault::BatchDropsDuplicates) => continue,
                Err(_) if self.has(Fault::BatchTakesDuplicatesOfAnotherKind) && !again => self.answer(request).await,
                Err(error) if !self.has(Fault::BatchTakesDuplicates) => Err(error),
                _ if stopped => Err(StorageError::transient("transaction aborted")),
                _ => self.answer(request).await,
            };
            stopped |= self.has(Fault::BatchStopsAtRefusal) && reply.as_ref().is_ok_and(refuses);
            stopped |= self.has(Fault::BatchStopsAtDuplicate) && reply.is_err();
            replies.push((key, operation.as_str(), reply));
        }
        match self.shared.fault {
            Some(Fault::BatchIsSorted) => replies.sort_by_key(|(key, ..)| *key),
            Some(Fault::BatchGroupsByOperation) => replies.sort_by_key(|(_, operation, _)| *operation),
            Some(Fault::BatchIsReversed) => replies.reverse(),
            _ => {}
        }
        let mut replies: Vec<_> = replies.into_iter().map(|(.., reply)| reply).collect();
        if self.has(Fault::EmptyBatchAnswers) && empty {
            replies.push(Err(StorageError::permanent("syntax error at end of input")));
        }
        replies
    }
}

impl Handle {
    /// All at the same time, each by itself.
    async fn late_batch(&self, requests: Vec<Request>) -> Vec<Result<Reply, StorageError>> {
        self.lateness.set_batched(true);
        let replies = join_all(requests.into_iter().map(|request| self.answer(request))).await;
        self.lateness.set_batched(false);
        replies
    }
}

fn refuses(reply: &Reply) -> bool {
    matches!(reply, Reply::Acquired(Acquired::Refused { .. }) | Reply::Renewed(Renewed::Lost { .. }))
}

/// Each release of a batch reserves for the first one's successor, or for nobody.
fn reserve(fault: Option<Fault>, requests: &mut [Request]) {
    let releases = requests.iter_mut().filter_map(|request| match request {
        Request::Release(release) => Some(&mut release.successor),
        _ => None,
    });
    let mut first = None;
    for successor in releases {
        match fault {
            Some(Fault::BatchReservesForOne) => successor.clone_from(first.get_or_insert_with(|| successor.clone())),
            Some(Fault::BatchReservesNothing) => *successor = None,
            _ => {}
        }
    }
}

/// Each claim of a batch publishes what the first one does.
fn publish_one_value(requests: &mut [Request]) {
    let claims = requests.iter_mut().filter_map(|request| match request {
        Request::Acquire(claim) => Some(claim),
        _ => None,
    });
    let mut first = None;
    for claim in claims {
        claim.value = first.get_or_insert_with(|| claim.value.clone()).clone();
    }
}
