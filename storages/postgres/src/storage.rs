//! The storage itself.

use core::fmt;
use std::sync::Arc;

use lessor::storage::{Reply, Request};
use lessor::{Key, Storage, StorageError, Wakeups, async_trait};
use lessor_kit::error::AdapterError;
use lessor_kit::lane::{Lane, Traffic};
use lessor_kit::listener::Listener;
use lessor_kit::timeout::{self, within};

use crate::address::Address;
use crate::builder::PostgresBuilder;
use crate::server::Primary;
use crate::wakeups::{self, Notifications};

/// Leases in a PostgreSQL table, on connections of the storage's own.
///
/// The [crate's documentation](crate) says what it runs and what survives. Clones share the connections, which are
/// closed with the last clone.
#[derive(Clone)]
pub struct PostgresStorage(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) lane: Lane<Primary>,
    /// `None`: there are no wake-ups.
    pub(crate) listener: Option<Listener<Notifications>>,
    pub(crate) listens_at: Option<Address>,
}

impl PostgresStorage {
    /// Connects there, as soon as something is asked, and uses the table `public.lessor_leases`.
    #[must_use]
    pub fn new(address: impl Into<Address>) -> Self {
        Self::builder().build(address)
    }

    /// Settings to change: at first the table `public.lessor_leases`, two connections, a lock timeout of 1 s, and
    /// wake-ups.
    pub fn builder() -> PostgresBuilder {
        PostgresBuilder::new()
    }

    /// How busy the connections are.
    #[must_use]
    pub fn traffic(&self) -> Traffic {
        self.0.lane.traffic()
    }

    /// Where a longest ttl is set, nobody may have a longer one.
    fn fits(&self, request: &Request) -> Result<(), AdapterError> {
        let ttl = match request {
            Request::Acquire(claim) => claim.ttl,
            Request::Renew(renewal) => renewal.ttl,
            _ => return Ok(()),
        };
        match &self.primary().freeze {
            Some(freeze) if ttl > freeze.max_ttl => Err(AdapterError::ttl_too_long(ttl, freeze.max_ttl)),
            _ => Ok(()),
        }
    }

    pub(crate) fn primary(&self) -> &Primary {
        self.0.lane.server()
    }
}

#[async_trait]
impl Storage for PostgresStorage {
    async fn call(&self, request: Request) -> Result<Reply, StorageError> {
        self.fits(&request)?;
        self.0.lane.ask(request).await
    }

    /// One statement for each operation, on up to 1,024 keys; one for each revoke and each list.
    async fn call_all(&self, requests: Vec<Request>) -> Vec<Result<Reply, StorageError>> {
        let wrong: Vec<_> = requests.iter().map(|request| self.fits(request).err()).collect();
        let right = requests.into_iter().zip(&wrong).filter(|(_, wrong)| wrong.is_none()).map(|(request, _)| request);
        let mut replies = self.0.lane.ask_all(right.collect()).await.into_iter();
        let reply = |wrong: Option<AdapterError>| match wrong {
            Some(wrong) => Err(wrong.into()),
            None => replies.next().unwrap_or_else(|| Err(AdapterError::Unfit.into())),
        };
        wrong.into_iter().map(reply).collect()
    }

    fn subscribe(&self, key: &Key) -> Wakeups {
        self.0.listener.as_ref().map_or(Wakeups::never(), |listener| listener.subscribe(key).complete())
    }

    /// Whether the table is there and fits, may be read and written, and the server is the primary: claims two keys that
    /// nobody has, in a transaction that is rolled back, as much as autovacuum has to clear away. And, where there are to be [wake-ups](PostgresBuilder::wakeups),
    /// whether they arrive. It opens a connection for each of the two.
    async fn check(&self) -> Result<(), StorageError> {
        let check = async {
            let mut connection = self.primary().check().await?;
            match &self.0.listens_at {
                Some(address) => wakeups::check(address, &mut connection).await,
                None => Ok(()),
            }
        };
        within(timeout::CHECK, check).await?
    }
}

impl fmt::Debug for PostgresStorage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner { lane, .. } = &*self.0;
        f.debug_struct("PostgresStorage")
            .field("table", &lane.server().table.quoted())
            .field("traffic", &lane.traffic())
            .finish_non_exhaustive()
    }
}
