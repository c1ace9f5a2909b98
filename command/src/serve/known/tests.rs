use lessor::storage::Version;
use lessor::{Id, Term};

use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn key(name: impl ToString) -> Key {
    Key::new(name.to_string()).unwrap()
}

fn lease(time_left: Duration) -> Lease {
    let mut lease = Lease::new(Term::FIRST, Version::FIRST, 10 * SECOND);
    (lease.id, lease.time_left) = (Some(Id::new("a").unwrap()), time_left);
    lease
}

/// What is left of a lease is a little more or less with each answer. However often it is looked at, it is due once when it ends.
#[test]
fn a_key_is_due_once() {
    let (mut known, key, start) = (Known::default(), key("k"), Instant::now());
    for number in 0..10_000_u32 {
        let now = start + Duration::from_millis(number.into());
        let time_left = 10 * SECOND - Duration::from_millis(u64::from(number % 2) * 5);
        let _ = known.seen(&key, Some(&lease(time_left)), None, now);
        assert!(known.due.len() <= 2, "after {number}: {}", known.due.len());
    }
    let end = start + Duration::from_millis(9_999) + 10 * SECOND;
    assert!(known.due(start + 10 * SECOND).is_empty(), "it was renewed");
    assert_eq!(known.due(end), std::slice::from_ref(&key));
    assert_eq!((known.due(end), known.next_due()), (vec![], None));
    // Nobody could look.
    known.later(&key, end + SECOND);
    assert_eq!((known.due(end), known.due(end + SECOND)), (vec![], vec![key]));
}

/// A lease may end earlier than was known: it was renewed for a shorter time.
#[test]
fn an_earlier_end_is_kept() {
    let (mut known, key, now) = (Known::default(), key("k"), Instant::now());
    for left in [10, 3, 8] {
        let _ = known.seen(&key, Some(&lease(left * SECOND)), None, now);
    }
    assert_eq!(known.next_due(), Some(now + 3 * SECOND));
    assert!(known.due(now + 3 * SECOND).is_empty());
    assert_eq!(known.due(now + 8 * SECOND), [key]);
}

/// One that nobody owns makes room, and only that which nobody has held for longest: the others are not even looked at.
#[test]
fn one_makes_room_for_one() {
    let (mut known, now) = (Known::of_at_most(4), Instant::now());
    known.own(&key("owned"), "a", 10).unwrap();
    let _ = known.seen(&key("held"), Some(&lease(SECOND)), None, now);
    for name in ["unused", "expired"] {
        let _ = known.seen(&key(name), (name == "expired").then(|| lease(Duration::ZERO)).as_ref(), None, now);
    }
    for number in 0..100 {
        let _ = known.seen(&key(number), None, None, now);
        assert_eq!(known.keys.len(), 4);
    }
    let mut names: Vec<_> = known.keys.keys().map(Key::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, ["98", "99", "held", "owned"]);
    // Whoever is held or owned again makes no room.
    for number in [98, 99] {
        known.own(&key(number), "a", 10).unwrap();
    }
    assert!(known.seen(&key("new"), Some(&lease(SECOND)), None, now).is_none());
    assert_eq!((known.keys.len(), known.first(&key("new"))), (4, First::Unknown));
    known.forget(&key(98));
    assert_eq!(known.first(&key(98)), First::New(0), "its term is remembered");
    let _ = known.seen(&key("held"), Some(&lease(Duration::ZERO)), None, now);
    let _ = known.seen(&key("new"), Some(&lease(SECOND)), None, now);
    assert!(known.keys.contains_key(&key("new")) && !known.keys.contains_key(&key("held")));
    assert_eq!(known.due(now + SECOND), [key("new")], "what is gone is not due");
}

/// Many keys with many changes each: the oldest of all of them are forgotten first.
#[test]
fn changes_are_bounded_together() {
    let now = Instant::now();
    let mut changes = Changes::of_at_most(250);
    for number in 0..100 {
        for name in ["a", "b", "c"] {
            changes.push(&key(name), Change::Granted, "id".into(), number, now);
        }
    }
    assert_eq!(changes.len(), 250);
    let terms =
        |changes: &Changes, name| changes.history(&key(name), now).iter().map(|entry| entry.term).collect::<Vec<_>>();
    assert_eq!(terms(&changes, "a"), (17..100).rev().collect::<Vec<_>>());
    assert_eq!((terms(&changes, "b").len(), terms(&changes, "c").len()), (83, 84));
    for number in 100..300 {
        changes.push(&key("a"), Change::Granted, "id".into(), number, now);
    }
    assert_eq!(terms(&changes, "a"), (200..300).rev().collect::<Vec<_>>(), "a hundred of each key");
    changes.forget(&key("a"));
    let left = terms(&changes, "b").len() + terms(&changes, "c").len();
    assert_eq!((changes.len(), terms(&changes, "a")), (left, vec![]));
}
