//! Which processes share the keys: those that hold a lease of a place, `<name>/member/<i>`.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::Write as _;
use core::time::Duration;

use super::rendezvous::hash;
use crate::storage::Entry;
use crate::text::{Id, Value};
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

/// Who is there, in the order of their ids. An id that comes twice counts once: ids have to differ.
pub(super) fn present(entries: Vec<Entry>, now: Instant) -> Vec<Present> {
    let live = entries.into_iter().filter(|entry| entry.lease.is_live());
    let mut present: Vec<_> = live
        .filter_map(|entry| read(entry.lease.id?, entry.lease.value.as_ref(), now, entry.lease.time_left))
        .collect();
    // Of two with one id the one that lives longer: the other is most likely an earlier life of the same process.
    present.sort_by(|one, other| (&one.id, other.until).cmp(&(&other.id, one.until)));
    present.dedup_by(|later, first| later.id == first.id);
    present
}

/// From the value of a lease: a weight, then the hashes of the keys that are asked for, 16 hexadecimal digits each. What cannot
/// be read is left out, so that a later version may say more.
fn read(id: Id, value: Option<&Value>, now: Instant, time_left: Duration) -> Option<Present> {
    let mut words = value.map_or("", Value::as_str).split(' ');
    let weight = words.next().and_then(|word| word.parse::<u32>().ok()).unwrap_or(1).min(MAX_WEIGHT);
    let wants = words.filter_map(|word| u64::from_str_radix(word, 16).ok()).take(MAX_WANTED).collect();
    let hash = hash(id.as_str().as_bytes());
    Some(Present { id, hash, weight, wants, until: now.saturating_add(time_left) })
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
    use crate::term::{Term, Version};
    use crate::text::Key;
    use alloc::format;

    const NOW: Instant = Instant::from_origin(Duration::from_secs(5));

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
}
