//! What a storage answers.

use alloc::vec::Vec;
use core::time::Duration;

use crate::lease::Lease;
use crate::term::{Term, Version};
use crate::text::Key;

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
    /// To a revoke: the lease as it was before. `None`: nobody held it, and nothing was done.
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
    /// It is not: another holds it, or has to be asked for again.
    #[non_exhaustive]
    Held {
        /// What can be seen of the key, live or not. `None`: nothing.
        lease: Option<Lease>,
        /// After how long a claim may succeed. Zero: look at the lease and ask again.
        retry_after: Duration,
    },
}

impl Acquired {
    /// The claim was [granted](Self::Granted).
    pub const fn granted(term: Term, version: Version) -> Self {
        Self::Granted { term, version }
    }

    /// The key is [held](Self::Held).
    pub const fn held(lease: Option<Lease>, retry_after: Duration) -> Self {
        Self::Held { lease, retry_after }
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

/// Some of the leases of a storage.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Page {
    /// In the order of the bytes of their keys.
    pub entries: Vec<Entry>,
    /// Where the next page begins: for [`List::from`](super::List::from). `None`: this is the last one.
    pub next: Option<Key>,
}

impl Page {
    /// These leases, and where the next page begins.
    #[must_use]
    pub const fn new(entries: Vec<Entry>, next: Option<Key>) -> Self {
        Self { entries, next }
    }
}

/// A key and its lease.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Entry {
    /// The election.
    pub key: Key,
    /// What can be seen of it.
    pub lease: Lease,
}

impl Entry {
    /// This key and its lease.
    #[must_use]
    pub const fn new(key: Key, lease: Lease) -> Self {
        Self { key, lease }
    }
}
