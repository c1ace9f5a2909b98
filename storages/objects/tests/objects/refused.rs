//! Stores in which two would lead.

use std::sync::Arc;
use std::time::Duration;

use futures::executor::block_on;
use lessor::storage::{Claim, ErrorKind, Session};
use lessor::{Id, Key, Storage, StorageError, StorageExt};
use lessor_objects::object_store::ObjectStore;
use lessor_objects::object_store::local::LocalFileSystem;
use lessor_objects::{AdapterError, ObjectStorage};

use crate::spy::{Ignores, Spy};

fn is_named(error: &StorageError) {
    let found = AdapterError::of(error);
    assert!(matches!(found, Some(AdapterError::WrongSetup { setting: "conditional writes", .. })), "{error}");
    assert!(error.kind() == ErrorKind::Permanent && error.to_string().contains("two candidates would lead"), "{error}");
}

fn is_refused(store: Arc<dyn ObjectStore>) {
    let storage = ObjectStorage::new(store);
    is_named(&block_on(storage.check()).unwrap_err());
    // Who does not check hears of it at the first write, each time.
    let key = Key::new("k").unwrap();
    let claim = Claim::new(key.clone(), Id::new("a").unwrap(), Session::from_bits(1), Duration::from_secs(10));
    for _ in 0..2 {
        is_named(&block_on(storage.acquire(claim.clone())).unwrap_err());
    }
    assert_eq!(block_on(storage.get(&key)), Ok(None), "nothing was written");
}

/// A store that knows no conditions writes all the same.
#[test]
fn conditions_that_are_not_kept() {
    is_refused(Spy::new(Ignores::Creation));
    is_refused(Spy::new(Ignores::Replacement));
}

/// Files can be created on a condition, and not replaced.
#[test]
fn a_folder() {
    let folder = tempfile::tempdir().unwrap();
    is_refused(Arc::new(LocalFileSystem::new_with_prefix(folder.path()).unwrap()));
}
