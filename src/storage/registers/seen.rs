//! What a handle has seen of each register, and since when it stands still.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use core::time::Duration;

use crate::storage::{Record, Version};
use crate::term::Term;
use crate::text::Key;
use crate::time::Instant;

/// A key that nobody has asked for so long is forgotten, if no lease of it lasts longer. That costs whoever comes then a ttl, and no
/// more.
const REMEMBERED: Duration = Duration::from_secs(60);

/// What was seen of the registers lately.
#[derive(Debug)]
pub(super) struct Seen<R> {
    by_key: BTreeMap<Key, Entry<R>>,
    /// How many there may be before those are forgotten that nobody asks for.
    room: usize,
}

#[derive(Debug)]
struct Entry<R> {
    sight: Option<Box<Sight<R>>>,
    /// A newer write than that, which was seen before: the store has answered with what was. A store that answers now with the one and now with
    /// the other would have nobody ever see it stand still.
    newer: Option<Box<Sight<R>>>,
    /// How many watches of the register stand.
    watches: u32,
}

impl<R> Entry<R> {
    const EMPTY: Self = Self { sight: None, newer: None, watches: 0 };
}

/// One write, as it was seen. Public for what [`Sights`] are there for.
#[derive(Clone, Debug)]
#[doc(hidden)]
#[non_exhaustive]
pub struct Sight<R> {
    pub revision: R,
    pub record: Record,
    /// It was there at this instant: read after the answer that showed it first.
    pub since: Instant,
    /// It was the newest write at this instant, or later. `None`: a write of this handle's own is in doubt.
    pub current_at: Option<Instant>,
}

/// All that a handle knows of one register: see [`RegisterStorage::sights`](super::RegisterStorage::sights).
#[derive(Clone, Debug)]
#[doc(hidden)]
#[non_exhaustive]
pub struct Sights<R> {
    pub sight: Option<Sight<R>>,
    /// A newer write than that, which was seen before.
    pub newer: Option<Sight<R>>,
}

impl<R> Default for Sights<R> {
    fn default() -> Self {
        Self { sight: None, newer: None }
    }
}

impl<R: PartialEq> Sight<R> {
    /// A revision that comes back with another content, as after a restore, is another one.
    fn is_of(&self, other: &Self) -> bool {
        self.revision == other.revision && self.record == other.record
    }
}

impl<R> Sight<R> {
    /// What grows with each write.
    const fn written(&self) -> (Term, Version) {
        (self.record.term, self.record.version)
    }

    /// For how long it has stood still, at least.
    pub(super) fn stood_still(&self, now: Instant, resolution: Duration) -> Duration {
        now.saturating_duration_since(self.since).saturating_sub(resolution)
    }
}

impl<R: Clone + PartialEq> Seen<R> {
    pub(super) const fn new() -> Self {
        Self { by_key: BTreeMap::new(), room: 0 }
    }

    /// What is known of this register, and whether a watch tells of what changes.
    pub(super) fn get(&self, key: &Key) -> Option<(Sight<R>, bool)> {
        let entry = self.by_key.get(key)?;
        Some((Sight::clone(entry.sight.as_deref()?), entry.watches > 0))
    }

    /// All that is known of this register, but for who watches it.
    pub(super) fn sights(&self, key: &Key) -> Sights<R> {
        let Some(Entry { sight, newer, watches: _ }) = self.by_key.get(key) else { return Sights::default() };
        Sights { sight: sight.as_deref().cloned(), newer: newer.as_deref().cloned() }
    }

    /// From now on this is all that is known of it.
    pub(super) fn set_sights(&mut self, key: &Key, sights: Sights<R>) {
        let entry = self.by_key.entry(key.clone()).or_insert(Entry::EMPTY);
        (entry.sight, entry.newer) = (sights.sight.map(Box::new), sights.newer.map(Box::new));
    }

    /// Takes in what a register held at some instant from `sent` on, as was heard at `now`. `None`: nobody asked, a watch told of
    /// it. Answers it with the first instant at which the same was seen.
    pub(super) fn take_in(
        &mut self,
        key: &Key,
        revision: R,
        record: Record,
        sent: Option<Instant>,
        now: Instant,
    ) -> Sight<R> {
        let current_at = sent.or(Some(now));
        let mut seen = Sight { revision, record, since: now, current_at };
        if !self.by_key.contains_key(key) {
            self.make_room(now);
        }
        let entry = self.by_key.entry(key.clone()).or_insert(Entry::EMPTY);
        if let Some(before) = entry.sight.as_deref_mut().filter(|before| before.is_of(&seen)) {
            before.current_at = before.current_at.max(current_at);
            return Sight { current_at, ..before.clone() };
        }
        if let Some(newer) = entry.newer.as_deref().filter(|newer| newer.is_of(&seen)) {
            seen.since = newer.since;
        }
        // Two answers may overtake each other: what was asked for before the newer write was heard of may be older than that. So
        // may what a watch tells, whenever it comes.
        let replaces = |before: &Sight<R>| sent >= Some(before.since) || seen.written() >= before.written();
        if entry.sight.as_deref().is_none_or(replaces) {
            let before = entry.sight.replace(Box::new(seen.clone()));
            let newest = [before, entry.newer.take()].into_iter().flatten().max_by_key(|sight| sight.written());
            entry.newer = newest.filter(|newest| newest.written() > seen.written());
        }
        seen
    }

    /// The register was written over: what is known is old, unless it is newer than what that was thought to be.
    pub(super) fn moved(&mut self, key: &Key, from: Option<&R>) {
        if let Some(entry) = self.by_key.get_mut(key)
            && entry.sight.as_ref().is_some_and(|sight| Some(&sight.revision) == from)
        {
            entry.sight = None;
        }
    }

    /// The register was found empty.
    pub(super) fn forget(&mut self, key: &Key) {
        if let Some(entry) = self.by_key.get_mut(key) {
            (entry.sight, entry.newer) = (None, None);
        }
    }

    /// A write of this handle's own may have got through, or may yet.
    pub(super) fn doubt(&mut self, key: &Key) {
        if let Some(sight) = self.by_key.get_mut(key).and_then(|entry| entry.sight.as_deref_mut()) {
            sight.current_at = None;
        }
    }

    /// A watch of the register stands from now on.
    pub(super) fn watch(&mut self, key: &Key, now: Instant) {
        if !self.by_key.contains_key(key) {
            self.make_room(now);
        }
        self.by_key.entry(key.clone()).or_insert(Entry::EMPTY).watches += 1;
    }

    /// It has ended.
    pub(super) fn unwatch(&mut self, key: &Key) {
        if let Some(entry) = self.by_key.get_mut(key) {
            entry.watches = entry.watches.saturating_sub(1);
        }
    }

    /// Rarely enough that a key costs the same however many there are.
    fn make_room(&mut self, now: Instant) {
        if self.by_key.len() < self.room {
            return;
        }
        self.by_key.retain(|_, entry| {
            let Some(sight) = &entry.sight else { return entry.watches > 0 };
            let kept = REMEMBERED.max(Duration::from_millis(sight.record.ttl_ms).saturating_mul(2));
            entry.watches > 0 || now < sight.current_at.unwrap_or(sight.since).saturating_add(kept)
        });
        self.room = self.by_key.len().saturating_mul(2).max(16);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::{Claim, Session};
    use crate::text::Id;

    fn at(secs: u64) -> Instant {
        Instant::from_origin(Duration::from_secs(secs))
    }

    fn key(name: &str) -> Key {
        Key::new(name).unwrap()
    }

    /// A record of this version.
    fn record(version: u64) -> Record {
        let ttl = Duration::from_secs(10);
        let claim = Claim::new(key("k"), Id::new("a").unwrap(), Session::from_bits(1), ttl);
        let record = Record::judge(None, &claim.into(), 0, Term::FIRST).write.unwrap();
        Record { version: Version::new(version), ..record }
    }

    fn since(seen: &Seen<u64>) -> Instant {
        seen.get(&key("k")).unwrap().0.since
    }

    #[test]
    fn the_first_sight_counts() {
        let mut seen = Seen::new();
        assert_eq!(seen.take_in(&key("k"), 1, record(1), Some(at(1)), at(2)).since, at(2));
        assert_eq!(seen.take_in(&key("k"), 1, record(1), Some(at(3)), at(4)).since, at(2));
        assert_eq!(seen.take_in(&key("k"), 2, record(2), Some(at(5)), at(6)).since, at(6));
        assert_eq!(since(&seen), at(6));
    }

    /// A revision that comes back with another content, as after a restore, is another one.
    #[test]
    fn a_revision_that_comes_back_is_seen_anew() {
        let mut seen = Seen::new();
        seen.take_in(&key("k"), 7, record(7), Some(at(1)), at(1));
        assert_eq!(seen.take_in(&key("k"), 7, record(3), Some(at(5)), at(6)).since, at(6));
        assert_eq!(since(&seen), at(6));
    }

    /// An answer that was overtaken is of no use to others, and is judged from when it came.
    #[test]
    fn an_older_answer_replaces_nothing() {
        let mut seen = Seen::new();
        seen.take_in(&key("k"), 2, record(2), Some(at(1)), at(3));
        assert_eq!(seen.take_in(&key("k"), 1, record(1), Some(at(2)), at(4)).since, at(4));
        assert_eq!(seen.get(&key("k")).unwrap().0.revision, 2);
        assert_eq!(since(&seen), at(3));
    }

    /// Answers with what was, in between, do not begin anew what was seen; a newer write does.
    #[test]
    fn a_store_that_goes_back_and_forth() {
        let mut seen = Seen::new();
        seen.take_in(&key("k"), 5, record(5), Some(at(1)), at(1));
        for second in 2..9 {
            seen.take_in(&key("k"), 3 + second % 2, record(3 + second % 2), Some(at(second)), at(second));
            assert_eq!(seen.take_in(&key("k"), 5, record(5), Some(at(second)), at(second)).since, at(1));
            assert_eq!(since(&seen), at(1));
        }
        seen.take_in(&key("k"), 4, record(4), Some(at(9)), at(9));
        assert_eq!(seen.take_in(&key("k"), 6, record(6), Some(at(10)), at(10)).since, at(10));
        assert_eq!(seen.take_in(&key("k"), 5, record(5), Some(at(11)), at(11)).since, at(11), "it was written over");
        // What it names is another write.
        assert_eq!(seen.take_in(&key("k"), 6, record(7), Some(at(12)), at(12)).since, at(12));
    }

    #[test]
    fn what_nobody_asks_for_is_forgotten() {
        let mut seen = Seen::new();
        seen.watch(&key("watched"), at(0));
        seen.take_in(&key("watched"), 1, record(1), Some(at(0)), at(0));
        for number in 0..1_000 {
            let now = at(100 * number);
            seen.take_in(&key(&alloc::format!("{number}")), number, record(1), Some(now), now);
        }
        assert!(seen.by_key.len() < 20, "{}", seen.by_key.len());
        assert!(seen.get(&key("watched")).unwrap().1);
        seen.unwatch(&key("watched"));
        assert!(!seen.get(&key("watched")).unwrap().1);
    }
}
