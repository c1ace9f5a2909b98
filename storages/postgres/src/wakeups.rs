//! Wake-ups: `LISTEN`, on a connection of its own.

use std::sync::Arc;

use lessor::Key;
use lessor::storage::Subscribers;
use lessor_kit::listener::{Channel, HEARTBEAT, PATIENCE, patiently};
use lessor_kit::timeout::within;
use sqlx::postgres::{PgListener, PgPoolOptions};

use crate::address::Address;
use crate::held::Held;

/// What the statements notify of: the keys that were granted, released or revoked.
pub(crate) struct Notifications {
    pub(crate) address: Address,
    pub(crate) name: String,
    /// Forgets the keys that something was heard of.
    pub(crate) held: Arc<Held>,
}

impl Channel for Notifications {
    type Error = sqlx::Error;
    const THREAD: &'static str = "lessor-postgres";

    async fn listen(&self, subscribers: &Subscribers) -> sqlx::Result<()> {
        // A pool of its own: it takes nothing from the program's, and stays where that is closed.
        let options = PgPoolOptions::new().max_connections(1).acquire_timeout(PATIENCE);
        let options = options.max_lifetime(None).idle_timeout(None);
        let mut listener = PgListener::connect_with(&options.connect_lazy_with(self.address.options())).await?;
        listener.eager_reconnect(false);
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
