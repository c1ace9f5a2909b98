//! Which processes share the keys: those that hold a lease of a place, `<name>/member/<i>`.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::Write as _;
use core::mem;
use core::time::Duration;

use super::rendezvous::hash;
use crate::storage::Entry;
use crate::term::{Term, Version};
use crate::text::{Id, Key, Value};
use crate::time::Instant;

/// The heaviest that a process may be.
pub(super) const MAX_WEIGHT: u32 = 100;

/// So many keys are asked for at a time: they travel in the value of a lease, 17 bytes each.
pub(super) const MAX_WANTED: usize = 128;

/// A process that is there, as its lease shows it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Present {
    pub(super) id: Id,
    pub(super) hash: u64,
    pub(super) weight: u32,
    /// The hashes of the keys that it asks others to hand over.
    pub(super) wants: Vec<u64>,
    /// When its lease ends unless it is renewed, by the own clock.
    pub(super) until: Instant,
}

/// The leases that were live when it was last looked, and since when each has been seen unchanged.
///
/// Who is there renews its lease: one that stands still for its ttl is over, by the own clock, whatever the storage's says.
/// That may have stepped back.
#[derive(Debug, Default)]
pub(super) struct Sightings(BTreeMap<Key, Sighting>);

#[derive(Debug)]
struct Sighting {
    term: Term,
    version: Version,
    since: Instant,
}

impl Sightings {
    /// Who is there, in the order of their ids. An id that comes twice counts once: ids have to differ.
    pub(super) fn present(&mut self, entries: Vec<Entry>, margin: Duration, now: Instant) -> Vec<Present> {
        let before = mem::take(&mut self.0);
        let live = entries.into_iter().filter(|entry| entry.lease.is_live());
        let present = live.filter_map(|Entry { key, lease, .. }| {
            let (term, version) = (lease.term, lease.version);
            let same = before.get(&key).filter(|seen| (seen.term, seen.version) == (term, version));
            let since = same.map_or(now, |seen| seen.since);
            self.0.insert(key, Sighting { term, version, since });
            let until = now.saturating_add(lease.time_left);
            let until = until.min(since.saturating_add(lease.ttl).saturating_add(margin));
            (now < until).then_some(())?;
            Some(read(lease.id?, lease.value.as_ref(), until))
        });
        in_order(present.collect())
    }
}

fn in_order(mut present: Vec<Present>) -> Vec<Present> {
    // Of two with one id the one that lives longer: the other is most likely an earlier life of the same process.
    present.sort_by(|one, other| (&one.id, other.until).cmp(&(&other.id, one.until)));
    present.dedup_by(|later, first| later.id == first.id);
    present
}

/// From the value of a lease: a weight, then the hashes of the keys that are asked for, 16 hexadecimal digits each. What cannot
/// be read is left out, so that a later version may say more.
fn read(id: Id, value: Option<&Value>, until: Instant) -> Present {
    let mut words = value.map_or("", Value::as_str).split(' ');
    let weight = words.next().and_then(|word| word.parse::<u32>().ok()).unwrap_or(1).min(MAX_WEIGHT);
    let wants = words.filter_map(|word| u64::from_str_radix(word, 16).ok()).take(MAX_WANTED).collect();
    let hash = hash(id.as_str().as_bytes());
    Present { id, hash, weight, wants, until }
}

/// The value that says so.
pub(super) fn written(weight: u32, wants: impl IntoIterator<Item = u64>) -> Option<Value> {
    let mut text = String::new();
    write!(text, "{weight}").ok()?;
    for want in wants.into_iter().take(MAX_WANTED) {
        write!(text, " {want:016x}").ok()?;
    }
    Value::new(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lease::Lease;
    use alloc::format;

    const NOW: Instant = Instant::from_origin(Duration::from_secs(5));

    fn present(entries: Vec<Entry>, now: Instant) -> Vec<Present> {
        Sightings::default().present(entries, Duration::ZERO, now)
    }

    fn entry(place: u32, id: &str, value: Option<&str>, left: u64) -> Entry {
        let lease = Lease {
            id: Some(Id::new(id).unwrap()),
            time_left: Duration::from_secs(left),
            value: value.map(|value| Value::new(value).unwrap()),
            ..Lease::new(Term::FIRST, Version::FIRST, Duration::from_secs(10))
        };
        Entry::new(Key::new(format!("g/member/{place}")).unwrap(), lease)
    }

    /// What is written is read again, also at its longest; what nobody knows is passed over.
    #[test]
    fn values_say_it() {
        let wants = [1, u64::MAX, hash(b"shard/7")];
        let value = written(3, wants).unwrap();
        let [one] = present([entry(0, "a", Some(value.as_str()), 4)].into(), NOW).try_into().unwrap();
        assert_eq!((one.weight, one.wants.as_slice()), (3, wants.as_slice()));
        assert_eq!(one.until, NOW.saturating_add(Duration::from_secs(4)));
        let longest = written(MAX_WEIGHT, (0..1_000).map(|low| u64::MAX - low)).unwrap();
        let [one] = present([entry(0, "a", Some(longest.as_str()), 4)].into(), NOW).try_into().unwrap();
        assert_eq!(one.wants.len(), MAX_WANTED);
        for (value, weight, wants) in
            [(None, 1, 0), (Some(""), 1, 0), (Some("x y=2"), 1, 0), (Some("7000 ff z=1 a"), 100, 2)]
        {
            let [one] = present([entry(0, "a", value, 4)].into(), NOW).try_into().unwrap();
            assert_eq!((one.weight, one.wants.len()), (weight, wants), "{value:?}");
        }
    }

    /// Only live leases count, each id once.
    #[test]
    fn the_live_count() {
        let entries =
            [entry(0, "b", Some("1"), 2), entry(1, "a", None, 0), entry(2, "b", Some("2"), 9), entry(3, "aa", None, 1)];
        let present = present(entries.into(), NOW);
        let seen: Vec<_> = present.iter().map(|one| (one.id.as_str(), one.weight)).collect();
        assert_eq!(seen, [("aa", 1), ("b", 2)]);
    }

    /// A lease that stands still is over after its ttl and the margin, however long the storage says that it lasts.
    #[test]
    fn what_stands_still_is_over() {
        let mut sightings = Sightings::default();
        let renewed = |seconds: u64| {
            let mut entry = entry(1, "b", None, 10);
            entry.lease.version = Version::new(1 + seconds / 4);
            entry
        };
        for seconds in 0..40 {
            let now = NOW.saturating_add(Duration::from_secs(seconds));
            let entries = [entry(0, "a", None, 10), renewed(seconds)];
            let present = sightings.present(entries.into(), Duration::from_secs(1), now);
            let seen: Vec<_> = present.iter().map(|one| one.id.as_str()).collect();
            assert_eq!(seen, if seconds < 11 { ["a", "b"].as_slice() } else { &["b"] }, "{seconds}");
        }
    }
}
