//! Who may end a lease, and when.

use core::time::Duration;

use lessor::storage::registers::RegisterStorage;
use lessor::storage::{Acquired, Record, Release, Session, Successor, Takeover};
use lessor::time::ManualSleep;
use lessor::{Id, Instant, ManualTimer, Storage, StorageExt, Term, Timer};

use crate::shelf::Shelf;
use crate::{Node, TTL, key};

const TICK: Duration = Duration::from_millis(1);

/// A ttl that it has seen itself, and by the grain of its clock more.
#[test]
fn an_observer_waits_from_its_own_first_sight() {
    let shelf = Shelf::default();
    let (a, b, late) = (Node::new(&shelf, 1), Node::new(&shelf, 2), Node::new(&shelf, 3));
    let term = a.wins(None);
    assert_eq!(b.waits(Some(term)), TTL);
    b.timer.advance(TTL);
    assert_eq!(b.waits(Some(term)), TICK, "its clock shows whole ticks, of which one may just have begun");
    b.timer.advance(TICK - Duration::from_nanos(1));
    assert_eq!(b.waits(Some(term)), TICK, "what is left is rounded up");
    assert_eq!(late.waits(Some(term)), TTL, "it has seen nothing of all that");
    b.timer.advance(Duration::from_nanos(1));
    assert_eq!(b.wins(Some(term)).get(), 2);
    assert!(!a.renews(term));
}

/// Who is refused is not told to come back before the clock here shows another time: it would ask and ask, and hear the same. Then
/// it takes over, however the ttl and the ticks of the clock fall together.
#[test]
fn nobody_comes_back_within_a_tick() {
    const TICKS: Duration = Duration::from_millis(16);
    for (started, ttl, reserved) in
        [(0, 10_000, false), (7, 10_000, false), (15, 10_001, false), (3, 10_015, true), (9, 9_999, true)]
    {
        let shelf = Shelf::default();
        let (a, b) = (Node::new(&shelf, 1), Node::new(&shelf, 2));
        let ttl = Duration::from_millis(ttl);
        let mut claim = a.claim();
        claim.ttl = ttl;
        let granted = a.acquire(claim);
        assert!(matches!(granted, Acquired::Granted { .. }), "{granted:?}");
        if reserved {
            let next = Successor::new(Id::new("another").unwrap(), ttl);
            a.run(a.storage.release(Release::new(key(), a.claim().session).successor(Some(next)))).unwrap();
        }
        b.timer.advance(Duration::from_millis(started));
        let coarse = RegisterStorage::with_timer(shelf.clone(), Ticks(b.timer.clone(), TICKS));
        let mut waits = Vec::new();
        while let Acquired::Refused { retry_after, .. } =
            b.run(coarse.acquire(b.claim().after(Some(Term::FIRST)))).unwrap()
        {
            assert!(retry_after >= TICKS && retry_after <= ttl, "after {waits:?}: {retry_after:?}");
            waits.push(retry_after);
            b.timer.advance(retry_after);
        }
        let waited: Duration = waits.iter().sum();
        assert!(waits.len() <= 3 && waited >= ttl && waited <= ttl + 3 * TICKS, "{waits:?}");
    }
}

/// A clock that shows whole ticks of this length.
struct Ticks(ManualTimer, Duration);

impl Timer for Ticks {
    type Sleep = ManualSleep;

    fn now(&self) -> Instant {
        let reading = self.0.now().since_origin();
        let begun = reading.as_nanos() % self.1.as_nanos();
        Instant::from_origin(reading - Duration::from_nanos(begun as u64))
    }

    fn sleep(&self, duration: Duration) -> ManualSleep {
        self.0.sleep(duration)
    }

    fn resolution(&self) -> Duration {
        self.1
    }
}

/// The model goes back to where a handle was by giving to a new one what the old one had seen.
#[test]
fn a_sight_can_be_handed_on() {
    let shelf = Shelf::default();
    let (a, b, late) = (Node::new(&shelf, 1), Node::new(&shelf, 2), Node::new(&shelf, 3));
    let term = a.wins(None);
    assert_eq!(b.waits(Some(term)), TTL);
    late.timer.advance(TTL + TICK);
    let nothing = late.storage.sights(&key());
    late.storage.set_sights(&key(), b.storage.sights(&key()));
    late.storage.set_sights(&key(), nothing);
    assert_eq!(late.waits(Some(term)), TTL, "it has seen nothing");
    late.storage.set_sights(&key(), b.storage.sights(&key()));
    assert_eq!(late.wins(Some(term)).get(), 2);
}

/// A renewal that nobody saw is seen when the swap fails.
#[test]
fn a_renewal_in_between_begins_it_anew() {
    let shelf = Shelf::default();
    let (a, b) = (Node::new(&shelf, 1), Node::new(&shelf, 2));
    let term = a.wins(None);
    b.waits(Some(term));
    b.timer.advance(TTL + TICK);
    assert!(a.renews(term));
    assert_eq!(b.waits(Some(term)), TTL);
    b.timer.advance(TTL);
    b.waits(Some(term));
    assert!(a.renews(term), "as long as nobody has taken its end for certain");
}

/// Reads may be stale: that costs time, and not for ever.
#[test]
fn a_store_that_answers_with_what_was() {
    let shelf = Shelf::default();
    let (a, b) = (Node::new(&shelf, 1), Node::new(&shelf, 2));
    let term = a.wins(None);
    assert!(a.renews(term));
    let mut stale = false;
    for _ in 0..10 {
        assert!(b.waits(Some(term)) <= TTL);
        b.timer.advance(TTL / 10);
        stale = !stale;
        shelf.stale(stale);
    }
    assert!(!stale, "the next answer is the newest");
    b.timer.advance(TICK);
    b.wins(Some(term));
    assert!(!a.renews(term));
}

/// An end that one has been told of is an end for all: the holder, too.
#[test]
fn what_is_told_has_ended_has_ended() {
    for tells in ["a look", "a claim that spares it"] {
        let shelf = Shelf::default();
        let (a, b, late) = (Node::new(&shelf, 1), Node::new(&shelf, 2), Node::new(&shelf, 3));
        let term = a.wins(None);
        let version = b.lease().version;
        b.timer.advance(TTL + TICK);
        if tells == "a look" {
            assert!(!b.lease().is_live());
        } else {
            drop(b.acquire(b.claim().after(Some(term)).takeover(Takeover::ReleasedOnly)));
        }
        let lease = late.lease();
        assert!(!lease.is_live() && lease.id.is_some(), "{tells}: who comes late sees it at once");
        assert_eq!(lease.version, version, "{tells}: who has watched the version still knows it");
        assert!(!a.renews(term), "{tells}");
        let named = late.claim().after(Some(term)).takeover(Takeover::Unchanged(version));
        assert!(matches!(late.acquire(named), Acquired::Granted { .. }), "{tells}");
    }
}

/// A reservation runs out as a lease does.
#[test]
fn a_reservation_runs_out() {
    let shelf = Shelf::default();
    let (a, b) = (Node::new(&shelf, 1), Node::new(&shelf, 2));
    let term = a.wins(None);
    let next = Successor::new(Id::new("another").unwrap(), TTL);
    a.run(a.storage.release(Release::new(key(), a.claim().session).successor(Some(next)))).unwrap();
    assert_eq!(b.waits(Some(term)), TTL);
    b.timer.advance(TTL + TICK);
    b.wins(Some(term));
}

/// What stands in a register has no dates, whenever it was written.
#[test]
fn no_dates_are_kept() {
    let shelf = Shelf::default();
    let a = Node::new(&shelf, 1);
    let kept = || Record::from_bytes(&shelf.get(&key()).unwrap().bytes).unwrap();
    a.timer.advance(Duration::from_secs(1_000));
    let term = a.wins(None);
    let ttl_ms = TTL.as_millis() as u64;
    assert_eq!((kept().ttl_ms, kept().expires_ms, kept().since_ms), (ttl_ms, ttl_ms, 0));
    a.timer.advance(TTL / 2);
    assert!(a.renews(term));
    assert_eq!((kept().ttl_ms, kept().expires_ms, kept().since_ms), (ttl_ms, ttl_ms, 0));
    a.run(a.storage.release(Release::new(key(), a.claim().session))).unwrap();
    assert_eq!((kept().session, kept().expires_ms), (None, 0));
}

/// What another program keeps there is not written over, and nobody is granted it.
#[test]
fn what_is_no_record_is_left_alone() {
    let shelf = Shelf::default();
    let a = Node::new(&shelf, 1);
    for (bytes, says) in [(&b"{}"[..], "another program"), (b"lessor 2\n", "layout 2"), (b"lessor 1\n", "by hand")] {
        shelf.put(&key(), bytes);
        for request in [a.claim().into(), a.renewal(Term::FIRST).into(), lessor::storage::Get::new(key()).into()] {
            let error = a.run(a.storage.call(request)).unwrap_err();
            let said = error.to_string();
            assert!(error.kind() == lessor::storage::ErrorKind::Permanent, "{said}");
            assert!(said.contains(says) && said.contains("the shelf") && said.contains("\"k\""), "{said}");
        }
        assert_eq!(shelf.get(&key()).unwrap().bytes, bytes);
    }
}

/// Candidates by the system's clock, and by any other.
#[test]
fn it_is_a_storage_like_any_other() {
    let (shelf, timer) = (Shelf::watched(), ManualTimer::new());
    let candidate = |id: &str| {
        let storage = RegisterStorage::with_timer(shelf.clone(), timer.clone());
        let (candidate, driver) = lessor::Builder::new("k").id(id).build_on(storage, timer.clone()).unwrap();
        timer.spawn(driver.run());
        candidate
    };
    let a = candidate("a");
    let first = timer.block_on(a.elected()).unwrap().unwrap();
    let b = candidate("b");
    for _ in 0..60 {
        timer.block_on(timer.sleep(Duration::from_secs(1)));
        assert!(a.is_leader() && !b.is_leader());
    }
    drop(first);
    drop(a);
    let second = timer.block_on(b.elected()).unwrap().unwrap();
    assert_eq!(second.term(), Term::new(2).unwrap());
}

/// A session is 128 bits: none of them is lost.
#[test]
fn sessions_are_kept_whole() {
    let shelf = Shelf::default();
    let a = Node::new(&shelf, u128::MAX - 1);
    a.wins(None);
    let kept = Record::from_bytes(&shelf.get(&key()).unwrap().bytes).unwrap();
    assert_eq!(kept.session, Some(Session::from_bits(u128::MAX - 1)));
}
