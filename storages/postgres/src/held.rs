//! Which statement to try first.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use lessor::Key;

/// More of them are not worth their memory: the set begins anew.
const MOST: usize = 10_000;

/// The keys that were another's when they were last asked for, and of which nothing was heard since.
///
/// Only a hint: it decides which statement is tried first.
#[derive(Debug, Default)]
pub(crate) struct Held(Mutex<BTreeSet<Key>>);

impl Held {
    pub(crate) fn contains(&self, key: &Key) -> bool {
        self.keys().contains(key)
    }

    pub(crate) fn set(&self, key: &Key, held: bool) {
        let mut keys = self.keys();
        if !held {
            keys.remove(key);
        } else if !keys.contains(key) {
            if keys.len() >= MOST {
                keys.clear();
            }
            keys.insert(key.clone());
        }
    }

    fn keys(&self) -> MutexGuard<'_, BTreeSet<Key>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_memory_has_a_limit() {
        let held = Held::default();
        let key = |number: usize| Key::new(number.to_string()).unwrap();
        for number in 0..=MOST {
            held.set(&key(number), true);
        }
        assert!(held.contains(&key(MOST)) && !held.contains(&key(0)));
        held.set(&key(MOST), false);
        assert!(held.keys().is_empty());
    }
}
