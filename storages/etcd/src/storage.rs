//! The storage: registers in etcd, and what the core makes of them.

use core::fmt;

use lessor::storage::registers::RegisterStorage;
use lessor::storage::{Reply, Request};
use lessor::{Key, Storage, StorageError, Wakeups, async_trait};
use lessor_kit::error::AdapterError;
use lessor_kit::timeout::checked;

use crate::builder::EtcdBuilder;
use crate::layout::Layout;
use crate::link::Link;
use crate::registers::EtcdRegisters;

/// Leases in an etcd cluster.
///
/// The [crate's documentation](crate) says what it sends, what survives and what it costs.
///
/// Clones share the connection, which ends with the last clone, and what they have seen, which is what ends the leases of leaders that
/// are gone: build one for a process, and give each candidate a clone.
///
/// ```no_run
/// use lessor::Storage;
/// use lessor_etcd::EtcdStorage;
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let storage = EtcdStorage::new(["http://etcd-1:2379", "http://etcd-2:2379", "http://etcd-3:2379"])?;
/// storage.check().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct EtcdStorage(RegisterStorage<EtcdRegisters>);

impl EtcdStorage {
    /// The storage of the cluster with these members, under the prefix `lessor/`, without a user. Nothing is sent yet.
    ///
    /// Each endpoint is `http://HOST:PORT`, or `https://HOST:PORT` with feature `tls-rustls`. Name all members that clients
    /// reach: the storage uses one at a time, and goes on to the next when that does not answer.
    ///
    /// # Errors
    /// [`AdapterError`]: there is no endpoint, or one is no URL of a server.
    pub fn new(endpoints: impl IntoIterator<Item = impl Into<String>>) -> Result<Self, AdapterError> {
        Self::builder().build(endpoints)
    }

    /// Settings to change: at first the prefix `lessor/`, no user, and the root certificates of Mozilla for `https://`.
    pub fn builder() -> EtcdBuilder {
        EtcdBuilder::new()
    }

    pub(crate) fn with(link: Link, layout: Layout) -> Self {
        Self(RegisterStorage::new(EtcdRegisters::new(link, layout)))
    }
}

#[async_trait]
impl Storage for EtcdStorage {
    async fn call(&self, request: Request) -> Result<Reply, StorageError> {
        self.0.call(request).await
    }

    /// Reads of up to 128 keys are one request, and so are writes of up to 127. Each has a condition of its own.
    async fn call_all(&self, requests: Vec<Request>) -> Vec<Result<Reply, StorageError>> {
        self.0.call_all(requests).await
    }

    fn subscribe(&self, key: &Key) -> Wakeups {
        self.0.subscribe(key)
    }

    /// Whether a member answers, and lets this user read and write under the prefix. Writes nothing.
    async fn check(&self) -> Result<(), StorageError> {
        let members = self.0.registers().link.cluster().size();
        checked(members, || self.0.check()).await
    }
}

impl fmt::Debug for EtcdStorage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let EtcdRegisters { link, layout, .. } = self.0.registers();
        f.debug_struct("EtcdStorage")
            .field("cluster", link.cluster())
            .field("prefix", &layout.prefix())
            .finish_non_exhaustive()
    }
}
