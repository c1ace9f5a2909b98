//! More keys than connections, and a server that is not next door.

use std::time::Duration;

use lessor_servers::elections::Elections;
use lessor_servers::proxy::{Mode, Proxy};
use lessor_servers::{etcd, mysql, nats, postgres};

use crate::engine::{Bucket, Engine, Redis};
use crate::{are_led, keys, stay_led};

/// With many keys.
const TTL: Duration = Duration::from_secs(10);

/// Two that are kept, one that listens, and what faults cost: not one for each request that came too late.
pub(crate) const FEW: usize = 20;

/// All are led within one ttl, and stay so, also when all connections are reset at once.
fn are_kept<E: Engine>(count: usize, ttl: Duration) {
    let server = E::start();
    let proxy = Proxy::to(server.port());
    proxy.set(Mode::Delay(Duration::from_millis(10)));
    let keys = keys(count);
    let storages = vec![server.storage(proxy.port(), 4)];
    let elections = Elections::start(&keys, storages, |builder| builder.ttl(ttl));
    are_led(&elections, &keys, ttl);
    let renew_interval = elections.config().renew_interval;
    stay_led(&elections, &keys, renew_interval * 2);
    proxy.reset_open();
    // Whoever is not renewed by then has lost.
    stay_led(&elections, &keys, ttl);
    let opened = proxy.opened();
    assert!(opened < FEW, "{opened} connections were opened");
    elections.finish();
}

#[test]
fn postgres_keeps_many_keys() {
    are_kept::<postgres::Server>(1_000, TTL);
}

#[test]
fn mysql_keeps_many_keys() {
    are_kept::<mysql::Server>(1_000, TTL);
}

#[test]
fn redis_keeps_many_keys() {
    are_kept::<Redis>(1_000, TTL);
}

#[test]
fn postgres_keeps_one_key() {
    are_kept::<postgres::Server>(1, TTL / 2);
}

#[test]
fn mysql_keeps_one_key() {
    are_kept::<mysql::Server>(1, TTL / 2);
}

#[test]
fn etcd_keeps_many_keys() {
    are_kept::<etcd::Server>(1_000, TTL);
}

#[test]
fn nats_keeps_many_keys() {
    are_kept::<nats::Server>(1_000, TTL);
}

#[test]
fn a_bucket_keeps_one_key() {
    are_kept::<Bucket>(1, TTL / 2);
}
