//! All open connections are dead without a sign, and new ones work: a router that forgot, a host that took over.

use std::sync::Arc;
use std::time::Duration;

use futures::executor::block_on;
use futures::future::join_all;
use lessor::Storage;
use lessor_postgres::sqlx::{Database, Pool};
use lessor_servers::elections::Elections;
use lessor_servers::proxy::Proxy;
use lessor_servers::{etcd, mysql, nats, postgres};

use crate::engine::{Bucket, Engine, Redis, Sql};
use crate::{are_led, failures_since, keys, renews};

/// With room for answers that a busy machine is slow to give: they are no failures.
const TTL: Duration = Duration::from_secs(30);

/// Shorter than the ttl would have it: many renewals, in little time.
const RENEW_INTERVAL: Duration = Duration::from_secs(1);

/// One request learns of it, and the term goes on.
fn is_outlived(proxy: &Proxy, storage: Arc<dyn Storage>) {
    let keys = keys(1);
    let elections = Elections::start(&keys, vec![storage], |builder| builder.ttl(TTL).renew_interval(RENEW_INTERVAL));
    are_led(&elections, &keys, TTL);
    renews(&elections, 2);
    for _ in 0..2 {
        let mark = elections.log().mark();
        proxy.forget();
        // On a connection that is not silent.
        renews(&elections, 5);
        let failures = failures_since(&elections, mark);
        assert!(failures.len() <= 1, "one connection's silence is enough to know: {failures:?}");
    }
    elections.finish();
}

/// Beside a pool in which each connection is open.
fn is_outlived_beside_a_pool<E: Sql>() {
    let server = E::start();
    let proxy = Proxy::to(server.port());
    let pool = server.pool(proxy.port(), 10);
    block_on(open_all(&pool));
    assert!(proxy.open() >= 10);
    is_outlived(&proxy, E::storage_over(pool, "lessor_leases"));
}

async fn open_all<D: Database>(pool: &Pool<D>) {
    let all = join_all((0..pool.options().get_max_connections()).map(|_| pool.acquire())).await;
    for connection in all {
        // They are there for the next who asks only once this is over.
        let mut connection = connection.expect("a connection");
        connection.return_to_pool().await;
    }
}

#[test]
fn postgres_outlives_silence() {
    is_outlived_beside_a_pool::<postgres::Server>();
}

#[test]
fn mysql_outlives_silence() {
    is_outlived_beside_a_pool::<mysql::Server>();
}

/// On the one connection that there is.
fn is_outlived_on_one<E: Engine>() {
    let server = E::start();
    let proxy = Proxy::to(server.port());
    is_outlived(&proxy, server.storage(proxy.port(), 1));
}

#[test]
fn redis_outlives_silence() {
    is_outlived_on_one::<Redis>();
}

#[test]
fn etcd_outlives_silence() {
    is_outlived_on_one::<etcd::Server>();
}

#[test]
fn nats_outlives_silence() {
    is_outlived_on_one::<nats::Server>();
}

#[test]
fn a_bucket_outlives_silence() {
    is_outlived_on_one::<Bucket>();
}
