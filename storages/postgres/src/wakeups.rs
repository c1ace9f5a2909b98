//! Wake-ups: `LISTEN`, on a connection of its own.

use core::time::Duration;
use std::sync::Arc;

use lessor::storage::Subscribers;
use lessor::{Key, StorageError};
use lessor_kit::error::AdapterError;
use lessor_kit::listener::{Channel, HEARTBEAT, PATIENCE, patiently};
use lessor_kit::name::MAX_IDENTIFIER;
use lessor_kit::timeout::within;
use lessor_kit::trial;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgListener, PgPoolOptions};

use crate::address::{Address, is_pooled};
use crate::error::explain_opening;
use crate::held::Held;

/// What the statements notify of: the keys that were granted, released or revoked.
pub(crate) struct Notifications {
    pub(crate) address: Address,
    pub(crate) name: String,
    /// Forgets the keys that something was heard of.
    pub(crate) held: Arc<Held>,
}

/// Whether `LISTEN` there hears of what is told here: on a channel of its own, so that nobody else does.
pub(crate) async fn check(address: &Address, here: &mut PgConnection) -> Result<(), StorageError> {
    let trial = trial::claim().map_err(StorageError::permanent)?;
    let channel = trial.key.as_str().chars().take(MAX_IDENTIFIER).collect::<String>();
    let mut listener = connect(address).await.map_err(|error| explain_opening(error, &address.options()))?;
    patiently(listener.listen(&channel)).await.map_err(|error| deaf(&error.to_string()))?;
    let told = sqlx::query("SELECT pg_notify($1, '')").bind(&channel).execute(here).await;
    told.map_err(|error| deaf(&error.to_string()))?;
    let heard = within(DELIVERY, listener.try_recv()).await;
    let _ = patiently(listener.unlisten(&channel)).await;
    match heard {
        Ok(Ok(Some(_))) => Ok(()),
        Ok(Ok(None)) => Err(deaf("the connection ended").into()),
        Ok(Err(error)) => Err(deaf(&error.to_string()).into()),
        Err(_) => Err(deaf("nothing was heard").into()),
    }
}

/// How long a server may take to pass on what it was told.
const DELIVERY: Duration = Duration::from_secs(5);

fn deaf(found: &str) -> AdapterError {
    AdapterError::wrong_setup(
        "LISTEN",
        found,
        "followers are not woken: a pooler in transaction mode, say, does not pass LISTEN on",
        "name the server itself (PostgresBuilder::listen_with), or turn wake-ups off in all processes \
         (PostgresBuilder::wakeups)",
    )
}

/// A setting that means nothing to the server: where it has arrived, no pooler hands the session on to others.
const MARK: (&str, &str) = ("lessor.listens", "on");

/// Who listens is idle for as long as nothing is told.
const MAY_BE_IDLE: &str = "\
SELECT pg_catalog.set_config('idle_session_timeout', '0', false)
WHERE pg_catalog.current_setting('lessor.listens', true) = 'on'
    AND pg_catalog.current_setting('idle_session_timeout', true) <> '0'";

async fn connect(address: &Address) -> sqlx::Result<PgListener> {
    let mut listener = match open(address.options().options([MARK])).await {
        Err(error) if is_pooled(&error) => open(address.options()).await?,
        opened => opened?,
    };
    patiently(sqlx::raw_sql(MAY_BE_IDLE).execute(&mut listener)).await?;
    Ok(listener)
}

async fn open(options: PgConnectOptions) -> sqlx::Result<PgListener> {
    // A pool of its own: it takes nothing from the program's, and stays where that is closed.
    let pool = PgPoolOptions::new().max_connections(1).acquire_timeout(PATIENCE);
    let pool = pool.max_lifetime(None).idle_timeout(None);
    let mut listener = PgListener::connect_with(&pool.connect_lazy_with(options)).await?;
    listener.eager_reconnect(false);
    Ok(listener)
}

impl Channel for Notifications {
    type Error = sqlx::Error;
    const THREAD: &'static str = "lessor-postgres";

    async fn listen(&self, subscribers: &Subscribers) -> sqlx::Result<()> {
        let mut listener = connect(&self.address).await?;
        patiently(listener.listen(&self.name)).await?;
        subscribers.wake_all();
        loop {
            let Ok(heard) = within(HEARTBEAT, listener.try_recv()).await else {
                patiently(sqlx::query("SELECT 1").execute(&mut listener)).await?;
                continue;
            };
            let Some(notification) = heard? else { return Ok(()) };
            if let Ok(key) = Key::new(notification.payload()) {
                self.held.set(&key, false);
                subscribers.wake(&key);
            }
        }
    }
}
