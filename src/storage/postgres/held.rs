use alloc::collections::BTreeSet;

use crate::lease::Key;
use crate::lock::Mutex;

/// More of them are not worth their memory: the set begins anew.
const MOST: usize = 10_000;

/// The keys that were another's when they were last asked for, and of which nothing was heard since.
///
/// Only a hint: it decides which statement is tried first.
#[derive(Debug, Default)]
pub(super) struct Held(Mutex<BTreeSet<Key>>);

impl Held {
    pub(super) fn contains(&self, key: &Key) -> bool {
        self.0.lock().contains(key)
    }

    pub(super) fn set(&self, key: &Key, held: bool) {
        let mut keys = self.0.lock();
        if !held {
            keys.remove(key);
        } else if !keys.contains(key) {
            if keys.len() >= MOST {
                keys.clear();
            }
            keys.insert(key.clone());
        }
    }
}
