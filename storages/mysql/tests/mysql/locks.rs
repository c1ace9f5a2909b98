//! What happens where another transaction holds a row's lock, or the server stands still.

use std::time::Duration;

use futures::future::{Either, join, select};
use lessor::storage::{ErrorKind, Renewed, Reply};
use lessor::{Builder, Event, Storage, StorageExt, Term};
use lessor_mysql::sqlx::Executor;
use lessor_mysql::{AdapterError, MySqlStorage};
use lessor_servers::mysql::Server;
use smol::block_on;

use crate::support::{
    HOUR, claim, claim_for, granted, granted_reply, lock, nobody_waits, number, renewal, requests, storage,
};

/// Who waits in vain leaves nothing behind on the server, whether it hears so or is dropped.
#[test]
fn vain_waits_leave_nothing_behind() {
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
                nobody_waits(&pool).await;
            }
            other.rollback().await.unwrap();
            for _ in 0..3 {
                assert!(matches!(storage.renew(brief.clone()).await.unwrap(), Renewed::Extended { .. }));
            }
            assert_eq!(number(&pool, "SELECT COUNT(*) FROM information_schema.innodb_trx").await, 0);
        }
        let traffic = storage.traffic();
        assert!(traffic.connected <= 2, "no wait has cost a connection: {traffic:?}");
    });
}

/// The same for a key's first claim: where another one is under way, and where a whole range is locked.
#[test]
fn vain_first_claims_leave_nothing_behind() {
    let server = Server::start();
    block_on(async {
        let (storage, pool) = storage(&server).await;
        let _ = granted(storage.acquire(claim("k", 1)).await);
        for (name, locking) in [
            ("first", "INSERT INTO lessor_leases VALUES ('first', NULL, 'h', 1, 1, 1, 1, 1, NULL)"),
            ("ranged", "SELECT * FROM lessor_leases FOR UPDATE"),
        ] {
            let mut other = pool.begin().await.unwrap();
            other.execute(locking).await.unwrap();
            let first = claim_for(Duration::from_secs(1), name, 2);
            for _ in 0..3 {
                // Alone, and beside another.
                let with = [first.clone(), claim(&format!("{name} beside"), 1)];
                let both = storage.call_all(requests(with)).await;
                for answer in [storage.acquire(first.clone()).await.map(Reply::Acquired), both[0].clone()] {
                    let error = answer.unwrap_err();
                    assert_eq!(error.kind(), ErrorKind::Transient, "{error}");
                }
                assert_eq!(both[1].is_ok(), name == "first", "{:?}", both[1]);
            }
            nobody_waits(&pool).await;
            other.rollback().await.unwrap();
            assert_eq!(granted(storage.acquire(first).await), Term::FIRST);
        }
    });
}

/// A lock on the whole table: the server waits no longer than the lock timeout, and says so, so that no connection goes
/// silent.
#[test]
fn a_locked_table() {
    let server = Server::start();
    block_on(async {
        let (storage, pool) = storage(&server).await;
        let claims = ["one", "other"].map(|name| claim_for(Duration::from_secs(60), name, 1));
        for acquired in storage.call_all(requests(claims.clone())).await {
            let _ = granted_reply(acquired);
        }
        let patient = |claim| renewal(claim, Term::FIRST).patience(Duration::from_secs(12));
        let renewals = || requests(claims.iter().map(patient));
        let mut other = pool.acquire().await.unwrap();
        other.execute("LOCK TABLES lessor_leases WRITE").await.unwrap();
        for renewed in storage.call_all(renewals()).await {
            let error = renewed.unwrap_err();
            assert_eq!(AdapterError::of(&error), Some(&AdapterError::Locked), "{error}");
        }
        assert_eq!(storage.traffic().silent, 0);
        other.execute("UNLOCK TABLES").await.unwrap();
        for renewed in storage.call_all(renewals()).await {
            assert!(matches!(renewed, Ok(Reply::Renewed(Renewed::Extended { .. }))), "{renewed:?}");
        }
        assert!(storage.traffic().connected <= 2, "{:?}", storage.traffic());
    });
}

/// Who waits holds up nobody else.
#[test]
fn a_wait_beside_others() {
    let server = Server::start();
    block_on(async {
        let (_, pool) = storage(&server).await;
        let storage = MySqlStorage::builder().lock_timeout(HOUR).build(&pool);
        let (locked, free) = (claim_for(HOUR, "locked", 1), claim_for(HOUR, "free", 1));
        let first = granted(storage.acquire(locked.clone()).await);
        let _ = granted(storage.acquire(free.clone()).await);
        let mut other = pool.begin().await.unwrap();
        other.execute("SELECT * FROM lessor_leases WHERE `key` = 'locked' FOR UPDATE").await.unwrap();
        // It waits for half of this, and would travel with the others.
        let patient = renewal(&locked, first).patience(Duration::from_secs(4));
        let (renewed, ()) = join(storage.renew(patient), async {
            for _ in 0..20 {
                assert!(matches!(storage.renew(renewal(&free, first)).await.unwrap(), Renewed::Extended { .. }));
            }
            other.rollback().await.unwrap();
        })
        .await;
        assert!(matches!(renewed.unwrap(), Renewed::Extended { .. }), "it has waited");
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
        let (candidate, driver) = Builder::new("k").ttl(Duration::from_secs(10)).build(storage).unwrap();
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
