//! One connection, to one member at a time.

use std::net::TcpListener;
use std::time::Duration;

use futures::FutureExt;
use futures::future::{Either, join_all, select};
use lessor::{Storage, StorageExt};
use lessor_etcd::EtcdStorage;
use lessor_servers::asking::now;
use lessor_servers::etcd::{Cluster, Release, Server};
use lessor_servers::proxy::{Mode, Proxy};
use smol::{Timer, block_on};

use crate::{claim, claims, extended, granted, key, renewal, requests, soon, woken};

/// A storage is made while the server is away, and works when it comes.
#[test]
fn nothing_is_sent_before_it_is_asked() {
    let server = Server::start();
    server.stop();
    let storage = EtcdStorage::new([server.endpoint()]).unwrap();
    block_on(async {
        assert!(storage.check().await.is_err());
        server.crash();
        // What it heard last it says until it connects again.
        let checked = async {
            while storage.check().await.is_err() {
                Timer::after(Duration::from_millis(10)).await;
            }
        };
        soon(checked).await.expect("it connects again");
    });
}

/// All requests share it, also those that are given up.
#[test]
fn one_for_all() {
    let server = Server::start();
    let proxy = Proxy::to(server.port());
    let storage = EtcdStorage::new([format!("127.0.0.1:{}", proxy.port())]).unwrap();
    block_on(async {
        storage.check().await.unwrap();
        let all = claims(200, 1).into_iter().map(|claim| storage.acquire(claim));
        assert!(join_all(all).await.iter().all(Result::is_ok));
        assert!(storage.call_all(requests(claims(300, 1))).await.iter().all(Result::is_ok));
        assert_eq!(proxy.opened(), 1);
        drop(storage);
        let closed = async {
            while proxy.open() > 0 {
                Timer::after(Duration::from_millis(10)).await;
            }
        };
        soon(closed).await.expect("it ends with the storage");
    });
}

/// One on which nobody gets an answer is replaced by who comes next; a request that is given up is not waited for.
#[test]
fn a_silent_one_is_replaced() {
    let server = Server::start();
    let proxy = Proxy::to(server.port());
    let storage = EtcdStorage::new([format!("127.0.0.1:{}", proxy.port())]).unwrap();
    block_on(async {
        let claimed = claim("k", 1);
        let began = now();
        let term = granted(storage.acquire(claimed.clone()).await);
        // One that is younger than what it took to come about is waited for.
        let patience = now() - began + Duration::from_millis(300);
        proxy.forget();
        let given_up = select(storage.renew(renewal(&claimed, term)).boxed(), Timer::after(patience));
        assert!(matches!(given_up.await, Either::Right(_)));
        extended(soon(storage.renew(renewal(&claimed, term))).await.expect("a new connection"));
        assert_eq!(proxy.opened(), 2);
    });
}

/// One that carries nothing to the server any more, while what others write still comes from there, is left all the same.
#[test]
fn half_a_connection_is_none() {
    let server = Server::start();
    let proxy = Proxy::to(server.port());
    let follower = EtcdStorage::new([format!("127.0.0.1:{}", proxy.port())]).unwrap();
    let leader = crate::storage(&server);
    block_on(async {
        let claimed = claim("k", 1);
        let term = granted(leader.acquire(claimed.clone()).await);
        let began = now();
        let mut wakeups = follower.subscribe(&key("k"));
        woken(&mut wakeups).await;
        // One that is younger than what it took to come about is waited for.
        let patience = now() - began + Duration::from_millis(300);
        proxy.set(Mode::DropRequests);
        let other = key("other");
        let asks = async {
            let asked = select(follower.get(&other).boxed(), Timer::after(patience));
            assert!(matches!(asked.await, Either::Right(_)));
        };
        let renews = async {
            loop {
                extended(leader.renew(renewal(&claimed, term)).await);
            }
        };
        select(asks.boxed_local(), renews.boxed_local()).await.factor_first();
        proxy.set(Mode::Pass);
        // By itself the old one would notice after some 15 s.
        let heard = select(follower.get(&other).boxed(), Timer::after(Duration::from_secs(10)));
        assert!(matches!(heard.await, Either::Left((Ok(None), _))), "a new connection");
        assert_eq!(proxy.opened(), 2);
    });
}

/// Members that are down are passed over within a request, those that do not answer by the next one.
#[test]
fn the_next_member() {
    let cluster = Cluster::start(Release::V3_4);
    // Nobody listens there, and nobody answers.
    let (down, mute) = (lessor_servers::free_port(), TcpListener::bind(("127.0.0.1", 0)).unwrap());
    let mute_endpoint = format!("127.0.0.1:{}", mute.local_addr().unwrap().port());
    block_on(async {
        for _ in 0..10 {
            let mut endpoints = cluster.endpoints();
            endpoints.extend((0..3).map(|_| format!("127.0.0.1:{down}")));
            EtcdStorage::new(endpoints).unwrap().check().await.unwrap();
        }
        let endpoints = [cluster.endpoints().swap_remove(0), mute_endpoint];
        let storages: Vec<_> = (0..20).map(|_| EtcdStorage::new(endpoints.clone()).unwrap()).collect();
        let (mut silent, k) = (0, key("k"));
        for storage in &storages {
            let asked = select(storage.get(&k).boxed(), Timer::after(Duration::from_millis(500)));
            if matches!(asked.await, Either::Right(_)) {
                silent += 1;
                assert!(soon(storage.get(&key("k"))).await.expect("the other member").is_ok());
            }
        }
        assert!((1..20).contains(&silent), "storages begin with any of the members: {silent}");
    });
}

/// A write whose answer is lost is an error, and is not sent again: the client repeats nothing by itself.
#[test]
fn writes_are_not_repeated() {
    let server = Server::start();
    let proxy = Proxy::to(server.port());
    let storage = EtcdStorage::new([format!("127.0.0.1:{}", proxy.port())]).unwrap();
    block_on(async {
        let claimed = claim("k", 1);
        let term = granted(storage.acquire(claimed.clone()).await);
        for _ in 0..10 {
            let before = server.requests("KV/Txn");
            proxy.set(Mode::ResetAfterRequest(vec![b"candidate 1".to_vec()]));
            storage.renew(renewal(&claimed, term)).await.unwrap_err();
            proxy.set(Mode::Pass);
            assert_eq!(server.requests("KV/Txn") - before, 1);
            // Whether it got through or not.
            extended(storage.renew(renewal(&claimed, term)).await);
        }
        // A read is.
        storage.check().await.unwrap();
        proxy.reset_open();
        storage.get(&claimed.key).await.unwrap();
    });
}

fn through(proxy: &Proxy) -> EtcdStorage {
    EtcdStorage::new([format!("127.0.0.1:{}", proxy.port())]).unwrap()
}

/// Whoever began to connect, and is not polled any more, holds up nobody; and neither do others who wait.
#[test]
fn who_is_not_polled_holds_up_nobody() {
    let server = Server::with(Release::V3_4, &["--bcrypt-cost=4"]);
    server.enable_auth();
    let proxy = Proxy::to(server.port());
    proxy.set(Mode::Delay(Duration::from_millis(20)));
    let builder = EtcdStorage::builder().user("root", lessor_servers::etcd::ROOT);
    let storage = builder.build([format!("127.0.0.1:{}", proxy.port())]).unwrap();
    block_on(async {
        let k = key("k");
        let mut kept: Vec<_> = (0..3).map(|_| Box::pin(storage.get(&k))).collect();
        for kept in &mut kept {
            assert!(futures::poll!(kept).is_pending());
        }
        soon(storage.get(&k)).await.expect("it connects for itself").unwrap();
        assert_eq!(proxy.opened(), 1);
        assert!(join_all(kept).await.iter().all(Result::is_ok));
    });
}

/// A member that is down is tried once for all who wait, and not again for all who come next.
#[test]
fn a_failure_is_shared() {
    let server = Server::start();
    let proxy = Proxy::to(server.port());
    let storage = through(&proxy);
    proxy.set(Mode::Cut);
    block_on(async {
        let k = key("k");
        for _ in 0..2 {
            assert!(join_all((0..100).map(|_| storage.get(&k))).await.iter().all(Result::is_err));
        }
        assert!((1..=4).contains(&proxy.opened()), "{}", proxy.opened());
    });
}

/// A check that begins with a member that takes connections and says nothing gets to the other one in time.
#[test]
fn a_check_goes_on_to_the_next_member() {
    let server = Server::with(Release::V3_4, &["--bcrypt-cost=4"]);
    server.enable_auth();
    let mute = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let mute = format!("127.0.0.1:{}", mute.local_addr().unwrap().port());
    block_on(async {
        let storages = (0..8).map(|_| {
            let builder = EtcdStorage::builder().user("root", lessor_servers::etcd::ROOT);
            builder.build([server.endpoint(), mute.clone()]).unwrap()
        });
        for checked in join_all(storages.map(|storage| async move { storage.check().await })).await {
            checked.unwrap();
        }
    });
}
