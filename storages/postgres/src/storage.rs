//! The storage itself.

use core::fmt;
use core::time::Duration;
use std::sync::Arc;

use async_trait::async_trait;
use lessor::storage::{Reply, Request};
use lessor::{Key, Storage, StorageError, Wakeups};
use lessor_kit::batch::Batch;
use lessor_kit::listener::Listener;
use lessor_kit::sqlx::Connection;
use sqlx::postgres::{PgPool, PgRow};

use crate::acquire::ACQUIRE;
use crate::builder::PostgresBuilder;
use crate::error::explain;
use crate::get::GET;
use crate::held::Held;
use crate::keyed::Statement;
use crate::release::RELEASE;
use crate::renew::RENEW;
use crate::revoke::REVOKE;
use crate::statements::Statements;
use crate::table::Table;
use crate::wakeups::Notifications;

/// How to create the table.
pub(crate) const REMEDY: &str = "call PostgresStorage::migrate() once to create it";

/// Leases in a PostgreSQL table, through your own pool.
///
/// The [crate's documentation](crate) says what it runs and what survives. Clones share the pool, and the connection
/// for wake-ups, which is closed with the last clone.
#[derive(Clone)]
pub struct PostgresStorage(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) pool: PgPool,
    pub(crate) table: Table,
    pub(crate) statements: Statements,
    pub(crate) lock_timeout: Duration,
    pub(crate) held: Arc<Held>,
    /// `None`: there are no wake-ups.
    pub(crate) listener: Option<Listener<Notifications>>,
}

impl PostgresStorage {
    /// Uses your pool, and the table `public.lessor_leases`. Nothing is sent yet.
    #[must_use]
    pub fn new(pool: PgPool) -> Self {
        Self::builder().build(pool)
    }

    /// Settings to change: at first the table `public.lessor_leases`, a lock timeout of 1 s, and wake-ups.
    pub fn builder() -> PostgresBuilder {
        PostgresBuilder::new()
    }
}

impl Inner {
    /// Where to tell of a grant, a release or a revoke.
    pub(crate) fn channel(&self) -> Option<String> {
        self.listener.is_some().then(|| self.table.channel())
    }

    pub(crate) fn explain(&self, error: sqlx::Error) -> StorageError {
        explain(error, &self.table.quoted(), REMEDY)
    }

    pub(crate) async fn fetch(&self, statement: Statement) -> Result<Vec<PgRow>, StorageError> {
        let explain = |error| self.explain(error);
        let mut connection = Connection::of(&self.pool).await.map_err(explain)?;
        let rows = statement.fetch_all(connection.get()).await;
        connection.end(rows).map_err(explain)
    }
}

#[async_trait]
impl Storage for PostgresStorage {
    async fn call(&self, request: Request) -> Result<Reply, StorageError> {
        match &request {
            Request::Acquire(claim) => self.0.acquire(claim).await,
            Request::Renew(renewal) => self.0.renew(renewal).await,
            Request::Release(release) => self.0.ask_one(&RELEASE, release).await,
            Request::Get(get) => self.0.ask_one(&GET, get).await,
            Request::Revoke(revoke) => self.0.ask_one(&REVOKE, revoke).await,
            Request::List(list) => self.0.list(list).await,
            unknown => Err(StorageError::unsupported(unknown)),
        }
    }

    /// A statement for each operation that occurs, on up to 256 keys. Lists are asked for one by one.
    async fn call_all(&self, requests: Vec<Request>) -> Vec<Result<Reply, StorageError>> {
        let mut batch = Batch::new(requests.iter().map(Request::key));
        let (mut claims, mut renewals, mut releases) = (Vec::new(), Vec::new(), Vec::new());
        let (mut gets, mut revokes, mut others) = (Vec::new(), Vec::new(), Vec::new());
        for (place, request) in batch.open(&requests) {
            match request {
                Request::Acquire(claim) => claims.push((place, claim)),
                Request::Renew(renewal) => renewals.push((place, renewal)),
                Request::Release(release) => releases.push((place, release)),
                Request::Get(get) => gets.push((place, get)),
                Request::Revoke(revoke) => revokes.push((place, revoke)),
                other => others.push((place, other)),
            }
        }
        self.0.ask_all(&ACQUIRE, &claims, &mut batch).await;
        self.0.ask_all(&RENEW, &renewals, &mut batch).await;
        self.0.ask_all(&RELEASE, &releases, &mut batch).await;
        self.0.ask_all(&GET, &gets, &mut batch).await;
        self.0.ask_all(&REVOKE, &revokes, &mut batch).await;
        for (place, other) in others {
            let reply = self.call(other.clone()).await;
            batch.answer(place, reply);
        }
        batch.into_answers()
    }

    fn subscribe(&self, key: &Key) -> Wakeups {
        self.0.listener.as_ref().map_or(Wakeups::never(), |listener| listener.subscribe(key).complete())
    }

    /// Whether the table is there and fits, may be read and written, and the server is the primary. Writes nothing.
    async fn check(&self) -> Result<(), StorageError> {
        self.0.check().await
    }
}

impl fmt::Debug for PostgresStorage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresStorage").field("table", &self.0.table.quoted()).finish_non_exhaustive()
    }
}
