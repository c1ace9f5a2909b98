//! Wake-ups: one connection for all keys, on a thread of its own from the first follower on.

use alloc::string::String;
use alloc::sync::Arc;
use core::convert::Infallible;
use core::pin::pin;
use core::time::Duration;
use std::io;
use std::thread;

use ::redis::{Client, RedisError, RedisResult, Value};
use async_io::Timer;
use futures::StreamExt;
use futures::channel::oneshot;
use futures::future::{Either, select};

use super::layout::Layout;
use super::link::PATIENCE;
use crate::lease::Key;
use crate::lock::Mutex;
use crate::storage::{Topics, Wakeups};

/// The pause after a first failure. It doubles with each further one.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// After how long a silence a sign of life is asked for.
const HEARTBEAT: Duration = Duration::from_secs(30);

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
    client: Client,
    layout: Layout,
    topics: Topics,
}

impl Watch {
    /// Nothing is sent before somebody subscribes.
    pub(super) fn new(client: Client, layout: Layout) -> Self {
        Self { shared: Arc::new(Shared { client, layout, topics: Topics::new() }), thread: Mutex::new(None) }
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
    thread::Builder::new().name("lessor-redis".into()).spawn(run).ok()?;
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
    async fn connection(&self) -> RedisResult<bool> {
        let (mut sink, mut messages) = within(PATIENCE, self.client.get_async_pubsub()).await?.split();
        within(PATIENCE, sink.subscribe(self.layout.channel())).await?;
        // What came before it is missed.
        self.topics.wake_all();
        let mut lasted = false;
        loop {
            match select(messages.next(), Timer::after(HEARTBEAT)).await {
                Either::Left((Some(message), _)) => {
                    let record: String = message.get_payload().unwrap_or_default();
                    if let Some(key) = self.layout.key(&record) {
                        self.topics.wake(&key);
                    }
                }
                Either::Left((None, _)) => return Ok(lasted),
                Either::Right(_) => {
                    within(PATIENCE, sink.ping::<Value>()).await?;
                    lasted = true;
                }
            }
        }
    }
}

async fn within<T>(limit: Duration, future: impl Future<Output = RedisResult<T>>) -> RedisResult<T> {
    match select(pin!(future), Timer::after(limit)).await {
        Either::Left((done, _)) => done,
        Either::Right(_) => Err(RedisError::from(io::Error::from(io::ErrorKind::TimedOut))),
    }
}
