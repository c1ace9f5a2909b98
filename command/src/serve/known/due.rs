//! When leases end, by what is known here: each key stands here once at most, however often it is renewed.

use std::collections::BTreeSet;

use lessor::Key;
use tokio::time::Instant;

/// The keys whose leases are looked at when they end, the earliest first.
#[derive(Debug, Default)]
pub(super) struct Due(BTreeSet<(Instant, Key)>);

impl Due {
    /// Has it looked at at this moment at the latest. `scheduled` is when it is looked at as yet, and is kept by whoever knows the key.
    pub(super) fn no_later(&mut self, key: &Key, at: Instant, scheduled: &mut Option<Instant>) {
        match *scheduled {
            // A renewal only moves the end: it is found out when the old one comes, and not with each.
            Some(before) if before <= at => {}
            Some(before) => {
                self.0.remove(&(before, key.clone()));
                self.insert(key, at, scheduled);
            }
            None => self.insert(key, at, scheduled),
        }
    }

    fn insert(&mut self, key: &Key, at: Instant, scheduled: &mut Option<Instant>) {
        self.0.insert((at, key.clone()));
        *scheduled = Some(at);
    }

    /// Nobody looks at it.
    pub(super) fn cancel(&mut self, key: &Key, scheduled: Option<Instant>) {
        if let Some(at) = scheduled {
            self.0.remove(&(at, key.clone()));
        }
    }

    /// One whose moment has come; it stands here no more.
    pub(super) fn pop(&mut self, now: Instant) -> Option<Key> {
        self.next().filter(|at| *at <= now)?;
        self.0.pop_first().map(|(_, key)| key)
    }

    /// The earliest moment.
    pub(super) fn next(&self) -> Option<Instant> {
        self.0.first().map(|(at, _)| *at)
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}
