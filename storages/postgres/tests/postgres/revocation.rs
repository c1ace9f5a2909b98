//! What an operator takes away.

use std::time::Duration;

use futures::future::join;
use lessor::storage::{Acquired, Renewed, Takeover};
use lessor::{StorageExt, Term};
use lessor_postgres::PostgresStorage;
use lessor_postgres::sqlx;
use lessor_servers::asking::at_once;
use lessor_servers::postgres::Server;
use smol::block_on;

use crate::{HOUR, claim, granted, key, lasting, release, renewal, run, storage};

/// The key is free at once, in a term of its own; what the former holder sends does nothing.
#[test]
fn takes_the_lease() {
    let server = Server::start();
    block_on(async {
        let (storage, pool) = storage(&server).await;
        let term = granted(storage.acquire(claim("k", 1)).await);
        let seen = storage.get(&key("k")).await.unwrap().unwrap();
        let before = storage.revoke(at_once(&key("k"))).await.unwrap().unwrap();
        assert_eq!((&before.id, before.term, before.version, before.ttl), (&seen.id, term, seen.version, seen.ttl));
        assert!(before.is_live() && before.time_left <= seen.time_left && before.age >= seen.age, "{before:?}");
        let after = storage.get(&key("k")).await.unwrap().unwrap();
        assert_eq!((after.id, Some(after.term), after.version), (None, term.next(), seen.version.next()));
        assert_eq!(storage.revoke(at_once(&key("k"))).await.unwrap(), None, "nobody holds it");

        assert!(matches!(storage.renew(renewal(&claim("k", 1), term)).await.unwrap(), Renewed::Lost { .. }));
        storage.release(release(&claim("k", 1))).await.unwrap();
        let known = claim("k", 1).after(Some(term));
        assert!(matches!(storage.acquire(known).await.unwrap(), Acquired::Refused { .. }), "outdated");
        assert_eq!(storage.get(&key("k")).await.unwrap().unwrap().version, after.version);
        let next = claim("k", 2).after(Some(after.term)).takeover(Takeover::ReleasedOnly);
        assert_eq!(Some(granted(storage.acquire(next).await)), after.term.next());

        // One that has run out has a holder as well.
        let brief = lasting(Duration::from_millis(1), claim("brief", 1));
        let _ = granted(storage.acquire(brief).await);
        smol::Timer::after(Duration::from_millis(10)).await;
        let before = storage.revoke(at_once(&key("brief"))).await.unwrap().unwrap();
        assert!(before.id.is_some() && before.time_left.is_zero(), "{before:?}");

        // After the last term there is none.
        let last = claim("last", 1).after(Term::new(Term::LAST.get() - 1));
        assert_eq!(granted(storage.acquire(last).await), Term::LAST);
        assert!(storage.revoke(at_once(&key("last"))).await.unwrap().is_some());
        assert_eq!(storage.get(&key("last")).await.unwrap().unwrap().term, Term::LAST);
        run(&pool, "DELETE FROM lessor_leases").await;
        assert_eq!(storage.revoke(at_once(&key("k"))).await.unwrap(), None);
    });
}

/// Who gets the lease while a revocation waits loses it, and is who it names.
#[test]
fn takes_what_is_there_after_a_wait() {
    let server = Server::start();
    block_on(async {
        let (_, pool) = storage(&server).await;
        let storage = PostgresStorage::builder().lock_timeout(HOUR).build(pool.clone());
        for alone in [true, false] {
            let term = granted(storage.acquire(claim("k", 1)).await);
            // Another claim, under way: its session and term are written, and not committed yet.
            let mut other = pool.begin().await.unwrap();
            let grant =
                "UPDATE lessor_leases SET session = decode(repeat('07', 16), 'hex'), id = 'other', term = term + 1";
            sqlx::query(grant).execute(&mut *other).await.unwrap();
            let revoke = async {
                if alone {
                    return storage.revoke(at_once(&key("k")).patience(HOUR)).await.unwrap();
                }
                use lessor::Storage;
                use lessor::storage::{Reply, Revoke};
                let revokes = ["k", "l"].map(|name| Revoke::new(key(name)).now(true).patience(HOUR).into());
                match storage.call_all(revokes.into()).await.swap_remove(0) {
                    Ok(Reply::Revoked(before)) => before,
                    reply => panic!("{reply:?}"),
                }
            };
            let commit = async {
                smol::Timer::after(Duration::from_millis(200)).await;
                other.commit().await.unwrap();
            };
            let (before, ()) = join(revoke, commit).await;
            let before = before.expect("somebody held it");
            assert_eq!(before.id.unwrap().as_str(), "other");
            assert_eq!(Some(before.term), term.next());
            let after = storage.get(&key("k")).await.unwrap().unwrap();
            assert_eq!((after.id, Some(after.term)), (None, before.term.next()));
            run(&pool, "DELETE FROM lessor_leases").await;
        }
    });
}
