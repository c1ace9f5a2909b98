//! The server stands still for longer than a lease lasts.

use std::time::Duration;

use lessor_servers::elections::{Elections, now, sleep_until};
use lessor_servers::proxy::{Mode, Proxy};
use lessor_servers::{mysql, postgres};

use crate::engine::Sql;
use crate::many_keys::FEW;
use crate::{are_led, keys, stay_led};

/// With many keys.
const TTL: Duration = Duration::from_secs(10);

/// When it goes on, all are led again within one ttl and one retry interval.
fn is_overcome<E: Sql>(count: usize, ttl: Duration) {
    let server = E::start();
    let proxy = Proxy::to(server.port());
    proxy.set(Mode::Delay(Duration::from_millis(10)));
    let keys = keys(count);
    let storages = vec![server.storage(proxy.port(), 4)];
    let elections = Elections::start(&keys, storages, |builder| builder.ttl(ttl));
    are_led(&elections, &keys, ttl);
    server.stand_still(true);
    sleep_until(now().saturating_add(ttl * 6 / 5));
    assert_eq!(elections.led(), 0);
    server.stand_still(false);
    are_led(&elections, &keys, ttl + elections.config().retry_interval);
    stay_led(&elections, &keys, elections.config().renew_interval * 2);
    let opened = proxy.opened();
    assert!(opened < FEW, "{opened} connections were opened");
    elections.finish();
}

#[test]
fn postgres_goes_on_with_many_keys() {
    is_overcome::<postgres::Server>(1_000, TTL);
}

#[test]
fn mysql_goes_on_with_many_keys() {
    is_overcome::<mysql::Server>(1_000, TTL);
}

#[test]
fn postgres_goes_on_with_one_key() {
    is_overcome::<postgres::Server>(1, TTL / 2);
}

#[test]
fn mysql_goes_on_with_one_key() {
    is_overcome::<mysql::Server>(1, TTL / 2);
}
