//! Many requests at once.

use std::time::Duration;

use futures::future::join;
use lessor::storage::{Acquired, Claim, ErrorKind, Get, List, Renewed, Reply, Request, Revoke};
use lessor::{Storage, StorageExt, Term};
use lessor_mysql::sqlx::Executor;
use lessor_mysql::{AdapterError, MySqlStorage};
use lessor_servers::mysql::Server;
use smol::block_on;

use crate::support::{
    HOUR, claim, granted, granted_reply, key, lasting, nobody_waits, number, patiently, release, renewal, storage, term,
};

/// Every operation in one batch: the answers are in order, each key has its own, and they are one look and one
/// transaction.
#[test]
fn mixed() {
    const BEGUN: &str = "SELECT CAST(variable_value AS SIGNED) FROM information_schema.global_status
        WHERE variable_name = 'COM_BEGIN'";
    let server = Server::start();
    block_on(async {
        let (storage, pool) = storage(&server).await;
        for name in ["held", "renewed", "released", "revoked", "lost"] {
            let _ = granted(storage.acquire(claim(name, 1)).await);
        }
        let before = number(&pool, BEGUN).await;
        let batch: Vec<Request> = vec![
            Get::new(key("nothing")).into(),
            claim("held", 2).into(),
            claim("new", 1).into(),
            claim("renewed", 7).into(), // answered: the next one of this key is not
            renewal(&claim("renewed", 1), Term::FIRST).into(),
            release(&claim("released", 1)).into(),
            List::new().prefix("re").limit(1).into(),
            Revoke::new(key("revoked")).now(true).into(),
            renewal(&claim("lost", 1), term(2)).into(),
            Revoke::new(key("nobody's")).now(true).into(),
            List::new().start(Some(key("z"))).into(),
        ];
        let replies = storage.call_all(batch).await;
        assert_eq!(replies.len(), 11);
        let mut replies = replies.into_iter();
        let mut next = || replies.next().unwrap();
        assert_eq!(next(), Ok(Reply::Got(None)));
        assert!(matches!(next(), Ok(Reply::Acquired(Acquired::Refused { lease: Some(_), .. }))));
        assert_eq!(granted_reply(next()), Term::FIRST);
        assert!(matches!(next(), Ok(Reply::Acquired(Acquired::Refused { .. }))));
        assert_eq!(next().unwrap_err().kind(), ErrorKind::Permanent, "the key occurs again");
        assert_eq!(next(), Ok(Reply::Released));
        let Ok(Reply::Listed(page)) = next() else { panic!("no page") };
        assert_eq!((page.entries.len(), page.next), (1, Some(key("renewed"))));
        let Ok(Reply::Revoked(Some(lease))) = next() else { panic!("nobody held it") };
        assert_eq!((lease.id, lease.term), (Some(claim("revoked", 1).id), Term::FIRST));
        assert!(matches!(next(), Ok(Reply::Renewed(Renewed::Lost { lease: Some(_), .. }))));
        assert_eq!(next(), Ok(Reply::Revoked(None)));
        let Ok(Reply::Listed(page)) = next() else { panic!("no page") };
        assert_eq!((page.entries, page.next), (vec![], None));
        assert_eq!(number(&pool, BEGUN).await - before, 1);
        assert_eq!(storage.get(&key("revoked")).await.unwrap().unwrap().term, term(2));
        assert_eq!(storage.get(&key("released")).await.unwrap().unwrap().id, None);
    });
}

/// Batches wait for one another, in whatever order their keys are.
#[test]
fn in_opposite_orders() {
    const KEYS: u128 = 300;
    let server = Server::start();
    block_on(async {
        let (_, pool) = storage(&server).await;
        let storage = MySqlStorage::builder().lock_timeout(HOUR).build(pool);
        let claims: Vec<_> = (0..KEYS).map(|number| claim(&format!("{number}"), 1 + number)).collect();
        let reversed: Vec<_> = claims.iter().cloned().rev().collect();
        for round in 0..10 {
            // Who is not faster looks and asks again, as a candidate does.
            let acquire = async |claims: &[Claim]| {
                let mut open = claims.to_vec();
                while !open.is_empty() {
                    let replies = storage.call_all(patiently(open.clone())).await;
                    let held = replies.into_iter().map(|reply| match reply.unwrap() {
                        Reply::Acquired(Acquired::Granted { term, .. }) => {
                            assert_eq!(term.get(), 1 + round);
                            false
                        }
                        Reply::Acquired(Acquired::Refused { retry_after: Duration::ZERO, .. }) => true,
                        other => panic!("{other:?}"),
                    });
                    open = open.iter().zip(held).filter(|(_, held)| *held).map(|(claim, _)| claim.clone()).collect();
                }
            };
            join(acquire(&claims), acquire(&reversed)).await;
            let renewals = |claims: &[Claim]| patiently(claims.iter().map(|claim| renewal(claim, term(1 + round))));
            let (one, other) = join(storage.call_all(renewals(&claims)), storage.call_all(renewals(&reversed))).await;
            for renewed in one.into_iter().chain(other) {
                assert!(matches!(renewed, Ok(Reply::Renewed(Renewed::Extended { .. }))), "{renewed:?}");
            }
            let releases = |claims: &[Claim]| patiently(claims.iter().map(release));
            let (one, other) = join(storage.call_all(releases(&claims)), storage.call_all(releases(&reversed))).await;
            assert!(one.into_iter().chain(other).all(|released| released == Ok(Reply::Released)));
            let looks = patiently(claims.iter().map(|claim| Get::new(claim.key.clone())));
            for (lease, claim) in storage.call_all(looks).await.into_iter().zip(&claims) {
                let Reply::Got(Some(lease)) = lease.unwrap() else { panic!("{}", claim.key) };
                assert_eq!((lease.id, lease.term.get()), (None, 1 + round), "{}", claim.key);
            }
            let again = patiently(claims.iter().map(|claim| claim.clone().after(Some(term(1 + round)))));
            for acquired in storage.call_all(again).await {
                assert_eq!(granted_reply(acquired).get(), 2 + round);
            }
        }
    });
}

/// One row that another transaction holds keeps back nobody else: neither in a batch, nor beside one.
#[test]
fn one_locked_row() {
    const KEYS: usize = 200;
    let server = Server::start();
    block_on(async {
        let (storage, pool) = storage(&server).await;
        let claims: Vec<_> = (0..KEYS).map(|number| claim(&format!("{number}"), 1)).collect();
        for acquired in storage.call_all(patiently(claims.clone())).await {
            let _ = granted_reply(acquired);
        }
        let mut other = pool.begin().await.unwrap();
        other.execute("SELECT * FROM lessor_leases WHERE `key` = '77' FOR UPDATE").await.unwrap();
        let brief = |claim: &Claim| renewal(&lasting(Duration::from_secs(5), claim.clone()), Term::FIRST);
        let renewals = patiently(claims.iter().map(brief));
        for (renewed, claim) in storage.call_all(renewals.clone()).await.into_iter().zip(&claims) {
            match renewed {
                Err(error) if claim.key.as_str() == "77" => {
                    assert_eq!(AdapterError::of(&error), Some(&AdapterError::Locked), "{error}");
                    assert_eq!(error.kind(), ErrorKind::Transient);
                }
                Ok(Reply::Renewed(Renewed::Extended { .. })) => {}
                renewed => panic!("{}: {renewed:?}", claim.key),
            }
        }
        let versions = "SELECT COUNT(*) FROM lessor_leases WHERE version = 2";
        assert_eq!(number(&pool, versions).await, i64::try_from(KEYS).unwrap() - 1);
        nobody_waits(&pool).await;
        other.rollback().await.unwrap();
        for renewed in storage.call_all(renewals).await {
            assert!(matches!(renewed, Ok(Reply::Renewed(Renewed::Extended { .. }))));
        }
        // Nothing is left open behind a batch that met a lock.
        assert_eq!(number(&pool, "SELECT COUNT(*) FROM information_schema.innodb_trx").await, 0);
    });
}
