//! What `EtcdStorage` promises beyond the contract of a storage, on real servers.

mod auth;
mod batches;
mod connection;
mod costs;
mod errors;
mod fencing;
mod lists;
mod wakeups;

use std::time::Duration;

use futures::StreamExt;
use futures::future::{Either, select};
use lessor::storage::{Acquired, Claim, Release, Renewal, Renewed, Request, Session};
use lessor::{Id, Key, StorageError, Term, Wakeups};
use lessor_etcd::{AdapterError, EtcdStorage};
use lessor_servers::etcd::Server;

const MINUTE: Duration = Duration::from_secs(60);

fn storage(server: &Server) -> EtcdStorage {
    EtcdStorage::new([server.endpoint()]).unwrap()
}

fn key(key: &str) -> Key {
    Key::new(key).unwrap()
}

fn claim(key: &str, session: u128) -> Claim {
    let id = Id::new(format!("candidate {session}")).unwrap();
    Claim::new(self::key(key), id, Session::from_bits(session), MINUTE)
}

/// Of the claim's lease.
fn renewal(claim: &Claim, term: Term) -> Renewal {
    let Claim { key, id, session, ttl, value, .. } = claim.clone();
    Renewal::new(key, id, session, term, ttl).value(value)
}

fn release(claim: &Claim) -> Release {
    Release::new(claim.key.clone(), claim.session)
}

fn claims(count: usize, session: u128) -> Vec<Claim> {
    (0..count).map(|number| claim(&number.to_string(), session)).collect()
}

fn requests<R: Into<Request>>(some: impl IntoIterator<Item = R>) -> Vec<Request> {
    some.into_iter().map(Into::into).collect()
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

/// What the adapter says of it.
#[track_caller]
fn told(error: &StorageError) -> &AdapterError {
    AdapterError::of(error).unwrap_or_else(|| panic!("{error:?}"))
}

async fn soon<F: Future>(what: F) -> Option<F::Output> {
    match select(Box::pin(what), smol::Timer::after(Duration::from_secs(20))).await {
        Either::Left((output, _)) => Some(output),
        Either::Right(_) => None,
    }
}

async fn woken(wakeups: &mut Wakeups) {
    assert_eq!(soon(wakeups.next()).await, Some(Some(())), "no wake-up");
}
