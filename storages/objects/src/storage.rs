//! The storage, and how it is made.

use std::sync::Arc;

use lessor::storage::registers::RegisterStorage;
use lessor::storage::{Reply, Request};
use lessor::{Key, Storage, StorageError, Wakeups, async_trait};
use lessor_kit::error::AdapterError;
use lessor_kit::timeout::{self, within};
use object_store::ObjectStore;

use crate::name::Names;
use crate::registers::Objects;

/// Leases in an object store: one object for each key.
///
/// Clones share what they have seen: build one for a process, and give each candidate a clone.
///
/// ```
/// use std::sync::Arc;
/// use lessor::Builder;
/// use lessor_objects::ObjectStorage;
/// use lessor_objects::object_store::memory::InMemory;
///
/// let store = InMemory::new(); // in earnest AmazonS3Builder, MicrosoftAzureBuilder, GoogleCloudStorageBuilder
/// let storage = ObjectStorage::new(Arc::new(store));
/// let (candidate, driver) = Builder::new("nightly-report").build(storage)?;
/// # let _ = (candidate, driver);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct ObjectStorage(RegisterStorage<Objects>);

/// How an [`ObjectStorage`] is to be made.
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until it makes a storage"]
pub struct ObjectBuilder {
    names: Names,
}

impl ObjectStorage {
    /// Over this store, in the folder `lessor`.
    #[must_use]
    pub fn new(store: Arc<dyn ObjectStore>) -> Self {
        Self::builder().build(store)
    }

    /// With other settings.
    pub fn builder() -> ObjectBuilder {
        ObjectBuilder { names: Names::standard() }
    }
}

impl ObjectBuilder {
    /// The folder of all objects. Default `lessor`.
    ///
    /// Two prefixes are independent: the same key may be led in each. Give the folder to nothing else.
    ///
    /// # Errors
    /// [`AdapterError::InvalidSetting`] unless it has 1 to 128 bytes: letters, digits, `.`, `_` and `-`, with `/` between folders.
    pub fn prefix(self, prefix: &str) -> Result<Self, AdapterError> {
        Ok(Self { names: Names::under(prefix)? })
    }

    /// The storage. Nothing is sent yet: see [`check`](Storage::check).
    #[must_use]
    pub fn build(self, store: Arc<dyn ObjectStore>) -> ObjectStorage {
        ObjectStorage(RegisterStorage::new(Objects::new(store, self.names)))
    }
}

#[async_trait]
impl Storage for ObjectStorage {
    async fn call(&self, request: Request) -> Result<Reply, StorageError> {
        self.0.call(request).await
    }

    async fn call_all(&self, requests: Vec<Request>) -> Vec<Result<Reply, StorageError>> {
        self.0.call_all(requests).await
    }

    /// Those of this storage and its clones: the store tells nobody.
    fn subscribe(&self, key: &Key) -> Wakeups {
        self.0.subscribe(key)
    }

    /// Whether the store can be reached, its objects listed, and whether it keeps the conditions of writes: three small requests to
    /// an object `=probe` beside those of the keys. The first write of a storage asks for the same. It takes 10 s at most, however
    /// long the store's client would wait.
    async fn check(&self) -> Result<(), StorageError> {
        within(timeout::CHECK, self.0.check()).await?
    }
}
