//! Revokes.

use lessor::storage::{Record, Revoke};
use lessor::{StorageError, Term};
use lessor_kit::lane::Answer;

use crate::address::Link;
use crate::error::Failure;
use crate::server::Primary;
use crate::transaction::Outcome;

/// How often it is judged, where what was seen is gone when it is to be written. More is needed only where somebody
/// renews without a pause, which no candidate does.
const MOST_ROUNDS: usize = 32;

impl Primary {
    /// It looks first, since its reply shows what was there. Where a renewal comes in between, it looks again.
    pub(crate) async fn revoke(&self, link: &mut Link, revoke: &Revoke) -> Result<Answer, Failure> {
        let request = revoke.clone().into();
        for _ in 0..MOST_ROUNDS {
            let reading = match self.look(link, &[&revoke.key]).await?.pop() {
                Some(Ok(reading)) => reading,
                Some(Err(error)) => return Ok(Answer::done(Err(error))),
                None => return Ok(Answer::done(Err(StorageError::unfit()))),
            };
            let verdict = Record::judge(reading.record.as_ref(), &request, reading.now_ms, Term::FIRST);
            let (Some(record), Some(seen)) = (&verdict.write, &reading.record) else {
                return Ok(Answer::done(Ok(verdict.reply)));
            };
            match self.write(link, &revoke.key, &self.statements.revoke(&revoke.key, seen, record)).await? {
                Outcome::Written { .. } => {
                    self.subscribers.wake(&revoke.key);
                    return Ok(Answer::done(Ok(verdict.reply)));
                }
                Outcome::Locked => return Ok(Answer::Locked),
                Outcome::Unmet => {}
            }
        }
        let problem = "the lease changes faster than it can be judged";
        Ok(Answer::done(Err(StorageError::transient(problem))))
    }
}
