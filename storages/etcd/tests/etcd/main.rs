//! What `EtcdStorage` promises beyond the contract of a storage, on real servers.

mod auth;
mod batches;
mod connection;
mod costs;
mod errors;
mod fencing;
mod lists;
mod wakeups;

use lessor::StorageError;
use lessor_etcd::{AdapterError, EtcdStorage};
use lessor_servers::asking::{MINUTE, claim, claims, extended, granted, key, release, renewal, requests, soon, woken};
use lessor_servers::etcd::Server;

fn storage(server: &Server) -> EtcdStorage {
    EtcdStorage::new([server.endpoint()]).unwrap()
}

/// What the adapter says of it.
#[track_caller]
fn told(error: &StorageError) -> &AdapterError {
    AdapterError::of(error).unwrap_or_else(|| panic!("{error:?}"))
}
