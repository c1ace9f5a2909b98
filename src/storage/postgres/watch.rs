//! Wake-ups: one connection for all keys, on a thread of its own from the first follower on.

use alloc::string::String;
use alloc::sync::Arc;
use core::convert::Infallible;
use core::pin::pin;
use core::time::Duration;
use std::thread;

use async_io::Timer;
use futures::channel::oneshot;
use futures::future::{Either, select};
use sqlx::postgres::{PgConnectOptions, PgListener, PgPoolOptions};

use super::held::Held;
use crate::lease::Key;
use crate::lock::Mutex;
use crate::storage::{Topics, Wakeups};

/// The pause after a first failure. It doubles with each further one.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// After how long a silence a sign of life is asked for.
const HEARTBEAT: Duration = Duration::from_secs(30);

/// How long it may take, and a connection too.
const PATIENCE: Duration = Duration::from_secs(10);

/// Who waits for wake-ups of which key, and the thread that brings them.
///
/// Its end is the connection's end, whoever still waits.
pub(super) struct Watch {
    shared: Arc<Shared>,
    /// Dropped, it ends the thread. `None`: there is none.
    thread: Mutex<Option<oneshot::Sender<Infallible>>>,
}

/// What the thread needs. It does not keep the storage alive.
struct Shared {
    options: PgConnectOptions,
    channel: String,
    topics: Topics,
    /// Forgets the keys that something was heard of.
    held: Arc<Held>,
}

impl Watch {
    /// Nothing is sent before somebody subscribes.
    pub(super) fn new(options: PgConnectOptions, channel: String, held: Arc<Held>) -> Self {
        let shared = Shared { options, channel, topics: Topics::new(), held };
        Self { shared: Arc::new(shared), thread: Mutex::new(None) }
    }

    pub(super) fn channel(&self) -> &str {
        &self.shared.channel
    }

    pub(super) fn subscribe(&self, key: &Key) -> Wakeups {
        let wakeups = self.shared.topics.subscribe(key);
        let mut thread = self.thread.lock();
        if thread.as_ref().is_none_or(oneshot::Sender::is_canceled) {
            *thread = start(self.shared.clone());
        }
        wakeups
    }
}

/// None where there is no thread to be had: the next to subscribe tries again.
fn start(shared: Arc<Shared>) -> Option<oneshot::Sender<Infallible>> {
    let (storage, gone) = oneshot::channel();
    let run = move || {
        async_io::block_on(async {
            let _ = select(gone, pin!(shared.follow())).await;
        });
    };
    thread::Builder::new().name("lessor-postgres".into()).spawn(run).ok()?;
    Some(storage)
}

impl Shared {
    async fn follow(&self) -> Infallible {
        let mut pause = FIRST_PAUSE;
        loop {
            if self.connection().await.is_ok_and(|lasted| lasted) {
                pause = FIRST_PAUSE;
            }
            // A random part of it, so that those who lost their connections together do not come back together.
            let random = f64::from(getrandom::u32().unwrap_or(u32::MAX)) / f64::from(u32::MAX);
            Timer::after(pause.mul_f64(0.5 + random / 2.0)).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// One connection, from its beginning to its end; whether it lasted.
    async fn connection(&self) -> sqlx::Result<bool> {
        // A pool of its own: it takes nothing from the program's, and stays where that is closed.
        let options = PgPoolOptions::new().max_connections(1).acquire_timeout(PATIENCE);
        let options = options.max_lifetime(None).idle_timeout(None);
        let mut listener = PgListener::connect_with(&options.connect_lazy_with(self.options.clone())).await?;
        listener.eager_reconnect(false);
        within(PATIENCE, listener.listen(&self.channel)).await?;
        // What came before it is missed.
        self.topics.wake_all();
        let mut lasted = false;
        loop {
            let heard = match select(pin!(listener.try_recv()), Timer::after(HEARTBEAT)).await {
                Either::Left((heard, _)) => Some(heard?),
                Either::Right(_) => None,
            };
            match heard {
                Some(Some(notification)) => {
                    if let Ok(key) = Key::new(notification.payload()) {
                        self.held.set(&key, false);
                        self.topics.wake(&key);
                    }
                }
                Some(None) => return Ok(lasted),
                None => {
                    within(PATIENCE, sqlx::query("SELECT 1").execute(&mut listener)).await?;
                    lasted = true;
                }
            }
        }
    }
}

async fn within<T>(limit: Duration, future: impl Future<Output = sqlx::Result<T>>) -> sqlx::Result<T> {
    match select(pin!(future), Timer::after(limit)).await {
        Either::Left((done, _)) => done,
        Either::Right(_) => Err(sqlx::Error::PoolTimedOut),
    }
}
