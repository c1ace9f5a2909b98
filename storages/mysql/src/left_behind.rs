//! Statements that were given up.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use lessor::Key;

/// So many keys would be a sign that nobody comes back to them. They are only a hint: then all of them are forgotten.
const MOST: usize = 10_000;

/// The keys about which a statement that was given up may still wait for a lock, on the server.
///
/// Statements about these keys ask for the lock first, and do not wait. So one that waits is left behind there for a
/// key, and not one with each try.
#[derive(Debug, Default)]
pub(crate) struct LeftBehind(Mutex<BTreeSet<Key>>);

impl LeftBehind {
    pub(crate) fn contains(&self, key: &Key) -> bool {
        self.keys().contains(key)
    }

    /// The key's lock was had.
    pub(crate) fn forget(&self, key: &Key) {
        self.keys().remove(key);
    }

    /// A statement about the key begins.
    pub(crate) const fn begin<'a>(&'a self, key: &'a Key) -> InFlight<'a> {
        InFlight { left_behind: self, key, answered: false }
    }

    fn note(&self, key: &Key) {
        let mut keys = self.keys();
        if keys.len() >= MOST {
            keys.clear();
        }
        keys.insert(key.clone());
    }

    fn keys(&self) -> MutexGuard<'_, BTreeSet<Key>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A statement that waits for its answer. Dropped without one, it is left behind.
#[must_use]
pub(crate) struct InFlight<'a> {
    left_behind: &'a LeftBehind,
    key: &'a Key,
    answered: bool,
}

impl InFlight<'_> {
    /// It has come to its end.
    pub(crate) fn answered(mut self) {
        self.answered = true;
    }
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        if !self.answered {
            self.left_behind.note(self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_answered_is_left_behind() {
        let left_behind = LeftBehind::default();
        let key = Key::new("k").unwrap();
        left_behind.begin(&key).answered();
        assert!(!left_behind.contains(&key));
        drop(left_behind.begin(&key));
        assert!(left_behind.contains(&key));
        left_behind.forget(&key);
        assert!(!left_behind.contains(&key));
    }

    #[test]
    fn they_do_not_pile_up() {
        let left_behind = LeftBehind::default();
        for number in 0..=MOST {
            drop(left_behind.begin(&Key::new(format!("{number}")).unwrap()));
        }
        assert_eq!(left_behind.keys().len(), 1);
    }
}
