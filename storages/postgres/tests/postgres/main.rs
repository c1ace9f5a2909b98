//! What `PostgresStorage` promises beyond the contract of a storage: what it costs, what it waits for, what it says.

mod batches;
mod check;
mod columns;
mod contention;
mod errors;
mod failover;
mod fencing;
mod fencing_setup;
mod lists;
mod locks;
mod mistakes;
mod names;
mod partitions;
mod plans;
mod poisoned;
mod revocation;
mod rows;
mod settings;
mod silence;
mod versions;
mod wakeups;

#[cfg(feature = "tls-rustls")]
mod tls;

use std::time::Duration;

use lessor::storage::{Acquired, Claim, Renewed, Reply};
use lessor::{Storage, StorageError, Term};
use lessor_postgres::PostgresStorage;
use lessor_postgres::sqlx::postgres::PgPool;
use lessor_postgres::sqlx::{self, AssertSqlSafe};
use lessor_servers::asking::{claim_for, granted, key, lasting, now, release, renewal, woken};
use lessor_servers::postgres::Server;

const HOUR: Duration = Duration::from_secs(3600);

fn claim(key: &str, session: u128) -> Claim {
    claim_for(HOUR, key, session)
}

/// The term, if the answer is a grant.
fn granted_in(reply: &Result<Reply, StorageError>) -> Option<Term> {
    match reply {
        Ok(Reply::Acquired(Acquired::Granted { term, .. })) => Some(*term),
        _ => None,
    }
}

fn is_extended(reply: &Result<Reply, StorageError>) -> bool {
    matches!(reply, Ok(Reply::Renewed(Renewed::Extended { .. })))
}

async fn storage(server: &Server) -> (PostgresStorage, PgPool) {
    let pool = server.pool(8);
    let storage = PostgresStorage::new(pool.clone());
    storage.migrate().await.unwrap();
    storage.check().await.unwrap();
    (storage, pool)
}

async fn run(pool: &PgPool, sql: &str) {
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(pool).await.unwrap();
}

async fn number(pool: &PgPool, sql: &str) -> i64 {
    sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(pool).await.unwrap()
}
