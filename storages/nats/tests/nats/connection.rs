//! One connection, to one server at a time.

use std::net::TcpListener;
use std::time::Duration;

use futures::FutureExt;
use futures::future::{Either, join_all, select};
use lessor::{Storage, StorageExt};
use lessor_nats::NatsStorage;
use lessor_servers::asking::{now, within};
use lessor_servers::nats::Server;
use lessor_servers::proxy::{Mode, Proxy};
use smol::{Timer, block_on};

use crate::{claim, claims, extended, granted, key, renewal, requests, server, soon};

fn at(proxy: &Proxy) -> NatsStorage {
    NatsStorage::new([format!("127.0.0.1:{}", proxy.port())]).unwrap()
}

/// A storage is made while the server is away, and works when it comes.
#[test]
fn nothing_is_sent_before_it_is_asked() {
    let server = Server::start();
    server.stop();
    let storage = NatsStorage::new([server.address()]).unwrap();
    block_on(async {
        assert!(storage.check().await.is_err());
        server.crash();
        // What it heard last it says until it connects again.
        let migrated = async {
            while storage.migrate().await.is_err() {
                Timer::after(Duration::from_millis(10)).await;
            }
        };
        soon(migrated).await.expect("it connects again");
        storage.check().await.unwrap();
    });
}

/// All requests share it, also those that are given up.
#[test]
fn one_for_all() {
    let server = server();
    let proxy = Proxy::to(server.port());
    let storage = at(&proxy);
    block_on(async {
        storage.check().await.unwrap();
        let all = claims(200, 1).into_iter().map(|claim| storage.acquire(claim));
        assert!(join_all(all).await.iter().all(Result::is_ok));
        assert!(storage.call_all(requests(claims(300, 1))).await.iter().all(Result::is_ok));
        let mut wakeups = storage.subscribe(&key("k"));
        crate::woken(&mut wakeups).await;
        assert_eq!(proxy.opened(), 1);
        drop((storage, wakeups));
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
    let server = server();
    let proxy = Proxy::to(server.port());
    let storage = at(&proxy);
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

/// Who gives up takes nobody else's answer away, on however slow a way.
#[test]
fn who_gives_up_gives_up_alone() {
    let server = server();
    let proxy = Proxy::to(server.port());
    let storage = at(&proxy);
    block_on(async {
        let claimed = claim("k", 1);
        let term = granted(storage.acquire(claimed.clone()).await);
        proxy.set(Mode::Delay(Duration::from_millis(300)));
        let k = key("other");
        let gives_up = async {
            let asked = select(storage.get(&k).boxed(), Timer::after(Duration::from_millis(100)));
            assert!(matches!(asked.await, Either::Right(_)));
        };
        let (renewed, ()) = futures::join!(soon(storage.renew(renewal(&claimed, term))), gives_up);
        extended(renewed.expect("an answer"));
    });
}

/// One that carries nothing to the server any more, while what others write still comes from there, is left all the same.
#[test]
fn half_a_connection_is_none() {
    let server = server();
    let proxy = Proxy::to(server.port());
    let (follower, leader) = (at(&proxy), crate::storage(&server));
    block_on(async {
        let claimed = claim("k", 1);
        let term = granted(leader.acquire(claimed.clone()).await);
        let began = now();
        let mut wakeups = follower.subscribe(&key("k"));
        crate::woken(&mut wakeups).await;
        // One that is younger than what it took to come about is waited for.
        let patience = now() - began + Duration::from_millis(300);
        proxy.set(Mode::DropRequests);
        let k = key("other");
        let asks = async {
            let asked = select(follower.get(&k).boxed(), Timer::after(patience));
            assert!(matches!(asked.await, Either::Right(_)));
        };
        let renews = async {
            loop {
                extended(leader.renew(renewal(&claimed, term)).await);
            }
        };
        select(asks.boxed_local(), renews.boxed_local()).await.factor_first();
        proxy.set(Mode::Pass);
        assert!(matches!(soon(follower.get(&k)).await, Some(Ok(None))), "a new connection");
        assert_eq!(proxy.opened(), 2);
    });
}

/// What is awaited when a connection breaks is answered at once: nobody waits for an answer that was lost with it.
#[test]
fn a_lost_answer_is_not_waited_for() {
    let server = server();
    let proxy = Proxy::to(server.port());
    let storage = at(&proxy);
    block_on(async {
        let claimed = claim("k", 1);
        let term = granted(storage.acquire(claimed.clone()).await);
        proxy.set(Mode::DropReplies);
        let before = proxy.rounds();
        let lost = async {
            // It is sent, and waited for.
            while proxy.rounds() == before {
                Timer::after(Duration::from_millis(1)).await;
            }
            proxy.reset_open();
            proxy.set(Mode::Pass);
        };
        let (renewed, ()) = futures::join!(soon(storage.renew(renewal(&claimed, term))), lost);
        let error = renewed.expect("it is told at once").unwrap_err();
        assert!(error.to_string().contains("the connection was lost"), "{error}");
        extended(storage.renew(renewal(&claimed, term)).await);
    });
}

/// Servers that are down are passed over within a request, those that do not answer by the next one.
#[test]
fn the_next_server() {
    let server = server();
    // Nobody listens there, and nobody answers.
    let (down, mute) = (lessor_servers::free_port(), TcpListener::bind(("127.0.0.1", 0)).unwrap());
    let mute = format!("127.0.0.1:{}", mute.local_addr().unwrap().port());
    block_on(async {
        for _ in 0..10 {
            let mut addresses = vec![server.address()];
            addresses.extend((0..3).map(|_| format!("127.0.0.1:{down}")));
            NatsStorage::new(addresses).unwrap().check().await.unwrap();
        }
        let addresses = [server.address(), mute];
        let storages: Vec<_> = (0..16).map(|_| NatsStorage::new(addresses.clone()).unwrap()).collect();
        let (mut silent, k) = (0, key("k"));
        for storage in &storages {
            let asked = select(storage.get(&k).boxed(), Timer::after(Duration::from_millis(500)));
            if matches!(asked.await, Either::Right(_)) {
                silent += 1;
                assert!(soon(storage.get(&k)).await.expect("the other server").is_ok());
            }
        }
        assert!((1..16).contains(&silent), "storages begin with any of the servers: {silent}");
    });
}

/// A write whose answer is lost is an error, and is not sent again: the client repeats nothing by itself.
#[test]
fn writes_are_not_repeated() {
    let server = server();
    let proxy = Proxy::to(server.port());
    let storage = at(&proxy);
    block_on(async {
        let claimed = claim("k", 1);
        let term = granted(storage.acquire(claimed.clone()).await);
        for _ in 0..10 {
            let mut messages = server.messages();
            proxy.set(Mode::ResetAfterRequest(vec![b"candidate 1".to_vec()]));
            storage.renew(renewal(&claimed, term)).await.unwrap_err();
            proxy.set(Mode::Pass);
            messages.are(1, "it is sent once");
            // Whether it got through or not.
            extended(storage.renew(renewal(&claimed, term)).await);
        }
        // A read is.
        storage.check().await.unwrap();
        proxy.reset_open();
        storage.get(&claimed.key).await.unwrap();
    });
}

/// Whoever began to connect, and is not polled any more, holds up nobody; and neither do others who wait.
#[test]
fn who_is_not_polled_holds_up_nobody() {
    let server = server();
    let proxy = Proxy::to(server.port());
    proxy.set(Mode::Delay(Duration::from_millis(20)));
    let storage = at(&proxy);
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

/// A wrong password is tried once for all who wait, and not again for all who come next.
#[test]
fn a_failure_is_shared() {
    let server = Server::with("jetstream: enabled\nauthorization { user: app, password: s3cret }");
    let proxy = Proxy::to(server.port());
    let storage = NatsStorage::new([format!("nats://app:wr0ng@127.0.0.1:{}", proxy.port())]).unwrap();
    block_on(async {
        let k = key("k");
        for _ in 0..2 {
            for answer in join_all((0..100).map(|_| storage.get(&k))).await {
                let error = answer.unwrap_err();
                assert!(error.to_string().contains("correct the user and the password"), "{error}");
            }
        }
        assert!((1..=2).contains(&proxy.opened()), "{}", proxy.opened());
    });
}

/// A server so far away that nobody waits for as long as it takes to connect.
#[test]
fn those_who_give_up_get_there_together() {
    let server = server();
    let proxy = Proxy::to(server.port());
    proxy.set(Mode::Delay(Duration::from_millis(400)));
    let storage = at(&proxy);
    block_on(async {
        let k = key("k");
        let mut tries = 0;
        while within(Duration::from_millis(1_300), storage.get(&k)).await.is_none() {
            tries += 1;
            assert!(tries < 20, "{} connections", proxy.opened());
        }
        assert!(tries > 0, "a connection takes more than that");
        assert_eq!(proxy.opened(), 1);
    });
}

/// All that a check asks has ten seconds together, however slow the way is.
#[test]
fn a_check_ends() {
    let server = server();
    let proxy = Proxy::to(server.port());
    let storage = at(&proxy);
    block_on(async {
        storage.check().await.unwrap();
        proxy.set(Mode::Delay(Duration::from_millis(4_500)));
        let began = now();
        storage.check().await.unwrap_err();
        assert!(now() - began < Duration::from_secs(15), "{:?}", now() - began);
    });
}
