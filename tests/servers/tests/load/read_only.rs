//! Another server takes the writes from now on, and the old one keeps its connections open and only reads.

use std::time::Duration;

use futures::executor::block_on;
use lessor::{Event, StorageError};
use lessor_mysql::AdapterError;
use lessor_servers::elections::{Elections, Entry};
use lessor_servers::proxy::Proxy;
use lessor_servers::{mysql, postgres};

use crate::engine::Sql;
use crate::{are_led, keys, since, within};

const TTL: Duration = Duration::from_secs(5);

fn is_read_only(error: &StorageError) -> bool {
    matches!(AdapterError::of(error), Some(AdapterError::ReadOnly { .. }))
}

/// As soon as new connections may write, the leader or another one leads.
fn another_server_takes_over<E: Sql>() {
    let (old, new) = (E::start(), E::start());
    let proxy = Proxy::to(old.port());
    let keys = keys(1);
    // A pool of one has no reason to open another.
    let storages = (0..2).map(|_| old.storage(proxy.port(), 1)).collect();
    let elections = Elections::start(&keys, storages, |builder| builder.ttl(TTL));
    are_led(&elections, &keys, TTL);
    let mark = elections.log().mark();
    old.refuse_writes();
    let refused = |entry: &Entry| match &entry.event {
        Event::StorageFailed { error, .. } => is_read_only(error).then_some(()),
        _ => None,
    };
    elections.wait("a renewal is refused", || since(&elections, mark, refused).pop());
    old.copy_to(&new);
    let mark = elections.log().mark();
    proxy.point_to(new.port());
    let held = |entry: &Entry| match entry.event {
        Event::Renewed { term, .. } | Event::Elected { term, .. } => Some(term),
        _ => None,
    };
    let limit = TTL + elections.config().retry_interval;
    let led = within(&elections, limit, || since(&elections, mark, held).pop());
    assert!(led.is_some(), "nobody leads on the new server within {limit:?}\n{}", elections.log());
    elections.finish();
}

/// So do those who ask whether all is well, or create the table: what is refused once works the next time.
fn setup_reaches_it_too<E: Sql>() {
    let (old, new) = (E::start(), E::start());
    let proxy = Proxy::to(old.port());
    let pool = old.pool(proxy.port(), 1);
    let storage = E::storage_over(pool.clone(), "lessor_leases");
    block_on(storage.check()).expect("all is well");
    block_on(E::migrate(pool.clone(), "lessor_leases")).expect("the table is there");
    old.refuse_writes();
    let refused = || block_on(storage.check()).err().filter(is_read_only);
    std::iter::repeat_with(refused).take(1_000).flatten().next().expect("the check says so");
    let refused = block_on(E::migrate(pool.clone(), "another")).expect_err("the server only reads");
    assert!(is_read_only(&refused), "{refused}");
    proxy.point_to(new.port());
    let (checked, migrated) = (block_on(storage.check()), block_on(E::migrate(pool, "another")));
    assert!(checked.is_ok() && migrated.is_ok(), "check: {checked:?}, migrate: {migrated:?}");
}

#[test]
fn postgres_leads_on_another_server() {
    another_server_takes_over::<postgres::Server>();
}

#[test]
fn mysql_leads_on_another_server() {
    another_server_takes_over::<mysql::Server>();
}

#[test]
fn postgres_is_set_up_on_another_server() {
    setup_reaches_it_too::<postgres::Server>();
}

#[test]
fn mysql_is_set_up_on_another_server() {
    setup_reaches_it_too::<mysql::Server>();
}
