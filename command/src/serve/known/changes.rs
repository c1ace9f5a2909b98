//! What happened to keys: the last changes of each, and no more than so many of all together.

use std::collections::{BTreeMap, HashMap, VecDeque};

use lessor::Key;
use lessor_service::{Change, Entry};
use tokio::time::Instant;

use super::milliseconds;

/// How many changes are kept of each key.
const OF_A_KEY: usize = 100;

/// How many are kept of all keys together: with the longest ids they take about 100 MB.
const TOGETHER: usize = 250_000;

#[derive(Debug)]
struct Past {
    number: u64,
    change: Change,
    id: String,
    term: u64,
    at: Instant,
}

#[derive(Debug)]
pub(super) struct Changes {
    of: HashMap<Key, VecDeque<Past>>,
    /// All of them by their numbers, the oldest first.
    in_order: BTreeMap<u64, Key>,
    last: u64,
    together: usize,
}

impl Default for Changes {
    fn default() -> Self {
        Self::of_at_most(TOGETHER)
    }
}

impl Changes {
    pub(super) fn of_at_most(together: usize) -> Self {
        Self { of: HashMap::new(), in_order: BTreeMap::new(), last: 0, together }
    }

    pub(super) fn push(&mut self, key: &Key, change: Change, id: String, term: u64, at: Instant) {
        self.last += 1;
        let number = self.last;
        let past = self.of.entry(key.clone()).or_default();
        if past.len() == OF_A_KEY
            && let Some(oldest) = past.pop_front()
        {
            self.in_order.remove(&oldest.number);
        }
        past.push_back(Past { number, change, id, term, at });
        self.in_order.insert(number, key.clone());
        if self.in_order.len() > self.together {
            self.forget_the_oldest();
        }
    }

    fn forget_the_oldest(&mut self) {
        let Some((_, key)) = self.in_order.pop_first() else { return };
        let Some(past) = self.of.get_mut(&key) else { return };
        past.pop_front();
        if past.is_empty() {
            self.of.remove(&key);
        }
    }

    /// Those of a key, the newest first.
    pub(super) fn history(&self, key: &Key, now: Instant) -> Vec<Entry> {
        let past = self.of.get(key).into_iter().flat_map(|past| past.iter().rev());
        past.map(|Past { change, id, term, at, .. }| Entry {
            change: change.word().to_owned(),
            id: id.clone(),
            term: *term,
            ago_ms: milliseconds(now.saturating_duration_since(*at)),
        })
        .collect()
    }

    pub(super) fn forget(&mut self, key: &Key) {
        for past in self.of.remove(key).into_iter().flatten() {
            self.in_order.remove(&past.number);
        }
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.in_order.len()
    }
}
