//! The candidates of a group, by their keys.

use alloc::collections::BTreeSet;
use core::borrow::Borrow;
use core::cmp::Ordering;

use crate::shared::Kept;
use crate::text::Key;
use crate::time::Timer;

/// Each has its key itself: there may be very many.
pub(super) struct Roster<T: Timer>(BTreeSet<Entry<T>>);

struct Entry<T: Timer>(Kept<T>);

impl<T: Timer> Roster<T> {
    pub(super) const fn new() -> Self {
        Self(BTreeSet::new())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn get(&self, key: &str) -> Option<&Kept<T>> {
        self.0.get(key).map(|entry| &entry.0)
    }

    pub(super) fn insert(&mut self, candidate: Kept<T>) {
        self.0.insert(Entry(candidate));
    }

    pub(super) fn remove(&mut self, key: &str) -> Option<Kept<T>> {
        self.0.take(key).map(|entry| entry.0)
    }

    /// In the order of their keys.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Kept<T>> {
        self.0.iter().map(|entry| &entry.0)
    }
}

impl<T: Timer> Entry<T> {
    fn key(&self) -> &Key {
        &self.0.key
    }
}

impl<T: Timer> Borrow<str> for Entry<T> {
    fn borrow(&self) -> &str {
        self.key().as_str()
    }
}

impl<T: Timer> PartialEq for Entry<T> {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl<T: Timer> Eq for Entry<T> {}

impl<T: Timer> PartialOrd for Entry<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<T: Timer> Ord for Entry<T> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.key().cmp(other.key())
    }
}
