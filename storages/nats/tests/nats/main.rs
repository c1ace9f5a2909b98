//! What `NatsStorage` promises beyond the contract of a storage, on real servers.

mod batches;
mod connection;
mod costs;
mod deleted;
mod domain;
mod errors;
mod fencing;
mod lists;
mod rights;
mod setup;
mod wakeups;

use lessor::StorageError;
use lessor_nats::async_nats::{self, jetstream};
use lessor_nats::{AdapterError, NatsStorage};
use lessor_servers::asking::{MINUTE, claim, claims, extended, granted, key, release, renewal, requests, soon, woken};
use lessor_servers::nats::Server;
use smol::block_on;
use tokio::runtime::Builder;

/// A server with a bucket.
fn server() -> Server {
    let server = Server::start();
    block_on(storage(&server).migrate()).unwrap();
    server
}

/// A handle of its own.
fn storage(server: &Server) -> NatsStorage {
    NatsStorage::new([server.address()]).unwrap()
}

/// Another client of the same server.
async fn stranger(server: &Server) -> jetstream::Context {
    jetstream::new(async_nats::connect(server.address()).await.unwrap())
}

/// Where that works.
fn in_tokio<F: Future>(future: F) -> F::Output {
    Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

/// What the adapter says of it.
#[track_caller]
fn told(error: &StorageError) -> &AdapterError {
    AdapterError::of(error).unwrap_or_else(|| panic!("{error:?}"))
}
