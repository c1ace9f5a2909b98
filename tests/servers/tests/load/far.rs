//! A server so far away that a new connection takes longer than a request may.

use std::time::Duration;

use lessor_servers::elections::Elections;
use lessor_servers::proxy::{Mode, Proxy};
use lessor_servers::{etcd, mysql, nats, postgres};

use crate::engine::{Bucket, Engine};
use crate::{are_led, keys, renews};

const TTL: Duration = Duration::from_secs(10);

/// A request is answered in time: so it is led, and goes on.
fn is_led<E: Engine>(round_trip: Duration, request_timeout: Duration) {
    let server = E::start();
    let proxy = Proxy::to(server.port());
    proxy.set(Mode::Delay(round_trip / 2));
    let keys = keys(1);
    let storages = vec![server.storage(proxy.port(), 4)];
    // As often as with the ttl that has this request timeout; a busy machine may be late more often than that would forgive.
    let elections = Elections::start(&keys, storages, |builder| {
        builder
            .ttl(TTL)
            .request_timeout(request_timeout)
            .renew_interval(request_timeout)
            .retry_interval(request_timeout)
    });
    // The connection comes first.
    are_led(&elections, &keys, request_timeout * 10);
    renews(&elections, 3);
    elections.finish();
}

#[test]
fn postgres_400_ms_away() {
    is_led::<postgres::Server>(Duration::from_millis(400), TTL / 5);
}

#[test]
fn mysql_400_ms_away() {
    is_led::<mysql::Server>(Duration::from_millis(400), TTL / 5);
}

#[test]
fn postgres_200_ms_away_with_a_short_timeout() {
    is_led::<postgres::Server>(Duration::from_millis(200), Duration::from_millis(600));
}

#[test]
fn mysql_200_ms_away_with_a_short_timeout() {
    is_led::<mysql::Server>(Duration::from_millis(200), Duration::from_millis(600));
}

#[test]
fn etcd_400_ms_away() {
    is_led::<etcd::Server>(Duration::from_millis(400), TTL / 5);
}

#[test]
fn nats_400_ms_away() {
    is_led::<nats::Server>(Duration::from_millis(400), TTL / 5);
}

#[test]
fn a_bucket_400_ms_away() {
    is_led::<Bucket>(Duration::from_millis(400), TTL / 5);
}
