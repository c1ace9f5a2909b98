//! Many leases, a page at a time.

use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use crate::lease::Lease;
use crate::text::Key;

/// An operator looks at many leases, a page at a time, in the order of the bytes of their keys.
///
/// Each lease is a look by itself: a page is no snapshot of all of them.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct List {
    /// How the keys begin. Empty: all.
    pub prefix: String,
    /// The first key to show, if it is there. `None`: from the beginning. [`Page::next`] goes here.
    pub start: Option<Key>,
    /// The most leases to show, 100 by default. Below 1 and above [`MAX_LIMIT`](Self::MAX_LIMIT) it counts as that: no
    /// error.
    pub limit: usize,
    /// For how long the sender waits for the reply. `None`: it does not say. See
    /// [`Request::patience`](super::Request::patience).
    pub patience: Option<Duration>,
}

impl List {
    /// The most leases of a page.
    pub const MAX_LIMIT: usize = 1_000;

    /// The first 100 leases of all keys.
    #[must_use]
    pub const fn new() -> Self {
        Self { prefix: String::new(), start: None, limit: 100, patience: None }
    }

    /// Sets [`prefix`](Self::prefix).
    #[must_use]
    pub fn prefix(self, prefix: impl Into<String>) -> Self {
        Self { prefix: prefix.into(), ..self }
    }

    /// Sets [`start`](Self::start).
    #[must_use]
    pub fn start(self, start: Option<Key>) -> Self {
        Self { start, ..self }
    }

    /// Sets [`limit`](Self::limit).
    #[must_use]
    pub fn limit(self, limit: usize) -> Self {
        Self { limit, ..self }
    }

    /// Sets [`patience`](Self::patience).
    #[must_use]
    pub fn patience(self, patience: Duration) -> Self {
        Self { patience: Some(patience), ..self }
    }

    /// How many leases a page may have: [`limit`](Self::limit), put between 1 and [`MAX_LIMIT`](Self::MAX_LIMIT).
    #[must_use]
    pub fn page_size(&self) -> usize {
        self.limit.clamp(1, Self::MAX_LIMIT)
    }

    /// The page of these leases, which come in the order of their keys: for storages that can walk over them.
    #[must_use]
    pub fn page(&self, leases: impl IntoIterator<Item = (Key, Lease)>) -> Page {
        let first = self.start.as_ref();
        let mut wanted = leases
            .into_iter()
            .filter(|(key, _)| key.as_str().starts_with(&self.prefix) && first.is_none_or(|first| key >= first));
        let entries = wanted.by_ref().take(self.page_size()).map(|(key, lease)| Entry::new(key, lease)).collect();
        Page::new(entries, wanted.next().map(|(key, _)| key))
    }
}

impl Default for List {
    fn default() -> Self {
        Self::new()
    }
}

/// Some of the leases of a storage.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Page {
    /// In the order of the bytes of their keys.
    pub entries: Vec<Entry>,
    /// Where the next page begins: for [`List::start`]. `None`: this is the last one.
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
