//! A write that a request asks for, and what is answered after it.

use core::time::Duration;

use lessor::storage::{Acquired, Claim, Record, Release, Renewal, Renewed, Reply, Request, Revoke, Verdict, Version};
use lessor::{Key, StorageError};
use lessor_kit::row::Reading;

use crate::error::nothing_is_committed;
use crate::statements::Statements;
use crate::write::{Outcome, Write};

/// A write that a request asks for.
#[derive(Debug)]
pub(crate) enum Change<'r> {
    /// What was seen allows it: it is written if that is still there.
    Grant { claim: &'r Claim, seen: Reading, record: Record, reply: Reply },
    /// The statement decides by itself.
    Renew(&'r Renewal),
    /// The statement decides by itself.
    Release(&'r Release),
    /// Somebody held the lease: it is taken if it is still as it was.
    Revoke { revoke: &'r Revoke, seen: Record, record: Record, reply: Reply },
}

impl<'r> Change<'r> {
    /// By the verdict on what was seen. `None`: there is nothing to write.
    pub(crate) fn judged(request: &'r Request, seen: Reading, verdict: &Verdict) -> Option<Self> {
        let (record, reply) = (verdict.write.clone()?, verdict.reply.clone());
        match request {
            Request::Acquire(claim) => Some(Self::Grant { claim, seen, record, reply }),
            Request::Renew(renewal) => Some(Self::Renew(renewal)),
            Request::Release(release) => Some(Self::Release(release)),
            Request::Revoke(revoke) => Some(Self::Revoke { revoke, seen: seen.record?, record, reply }),
            _ => None,
        }
    }

    pub(crate) const fn key(&self) -> &'r Key {
        match self {
            Self::Grant { claim, .. } => &claim.key,
            Self::Renew(renewal) => &renewal.key,
            Self::Release(release) => &release.key,
            Self::Revoke { revoke, .. } => &revoke.key,
        }
    }

    /// For how long a lease is asked for: the answer has to come well within that.
    pub(crate) const fn ttl(&self) -> Option<Duration> {
        match self {
            Self::Grant { claim, .. } => Some(claim.ttl),
            Self::Renew(renewal) => Some(renewal.ttl),
            Self::Release(_) | Self::Revoke { .. } => None,
        }
    }

    pub(crate) fn write(&self, statements: &Statements) -> Write<'r> {
        let key = self.key();
        let statement = match self {
            Self::Grant { seen: Reading { record: None, .. }, record, .. } => {
                return Write::insert(key, statements.create(key, record));
            }
            Self::Grant { seen: Reading { record: Some(seen), .. }, record, .. } => statements.grant(key, seen, record),
            Self::Renew(renewal) => statements.renew(renewal),
            Self::Release(release) => statements.release(release),
            Self::Revoke { seen, record, .. } => statements.revoke(key, seen, record),
        };
        Write::update(key, statement)
    }

    /// Whether followers are to be woken, once this is written.
    pub(crate) fn wakes_followers(&self) -> bool {
        match self {
            Self::Grant { seen, record, .. } => record.wakes_followers(seen.record.as_ref()),
            Self::Renew(_) => false,
            Self::Release(_) | Self::Revoke { .. } => true,
        }
    }

    /// What is answered. `None`: what is there now has to be judged.
    pub(crate) fn answer(self, outcome: Outcome) -> Option<Result<Reply, StorageError>> {
        match (self, outcome) {
            (Self::Grant { reply, .. } | Self::Revoke { reply, .. }, Outcome::Written { .. }) => Some(Ok(reply)),
            (Self::Renew(_), Outcome::Written { said }) => {
                Some(Ok(Reply::Renewed(Renewed::extended(Version::new(said)))))
            }
            (Self::Renew(_) | Self::Revoke { .. }, Outcome::Unmet | Outcome::Taken) => None,
            // Where no row has the session there is nothing to release.
            (Self::Release(_), _) => Some(Ok(Reply::Released)),
            // A first row has no other condition.
            (Self::Grant { seen: Reading { record: None, .. }, .. }, Outcome::Unmet) => {
                Some(Err(nothing_is_committed().into()))
            }
            // Another was faster. What was seen is what was there before: the candidate looks and asks again.
            (Self::Grant { seen: Reading { record, now_ms, .. }, .. }, Outcome::Unmet | Outcome::Taken) => {
                let lease = record.map(|record| record.lease(now_ms));
                Some(Ok(Reply::Acquired(Acquired::refused(lease, Duration::ZERO))))
            }
        }
    }
}
