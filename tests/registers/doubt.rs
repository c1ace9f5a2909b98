//! Swaps of which nobody knows what became.

use core::time::Duration;

use lessor::storage::{ErrorKind, Record, Release, Revoke};
use lessor::{StorageExt, Term};

use crate::shelf::{Counts, Lost, Shelf};
use crate::{Node, TTL, key};

/// Whether it got through or not: an error, and the same question has the right answer.
#[test]
fn asking_again_heals() {
    for lost in [Lost::Request, Lost::Reply] {
        let shelf = Shelf::default();
        let (a, operator) = (Node::new(&shelf, 1), Node::new(&shelf, 9));
        shelf.lose(lost);
        a.run(a.storage.acquire(a.claim())).unwrap_err();
        let term = a.wins(None);
        assert_eq!(term, Term::FIRST, "{lost:?}: a claim whose answer was lost is granted the same term");
        shelf.lose(lost);
        a.run(a.storage.renew(a.renewal(term))).unwrap_err();
        assert!(a.renews(term), "{lost:?}");
        shelf.lose(lost);
        let release = Release::new(key(), a.claim().session);
        a.run(a.storage.release(release.clone())).unwrap_err();
        a.run(a.storage.release(release)).unwrap();
        let term = a.wins(Some(term));
        assert_eq!(term.get(), 2, "{lost:?}");
        shelf.lose(lost);
        let revoke = Revoke::new(key()).term(Some(term)).now(true);
        operator.run(operator.storage.revoke(revoke.clone())).unwrap_err();
        operator.run(operator.storage.revoke(revoke)).unwrap();
        assert_eq!(operator.lease().term.get(), 3, "{lost:?}: it is not taken twice");
    }
}

/// After a doubt a renewal tries what it knows, and looks when that is old.
#[test]
fn a_doubt_costs_a_look() {
    let shelf = Shelf::default();
    let a = Node::new(&shelf, 1);
    let term = a.wins(None);
    shelf.lose(Lost::Reply);
    a.run(a.storage.renew(a.renewal(term))).unwrap_err();
    shelf.counts();
    assert!(a.renews(term));
    assert_eq!(shelf.counts(), Counts { reads: 1, swaps: 2, moved: 1 });
}

/// A renewal in doubt gives the lease no less: it is there for its whole ttl from when it may have got through.
#[test]
fn what_is_in_doubt_is_not_known() {
    let shelf = Shelf::default();
    let (a, b) = (Node::new(&shelf, 1), Node::new(&shelf, 2));
    let term = a.wins(None);
    b.waits(Some(term));
    shelf.lose(Lost::Reply);
    a.run(a.storage.release(Release::new(key(), a.claim().session))).unwrap_err();
    // Its own process may not answer others by what it knew before.
    let follower = b.claim().after(Some(term)).max_age(TTL);
    let granted = a.run(a.storage.acquire(follower)).unwrap();
    assert!(matches!(granted, lessor::storage::Acquired::Granted { .. }), "{granted:?}");
    assert!(Record::from_bytes(&shelf.get(&key()).unwrap().bytes).unwrap().session.is_some());
}

/// Who may not write is told of an end that it has seen; it stays as it is for those who act on it.
#[test]
fn who_may_only_look_is_answered() {
    let shelf = Shelf::default();
    let (a, b) = (Node::new(&shelf, 1), Node::new(&shelf, 2));
    a.wins(None);
    assert!(b.lease().is_live());
    b.timer.advance(TTL + Duration::from_millis(1));
    let before = shelf.get(&key());
    shelf.lose(Lost::Right);
    assert!(!b.lease().is_live());
    assert_eq!(shelf.get(&key()), before);
    // Who acts on it is told what is missing.
    shelf.lose(Lost::Right);
    let error = b.run(b.storage.acquire(b.claim().after(Some(Term::FIRST)))).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Permanent);
}
