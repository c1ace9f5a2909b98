//! What happens where another transaction holds a row's lock, or the server stands still.

use std::time::Duration;

use futures::future::{Either, select};
use lessor::storage::{Acquired, ErrorKind, Renewed};
use lessor::{Builder, Event, StorageExt, Term};
use lessor_mysql::MySqlStorage;
use lessor_mysql::sqlx::Executor;
use lessor_servers::mysql::Server;
use smol::block_on;

use crate::support::{claim, claim_for, granted, lock, now, number, renewal, storage, waiting};

/// Who waits in vain leaves one statement behind on the server, not one with each try; dropped or not.
#[test]
fn vain_waits_do_not_pile_up() {
    let server = Server::start();
    block_on(async {
        let (storage, pool) = storage(&server).await;
        let term = granted(storage.acquire(claim("k", 1)).await);
        let brief = renewal(&claim_for(Duration::from_millis(500), "k", 1), term);
        for dropped in [false, true] {
            let other = lock(&pool).await;
            for _ in 0..10 {
                if dropped {
                    let limit = smol::Timer::after(Duration::from_millis(20));
                    let renewed = select(Box::pin(storage.renew(brief.clone())), limit).await;
                    assert!(matches!(renewed, Either::Right(_)));
                } else {
                    let error = storage.renew(brief.clone()).await.unwrap_err();
                    assert_eq!(error.kind(), ErrorKind::Transient, "{error}");
                }
                assert!(waiting(&pool).await <= 1);
            }
            assert_eq!(waiting(&pool).await, 1, "the first");
            other.rollback().await.unwrap();
            for _ in 0..3 {
                assert!(matches!(storage.renew(brief.clone()).await.unwrap(), Renewed::Extended { .. }));
            }
            while waiting(&pool).await > 0 {}
            assert_eq!(number(&pool, "SELECT COUNT(*) FROM information_schema.innodb_trx").await, 0);
        }
    });
}

/// The same for a key's first claim: where another one is under way, and where a whole range is locked.
#[test]
fn vain_first_claims_do_not_pile_up() {
    const INSERTING: &str = "SELECT COUNT(*) FROM information_schema.processlist WHERE info LIKE 'INSERT %'";
    let server = Server::start();
    block_on(async {
        let (storage, pool) = storage(&server).await;
        let _ = granted(storage.acquire(claim("k", 1)).await);
        for (name, locking) in [
            (
                "first",
                "INSERT INTO lessor_leases
                 SELECT 'first', session, id, term, version, ttl, expires, since, value FROM lessor_leases",
            ),
            ("ranged", "SELECT * FROM lessor_leases FOR UPDATE"),
        ] {
            let mut other = pool.begin().await.unwrap();
            other.execute(locking).await.unwrap();
            let first = claim_for(Duration::from_secs(1), name, 2);
            for _ in 0..5 {
                let began = now();
                assert_eq!(storage.acquire(first.clone()).await.unwrap_err().kind(), ErrorKind::Transient);
                let waited = now() - began;
                assert!(waited < Duration::from_secs(10), "{waited:?}");
            }
            assert_eq!(number(&pool, INSERTING).await, 1, "{name}");
            other.rollback().await.unwrap();
            // The one that was left behind may be first, with a lease that has ended by now.
            let mut claim = first;
            let term = loop {
                match storage.acquire(claim.clone()).await.unwrap() {
                    Acquired::Granted { term, .. } => break term,
                    Acquired::Refused { lease, retry_after, .. } => {
                        assert!(retry_after.is_zero());
                        claim = claim.after(lease.map(|lease| lease.term));
                    }
                    other => panic!("{other:?}"),
                }
            };
            assert!(Some(term) <= Term::FIRST.next(), "{term}");
        }
    });
}

/// Who waits in vain does not keep the pool's connection.
#[test]
fn a_vain_wait_keeps_no_connection() {
    let server = Server::start();
    block_on(async {
        let (_, pool) = storage(&server).await;
        let storage = MySqlStorage::new(server.pool(1));
        let term = granted(storage.acquire(claim("k", 1)).await);
        let brief = renewal(&claim_for(Duration::from_millis(500), "k", 1), term);
        let other = lock(&pool).await;
        assert_eq!(storage.renew(brief.clone()).await.unwrap_err().kind(), ErrorKind::Transient);
        let limit = smol::Timer::after(Duration::from_secs(10));
        let looked = select(Box::pin(storage.get(&brief.key)), limit).await;
        assert!(matches!(looked, Either::Left((Ok(Some(_)), _))), "it waits for the statement that was given up");
        other.rollback().await.unwrap();
    });
}

/// R14: a server that stands still costs time, and no more than that.
#[test]
fn a_server_that_pauses() {
    let server = Server::start();
    block_on(async {
        let (storage, _) = storage(&server).await;
        let term = granted(storage.acquire(claim("k", 1)).await);
        let brief = renewal(&claim_for(Duration::from_secs(2), "k", 1), term);
        server.pause();
        for _ in 0..10 {
            let limit = smol::Timer::after(Duration::from_millis(50));
            let renewed = select(Box::pin(storage.renew(brief.clone())), limit).await;
            assert!(matches!(renewed, Either::Right(_)));
        }
        server.resume();
        assert!(matches!(storage.renew(brief).await.unwrap(), Renewed::Extended { .. }));
        server.pause();
    });
    // It ends while it is paused.
    drop(server);
}

/// R14: a leader goes on where another transaction holds its row for a while.
#[test]
fn a_leader_outlasts_a_lock() {
    let server = Server::start();
    block_on(async {
        let (storage, pool) = storage(&server).await;
        let (candidate, driver) = Builder::new("k").ttl(Duration::from_secs(2)).build(storage).unwrap();
        let task = smol::spawn(driver.run());
        let leadership = candidate.elected().await.unwrap();
        let other = lock(&pool).await;
        let mut events = candidate.events();
        while !matches!(events.next().await.unwrap(), Event::StorageFailed { .. }) {}
        other.rollback().await.unwrap();
        while !matches!(events.next().await.unwrap(), Event::Renewed { .. }) {}
        assert!(leadership.is_valid(), "the same reign");
        candidate.shutdown().await.unwrap();
        task.await;
    });
}
