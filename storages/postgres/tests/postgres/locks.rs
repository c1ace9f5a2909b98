//! What is written, locked and waited for.

use std::time::Duration;

use futures::future::join;
use lessor::storage::{Acquired, ErrorKind, Renewed, Takeover};
use lessor::{StorageExt, Term};
use lessor_postgres::sqlx::{self, Transaction};
use lessor_postgres::{AdapterError, PostgresStorage};
use lessor_servers::asking::at_once;
use lessor_servers::postgres::Server;
use smol::block_on;

use crate::{HOUR, claim, granted, key, lasting, now, number, release, renewal, run, storage};

/// A refused claim neither writes nor locks, whoever holds the row's lock. Nor does anything else that changes nothing.
#[test]
fn a_refused_claim_writes_nothing() {
    const WRITTEN: &str = "SELECT (pg_current_wal_insert_lsn() - '0/0')::bigint";
    let server = Server::start();
    block_on(async {
        let (storage, pool) = storage(&server).await;
        let _ = granted(storage.acquire(claim("k", 1)).await);
        let _ = granted(storage.acquire(claim("free", 1)).await);
        storage.release(release(&claim("free", 1))).await.unwrap();
        let refused = claim("k", 2);
        let _ = storage.acquire(refused.clone()).await.unwrap();
        // Its first use writes hints of what was committed, and clears away what was not; and so that nobody else writes.
        run(&pool, "VACUUM lessor_leases").await;
        run(&pool, "CHECKPOINT").await;
        let before = number(&pool, WRITTEN).await;
        for _ in 0..500 {
            assert!(matches!(
                storage.acquire(refused.clone()).await.unwrap(),
                Acquired::Refused { lease: Some(_), .. }
            ));
            let _ = storage.renew(renewal(&refused, Term::FIRST)).await.unwrap();
            storage.release(release(&refused)).await.unwrap();
            let _ = storage.get(&refused.key).await.unwrap();
            assert_eq!(storage.revoke(at_once(&key("free"))).await.unwrap(), None);
            assert_eq!(storage.revoke(at_once(&key("nobody's"))).await.unwrap(), None);
            assert_eq!(storage.list(lessor::storage::List::new()).await.unwrap().entries.len(), 2);
        }
        assert_eq!(number(&pool, WRITTEN).await - before, 0);

        let mut other = pool.begin().await.unwrap();
        sqlx::query("SELECT FROM lessor_leases FOR UPDATE").execute(&mut *other).await.unwrap();
        let began = now();
        assert!(matches!(storage.acquire(refused).await.unwrap(), Acquired::Refused { .. }));
        assert_eq!(storage.revoke(at_once(&key("free"))).await.unwrap(), None);
        assert!(storage.get(&key("k")).await.unwrap().is_some());
        let patient = lasting(Duration::from_secs(2), claim("k", 1)).patience(Duration::from_secs(20));
        let mine = storage.acquire(patient).await.unwrap_err();
        let waited = now() - began;
        assert!(waited >= Duration::from_millis(200) && waited < Duration::from_secs(20), "{waited:?}");
        assert_eq!(mine.kind(), ErrorKind::Transient);
        assert_eq!(AdapterError::of(&mine), Some(&AdapterError::Locked));
        other.rollback().await.unwrap();
        assert_eq!(granted(storage.acquire(claim("k", 1)).await), Term::FIRST);
    });
}

/// A verdict is of the time after the wait for a lock, also where whoever held it changed nothing.
#[test]
fn time_goes_on_while_a_lock_is_waited_for() {
    const MINUTE: Duration = Duration::from_secs(60);
    // Of the server's clock and this one's.
    const GRAIN: Duration = Duration::from_millis(2);
    let server = Server::start();
    block_on(async {
        let (_, pool) = storage(&server).await;
        let storage = PostgresStorage::builder().lock_timeout(HOUR).build(pool.clone());
        let brief = lasting(Duration::from_millis(500), claim("k", 1));
        let lock = async || {
            let mut other = pool.begin().await.unwrap();
            sqlx::query("SELECT FROM lessor_leases FOR UPDATE").execute(&mut *other).await.unwrap();
            other
        };
        let unlock = async |other: Transaction<'_, sqlx::Postgres>| {
            smol::Timer::after(Duration::from_millis(700)).await;
            let unlocked = now();
            other.rollback().await.unwrap();
            unlocked
        };

        // Live when it is asked, expired when it gets the lock.
        let term = granted(storage.acquire(brief.clone()).await);
        let other = lock().await;
        let longer = renewal(&lasting(HOUR, brief.clone()), term).patience(MINUTE);
        let (renewed, _) = join(storage.renew(longer), unlock(other)).await;
        assert!(matches!(renewed.unwrap(), Renewed::Lost { lease: Some(_), .. }));
        assert!(!storage.get(&brief.key).await.unwrap().unwrap().is_live());

        // What is given lasts, and is as old, from when it is given.
        let other = lock().await;
        let next = lasting(MINUTE, claim("k", 2)).after(Some(term)).patience(MINUTE);
        let (acquired, unlocked) = join(storage.acquire(next), unlock(other)).await;
        assert_eq!(Some(granted(acquired)), term.next());
        let lease = storage.get(&brief.key).await.unwrap().unwrap();
        let since = now() - unlocked + GRAIN;
        assert!(lease.time_left + since >= MINUTE && lease.time_left <= MINUTE, "{lease:?} after {since:?}");
        assert!(lease.age.unwrap() <= since, "{lease:?} after {since:?}");

        // So is what a revocation shows.
        let other = lock().await;
        let (revoked, _) = join(storage.revoke(at_once(&brief.key).patience(MINUTE)), unlock(other)).await;
        let lease = revoked.unwrap().unwrap();
        assert!(lease.time_left < Duration::from_millis(59_300), "{lease:?}");
        assert!(lease.age.unwrap() >= Duration::from_millis(700), "{lease:?}");
    });
}

/// A stored expiry far ahead of the clock shows no more than the ttl, and goes to who saw it unchanged.
#[test]
fn an_hour_ahead() {
    let server = Server::start();
    block_on(async {
        let (storage, pool) = storage(&server).await;
        let short = |session| lasting(Duration::from_secs(5), claim("k", session));
        let term = granted(storage.acquire(short(1)).await);
        run(&pool, "UPDATE lessor_leases SET expires = expires + 3600000").await;
        let lease = storage.get(&key("k")).await.unwrap().unwrap();
        assert_eq!(lease.time_left, Duration::from_secs(5));
        let known = short(2).after(Some(term));
        assert!(matches!(
            storage.acquire(known.clone()).await.unwrap(),
            Acquired::Refused { retry_after, .. } if retry_after == Duration::from_secs(5)
        ));
        let watched = known.takeover(Takeover::Unchanged(lease.version));
        let knows_nothing = watched.clone().after(None);
        assert!(matches!(storage.acquire(knows_nothing).await.unwrap(), Acquired::Refused { .. }));
        assert_eq!(Some(granted(storage.acquire(watched).await)), term.next());
        run(&pool, "UPDATE lessor_leases SET expires = expires + 3600000").await;
        let renewed = storage.renew(renewal(&short(2), term.next().unwrap())).await.unwrap();
        assert!(matches!(renewed, Renewed::Extended { .. }));
        let now = "floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint";
        let ahead = number(&pool, &format!("SELECT expires - {now} FROM lessor_leases")).await;
        assert!(ahead <= 5000, "a renewal brings it back to the clock: {ahead}");
    });
}

/// `since` is when the term was granted: it stays through renewals, repeats and a release, and moves with a new term.
#[test]
fn a_term_keeps_its_beginning() {
    const SINCE: &str = "SELECT since FROM lessor_leases";
    let server = Server::start();
    block_on(async {
        let (storage, pool) = storage(&server).await;
        let term = granted(storage.acquire(claim("k", 1)).await);
        let began = number(&pool, SINCE).await;
        smol::Timer::after(Duration::from_millis(20)).await;
        assert!(matches!(storage.renew(renewal(&claim("k", 1), term)).await, Ok(Renewed::Extended { .. })));
        assert_eq!(granted(storage.acquire(claim("k", 1)).await), term, "repeated");
        let age = storage.get(&key("k")).await.unwrap().unwrap().age.unwrap();
        assert!(age >= Duration::from_millis(20), "{age:?}");
        storage.release(release(&claim("k", 1))).await.unwrap();
        assert_eq!(number(&pool, SINCE).await, began);
        assert_eq!(storage.get(&key("k")).await.unwrap().unwrap().age, None);
        let next = granted(storage.acquire(claim("k", 1).after(Some(term))).await);
        let later = number(&pool, SINCE).await;
        assert!(later >= began + 20, "{began} {later}");
        smol::Timer::after(Duration::from_millis(20)).await;
        // Its own live lease, in a reign of its own.
        let _ = granted(storage.acquire(claim("k", 1).after(Some(next))).await);
        assert!(number(&pool, SINCE).await >= later + 20);
    });
}
