//! The storage: registers in NATS, and what the core makes of them.

use core::fmt;

use lessor::storage::registers::RegisterStorage;
use lessor::storage::{Reply, Request};
use lessor::{Key, Storage, StorageError, Wakeups, async_trait};
use lessor_kit::error::AdapterError;
use lessor_kit::timeout::{CHECK, checked, within};

use crate::bucket::Bucket;
use crate::builder::NatsBuilder;
use crate::layout::Layout;
use crate::link::Link;
use crate::registers::NatsRegisters;
use crate::setup;

/// Leases in a key-value bucket of NATS JetStream.
///
/// The [crate's documentation](crate) says what it sends, what survives and what it costs.
///
/// Clones share the connection, which ends with the last clone, and what they have seen, which is what ends the leases of leaders that
/// are gone: build one for a process, and give each candidate a clone.
///
/// ```no_run
/// use lessor::Storage;
/// use lessor_nats::NatsStorage;
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let storage = NatsStorage::new(["nats://app:password@nats-1:4222", "nats://app:password@nats-2:4222"])?;
/// storage.migrate().await?;
/// storage.check().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct NatsStorage {
    registers: RegisterStorage<NatsRegisters>,
    replicas: usize,
}

impl NatsStorage {
    /// The storage on these servers, in the bucket `lessor`. Nothing is sent yet.
    ///
    /// Each server is `nats://HOST:PORT`, or `tls://HOST:PORT` where only TLS will do, with `USER:PASSWORD@` or `TOKEN@` before the host
    /// where they ask for that; the port is 4222 unless it is said. Name all servers of a cluster that clients reach: the storage uses one
    /// at a time, and goes on to the next when that does not answer. It has a connection of its own, so that what else a program
    /// sends to NATS keeps no renewal waiting.
    ///
    /// # Errors
    /// [`AdapterError`]: there is no server, or one is no URL of a server.
    pub fn new(servers: impl IntoIterator<Item = impl Into<String>>) -> Result<Self, AdapterError> {
        Self::builder().build(servers)
    }

    /// Settings to change: at first the bucket `lessor`, one replica where it is created, and the client's own options.
    pub fn builder() -> NatsBuilder {
        NatsBuilder::new()
    }

    pub(crate) fn with(link: Link, layout: Layout, replicas: usize) -> Self {
        Self { registers: RegisterStorage::new(NatsRegisters::new(Bucket::new(link, layout))), replicas }
    }

    /// Creates the bucket, unless it is there: in files, without limits, with as many [replicas](NatsBuilder::replicas) as were asked
    /// for. One that is there stays as it is.
    ///
    /// It needs the rights to publish to `$JS.API.STREAM.CREATE.KV_lessor` and `$JS.API.STREAM.INFO.KV_lessor`. It may be called
    /// at each start, by many processes at the same time.
    ///
    /// # Errors
    /// [`StorageError`] with an [`AdapterError`]: it cannot be created, or one that is there forgets leases, as
    /// [`check`](Storage::check) would say. Within 10 s.
    ///
    /// # Cancel safety
    /// Dropped, it may have created the bucket.
    pub async fn migrate(&self) -> Result<(), StorageError> {
        within(CHECK, setup::migrate(&self.registers.registers().bucket, self.replicas)).await?
    }
}

#[async_trait]
impl Storage for NatsStorage {
    async fn call(&self, request: Request) -> Result<Reply, StorageError> {
        self.registers.call(request).await
    }

    /// One request for each read and each write, up to 128 at a time on the same connection.
    async fn call_all(&self, requests: Vec<Request>) -> Vec<Result<Reply, StorageError>> {
        self.registers.call_all(requests).await
    }

    fn subscribe(&self, key: &Key) -> Wakeups {
        self.registers.subscribe(key)
    }

    /// Whether a server answers, is of 2.10.23 or later, has the bucket, in a form that keeps leases, and lets this user read and write there.
    /// Writes nothing. Within 10 s.
    async fn check(&self) -> Result<(), StorageError> {
        checked(self.registers.registers().bucket.link.servers().count(), || self.registers.check()).await
    }
}

impl fmt::Debug for NatsStorage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bucket = &self.registers.registers().bucket;
        f.debug_struct("NatsStorage")
            .field("servers", &format_args!("{}", bucket.link.servers().all_shown()))
            .field("bucket", &bucket.layout.bucket())
            .field("domain", &bucket.layout.domain())
            .finish_non_exhaustive()
    }
}
