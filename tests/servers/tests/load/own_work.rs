//! The program's own work holds all connections of its pool.

use std::time::Duration;

use futures::executor::block_on;
use futures::future::join_all;
use lessor_servers::elections::Elections;
use lessor_servers::{mysql, postgres};

use crate::engine::Sql;
use crate::{are_led, keys, renews};

const TTL: Duration = Duration::from_secs(10);

const CONNECTIONS: u32 = 3;

/// The storage does not need them: the term goes on.
fn disturbs_nobody<E: Sql>() {
    let server = E::start();
    let pool = server.pool(server.port(), CONNECTIONS);
    let keys = keys(1);
    let storages = vec![E::storage_over(pool.clone(), "lessor_leases")];
    let elections = Elections::start(&keys, storages, |builder| builder.ttl(TTL));
    are_led(&elections, &keys, TTL);
    let work = block_on(join_all((0..CONNECTIONS).map(|_| pool.acquire())));
    assert!(work.iter().all(Result::is_ok));
    // More than the lease had room for.
    renews(&elections, 5);
    drop(work);
    elections.finish();
}

#[test]
fn postgres_leads_beside_it() {
    disturbs_nobody::<postgres::Server>();
}

#[test]
fn mysql_leads_beside_it() {
    disturbs_nobody::<mysql::Server>();
}
