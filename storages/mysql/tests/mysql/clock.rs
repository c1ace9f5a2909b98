//! The server's clock: after a wait, after a step back, in summer.

use std::time::Duration;

use futures::future::join;
use lessor::storage::{Acquired, Renewed, Reply, Takeover};
use lessor::{Storage, StorageExt};
use lessor_mysql::MySqlStorage;
use lessor_servers::asking::at_once;
use lessor_servers::mysql::Server;
use smol::block_on;

use crate::support::{
    HOUR, claim_for, granted, granted_reply, key, lasting, lock, now, number, release, renewal, requests, run, storage,
    unlock,
};

/// R4: a verdict is of the time after the wait for a lock, also where whoever held it changed nothing.
#[test]
fn time_goes_on_while_a_lock_is_waited_for() {
    const WAIT: Duration = Duration::from_millis(700);
    const BRIEF: Duration = Duration::from_millis(500);
    const MINUTE: Duration = Duration::from_secs(60);
    // Of the server's clock and this one's.
    const GRAIN: Duration = Duration::from_millis(2);
    let server = Server::start_with(&[], Some("Europe/Berlin"));
    block_on(async {
        storage(&server).await.0.check().await.unwrap();
        // Alone, and beside others.
        for beside in [false, true] {
            let pool = server.pool(8);
            run(&pool, "DELETE FROM lessor_leases").await;
            let storage = MySqlStorage::builder().lock_timeout(HOUR).build(&pool);
            if beside {
                // The first claim of a batch leads: the others are on their own.
                let others = (0..10).map(|other| claim_for(HOUR, &format!("beside {other}"), 1));
                for acquired in storage.call_all(requests(others)).await {
                    let _ = granted_reply(acquired);
                }
            }
            let is_live = async || storage.get(&key("k")).await.unwrap().unwrap().is_live();

            // Live when it is asked, expired when it gets the lock.
            let brief = claim_for(BRIEF, "k", 1);
            let first = granted(storage.acquire(brief.clone()).await);
            let other = lock(&pool).await;
            let longer = renewal(&lasting(HOUR, brief.clone()), first).patience(MINUTE);
            let (renewed, _) = join(storage.renew(longer), unlock(other, WAIT)).await;
            assert!(matches!(renewed.unwrap(), Renewed::Lost { lease: Some(_), .. }));
            assert!(!is_live().await);

            // A claim that was granted is repeated only while it lasts.
            let brief = brief.after(Some(first));
            let second = granted(storage.acquire(brief.clone()).await);
            assert_eq!(Some(second), first.next());
            let other = lock(&pool).await;
            let (repeated, _) = join(storage.acquire(lasting(HOUR, brief).patience(MINUTE)), unlock(other, WAIT)).await;
            assert!(matches!(repeated.unwrap(), Acquired::Refused { retry_after: Duration::ZERO, .. }));
            assert!(!is_live().await);

            // What is given lasts, and begins, when it is given.
            let other = lock(&pool).await;
            let next = claim_for(MINUTE, "k", 2).after(Some(second)).patience(MINUTE);
            let (acquired, unlocked) = join(storage.acquire(next.clone()), unlock(other, WAIT)).await;
            let third = granted(acquired);
            assert_eq!(Some(third), second.next());
            let lease = storage.get(&next.key).await.unwrap().unwrap();
            let since = now() - unlocked + GRAIN;
            let (left, age) = (lease.time_left, lease.age.unwrap());
            assert!(left + since >= MINUTE && left <= MINUTE, "{left:?} after {since:?}");
            assert!(age <= since, "{age:?} after {since:?}");
            let other = lock(&pool).await;
            let (renewed, unlocked) =
                join(storage.renew(renewal(&next, third).patience(MINUTE)), unlock(other, WAIT)).await;
            assert!(matches!(renewed.unwrap(), Renewed::Extended { .. }));
            let lease = storage.get(&next.key).await.unwrap().unwrap();
            let since = now() - unlocked + GRAIN;
            let (left, age) = (lease.time_left, lease.age.unwrap());
            assert!(left + since >= MINUTE && left <= MINUTE, "{left:?} after {since:?}");
            assert!(age >= WAIT, "a renewal goes on in its term: {age:?}");
        }
    });
}

/// R10: a stored expiry far ahead of the clock shows no more than the ttl, and goes to who saw it unchanged.
#[test]
fn an_hour_ahead() {
    const AN_HOUR_AHEAD: &str = "UPDATE lessor_leases SET expires = expires + 3600000";
    const TTL: Duration = Duration::from_secs(60);
    let server = Server::start();
    block_on(async {
        let (storage, pool) = storage(&server).await;
        let first = granted(storage.acquire(claim_for(TTL, "k", 1)).await);
        run(&pool, AN_HOUR_AHEAD).await;
        let lease = storage.get(&key("k")).await.unwrap().unwrap();
        assert_eq!(lease.time_left, TTL);
        let known = claim_for(TTL, "k", 2).after(Some(first));
        let held = storage.acquire(known.clone()).await.unwrap();
        assert!(matches!(held, Acquired::Refused { retry_after: TTL, .. }), "{held:?}");
        let watched = known.clone().takeover(Takeover::Unchanged(lease.version));
        let held = storage.acquire(watched.clone().after(None)).await.unwrap();
        assert!(matches!(held, Acquired::Refused { .. }), "{held:?}");
        let second = granted(storage.acquire(watched).await);
        assert_eq!(Some(second), first.next());
        run(&pool, AN_HOUR_AHEAD).await;
        let other = claim_for(TTL, "other", 2);
        let other_term = granted(storage.acquire(other.clone()).await);
        run(&pool, AN_HOUR_AHEAD).await;
        // Alone, and with another.
        let both = [vec![renewal(&known, second)], vec![renewal(&known, second), renewal(&other, other_term)]];
        for renewals in both {
            run(&pool, AN_HOUR_AHEAD).await;
            for renewed in storage.call_all(requests(renewals)).await {
                assert!(matches!(renewed, Ok(Reply::Renewed(Renewed::Extended { .. }))), "{renewed:?}");
            }
            let ahead = "SELECT expires - TIMESTAMPDIFF(MICROSECOND, '1970-01-01', UTC_TIMESTAMP(6)) DIV 1000
                FROM lessor_leases WHERE `key` = 'k'";
            let ahead = number(&pool, ahead).await;
            assert!(ahead <= 60_000, "a renewal brings it back to the clock: {ahead}");
        }
        // A shorter ttl shortens nothing.
        let brief = renewal(&lasting(Duration::from_millis(100), known), second);
        assert!(matches!(storage.renew(brief).await.unwrap(), Renewed::Extended { .. }));
        let left = storage.get(&key("k")).await.unwrap().unwrap().time_left;
        assert!(left > Duration::from_secs(30), "{left:?}");
    });
}

/// A term has an age, which what goes on in it does not touch.
#[test]
fn a_term_begins_once() {
    let server = Server::start();
    block_on(async {
        let (storage, pool) = storage(&server).await;
        let since = async || number(&pool, "SELECT since FROM lessor_leases").await;
        let earlier = async || run(&pool, "UPDATE lessor_leases SET since = since - 60000").await;
        let mine = claim_for(HOUR, "k", 1);
        let first = granted(storage.acquire(mine.clone()).await);
        earlier().await;
        let began = since().await;
        // A repeated grant, a renewal, a release.
        assert_eq!(granted(storage.acquire(mine.clone()).await), first);
        let _ = storage.renew(renewal(&mine, first)).await.unwrap();
        let age = storage.get(&mine.key).await.unwrap().unwrap().age.unwrap();
        assert!(age >= Duration::from_secs(60), "{age:?}");
        storage.release(release(&mine)).await.unwrap();
        assert_eq!(since().await, began);

        let second = granted(storage.acquire(mine.clone().after(Some(first))).await);
        assert_eq!(Some(second), first.next());
        assert!(since().await >= began + 60_000, "a new term begins when it is granted");
        earlier().await;
        let began = since().await;
        storage.revoke(at_once(&mine.key)).await.unwrap().unwrap();
        assert!(since().await >= began + 60_000, "a revocation has a term of its own");
    });
}

/// Time is UTC, wherever the server is: nothing is counted twice, or left out, where summer time begins or ends.
#[test]
fn summer_time() {
    let server = Server::start_with(&["--default-time-zone=SYSTEM"], Some("Europe/Berlin"));
    block_on(async {
        let (_, pool) = storage(&server).await;
        for options in [server.options(), server.options().timezone(Some("SYSTEM".into()))] {
            let storage = MySqlStorage::new(options);
            let claim = claim_for(HOUR, "k", 1).after(lessor::Term::new(7));
            let _ = granted(storage.acquire(claim.clone()).await);
            storage.release(release(&claim)).await.unwrap();
            let off =
                "SELECT ABS(since - TIMESTAMPDIFF(MICROSECOND, '1970-01-01', UTC_TIMESTAMP(6)) DIV 1000) DIV 60000
                FROM lessor_leases";
            assert_eq!(number(&pool, off).await, 0);
            run(&pool, "DELETE FROM lessor_leases").await;
        }
    });
}
