//! A connection pooler before the server: in session mode it is none of our business, in transaction mode it is named.

use std::sync::Arc;
use std::time::Duration;

use futures::executor::block_on;
use lessor::storage::ErrorKind;
use lessor::{Event, Storage, StorageError};
use lessor_postgres::sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use lessor_postgres::{AdapterError, PostgresStorage};
use lessor_servers::elections::{Elections, Entry};
use lessor_servers::pgbouncer::{PgBouncer, PoolMode};
use lessor_servers::postgres::Server;

use crate::engine::Engine;
use crate::{are_led, keys, lost_since, renews, since, within};

const TTL: Duration = Duration::from_secs(5);

/// Processes with a pool each.
fn processes(count: usize, options: &PgConnectOptions) -> Vec<Arc<dyn Storage>> {
    let pool = || PgPoolOptions::new().max_connections(4).test_before_acquire(false);
    let storage = || PostgresStorage::builder().wakeups(false).build(pool().connect_lazy_with(options.clone()));
    (0..count).map(|_| Arc::new(storage()) as Arc<dyn Storage>).collect()
}

fn failures(elections: &Elections, mark: usize) -> Vec<StorageError> {
    since(elections, mark, |entry: &Entry| match &entry.event {
        Event::StorageFailed { error, .. } => Some(error.clone()),
        _ => None,
    })
}

/// Several processes lead, follow and hand over.
#[test]
fn session_mode_is_as_good_as_none() {
    let server = <Server as Engine>::start();
    let pooler = PgBouncer::start(&server, PoolMode::Session, 40);
    let keys = keys(3);
    let elections = Elections::start(&keys, processes(3, &pooler.options()), |builder| builder.ttl(TTL));
    are_led(&elections, &keys, TTL);
    renews(&elections, 3);
    let (leader, term) = elections.leader();
    let mark = elections.log().mark();
    block_on(elections.candidate(leader).resign()).expect("it runs");
    let later = elections.wait("another leads", || Some(elections.leader()).filter(|(_, later)| *later > term));
    assert_ne!(later.0, leader);
    assert_eq!(lost_since(&elections, mark), 1, "{}", elections.log());
    // A busy machine is late now and then.
    let lasting: Vec<_> =
        failures(&elections, 0).into_iter().filter(|error| error.kind() == ErrorKind::Permanent).collect();
    assert!(lasting.is_empty(), "{lasting:?}");
    elections.finish();
}

/// Prepared statements of one client are met by another: whoever meets them is told what to do.
#[test]
fn transaction_mode_is_named() {
    let server = <Server as Engine>::start();
    let pooler = PgBouncer::start(&server, PoolMode::Transaction, 2);
    let keys = keys(3);
    let elections = Elections::start(&keys, processes(3, &pooler.options()), |builder| builder.ttl(TTL));
    let is_named = |error: &StorageError| {
        matches!(AdapterError::of(error), Some(AdapterError::WrongSetup { .. })) && error.to_string().contains("pooler")
    };
    let named = within(&elections, TTL * 2, || failures(&elections, 0).into_iter().find(is_named));
    let is_raw = |error: &StorageError| matches!(AdapterError::of(error), Some(AdapterError::Refused { .. }));
    let raw: Vec<_> = failures(&elections, 0).into_iter().filter(is_raw).collect();
    assert!(named.is_some() && raw.is_empty(), "named: {named:?}, as the server says it: {raw:?}");
}
