//! How requests are answered: look, judge, write.

use lessor::storage::{Claim, Get, Record, Renewal, Reply, Request, Revoke};
use lessor::{StorageError, Term};
use lessor_kit::batch::Batch;
use lessor_kit::timeout::patience;

use crate::change::Change;
use crate::storage::{LEAST_PATIENCE, Leases};
use crate::write::Outcome;

/// How often a request is judged, where what was seen is gone when it is to be written. For a renewal two are enough.
/// Only a revoke meets more: where somebody renews without a pause, which no candidate does.
const MOST_ROUNDS: usize = 32;

impl Leases {
    /// In the order of the requests.
    pub(crate) async fn answer(&self, requests: &[Request]) -> Vec<Result<Reply, StorageError>> {
        let mut answers = Batch::new(requests.iter().map(Request::key));
        for round in 0..MOST_ROUNDS {
            let changes = self.consider(requests, round == 0, &mut answers).await;
            if changes.is_empty() {
                return answers.into_answers();
            }
            self.apply(changes, &mut answers).await;
        }
        for (place, _) in answers.open(requests) {
            answers.answer(place, Err(StorageError::transient("the lease changes faster than it can be judged")));
        }
        answers.into_answers()
    }

    /// Answers what needs no write. The rest becomes changes, each with the place of its request.
    async fn consider<'r>(
        &self,
        requests: &'r [Request],
        is_first_round: bool,
        answers: &mut Batch<Reply>,
    ) -> Vec<(usize, Change<'r>)> {
        let mut changes = Vec::new();
        let mut to_see = Vec::new();
        for (place, request) in answers.open(requests) {
            match request {
                // Nearly always granted: a look would be in vain.
                Request::Renew(renewal) if is_first_round => changes.push((place, Change::Renew(renewal))),
                Request::Release(release) => changes.push((place, Change::Release(release))),
                Request::Acquire(Claim { key, .. })
                | Request::Renew(Renewal { key, .. })
                | Request::Get(Get { key, .. })
                | Request::Revoke(Revoke { key, .. }) => to_see.push((place, request, key)),
                Request::List(list) => answers.answer(place, self.list(list).await.map(Reply::Listed)),
                unknown => answers.answer(place, Err(StorageError::unsupported(unknown))),
            }
        }
        let keys: Vec<_> = to_see.iter().map(|(_, _, key)| *key).collect();
        for ((place, request, _), seen) in to_see.into_iter().zip(self.look(&keys).await) {
            let seen = match seen {
                Ok(seen) => seen,
                Err(error) => {
                    answers.answer(place, Err(error));
                    continue;
                }
            };
            let verdict = Record::judge(seen.record.as_ref(), request, seen.now_ms, Term::FIRST);
            match Change::judged(request, seen, &verdict) {
                Some(change) => changes.push((place, change)),
                None => answers.answer(place, Ok(verdict.reply)),
            }
        }
        changes
    }

    /// Writes, and answers. Where that did not find what had been seen, the place may stay open.
    async fn apply(&self, changes: Vec<(usize, Change<'_>)>, answers: &mut Batch<Reply>) {
        let ttls = changes.iter().filter_map(|(_, change)| change.ttl());
        let patience = patience(ttls, self.lock_timeout, LEAST_PATIENCE);
        let writes: Vec<_> = changes.iter().map(|(_, change)| change.write(&self.statements)).collect();
        for ((place, change), outcome) in changes.into_iter().zip(self.write(&writes, patience).await) {
            if let Ok(Outcome::Written { .. }) = outcome
                && change.wakes_followers()
            {
                self.subscribers.wake(change.key());
            }
            match outcome.map(|outcome| change.answer(outcome)) {
                Ok(Some(answer)) => answers.answer(place, answer),
                Ok(None) => {}
                Err(error) => answers.answer(place, Err(error)),
            }
        }
    }
}
