//! How often the store is asked.

use core::time::Duration;

use futures::{FutureExt, StreamExt};
use lessor::storage::{Acquired, Release, Renewal, Renewed, Reply, Request};
use lessor::{Key, Storage, StorageExt, Term};

use crate::shelf::{Counts, Shelf};
use crate::{Node, TTL, key};

const READ: Counts = Counts { reads: 1, swaps: 0, moved: 0 };
const SWAP: Counts = Counts { reads: 0, swaps: 1, moved: 0 };
const NOTHING: Counts = Counts { reads: 0, swaps: 0, moved: 0 };

#[test]
fn one_request_each() {
    let shelf = Shelf::default();
    let (a, b) = (Node::new(&shelf, 1), Node::new(&shelf, 2));
    let term = a.wins(None);
    assert_eq!(shelf.counts(), Counts { reads: 1, swaps: 1, moved: 0 }, "a key that was never seen is looked at");
    assert!(a.renews(term));
    assert_eq!(shelf.counts(), SWAP, "a renewal");
    b.waits(None);
    assert_eq!(shelf.counts(), READ, "a poll");
    b.waits(Some(term));
    assert_eq!(shelf.counts(), READ, "and another");
    a.run(a.storage.release(Release::new(key(), a.claim().session))).unwrap();
    assert_eq!(shelf.counts(), SWAP, "a release");
    b.waits(None);
    let term = b.wins(Some(term));
    assert_eq!(shelf.counts(), Counts { reads: 1, swaps: 1, moved: 0 }, "a look at what is released, and the grant");
    a.waits(Some(term));
    assert_eq!(shelf.counts(), Counts { reads: 1, swaps: 1, moved: 1 }, "what is known of it is old");
}

/// A leader that is gone costs its follower no more than the grant.
#[test]
fn a_take_over_is_one_swap() {
    let shelf = Shelf::default();
    let (a, b) = (Node::new(&shelf, 1), Node::new(&shelf, 2));
    let term = a.wins(None);
    let wait = b.waits(Some(term));
    b.timer.advance(wait + Duration::from_millis(1));
    shelf.counts();
    assert_eq!(b.wins(Some(term)), Term::new(2).unwrap());
    assert_eq!(shelf.counts(), SWAP);
}

/// Who is told of each write need not look, for as long as it is told.
#[test]
fn a_watched_poll_is_free() {
    let shelf = Shelf::watched();
    let (a, b) = (Node::new(&shelf, 1), Node::new(&shelf, 2));
    let term = a.wins(None);
    let mut wakeups = b.storage.subscribe(&key());
    assert!(wakeups.is_complete());
    b.run(wakeups.next()).unwrap();
    shelf.counts();
    let looks = || drop(b.acquire(b.claim().after(Some(term)).max_age(Duration::from_secs(1))));
    for _ in 0..30 {
        b.timer.advance(TTL / 4);
        assert!(a.renews(term));
        assert_eq!(wakeups.next().now_or_never(), None, "a renewal wakes nobody");
        looks();
    }
    assert_eq!(shelf.counts(), Counts { swaps: 30, ..NOTHING });
    b.waits(Some(term));
    assert_eq!(shelf.counts(), READ, "who wants to know how it is now");
    // Nobody is told any more: it looks again.
    shelf.cut();
    assert_eq!(wakeups.next().now_or_never(), None);
    looks();
    b.timer.advance(TTL / 4);
    looks();
    assert_eq!(shelf.counts(), READ, "what was read a moment ago is known");
}

/// Many keys are read together, and swapped together; those that have moved, once more.
#[test]
fn a_batch_is_a_few_rounds() {
    let shelf = Shelf::default();
    let (a, b) = (Node::new(&shelf, 1), Node::new(&shelf, 2));
    let claims = |node: &Node| -> Vec<Request> {
        let keys = (0..100).map(|number| Key::new(format!("{number}")).unwrap());
        keys.map(|key| node.claim_of(key).into()).collect()
    };
    let answers = a.run(a.storage.call_all(claims(&a)));
    assert!(answers.iter().all(|answer| matches!(answer, Ok(Reply::Acquired(_)))));
    assert_eq!(shelf.counts(), Counts { reads: 100, swaps: 100, moved: 0 });
    assert!(b.run(b.storage.call_all(claims(&b))).iter().all(Result::is_ok));
    assert_eq!(shelf.counts(), Counts { reads: 100, ..NOTHING });
    let renewals = claims(&a).into_iter().map(|claim| {
        let key = claim.key().unwrap().clone();
        let claim = a.claim_of(key);
        Renewal::new(claim.key, claim.id, claim.session, Term::FIRST, TTL).into()
    });
    let answers = a.run(a.storage.call_all(renewals.collect()));
    assert!(answers.iter().all(|answer| matches!(answer, Ok(Reply::Renewed(Renewed::Extended { .. })))));
    assert_eq!(shelf.counts(), Counts { swaps: 100, ..NOTHING });
}

/// How often a key was written to by others counts for that key, whatever happens to those that are asked for with it.
#[test]
fn each_key_has_its_own_crowd() {
    let shelf = Shelf::default();
    let (a, b) = (Node::new(&shelf, 1), Node::new(&shelf, 2));
    let [known, unseen] = ["known", "unseen"].map(|name| Key::new(name).unwrap());
    let claim = a.claim_of(known.clone());
    assert!(matches!(a.acquire(claim.clone()), Acquired::Granted { .. }));
    a.run(a.storage.release(Release::new(known.clone(), claim.session))).unwrap();
    b.run(b.storage.get(&known)).unwrap();
    for key in [&known, &unseen] {
        shelf.crowd(key, 10);
    }
    // One is swapped while the other is read.
    let claims = [known.clone(), unseen].map(|key| b.claim_of(key).after(Some(Term::FIRST)).into());
    let answers = b.run(b.storage.call_all(claims.to_vec()));
    assert!(
        answers.iter().all(|answer| matches!(answer, Ok(Reply::Acquired(Acquired::Granted { .. })))),
        "{answers:?}"
    );
    shelf.crowd(&known, u32::MAX);
    let error = b.run(b.storage.acquire(b.claim_of(known).after(Term::new(2)))).unwrap_err();
    assert!(error.to_string().contains("16 times"), "{error}");
}
