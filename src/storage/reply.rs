//! What a storage answers.

use core::time::Duration;

use super::list::Page;
use crate::lease::Lease;
use crate::term::{Term, Version};

/// What a [`Storage`](crate::Storage) answers to a [`Request`](super::Request), variant for variant.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
#[non_exhaustive]
pub enum Reply {
    /// To an acquire.
    Acquired(Acquired),
    /// To a renewal.
    Renewed(Renewed),
    /// To a release: it was applied, or there was nothing to release.
    Released,
    /// To a get: what can be seen of the key. `None`: it was never granted.
    Got(Option<Lease>),
    /// To a revoke: the lease as it was before. `None`: it was never granted, is released already, or is of another term
    /// than was meant; nothing was done. A lease that has expired is still held.
    Revoked(Option<Lease>),
    /// To a list.
    Listed(Page),
}

/// The answer to a claim.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
#[non_exhaustive]
pub enum Acquired {
    /// The key is the claimant's for its ttl from when this was applied.
    #[non_exhaustive]
    Granted {
        /// The term of the reign.
        term: Term,
        /// The record's version.
        version: Version,
    },
    /// It is not: another holds it, or it may be free but the claimant does not know enough, or must not take it over yet,
    /// or it is reserved for another.
    #[non_exhaustive]
    Refused {
        /// What can be seen of the key, live or not. `None`: nothing.
        lease: Option<Lease>,
        /// After how long to ask again. Zero: at once, with what the lease shows. For an expired lease that the claim's
        /// `takeover` spared: its ttl, since only the candidate knows its own delay. For a released one that is reserved: when
        /// that is over.
        retry_after: Duration,
    },
}

impl Acquired {
    /// The claim was [granted](Self::Granted).
    pub const fn granted(term: Term, version: Version) -> Self {
        Self::Granted { term, version }
    }

    /// The claim was [refused](Self::Refused).
    pub const fn refused(lease: Option<Lease>, retry_after: Duration) -> Self {
        Self::Refused { lease, retry_after }
    }
}

/// The answer to a renewal.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
#[non_exhaustive]
pub enum Renewed {
    /// The lease lasts for its ttl from when this was applied.
    #[non_exhaustive]
    Extended {
        /// The record's version.
        version: Version,
    },
    /// The lease is not this session's and term's any more, or has expired: the reign is over.
    #[non_exhaustive]
    Lost {
        /// What is there instead.
        lease: Option<Lease>,
    },
}

impl Renewed {
    /// The lease was [extended](Self::Extended).
    pub const fn extended(version: Version) -> Self {
        Self::Extended { version }
    }

    /// The lease is [lost](Self::Lost).
    pub const fn lost(lease: Option<Lease>) -> Self {
        Self::Lost { lease }
    }
}
