//! Keys that nobody holds and nobody owns, by when that began: where there are too many keys, those make room.

use std::collections::BTreeMap;

use lessor::Key;

#[derive(Debug, Default)]
pub(super) struct Idle {
    keys: BTreeMap<u64, Key>,
    last: u64,
}

impl Idle {
    /// Whether it is idle from now on. `since` is its number here while it is, and is kept by whoever knows the key.
    pub(super) fn set(&mut self, key: &Key, is_idle: bool, since: &mut Option<u64>) {
        match (is_idle, *since) {
            (true, None) => {
                self.last += 1;
                self.keys.insert(self.last, key.clone());
                *since = Some(self.last);
            }
            (false, Some(number)) => {
                self.keys.remove(&number);
                *since = None;
            }
            _ => {}
        }
    }

    /// That which has been idle for longest; it stands here no more.
    pub(super) fn pop(&mut self) -> Option<Key> {
        self.keys.pop_first().map(|(_, key)| key)
    }
}
