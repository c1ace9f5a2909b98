//! One stream that wakes all followers of a storage.

use core::pin::pin;
use std::time::Duration;

use futures::future::{Either, join_all, select};
use futures::{FutureExt, StreamExt};
use lessor::{Storage, StorageExt};
use lessor_servers::etcd::Server;
use lessor_servers::proxy::{Mode, Proxy};
use smol::block_on;

use crate::{claim, extended, granted, key, release, renewal, soon, storage, woken};
use lessor_etcd::EtcdStorage;

/// All keys are followed on one stream, which comes back by itself, wakes everybody then, and ends with the storage.
#[test]
fn wakeups_come_back() {
    let server = Server::start();
    let streams = || server.metric("etcd_debugging_mvcc_watch_stream_total");
    let watchers = || server.metric("etcd_debugging_mvcc_watcher_total");
    block_on(async {
        let (follower, other) = (storage(&server), storage(&server));
        let keys: Vec<_> = (0..200).map(|number| key(&number.to_string())).collect();
        let mut all: Vec<_> = keys.iter().map(|key| follower.subscribe(key)).collect();
        join_all(all.iter_mut().map(woken)).await;
        let until = async |count| {
            while watchers() != count {
                smol::Timer::after(Duration::from_millis(10)).await;
            }
        };
        soon(until(200)).await.expect("200 watchers");
        assert_eq!(streams(), 1);
        // Another process's write, of one key alone.
        let claimed = claim("7", 1);
        let term = granted(other.acquire(claimed.clone()).await);
        woken(&mut all[7]).await;
        extended(other.renew(renewal(&claimed, term)).await);
        other.release(release(&claimed)).await.unwrap();
        woken(&mut all[7]).await;
        let _ = granted(other.acquire(claim("8", 1)).await);
        woken(&mut all[8]).await;
        assert!(all.iter_mut().all(|wakeups| wakeups.next().now_or_never().is_none()));

        server.crash();
        join_all(all.iter_mut().map(woken)).await;
        soon(until(200)).await.expect("200 watchers");
        assert_eq!(streams(), 1);
        while other.acquire(claim("9", 1)).await.is_err() {}
        woken(&mut all[9]).await;

        // Who follows no more costs the server nothing more.
        all.truncate(100);
        soon(until(100)).await.expect("100 watchers");
        drop(follower);
        soon(until(0)).await.expect("no watchers");
        assert_eq!(streams(), 0);
    });
}

/// Whoever leaves before its watcher stands leaves none behind.
#[test]
fn who_leaves_early_costs_nothing_later() {
    let server = Server::start();
    let proxy = Proxy::to(server.port());
    let watchers = || server.metric("etcd_debugging_mvcc_watcher_total");
    block_on(async {
        let follower = EtcdStorage::new([format!("127.0.0.1:{}", proxy.port())]).unwrap();
        let mut stays = follower.subscribe(&key("stays"));
        woken(&mut stays).await;
        // What the server says of a watcher is under way for so long after it has made it.
        proxy.set(Mode::Delay(Duration::from_secs(1)));
        let keys: Vec<_> = (0..100).map(|number| key(&number.to_string())).collect();
        let mut all: Vec<_> = keys.iter().map(|key| follower.subscribe(key)).collect();
        let reads = join_all(all.iter_mut().map(|wakeups| wakeups.next()));
        let some_stand = soon(async {
            while watchers() < 50 {
                smol::Timer::after(Duration::from_millis(10)).await;
            }
        });
        let is_early = matches!(select(pin!(reads), pin!(some_stand)).await, Either::Right((Some(()), _)));
        assert!(is_early, "all are told already");
        drop(all);
        proxy.set(Mode::Pass);
        let alone = async {
            while watchers() > 1 {
                smol::Timer::after(Duration::from_millis(10)).await;
            }
        };
        assert!(soon(alone).await.is_some(), "{} watchers", watchers());
        let _ = granted(storage(&server).acquire(claim("stays", 1)).await);
        woken(&mut stays).await;
        assert_eq!(server.requests("Watch/Watch"), 1, "on one stream");
    });
}

/// However many are left at once: those who stay notice nothing of it.
#[test]
fn many_leave_at_once() {
    let server = Server::start();
    let proxy = Proxy::to(server.port());
    let watchers = || server.metric("etcd_debugging_mvcc_watcher_total");
    block_on(async {
        let follower = EtcdStorage::new([format!("127.0.0.1:{}", proxy.port())]).unwrap();
        let keys: Vec<_> = (0..1_000).map(|number| key(&number.to_string())).collect();
        let mut all: Vec<_> = keys.iter().map(|key| follower.subscribe(key)).collect();
        join_all(all.iter_mut().map(woken)).await;
        all.truncate(500);
        let half = async {
            while watchers() != 500 {
                smol::Timer::after(Duration::from_millis(10)).await;
            }
        };
        assert!(soon(half).await.is_some(), "{} watchers", watchers());
        assert!(all.iter_mut().all(|wakeups| wakeups.next().now_or_never().is_none()), "nobody was woken");
        let _ = granted(storage(&server).acquire(claim("7", 1)).await);
        woken(&mut all[7]).await;
        assert_eq!((server.requests("Watch/Watch"), proxy.opened()), (1, 1), "streams, and connections");
    });
}

/// What a watch asks for is compacted before it stands: it is made anew.
#[test]
fn compaction() {
    let server = Server::start();
    block_on(async {
        let (follower, other) = (storage(&server), storage(&server));
        let claimed = claim("k", 1);
        let term = granted(other.acquire(claimed.clone()).await);
        let proxy = Proxy::to(server.port());
        let late = EtcdStorage::new([format!("127.0.0.1:{}", proxy.port())]).unwrap();
        let mut all = [follower.subscribe(&key("k")), late.subscribe(&key("k"))];
        woken(&mut all[0]).await;
        // It has read, and asks to be told of what comes next: that arrives when it is gone.
        late.get(&key("k")).await.unwrap();
        proxy.set(Mode::Delay(Duration::from_millis(300)));
        let compacted = async {
            for _ in 0..20 {
                extended(other.renew(renewal(&claimed, term)).await);
                let last = server.ctl(&["get", "lessor/k", "--write-out=fields"]);
                let last = last.lines().find_map(|line| line.strip_prefix("\"Revision\" : ")).unwrap().to_owned();
                server.ctl(&["compact", &last]);
            }
            proxy.set(Mode::Pass);
        };
        let (_, woken_late) = futures::join!(compacted, soon(all[1].next()));
        assert_eq!(woken_late, Some(Some(())));
        other.release(release(&claimed)).await.unwrap();
        for wakeups in &mut all {
            woken(wakeups).await;
        }
    });
}

/// A connection that carries nothing more shows no sign of it: it is asked for one, and replaced.
#[test]
fn a_silent_connection_is_noticed() {
    let server = Server::start();
    let proxy = Proxy::to(server.port());
    block_on(async {
        let follower = EtcdStorage::new([format!("127.0.0.1:{}", proxy.port())]).unwrap();
        let mut wakeups = follower.subscribe(&key("k"));
        woken(&mut wakeups).await;
        proxy.forget();
        let _ = granted(storage(&server).acquire(claim("k", 1)).await);
        // 15 s at most, and what the new one takes.
        woken(&mut wakeups).await;
    });
}
