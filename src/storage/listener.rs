//! Wake-ups from a server that tells: one connection for all keys, on a thread of its own from the first follower on.

use alloc::sync::Arc;
use core::convert::Infallible;
use core::pin::pin;
use core::time::Duration;
use std::io;
use std::thread;

use async_io::Timer;
use futures::FutureExt;
use futures::channel::oneshot;
use futures::future::{Either, select};

use super::{Topics, Wakeups};
use crate::lease::Key;
use crate::lock::Mutex;

/// The pause after a first failure. It doubles with each further one, until a connection has lasted for the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// After how long a silence a sign of life is asked for.
pub(super) const HEARTBEAT: Duration = Duration::from_secs(30);

/// How long it may take, and a connection too.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// A way to hear of grants and releases.
pub(super) trait Channel: Send + Sync + 'static {
    /// Why a connection ended.
    type Error;

    /// What the thread is called.
    const THREAD: &'static str;

    /// One connection, from its beginning to its end. All are woken when it begins: what came before it is missed.
    async fn listen(&self, topics: &Topics) -> Result<(), Self::Error>;
}

/// Who waits for wake-ups of which key, and the thread that brings them.
///
/// Its end is the connection's end, whoever still waits.
pub(super) struct Listener<C> {
    shared: Arc<Shared<C>>,
    /// Dropped, it ends the thread. `None`: there is none.
    thread: Mutex<Option<oneshot::Sender<Infallible>>>,
}

/// What the thread needs. It does not keep the storage alive.
struct Shared<C> {
    channel: C,
    topics: Topics,
}

impl<C: Channel> Listener<C> {
    /// Nothing is sent before somebody subscribes.
    pub(super) fn new(channel: C) -> Self {
        Self { shared: Arc::new(Shared { channel, topics: Topics::new() }), thread: Mutex::new(None) }
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
fn start<C: Channel>(shared: Arc<Shared<C>>) -> Option<oneshot::Sender<Infallible>> {
    let (storage, gone) = oneshot::channel();
    let run = move || {
        async_io::block_on(async {
            let _ = select(gone, pin!(shared.follow())).await;
        });
    };
    thread::Builder::new().name(C::THREAD.into()).spawn(run).ok()?;
    Some(storage)
}

impl<C: Channel> Shared<C> {
    async fn follow(&self) -> Infallible {
        let mut pause = FIRST_PAUSE;
        loop {
            let mut lasting = Timer::after(LONGEST_PAUSE);
            let _ = self.channel.listen(&self.topics).await;
            if (&mut lasting).now_or_never().is_some() {
                pause = FIRST_PAUSE;
            }
            // A random part of it, so that those who lost their connections together do not come back together.
            let random = f64::from(getrandom::u32().unwrap_or(u32::MAX)) / f64::from(u32::MAX);
            Timer::after(pause.mul_f64(0.5 + random / 2.0)).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }
}

/// Gives up after [`PATIENCE`].
pub(super) async fn patiently<T, E: From<io::Error>>(future: impl Future<Output = Result<T, E>>) -> Result<T, E> {
    match select(pin!(future), Timer::after(PATIENCE)).await {
        Either::Left((done, _)) => done,
        Either::Right(_) => Err(io::Error::from(io::ErrorKind::TimedOut).into()),
    }
}
