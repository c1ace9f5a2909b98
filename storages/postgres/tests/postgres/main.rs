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
mod plans;
mod revocation;
mod rows;
mod settings;
mod versions;
mod wakeups;

#[cfg(feature = "tls-rustls")]
mod tls;

use std::time::Duration;

use lessor::storage::{Acquired, Claim, Release, Renewal, Renewed, Reply, Session};
use lessor::{Id, Key, Storage, StorageError, SystemTimer, Term, Timer};
use lessor_postgres::PostgresStorage;
use lessor_postgres::sqlx::postgres::PgPool;
use lessor_postgres::sqlx::{self, AssertSqlSafe};
use lessor_servers::postgres::Server;

const HOUR: Duration = Duration::from_secs(3600);

/// Since the machine started.
fn now() -> Duration {
    SystemTimer::new().now().since_origin()
}

fn key(key: &str) -> Key {
    Key::new(key).unwrap()
}

fn claim(key: &str, session: u128) -> Claim {
    let id = Id::new(format!("candidate {session}")).unwrap();
    Claim::new(self::key(key), id, Session::from_bits(session), HOUR)
}

fn lasting(ttl: Duration, mut claim: Claim) -> Claim {
    claim.ttl = ttl;
    claim
}

fn renewal(claim: &Claim, term: Term) -> Renewal {
    Renewal::new(claim.key.clone(), claim.id.clone(), claim.session, term, claim.ttl).value(claim.value.clone())
}

fn release(claim: &Claim) -> Release {
    Release::new(claim.key.clone(), claim.session)
}

fn granted(acquired: Result<Acquired, StorageError>) -> Term {
    match acquired.unwrap() {
        Acquired::Granted { term, .. } => term,
        held => panic!("{held:?}"),
    }
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
