//! What a user gets wrong, and what the message says.

use std::sync::Arc;
use std::time::Duration;

use futures::executor::block_on;
use lessor::storage::{Claim, ErrorKind, Session};
use lessor::{Id, Key, Storage, StorageExt};
use lessor_objects::object_store::memory::InMemory;
use lessor_objects::object_store::{ObjectStoreExt, path::Path};
use lessor_objects::{AdapterError, ObjectStorage};
use lessor_servers::seaweed::Server;

use crate::spy::{Ignores, Spy};
use crate::support::store;

#[test]
fn no_such_bucket() {
    let server = Server::start();
    let storage = ObjectStorage::new(store(server.port(), "nowhere"));
    let claim =
        Claim::new(Key::new("k").unwrap(), Id::new("a").unwrap(), Session::from_bits(1), Duration::from_secs(10));
    let error = block_on(storage.check()).unwrap_err();
    assert!(error.kind() == ErrorKind::Permanent && error.to_string().contains("create the bucket"), "{error}");
    let error = block_on(storage.acquire(claim)).unwrap_err();
    assert!(error.kind() == ErrorKind::Permanent && error.to_string().contains("create the bucket"), "{error}");
}

#[test]
fn nobody_listens() {
    let port = lessor_servers::free_port();
    let error = block_on(ObjectStorage::new(store(port, "leases")).check()).unwrap_err();
    assert!(error.kind() == ErrorKind::Transient && error.to_string().contains(&port.to_string()), "{error}");
}

/// As when a store closes an idle connection just when something is asked on it.
#[test]
fn a_read_without_an_answer_is_asked_once_more() {
    let spy = Spy::new(Ignores::None);
    let (storage, key) = (ObjectStorage::new(spy.clone()), Key::new("k").unwrap());
    spy.reset(1);
    assert_eq!(block_on(storage.get(&key)), Ok(None));
    assert_eq!(spy.asked(), ["get lessor/k"; 2]);
    spy.reset(2);
    let error = block_on(storage.get(&key)).unwrap_err();
    assert!(error.kind() == ErrorKind::Transient && error.to_string().contains("reset"), "{error}");
    assert_eq!(spy.asked(), ["get lessor/k"; 2]);
}

#[test]
fn a_bad_prefix() {
    let error = ObjectStorage::builder().prefix("a//b").unwrap_err();
    assert!(matches!(error, AdapterError::InvalidSetting { field: "prefix", .. }), "{error}");
}

/// What another program keeps under the prefix is left alone; a lease that somebody has written by hand is granted to nobody.
#[test]
fn what_is_no_lease() {
    let memory = Arc::new(InMemory::new());
    let storage = ObjectStorage::new(memory.clone());
    let put = |name: &str, bytes: &'static str| block_on(memory.put(&Path::from(name), bytes.into())).unwrap();
    put("lessor/read.me", "hello");
    assert!(block_on(storage.list(lessor::storage::List::new())).unwrap().entries.is_empty());
    put("lessor/k", "{}");
    let error = block_on(storage.get(&Key::new("k").unwrap())).unwrap_err();
    let said = error.to_string();
    assert!(said.contains("InMemory/lessor") && said.contains("\"k\"") && said.contains("another program"), "{said}");
}
