//! A failover to an asynchronous standby, which has lost what was granted last.

use std::time::Duration;

use lessor::storage::{Acquired, ErrorKind, Renewed, Reply};
use lessor::{Storage, StorageError, StorageExt, Term};
use lessor_postgres::sqlx::{self, postgres::PgPool};
use lessor_postgres::{AdapterError, PostgresStorage};
use lessor_servers::postgres::Server;
use smol::block_on;

use crate::{claim, granted, granted_in, key, lasting, now, number, release, renewal, run};

/// Longer than a failover takes on a busy machine: who leads has to lead on.
const MAX_TTL: Duration = Duration::from_secs(15);

fn storage(server: &Server) -> PostgresStorage {
    PostgresStorage::builder().asynchronous_standbys(MAX_TTL).unwrap().build(server.options())
}

async fn until(pool: &PgPool, sql: &'static str) {
    let began = now();
    while !sqlx::query_scalar::<_, bool>(sql).fetch_one(pool).await.unwrap() {
        assert!(now() - began < Duration::from_secs(30), "{sql}");
        smol::Timer::after(Duration::from_millis(10)).await;
    }
}

/// The standby has the first grant of each key and not the second, when the first server dies.
async fn fail_over(primary: &Server, standby: &Server, storage: &PostgresStorage) -> Term {
    let copied = standby.pool(2);
    let [lost, kept] = ["lost", "kept"].map(|name| lasting(MAX_TTL, claim(name, 1)));
    let first = granted(storage.acquire(lost.clone()).await);
    let _ = granted(storage.acquire(kept.clone()).await);
    until(&copied, "SELECT count(*) = 2 FROM lessor_leases WHERE key <> 'lessor timeline'").await;
    run(&copied, "ALTER SYSTEM SET primary_conninfo = ''").await;
    run(&copied, "SELECT pg_reload_conf()").await;
    until(&copied, "SELECT count(*) = 0 FROM pg_stat_wal_receiver").await;

    storage.release(release(&lost)).await.unwrap();
    let second = granted(storage.acquire(lasting(MAX_TTL, claim("lost", 2)).after(Some(first))).await);
    let _ = granted(storage.acquire(lasting(MAX_TTL, claim("new", 2))).await);
    primary.stop();
    assert!(sqlx::query_scalar::<_, bool>("SELECT pg_promote()").fetch_one(&copied).await.unwrap());
    second
}

/// Nobody is granted anything while a lost lease may live, and no term is given twice. Who leads leads on.
#[test]
fn what_was_lost_is_waited_for() {
    let primary = Server::start();
    block_on(async {
        PostgresStorage::new(primary.options()).migrate().await.unwrap();
        run(
            &primary.pool(1),
            "CREATE ROLE app LOGIN PASSWORD 'r'; GRANT SELECT, INSERT, UPDATE ON lessor_leases TO app",
        )
        .await;
        let standby = primary.standby();
        let before = PostgresStorage::builder().asynchronous_standbys(MAX_TTL).unwrap();
        let before = before.build(primary.options().username("app").password("r"));
        let began = now();
        let lost = fail_over(&primary, &standby, &before).await;
        assert!(before.get(&key("lost")).await.is_err(), "it is dead");
        assert!(now() - began < Duration::from_secs(60), "on the first timeline nothing is waited for");

        let after = storage(&standby);
        let began = now();
        let third = |name: &str| lasting(MAX_TTL, claim(name, 3));
        let seen = after.get(&key("lost")).await.unwrap().unwrap().term;
        assert!(seen < lost, "it was lost");
        let asked = || vec![third("lost").after(Some(seen)).into(), third("new").into()];
        let refused = |reply: &Result<Reply, StorageError>| match reply {
            Ok(Reply::Acquired(Acquired::Refused { retry_after, .. })) => {
                assert!(*retry_after > Duration::ZERO && *retry_after <= MAX_TTL, "{retry_after:?}");
            }
            other => panic!("{other:?}"),
        };
        refused(&after.call(asked().remove(0)).await);
        after.call_all(asked()).await.iter().for_each(refused);
        // Another process hears the same.
        refused(&storage(&standby).call(asked().remove(1)).await);
        let kept = after.get(&key("kept")).await.unwrap().unwrap();
        let renewed = after.renew(renewal(&lasting(MAX_TTL, claim("kept", 1)), kept.term)).await.unwrap();
        assert!(matches!(renewed, Renewed::Extended { .. }), "who leads leads on");

        let terms = loop {
            let replies = after.call_all(asked()).await;
            let terms: Vec<_> = replies.iter().filter_map(granted_in).collect();
            if !terms.is_empty() {
                break terms;
            }
            smol::Timer::after(Duration::from_millis(50)).await;
        };
        assert!(now() - began >= MAX_TTL - Duration::from_millis(100), "{:?}", now() - began);
        assert!(terms.iter().all(|term| *term > lost), "{terms:?} after {lost}");
        // Once is enough.
        let later = storage(&standby);
        let term = granted(later.acquire(lasting(MAX_TTL, claim("other", 4))).await);
        assert!(term > lost);
        assert_eq!(granted(later.acquire(lasting(MAX_TTL, claim("other", 4))).await), term, "repeated");
        let pool = standby.pool(1);
        assert_eq!(number(&pool, "SELECT count(*) FROM lessor_leases WHERE key = 'lessor timeline'").await, 1);
    });
}

/// Without the setting: the same term, at once. That is why there is one.
#[test]
fn without_the_setting() {
    let primary = Server::start();
    block_on(async {
        let before = PostgresStorage::new(primary.options());
        before.migrate().await.unwrap();
        let standby = primary.standby();
        let lost = fail_over(&primary, &standby, &before).await;
        let after = PostgresStorage::new(standby.options());
        assert_eq!(granted(after.acquire(lasting(MAX_TTL, claim("new", 3))).await), Term::FIRST);
        after.release(release(&claim("lost", 1))).await.unwrap();
        let seen = after.get(&key("lost")).await.unwrap().unwrap().term;
        assert_eq!(granted(after.acquire(lasting(MAX_TTL, claim("lost", 3)).after(Some(seen))).await), lost);
    });
}

/// It has old rows and a clock of its own: nobody looks there unawares.
#[test]
fn a_standby_is_refused() {
    let primary = Server::start();
    block_on(async {
        let before = PostgresStorage::new(primary.options());
        before.migrate().await.unwrap();
        let standby = primary.standby();
        let _ = granted(before.acquire(claim("k", 1)).await);
        let there = PostgresStorage::new(standby.options());
        for error in [there.get(&key("k")).await.unwrap_err(), there.check().await.unwrap_err()] {
            assert!(matches!(AdapterError::of(&error), Some(AdapterError::ReadOnly { .. })), "{error}");
        }
    });
}

#[test]
fn a_longer_ttl_is_refused() {
    for wrong in [Duration::ZERO, Duration::from_secs(86_401)] {
        let Err(refused) = PostgresStorage::builder().asynchronous_standbys(wrong) else { panic!("{wrong:?}") };
        assert!(matches!(refused, AdapterError::InvalidSetting { field: "max_ttl", .. }));
    }
    let server = Server::start();
    block_on(async {
        let storage = storage(&server);
        storage.migrate().await.unwrap();
        storage.check().await.unwrap();
        let long = lasting(MAX_TTL + Duration::from_millis(1), claim("long", 1));
        let error = storage.acquire(long.clone()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Permanent);
        assert!(matches!(AdapterError::of(&error), Some(AdapterError::TtlTooLong { .. })), "{error}");
        let both = storage.call_all(vec![long.into(), lasting(MAX_TTL, claim("short", 1)).into()]).await;
        assert!(both[0].is_err() && granted_in(&both[1]).is_some(), "{both:?}");
    });
}
