use alloc::string::String;
use alloc::sync::Arc;
use core::pin::pin;

use async_io::Timer;
use futures::future::{Either, select};
use sqlx::postgres::{PgConnectOptions, PgListener, PgPoolOptions};

use super::held::Held;
use crate::lease::Key;
use crate::storage::Topics;
use crate::storage::listener::{Channel, HEARTBEAT, PATIENCE, patiently};

/// `LISTEN`: the statements notify it of keys.
pub(super) struct Notifications {
    pub(super) options: PgConnectOptions,
    pub(super) name: String,
    /// Forgets the keys that something was heard of.
    pub(super) held: Arc<Held>,
}

impl Channel for Notifications {
    type Error = sqlx::Error;
    const THREAD: &'static str = "lessor-postgres";

    async fn listen(&self, topics: &Topics) -> sqlx::Result<()> {
        // A pool of its own: it takes nothing from the program's, and stays where that is closed.
        let options = PgPoolOptions::new().max_connections(1).acquire_timeout(PATIENCE);
        let options = options.max_lifetime(None).idle_timeout(None);
        let mut listener = PgListener::connect_with(&options.connect_lazy_with(self.options.clone())).await?;
        listener.eager_reconnect(false);
        patiently(listener.listen(&self.name)).await?;
        topics.wake_all();
        loop {
            let heard = match select(pin!(listener.try_recv()), Timer::after(HEARTBEAT)).await {
                Either::Left((heard, _)) => Some(heard?),
                Either::Right(_) => None,
            };
            match heard {
                Some(Some(notification)) => {
                    if let Ok(key) = Key::new(notification.payload()) {
                        self.held.set(&key, false);
                        topics.wake(&key);
                    }
                }
                Some(None) => return Ok(()),
                None => {
                    patiently(sqlx::query("SELECT 1").execute(&mut listener)).await?;
                }
            }
        }
    }
}
