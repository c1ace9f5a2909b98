//! Who is woken, and by which connection.

use std::time::Duration;

use futures::{FutureExt, StreamExt};
use lessor::storage::Renewed;
use lessor::{Storage, StorageExt};
use lessor_postgres::PostgresStorage;
use lessor_postgres::sqlx::postgres::PgPool;
use lessor_servers::asking::at_once;
use lessor_servers::postgres::Server;
use smol::block_on;

use crate::{claim, granted, key, now, number, renewal, run, storage, woken};

async fn listeners(pool: &PgPool) -> i64 {
    number(pool, "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'LISTEN%' OR query LIKE 'UNLISTEN%'").await
}

/// Waits until the database counts so many listeners: it notices later than they that they are gone.
async fn wait_for(pool: &PgPool, count: i64) {
    let began = now();
    while listeners(pool).await != count {
        let waited = now() - began;
        assert!(waited < Duration::from_secs(10), "{} listen, not {count}", listeners(pool).await);
        smol::Timer::after(Duration::from_millis(10)).await;
    }
}

/// One connection listens for all keys, comes back by itself and then wakes everybody, and ends with the storage.
#[test]
fn wakeups_come_back() {
    let server = Server::start();
    block_on(async {
        let (storage, pool) = storage(&server).await;
        wait_for(&pool, 0).await;
        let keys: Vec<_> = (0..20).map(|number| key(&number.to_string())).collect();
        let mut all: Vec<_> = keys.iter().map(|key| storage.subscribe(key)).collect();
        for wakeups in &mut all {
            woken(wakeups).await;
        }
        wait_for(&pool, 1).await;
        run(&pool, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'LISTEN%'").await;
        for wakeups in &mut all {
            woken(wakeups).await;
        }
        wait_for(&pool, 1).await;

        server.crash();
        for wakeups in &mut all {
            woken(wakeups).await;
        }

        // Another process is told by the database alone, and of its key alone.
        let (other, _) = self::storage(&server).await;
        let term = granted(other.acquire(claim("7", 1)).await);
        woken(&mut all[7]).await;
        assert!(matches!(other.renew(renewal(&claim("7", 1), term)).await.unwrap(), Renewed::Extended { .. }));
        assert_eq!(granted(other.acquire(claim("7", 1)).await), term, "repeated");
        assert_eq!(other.revoke(at_once(&key("8"))).await.unwrap(), None, "nobody holds it");
        smol::Timer::after(Duration::from_millis(300)).await;
        for wakeups in &mut all {
            assert!(wakeups.next().now_or_never().is_none());
        }
        assert!(other.revoke(at_once(&key("7"))).await.unwrap().is_some());
        woken(&mut all[7]).await;

        drop(storage);
        wait_for(&pool, 0).await;
    });
}

/// Whoever listens is idle for long: no limit of the user's ends that.
#[test]
fn who_listens_may_be_idle() {
    let server = Server::start();
    block_on(async {
        let (_, pool) = storage(&server).await;
        run(&pool, "CREATE ROLE app LOGIN PASSWORD 'r'; GRANT SELECT, INSERT, UPDATE ON lessor_leases TO app").await;
        run(&pool, "ALTER ROLE app SET idle_session_timeout = '100ms'").await;
        let storage = PostgresStorage::new(server.options().username("app").password("r"));
        let mut wakeups = storage.subscribe(&key("k"));
        woken(&mut wakeups).await;
        // Each new connection would wake it, after a pause of 250 ms.
        smol::Timer::after(Duration::from_secs(2)).await;
        assert!(wakeups.next().now_or_never().is_none(), "it was connected once");
        wait_for(&pool, 1).await;
    });
}
