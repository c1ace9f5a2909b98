//! The storage itself.

use core::fmt;
use std::sync::Arc;

use lessor::storage::{Reply, Request};
use lessor::{Key, Storage, StorageError, Wakeups, async_trait};
use lessor_kit::lane::{Lane, Traffic};
use lessor_kit::timeout::{self, within};

use crate::address::Address;
use crate::builder::MySqlBuilder;
use crate::server::Primary;

/// Leases in a MySQL or MariaDB table, on connections of the storage's own.
///
/// The [crate's documentation](crate) says what it runs and what survives. Clones share the connections, which are
/// closed with the last clone, and wake one another's followers.
#[derive(Clone)]
pub struct MySqlStorage(pub(crate) Arc<Lane<Primary>>);

impl MySqlStorage {
    /// Connects there, as soon as something is asked, and uses the table `lessor_leases` in the database of its
    /// connections.
    #[must_use]
    pub fn new(address: impl Into<Address>) -> Self {
        Self::builder().build(address)
    }

    /// Settings to change: at first the table `lessor_leases`, two connections, and a lock timeout of 1 s.
    pub fn builder() -> MySqlBuilder {
        MySqlBuilder::new()
    }

    /// How busy the connections are.
    #[must_use]
    pub fn traffic(&self) -> Traffic {
        self.0.traffic()
    }

    pub(crate) fn primary(&self) -> &Primary {
        self.0.server()
    }
}

#[async_trait]
impl Storage for MySqlStorage {
    async fn call(&self, request: Request) -> Result<Reply, StorageError> {
        self.0.ask(request).await
    }

    /// One transaction for each operation, on up to 1,024 keys; one for each revoke, and a statement for each list.
    async fn call_all(&self, requests: Vec<Request>) -> Vec<Result<Reply, StorageError>> {
        self.0.ask_all(requests).await
    }

    /// Woken by grants, releases and revokes of this storage and its clones alone.
    fn subscribe(&self, key: &Key) -> Wakeups {
        self.primary().subscribers.subscribe(key)
    }

    /// Whether the table is there and fits, may be read and written, and the server takes what is sent: claims two keys
    /// that nobody has, in a transaction that is rolled back. It opens a connection for that.
    async fn check(&self) -> Result<(), StorageError> {
        within(timeout::CHECK, self.primary().check()).await?
    }
}

impl fmt::Debug for MySqlStorage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MySqlStorage")
            .field("table", &self.primary().table.quoted())
            .field("traffic", &self.traffic())
            .finish_non_exhaustive()
    }
}
