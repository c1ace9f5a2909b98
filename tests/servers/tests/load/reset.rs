//! All connections are reset, and a new one takes longer than a request may.

use std::time::Duration;

use lessor_servers::elections::Elections;
use lessor_servers::proxy::{Mode, Proxy};
use lessor_servers::{etcd, mysql, nats, postgres};

use crate::engine::{Bucket, Engine, Redis};
use crate::{are_led, keys, renews};

/// How the way to the server is made long.
type Lengthen = fn(&Proxy);

/// The lease has room enough for a new connection: the term goes on.
fn is_outlived<E: Engine>(ttl: Duration, lengthen: Lengthen) {
    let server = E::start();
    let proxy = Proxy::to(server.port());
    let keys = keys(1);
    let storages = vec![server.storage(proxy.port(), 4)];
    let elections = Elections::start(&keys, storages, |builder| builder.ttl(ttl));
    are_led(&elections, &keys, ttl);
    lengthen(&proxy);
    renews(&elections, 2);
    proxy.reset_open();
    // More than the lease had room for.
    renews(&elections, 5);
    elections.finish();
}

/// 400 ms for a round trip.
fn far(proxy: &Proxy) {
    proxy.set(Mode::Delay(Duration::from_millis(200)));
}

/// 200 ms for a round trip.
fn half_as_far(proxy: &Proxy) {
    proxy.set(Mode::Delay(Duration::from_millis(100)));
}

/// 1.5 s until a connection is taken, and none of this for what is open.
fn slow_to_accept(proxy: &Proxy) {
    proxy.accept_after(Duration::from_millis(1500));
}

#[test]
fn postgres_400_ms_away() {
    is_outlived::<postgres::Server>(Duration::from_secs(10), far);
}

#[test]
fn mysql_400_ms_away() {
    is_outlived::<mysql::Server>(Duration::from_secs(10), far);
}

#[test]
fn redis_400_ms_away() {
    is_outlived::<Redis>(Duration::from_secs(10), far);
}

#[test]
fn postgres_200_ms_away_with_a_short_ttl() {
    is_outlived::<postgres::Server>(Duration::from_secs(5), half_as_far);
}

#[test]
fn mysql_200_ms_away_with_a_short_ttl() {
    is_outlived::<mysql::Server>(Duration::from_secs(5), half_as_far);
}

#[test]
fn postgres_takes_connections_slowly() {
    is_outlived::<postgres::Server>(Duration::from_secs(5), slow_to_accept);
}

#[test]
fn mysql_takes_connections_slowly() {
    is_outlived::<mysql::Server>(Duration::from_secs(5), slow_to_accept);
}

#[test]
fn etcd_400_ms_away() {
    is_outlived::<etcd::Server>(Duration::from_secs(10), far);
}

#[test]
fn nats_400_ms_away() {
    is_outlived::<nats::Server>(Duration::from_secs(10), far);
}

#[test]
fn a_bucket_400_ms_away() {
    is_outlived::<Bucket>(Duration::from_secs(10), far);
}

#[test]
fn etcd_takes_connections_slowly() {
    is_outlived::<etcd::Server>(Duration::from_secs(5), slow_to_accept);
}

#[test]
fn nats_takes_connections_slowly() {
    is_outlived::<nats::Server>(Duration::from_secs(5), slow_to_accept);
}
