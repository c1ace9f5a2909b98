//! Connections that break, stall or go silent.

use std::time::Duration;

use futures::future::{Either, join_all, select};
use lessor::storage::Acquired;
use lessor::{StorageError, StorageExt};
use lessor_redis::RedisStorage;
use lessor_redis::redis::Client;
use lessor_servers::asking::{self, key, soon};
use lessor_servers::proxy::{Mode, Proxy};
use lessor_servers::redis::{Keeps, PASSWORD, Server};
use smol::block_on;

use crate::{claim, now};

/// The answer, if it comes in time, as a candidate asks.
async fn within<T>(limit: Duration, answer: impl Future<Output = Result<T, StorageError>>) -> Option<T> {
    match select(Box::pin(answer), smol::Timer::after(limit)).await {
        Either::Left((answer, _)) => Some(answer.unwrap()),
        Either::Right(_) => None,
    }
}

fn connections(server: &Server) -> u64 {
    server.info("total_connections_received").parse().unwrap()
}

/// The answer, and whether it took a timeout: redis-rs may lose a request in the moment in which its connection breaks.
async fn acquire(storage: &RedisStorage, key: &str) -> (Acquired, bool) {
    match within(Duration::from_secs(3), storage.acquire(claim(key, 1))).await {
        Some(acquired) => (acquired, false),
        None => (within(Duration::from_secs(30), storage.acquire(claim(key, 1))).await.unwrap(), true),
    }
}

/// A connection that was killed costs an operation nothing but the time to connect, however many ask at once.
#[test]
fn a_killed_connection_is_replaced_at_once() {
    let server = Server::start(Keeps::Nothing);
    block_on(async {
        let storage = RedisStorage::new(server.client());
        storage.initialise().await.unwrap();
        let mut late = 0;
        for _ in 0..20 {
            server.tell(&["CLIENT", "KILL", "TYPE", "normal"]);
            late += usize::from(acquire(&storage, "k").await.1);
        }
        assert!(late <= 2, "{late} of 20");
        server.tell(&["CLIENT", "KILL", "TYPE", "normal"]);
        let before = connections(&server);
        let keys: Vec<_> = (0..50).map(|number| format!("{number}")).collect();
        let answers = join_all(keys.iter().map(|key| acquire(&storage, key))).await;
        assert!(answers.iter().all(|(acquired, _)| matches!(acquired, Acquired::Granted { .. })));
        // One for all of them, and one that asks how many there were.
        let late = u64::from(answers.iter().any(|(_, late)| *late));
        assert!((2..=2 + late).contains(&(connections(&server) - before)));
    });
}

/// R14: a server that stands still costs what was asked meanwhile, and answers when it goes on.
#[test]
fn a_server_that_stands_still() {
    let server = Server::start(Keeps::Nothing);
    block_on(async {
        let storage = RedisStorage::new(server.client());
        storage.initialise().await.unwrap();
        server.pause();
        for _ in 0..3 {
            assert!(
                within(Duration::from_millis(700), storage.acquire(claim("k", 1))).await.is_none(),
                "longer than redis-rs waits"
            );
        }
        server.resume();
        let began = now();
        assert!(within(Duration::from_secs(10), storage.acquire(claim("k", 1))).await.is_some());
        assert!(now() - began < Duration::from_secs(5));
        server.pause();
        let slow = storage.acquire(claim("k", 1));
        let later = async {
            smol::Timer::after(Duration::from_millis(1200)).await;
            server.resume();
        };
        assert!(futures::future::join(slow, later).await.0.is_ok(), "no timeout but the caller's");
    });
}

/// A connection that is dead without a sign costs one request timeout, and no more.
#[test]
fn a_silent_connection_is_replaced() {
    let server = Server::start(Keeps::Nothing);
    let proxy = Proxy::to(server.port());
    block_on(async {
        let url = format!("redis://:{PASSWORD}@127.0.0.1:{}/", proxy.port());
        let storage = RedisStorage::new(Client::open(url).unwrap());
        let asked = async || {
            let began = now();
            assert!(within(Duration::from_secs(10), storage.acquire(claim("k", 1))).await.is_some());
            now() - began
        };
        let began = now();
        storage.initialise().await.unwrap();
        let _ = asked().await;
        let mut took = now() - began;
        for _ in 0..3 {
            proxy.forget();
            // One that is younger than what it took to come about is waited for.
            let patience = took + Duration::from_millis(200);
            assert!(within(patience, storage.acquire(claim("k", 1))).await.is_none());
            let opened = proxy.opened();
            took = asked().await;
            assert_eq!(proxy.opened(), opened + 1);
        }
        // Answers that others got show that it lives: who gives up then gives up alone.
        let opened = proxy.opened();
        for _ in 0..20 {
            let mut given_up = Box::pin(storage.acquire(claim("k", 1)));
            // Sent, and only now and then answered at once.
            let _ = futures::poll!(&mut given_up);
            let _ = storage.acquire(claim("other", 1)).await.unwrap();
            drop(given_up);
        }
        assert_eq!(proxy.opened(), opened);
    });
}

fn through(proxy: &Proxy) -> RedisStorage {
    RedisStorage::new(Client::open(format!("redis://:{PASSWORD}@127.0.0.1:{}/", proxy.port())).unwrap())
}

/// Whoever began to connect, and is not polled any more, holds up nobody; and neither do others who wait.
#[test]
fn who_is_not_polled_holds_up_nobody() {
    let server = Server::start(Keeps::Nothing);
    let proxy = Proxy::to(server.port());
    proxy.set(Mode::Delay(Duration::from_millis(20)));
    let storage = through(&proxy);
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
    let server = Server::start(Keeps::Nothing);
    let storage = RedisStorage::new(Client::open(format!("redis://:wr0ng@127.0.0.1:{}/", server.port())).unwrap());
    block_on(async {
        let before = connections(&server);
        let k = key("k");
        for _ in 0..2 {
            let answers = join_all((0..100).map(|_| storage.get(&k))).await;
            for answer in answers {
                let error = answer.unwrap_err();
                assert!(error.to_string().contains("correct the user and the password"), "{error}");
            }
        }
        // One for each time at most, and one that asks how many there were.
        let tried = connections(&server) - before - 1;
        assert!((1..=2).contains(&tried), "{tried}");
    });
}

/// A server so far away that nobody waits for as long as it takes to connect, nor for a script that it does not know yet.
#[test]
fn those_who_give_up_get_there_together() {
    let server = Server::start(Keeps::Nothing);
    let proxy = Proxy::to(server.port());
    proxy.set(Mode::Delay(Duration::from_millis(400)));
    let storage = through(&proxy);
    block_on(async {
        let k = key("k");
        let mut tries = 0;
        while asking::within(Duration::from_millis(1_300), storage.get(&k)).await.is_none() {
            tries += 1;
            assert!(tries < 20, "{} connections", proxy.opened());
        }
        assert!(tries > 0, "a connection takes more than that");
        assert_eq!(proxy.opened(), 1);
    });
}
