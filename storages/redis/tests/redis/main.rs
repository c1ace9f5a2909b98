//! What `RedisStorage` promises beyond the contract of a storage, on real servers.

mod batches;
mod connection;
mod contention;
mod costs;
mod errors;
mod lists;
mod loss;
mod names;
mod revoke;
mod wakeups;

use std::time::Duration;

use futures::StreamExt;
use futures::future::{Either, select};
use lessor::storage::{Acquired, Claim, Release, Renewal, Renewed, Session};
use lessor::{Id, Key, Lease, StorageError, StorageExt, SystemTimer, Term, Timer, Wakeups};
use lessor_redis::RedisStorage;
use lessor_servers::redis::Server;

const MINUTE: Duration = Duration::from_secs(60);

/// Since the machine started.
fn now() -> Duration {
    SystemTimer::new().now().since_origin()
}

fn key(key: &str) -> Key {
    Key::new(key).unwrap()
}

fn claim(key: &str, session: u128) -> Claim {
    let id = Id::new(format!("candidate {session}")).unwrap();
    Claim::new(self::key(key), id, Session::from_bits(session), MINUTE)
}

fn with_ttl(ttl: Duration, mut claim: Claim) -> Claim {
    claim.ttl = ttl;
    claim
}

/// Of the claim's lease.
fn renewal(claim: &Claim, term: Term) -> Renewal {
    let Claim { key, id, session, ttl, value, .. } = claim.clone();
    Renewal::new(key, id, session, term, ttl).value(value)
}

fn release(claim: &Claim) -> Release {
    Release::new(claim.key.clone(), claim.session)
}

#[track_caller]
fn granted(acquired: Result<Acquired, StorageError>) -> Term {
    match acquired.unwrap() {
        Acquired::Granted { term, .. } => term,
        held => panic!("{held:?}"),
    }
}

#[track_caller]
fn extended(renewed: Result<Renewed, StorageError>) {
    let renewed = renewed.unwrap();
    assert!(matches!(renewed, Renewed::Extended { .. }), "{renewed:?}");
}

/// The lease of a key that was granted before.
async fn lease(storage: &RedisStorage, key: &Key) -> Lease {
    storage.get(key).await.unwrap().expect("it was granted")
}

/// Ready to grant.
async fn storage(server: &Server) -> RedisStorage {
    let storage = RedisStorage::new(server.client());
    storage.initialise().await.unwrap();
    lessor::Storage::check(&storage).await.unwrap();
    storage
}

async fn woken(wakeups: &mut Wakeups) {
    let limit = smol::Timer::after(Duration::from_secs(10));
    assert!(matches!(select(wakeups.next(), limit).await, Either::Left((Some(()), _))), "no wake-up");
}

/// How many calls of scripts the server has seen.
fn calls(server: &Server) -> u64 {
    server.info("cmdstat_evalsha").split([',', '=']).nth(1).unwrap().parse().unwrap()
}
