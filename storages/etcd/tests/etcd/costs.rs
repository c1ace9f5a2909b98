//! What an operation costs the cluster, by its own counts.

use futures::{FutureExt, StreamExt};
use lessor::storage::Acquired;
use lessor::{Storage, StorageExt};
use lessor_servers::etcd::{Release, Server};
use smol::block_on;

use crate::{MINUTE, claim, extended, granted, key, release, renewal, soon, storage, woken};

/// Reads, and writes.
fn asked(server: &Server) -> (u64, u64) {
    (server.requests("KV/Range"), server.requests("KV/Txn"))
}

#[test]
fn one_request_each() {
    let server = Server::start();
    let (leader, follower) = (storage(&server), storage(&server));
    let mut before = (0, 0);
    let mut costs = || {
        let now = asked(&server);
        let cost = (now.0 - before.0, now.1 - before.1);
        before = now;
        cost
    };
    block_on(async {
        leader.check().await.unwrap();
        costs();
        let claimed = claim("k", 1);
        let term = granted(leader.acquire(claimed.clone()).await);
        assert_eq!(costs(), (1, 1), "a look at a key that was never seen, and the grant");
        for _ in 0..100 {
            extended(leader.renew(renewal(&claimed, term)).await);
        }
        assert_eq!(costs(), (0, 100), "a renewal is one transaction");
        for _ in 0..100 {
            let refused = follower.acquire(claim("k", 2)).await.unwrap();
            assert!(matches!(refused, Acquired::Refused { .. }));
        }
        assert_eq!(costs(), (100, 0), "a poll is one read");
        leader.release(release(&claimed)).await.unwrap();
        assert_eq!(costs(), (0, 1), "a release");
    });
}

/// Who is told of each write need not look.
#[test]
fn a_watched_poll_is_free() {
    let server = Server::start();
    let (leader, follower) = (storage(&server), storage(&server));
    block_on(async {
        let claimed = claim("k", 1);
        let term = granted(leader.acquire(claimed.clone()).await);
        let mut wakeups = follower.subscribe(&key("k"));
        assert!(wakeups.is_complete());
        woken(&mut wakeups).await;
        let before = (asked(&server), server.metric("etcd_debugging_mvcc_events_total"));
        for _ in 0..100 {
            extended(leader.renew(renewal(&claimed, term)).await);
            let looks = claim("k", 2).after(Some(term)).max_age(MINUTE);
            assert!(matches!(follower.acquire(looks).await.unwrap(), Acquired::Refused { .. }));
            assert_eq!(wakeups.next().now_or_never(), None, "a renewal wakes nobody");
        }
        let after = asked(&server);
        assert_eq!((after.0 - before.0.0, after.1 - before.0.1), (0, 100));
        assert!(server.metric("etcd_debugging_mvcc_events_total") - before.1 >= 90, "it was told of each");
    });
}

/// A refused claim, a look and a check write nothing.
#[test]
fn what_is_refused_writes_nothing() {
    let server = Server::start();
    let storage = storage(&server);
    let written = || server.metric("etcd_mvcc_put_total") + server.metric("etcd_debugging_mvcc_put_total");
    block_on(async {
        let claimed = claim("k", 1);
        let term = granted(storage.acquire(claimed.clone()).await);
        let before = written();
        assert!(before > 0);
        for _ in 0..10 {
            let refused = claim("k", 2).after(Some(term));
            assert!(matches!(storage.acquire(refused).await.unwrap(), Acquired::Refused { .. }));
            assert!(storage.get(&claimed.key).await.unwrap().is_some());
            storage.release(release(&claim("k", 2))).await.unwrap();
            storage.check().await.unwrap();
        }
        assert_eq!(written(), before);
    });
}

/// As documented: what was written over is kept until it is compacted, so many bytes of each renewal.
#[test]
fn what_is_kept() {
    const RENEWALS: u64 = 5_000;
    let server = Server::with(Release::V3_5, &["--unsafe-no-fsync"]);
    let storage = storage(&server);
    let kept = || server.metric("etcd_mvcc_db_total_size_in_use_in_bytes");
    block_on(async {
        let claimed = claim("nightly-report", 1);
        let term = granted(storage.acquire(claimed.clone()).await);
        let before = kept();
        for _ in 0..RENEWALS {
            extended(storage.renew(renewal(&claimed, term)).await);
        }
        // What is written is counted when it is committed, a little later.
        let counted = async {
            let mut last = (kept(), 0);
            while last.1 < 3 {
                smol::Timer::after(std::time::Duration::from_millis(150)).await;
                let now = kept();
                last = (now, if now == last.0 { last.1 + 1 } else { 0 });
            }
            last.0
        };
        let each = (soon(counted).await.expect("it is counted") - before) / RENEWALS;
        println!("{each} bytes of each renewal");
        assert!((200..400).contains(&each), "{each}");
    });
}
