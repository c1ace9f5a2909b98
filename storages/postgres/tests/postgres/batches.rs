//! Many requests at once.

use futures::future::join;
use lessor::storage::{Acquired, Claim, DuplicateKey, ErrorKind, Get, List, Release, Renewed, Reply, Request, Revoke};
use lessor::{Storage, StorageExt, Term};
use lessor_postgres::sqlx;
use lessor_postgres::{AdapterError, PostgresStorage};
use lessor_servers::asking::patiently;
use lessor_servers::postgres::Server;
use smol::block_on;

use crate::{HOUR, claim, granted_in, is_extended, key, release, renewal, storage};

/// Batches lock in the order of their keys, whatever theirs is.
#[test]
fn batches_in_opposite_orders() {
    const KEYS: u128 = 300;
    let server = Server::start();
    block_on(async {
        let (_, pool) = storage(&server).await;
        let storage = PostgresStorage::builder().lock_timeout(HOUR).build(pool);
        let claims: Vec<_> = (0..KEYS).map(|number| claim(&format!("{number}"), 1 + number)).collect();
        let both = async |requests: Vec<Request>| {
            let reversed = requests.iter().cloned().rev().collect();
            let (one, other) = join(storage.call_all(requests), storage.call_all(reversed)).await;
            one.into_iter().chain(other).collect::<Vec<_>>()
        };
        // Each round has two terms: one that is released, and one that is revoked.
        for round in 0..10 {
            let [term, revoked] = [1 + 3 * round, 2 + 3 * round].map(|term| Term::new(term).unwrap());
            let known = Term::new(3 * round);
            let replies = both(patiently(claims.iter().map(|claim| claim.clone().after(known)))).await;
            assert!(replies.iter().all(|reply| granted_in(reply) == Some(term)), "{replies:?}");
            let replies = both(patiently(claims.iter().map(|claim| renewal(claim, term)))).await;
            assert!(replies.iter().all(is_extended), "{replies:?}");
            let replies = both(patiently(claims.iter().map(release))).await;
            assert!(replies.iter().all(|reply| matches!(reply, Ok(Reply::Released))), "{replies:?}");
            let replies = storage.call_all(patiently(claims.iter().map(|claim| Get::new(claim.key.clone())))).await;
            for (reply, claim) in replies.iter().zip(&claims) {
                let Ok(Reply::Got(Some(lease))) = reply else { panic!("{reply:?}") };
                assert_eq!((&lease.id, lease.term), (&None, term), "{}", claim.key);
            }
            let again = claims.iter().map(|claim| claim.clone().after(Some(term)));
            let replies = storage.call_all(patiently(again)).await;
            assert!(replies.iter().all(|reply| granted_in(reply) == Some(revoked)), "{replies:?}");
            // Of two that revoke one does.
            let mut revoked_ids = Vec::new();
            for reply in both(patiently(claims.iter().map(|claim| Revoke::new(claim.key.clone()).now(true)))).await {
                let Ok(Reply::Revoked(before)) = reply else { panic!("{reply:?}") };
                revoked_ids.extend(before.map(|before| {
                    assert_eq!(before.term, revoked);
                    before.id.unwrap()
                }));
            }
            revoked_ids.sort();
            let mut ids: Vec<_> = claims.iter().map(|claim| claim.id.clone()).collect();
            ids.sort();
            assert_eq!(revoked_ids, ids);
        }
    });
}

/// Requests of all operations, in any order: each answer is in the place of its request, and each key is asked once.
#[test]
fn mixed() {
    let server = Server::start();
    block_on(async {
        let (storage, _) = storage(&server).await;
        for name in ["renewed", "released", "revoked", "seen", "lost", "held"] {
            assert!(granted_in(&storage.call(claim(name, 1).into()).await).is_some());
        }
        let requests: Vec<Request> = vec![
            Revoke::new(key("revoked")).now(true).into(),
            List::new().prefix("r").limit(1).into(),
            renewal(&claim("lost", 2), Term::FIRST).into(),
            claim("new", 1).into(),
            Get::new(key("seen")).into(),
            release(&claim("released", 1)).into(),
            Get::new(key("new")).into(),
            claim("held", 2).into(),
            renewal(&claim("renewed", 1), Term::FIRST).into(),
            Revoke::new(key("nobody's")).now(true).into(),
            List::new().prefix("s").into(),
            Get::new(key("none")).into(),
        ];
        let asked = requests.len();
        let replies = storage.call_all(requests).await;
        assert_eq!(replies.len(), asked);
        let mut replies = replies.into_iter();
        let mut next = || replies.next().unwrap();
        assert!(matches!(next(), Ok(Reply::Revoked(Some(lease))) if lease.id == Some(claim("k", 1).id)));
        assert!(matches!(next(), Ok(Reply::Listed(page)) if page.entries.len() == 1 && page.next.is_some()));
        assert!(matches!(next(), Ok(Reply::Renewed(Renewed::Lost { lease: Some(_), .. }))));
        assert_eq!(granted_in(&next()), Some(Term::FIRST));
        assert!(matches!(next(), Ok(Reply::Got(Some(_)))));
        assert!(matches!(next(), Ok(Reply::Released)));
        let twice = next().unwrap_err();
        assert!(twice.kind() == ErrorKind::Permanent && twice.get_ref().is::<DuplicateKey>(), "{twice}");
        assert!(matches!(next(), Ok(Reply::Acquired(Acquired::Refused { lease: Some(_), .. }))));
        assert!(is_extended(&next()));
        assert!(matches!(next(), Ok(Reply::Revoked(None))));
        assert!(matches!(next(), Ok(Reply::Listed(page)) if page.entries.len() == 1 && page.next.is_none()));
        assert!(matches!(next(), Ok(Reply::Got(None))));
        assert!(storage.get(&key("released")).await.unwrap().unwrap().id.is_none());
        assert!(storage.call_all(Vec::new()).await.is_empty());
    });
}

/// An error about one key is no verdict on another: one row that somebody locks fails alone.
#[test]
fn one_locked_row() {
    let server = Server::start();
    block_on(async {
        let (storage, pool) = storage(&server).await;
        let claims: Vec<_> = (0..100).map(|number| claim(&number.to_string(), 1)).collect();
        assert!(storage.call_all(patiently(claims.clone())).await.iter().all(Result::is_ok));
        let mut other = pool.begin().await.unwrap();
        sqlx::query("SELECT FROM lessor_leases WHERE key = '7' FOR UPDATE").execute(&mut *other).await.unwrap();
        let some = |numbers: std::ops::Range<usize>| claims[numbers].iter().map(|claim| claim.key.clone());
        for batch in [
            patiently(claims.iter().map(|claim| renewal(claim, Term::FIRST))),
            patiently::<Claim>(claims.clone()),
            patiently(claims[..50].iter().map(release)),
            patiently(some(0..8).chain(some(60..99)).map(|key| Revoke::new(key).now(true))),
            patiently(claims.iter().map(|Claim { key, session, .. }| Release::new(key.clone(), *session))),
        ] {
            let keys: Vec<_> = batch.iter().map(|request| request.key().unwrap().clone()).collect();
            for (key, reply) in keys.iter().zip(storage.call_all(batch).await) {
                match reply {
                    Ok(_) => assert_ne!(key.as_str(), "7"),
                    Err(error) => {
                        assert_eq!((key.as_str(), error.kind()), ("7", ErrorKind::Transient), "{error}");
                        assert_eq!(AdapterError::of(&error), Some(&AdapterError::Locked));
                    }
                }
            }
        }
    });
}
