//! What an operation costs on the wire: one round trip. (What goes over HTTP is counted in requests, by the storages' own tests: its connections say
//! more to each other than that.)

use std::time::Duration;

use futures::executor::block_on;
use lessor::storage::{Acquired, Claim, Renewal, Renewed, Session};
use lessor::{Id, Key, StorageExt, SystemTimer, Timer};
use lessor_servers::proxy::Proxy;
use lessor_servers::{mysql, nats, postgres};

use crate::engine::{Engine, Redis};

/// Longer than the test.
const TTL: Duration = Duration::from_secs(60);

const MANY: usize = 10;

fn claim(session: u128) -> Claim {
    Claim::new(Key::new("k").unwrap(), Id::new("a").unwrap(), Session::from_bits(session), TTL)
}

/// How many round trips so many of these take, once a few have prepared the way, and no other connection is being made ready.
async fn cost(proxy: &Proxy, mut ask: impl AsyncFnMut()) -> usize {
    for _ in 0..MANY {
        ask().await;
    }
    let mut quiet = (proxy.rounds(), 0);
    while quiet.1 < 20 {
        SystemTimer::new().sleep(Duration::from_millis(20)).await;
        let rounds = proxy.rounds();
        quiet = (rounds, if rounds == quiet.0 { quiet.1 + 1 } else { 0 });
    }
    let (opened, rounds) = (proxy.opened(), proxy.rounds());
    for _ in 0..MANY {
        ask().await;
    }
    let cost = proxy.rounds() - rounds;
    assert_eq!(proxy.opened(), opened, "the connections are the same");
    cost
}

fn is_one<E: Engine>() {
    let server = E::start();
    let proxy = Proxy::to(server.port());
    let storage = server.storage(proxy.port(), 1);
    let (renewals, claims) = block_on(async {
        let Ok(Acquired::Granted { term, .. }) = storage.acquire(claim(1)).await else { panic!("it is free") };
        let Claim { key, id, session, .. } = claim(1);
        let renewal = Renewal::new(key, id, session, term, TTL);
        let renewals = cost(&proxy, async || {
            let renewed = storage.renew(renewal.clone()).await;
            assert!(matches!(renewed, Ok(Renewed::Extended { .. })), "{renewed:?}");
        });
        let renewals = renewals.await;
        let claims = cost(&proxy, async || {
            let acquired = storage.acquire(claim(2)).await;
            assert!(matches!(acquired, Ok(Acquired::Refused { .. })), "{acquired:?}");
        });
        (renewals, claims.await)
    });
    assert!((renewals, claims) == (MANY, MANY), "{MANY} renewals: {renewals}, {MANY} refused claims: {claims}");
}

#[test]
fn postgres_asks_once() {
    is_one::<postgres::Server>();
}

#[test]
fn mysql_asks_once() {
    is_one::<mysql::Server>();
}

#[test]
fn redis_asks_once() {
    is_one::<Redis>();
}

#[test]
fn nats_asks_once() {
    is_one::<nats::Server>();
}
