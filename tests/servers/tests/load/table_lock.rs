//! Somebody holds the whole table for a while, as `VACUUM FULL` or `ALTER TABLE` do.

use std::time::Duration;

use lessor_servers::elections::{Elections, now, sleep_until};
use lessor_servers::{mysql, postgres};

use crate::engine::Sql;
use crate::{are_led, failures_since, keys};

const TTL: Duration = Duration::from_secs(5);

/// From one look at the server to the next.
const GLANCE: Duration = Duration::from_millis(20);

/// The connections of a storage, and one whose statement was given up and waits on.
const CONNECTIONS: i64 = 2 + 1;

/// No more of the server's connections wait than the storages may have, and all goes on at once when it is over.
fn few_wait<E: Sql>() {
    let server = E::start();
    let keys = keys(10);
    let storages: Vec<_> = (0..2).map(|_| server.storage(server.port(), 10)).collect();
    let allowed = CONNECTIONS * i64::try_from(storages.len()).expect("few");
    let elections = Elections::start(&keys, storages, |builder| builder.ttl(TTL));
    are_led(&elections, &keys, TTL);
    let mark = elections.log().mark();
    let unlock = server.lock_table();
    let until = now().saturating_add(TTL * 6 / 5);
    let mut most = 0;
    while now() < until {
        most = most.max(server.waiting());
        sleep_until(now().saturating_add(GLANCE));
    }
    unlock();
    assert!(!failures_since(&elections, mark).is_empty(), "the lock is in nobody's way");
    are_led(&elections, &keys, TTL);
    elections.finish();
    assert!(most <= allowed, "{most} connections of the server waited, {allowed} at most are right");
}

#[test]
fn postgres_is_not_filled() {
    few_wait::<postgres::Server>();
}

#[test]
fn mysql_is_not_filled() {
    few_wait::<mysql::Server>();
}
