//! One consumer that wakes all followers of a storage.

use std::time::Duration;

use futures::future::{Either, join_all, select};
use futures::{FutureExt, StreamExt};
use lessor::storage::Acquired;
use lessor::{Storage, StorageExt};
use lessor_nats::NatsStorage;
use lessor_servers::nats::{Cluster, Server};
use lessor_servers::proxy::Proxy;
use smol::{Timer, block_on};

use crate::{claim, extended, granted, in_tokio, key, release, renewal, server, soon, storage, stranger, woken};

async fn until(server: &Server, consumers: u64) {
    let counted = async {
        while server.consumers() != consumers {
            Timer::after(Duration::from_millis(10)).await;
        }
    };
    soon(counted).await.unwrap_or_else(|| panic!("{} consumers and not {consumers}", server.consumers()));
}

/// All keys are followed by one consumer, which comes back by itself, wakes everybody then, and ends with the storage.
#[test]
fn wakeups_come_back() {
    let server = server();
    block_on(async {
        let (follower, other) = (storage(&server), storage(&server));
        let keys: Vec<_> = (0..200).map(|number| key(&number.to_string())).collect();
        let mut all: Vec<_> = keys.iter().map(|key| follower.subscribe(key)).collect();
        join_all(all.iter_mut().map(woken)).await;
        until(&server, 1).await;
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
        until(&server, 1).await;
        while other.acquire(claim("9", 1)).await.is_err() {}
        woken(&mut all[9]).await;

        // Who follows no more costs the server nothing more.
        all.truncate(100);
        all[0].next().now_or_never();
        until(&server, 1).await;
        all.clear();
        until(&server, 0).await;
        let mut again = follower.subscribe(&key("7"));
        woken(&mut again).await;
        until(&server, 1).await;
        drop(follower);
        until(&server, 0).await;
    });
}

/// A consumer that somebody deletes is silent: that is noticed, and it is made anew.
#[test]
fn a_consumer_that_is_deleted() {
    let server = server();
    in_tokio(async {
        let (follower, other) = (storage(&server), storage(&server));
        let mut wakeups = follower.subscribe(&key("k"));
        woken(&mut wakeups).await;
        let stream = stranger(&server).await.get_stream("KV_lessor").await.unwrap();
        let name = stream.consumer_names().next().await.unwrap().unwrap();
        stream.delete_consumer(&name).await.unwrap();
        // Of what is written meanwhile nothing is told.
        let _ = granted(other.acquire(claim("k", 1)).await);
        woken(&mut wakeups).await;
        other.release(release(&claim("k", 1))).await.unwrap();
        woken(&mut wakeups).await;
    });
}

/// A connection that carries nothing more shows no sign of it: the silence of the consumer does.
#[test]
fn a_silent_connection_is_noticed() {
    let server = server();
    let proxy = Proxy::to(server.port());
    block_on(async {
        let follower = NatsStorage::new([format!("127.0.0.1:{}", proxy.port())]).unwrap();
        let other = storage(&server);
        let mut wakeups = follower.subscribe(&key("k"));
        woken(&mut wakeups).await;
        proxy.forget();
        let _ = granted(other.acquire(claim("k", 1)).await);
        woken(&mut wakeups).await;
        assert_eq!(proxy.opened(), 2);
    });
}

/// Asks until it is so: a server that has lost the others is silent.
async fn again(is_so: impl AsyncFn() -> bool) {
    for _ in 0..30 {
        match select(Box::pin(is_so()), Timer::after(Duration::from_secs(2))).await {
            Either::Left((true, _)) => return,
            Either::Left((false, pause)) => drop(pause.await),
            Either::Right(_) => {}
        }
    }
    panic!("two servers are enough");
}

/// The server that has the consumer is killed, and the one that the follower is connected to is not.
#[test]
fn the_consumer_of_another_server() {
    let cluster = Cluster::start();
    block_on(async {
        let build = |addresses| NatsStorage::builder().replicas(3).unwrap().build(addresses).unwrap();
        let storages: Vec<_> = cluster.addresses().into_iter().map(|address| build(vec![address])).collect();
        storages[0].migrate().await.unwrap();
        let other = build(cluster.addresses());
        let mut all: Vec<_> = storages.iter().map(|storage| storage.subscribe(&key("k"))).collect();
        join_all(all.iter_mut().map(woken)).await;
        for killed in [0, 1] {
            cluster.members()[killed].stop();
            let claimed = claim("k", killed as u128);
            // Until another one leads the stream.
            again(async || {
                let Ok(before) = other.get(&claimed.key).await else { return false };
                let claimed = claimed.clone().after(before.map(|lease| lease.term));
                matches!(other.acquire(claimed).await, Ok(Acquired::Granted { .. }))
            })
            .await;
            for (member, wakeups) in all.iter_mut().enumerate() {
                if member != killed {
                    woken(wakeups).await;
                }
            }
            again(async || other.release(release(&claimed)).await.is_ok()).await;
            cluster.members()[killed].crash();
        }
    });
}

/// Of many writes that nobody took the newest is told.
#[test]
fn who_does_not_look_for_long() {
    let server = server();
    block_on(async {
        let (follower, other) = (storage(&server), storage(&server));
        let mut wakeups = follower.subscribe(&key("k"));
        woken(&mut wakeups).await;
        for session in 1..500 {
            let after = other.get(&key("k")).await.unwrap().map(|lease| lease.term);
            let _ = granted(other.acquire(claim("k", session).after(after)).await);
            other.release(release(&claim("k", session))).await.unwrap();
        }
        woken(&mut wakeups).await;
        let told = async { while follower.get(&key("k")).await.unwrap().unwrap().term.get() < 499 {} };
        soon(told).await.expect("the newest");
    });
}
