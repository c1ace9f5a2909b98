//! What runs on a thread of its own while somebody subscribes.

use core::convert::Infallible;
use core::pin::{Pin, pin};
use core::task::{Context, Poll, ready};
use core::time::Duration;
use std::sync::Arc;
use std::thread;

use async_io::Timer;
use async_tungstenite::tungstenite::Message;
use async_tungstenite::tungstenite::protocol::frame::Utf8Bytes;
use futures::channel::mpsc::{UnboundedReceiver, UnboundedSender, unbounded};
use futures::future::poll_fn;
use futures::{Stream, StreamExt};
use lessor::Key;
use lessor_kit::backoff::Backoff;
use lessor_kit::timeout::within;

use super::Shared;
use super::connect::{Socket, connect};
use super::follow::Follow;
use super::trouble::Trouble;

/// How long a good-bye may take.
const GOODBYE: Duration = Duration::from_secs(1);

/// How often, and for how long.
#[derive(Clone)]
pub(super) struct Rhythm {
    /// The pauses between two connections.
    pub(super) backoff: Backoff,
    /// How often a sign of life is asked for, and looked who still subscribes.
    pub(super) heartbeat: Duration,
    /// After how long without one a connection counts as dead.
    pub(super) silence: Duration,
}

impl Default for Rhythm {
    fn default() -> Self {
        let heartbeat = Duration::from_secs(30);
        Self { backoff: Backoff::default(), heartbeat, silence: 2 * heartbeat }
    }
}

/// Starts the thread, if there is one to be had: where to tell it of new subscriptions.
///
/// It ends when nobody subscribes any more, or when the sender is gone.
pub(super) fn start(shared: Arc<Shared>) -> Option<UnboundedSender<Key>> {
    let (subscribed, subscriptions) = unbounded();
    let backoff = shared.rhythm.backoff.clone();
    let task = Task { shared, subscriptions, follow: Follow::default(), backoff };
    let run = move || {
        let Err(Over) = async_io::block_on(task.run());
    };
    thread::Builder::new().name("lessor-watch".into()).spawn(run).ok()?;
    Some(subscribed)
}

struct Task {
    shared: Arc<Shared>,
    subscriptions: UnboundedReceiver<Key>,
    follow: Follow,
    backoff: Backoff,
}

/// The storage is gone, or nobody subscribes any more.
struct Over;

/// What may happen on a connection.
enum Happened {
    /// Somebody subscribed.
    Subscribed,
    Heartbeat,
    Said(Utf8Bytes),
    /// A sign of life, and nothing else.
    Alive,
    Lost,
}

impl Task {
    async fn run(mut self) -> Result<Infallible, Over> {
        loop {
            self.look()?;
            let trouble = self.connection().await?;
            self.shared.subscribers.disconnected(&trouble);
            if trouble == Trouble::Lasting {
                self.backoff.lengthen();
            }
            let random = getrandom::u32().unwrap_or(u32::MAX);
            let pause = Timer::after(self.backoff.pause(random));
            self.meanwhile(pause).await?;
        }
    }

    /// Forgets whom nobody waits for.
    fn look(&mut self) -> Result<(), Over> {
        let keys = self.shared.keys().ok_or(Over)?;
        self.follow.keep(&keys);
        Ok(())
    }

    /// One connection, from its beginning to its end.
    async fn connection(&mut self) -> Result<Trouble, Over> {
        let shared = self.shared.clone();
        let mut socket = match self.meanwhile(connect(&shared.place)).await? {
            Ok(socket) => socket,
            Err(trouble) => return Ok(trouble),
        };
        let ended = self.converse(&mut socket).await;
        if ended.is_err() {
            // It is over, whether it was said or not.
            let _ = within(GOODBYE, socket.close(None)).await;
        }
        ended
    }

    async fn converse(&mut self, socket: &mut Socket) -> Result<Trouble, Over> {
        let Rhythm { heartbeat, silence: limit, .. } = self.shared.rhythm;
        let mut heartbeat = Timer::interval(heartbeat);
        let mut silence = Timer::after(limit);
        self.follow.connected();
        self.shared.subscribers.connected();
        loop {
            if let Some(text) = self.follow.say()
                && !self.send(socket, text).await?
            {
                return Ok(Trouble::Passing);
            }
            match self.next(socket, &mut heartbeat, &mut silence).await? {
                Happened::Subscribed => {}
                Happened::Heartbeat => {
                    self.look()?;
                    // It has lasted for a while.
                    self.backoff.reset();
                    if self.follow.overdue() || !self.send(socket, "ping".into()).await? {
                        return Ok(Trouble::Passing);
                    }
                }
                Happened::Said(text) => {
                    silence.set_after(limit);
                    if let Some(key) = self.follow.hear(&text) {
                        self.shared.subscribers.wake(&key);
                    }
                }
                Happened::Alive => silence.set_after(limit),
                Happened::Lost => return Ok(Trouble::Passing),
            }
        }
    }

    /// Whether it could be sent.
    async fn send(&mut self, socket: &mut Socket, text: String) -> Result<bool, Over> {
        let limit = self.shared.place.timeout;
        let sent = self.meanwhile(within(limit, socket.send(Message::text(text)))).await?;
        Ok(matches!(sent, Ok(Ok(()))))
    }

    async fn next(
        &mut self,
        socket: &mut Socket,
        heartbeat: &mut Timer,
        silence: &mut Timer,
    ) -> Result<Happened, Over> {
        poll_fn(|cx| {
            if let Poll::Ready(subscribed) = self.poll_subscriptions(cx) {
                return Poll::Ready(subscribed.map(|()| Happened::Subscribed));
            }
            if Pin::new(&mut *silence).poll(cx).is_ready() {
                return Poll::Ready(Ok(Happened::Lost));
            }
            if heartbeat.poll_next_unpin(cx).is_ready() {
                return Poll::Ready(Ok(Happened::Heartbeat));
            }
            Poll::Ready(Ok(match ready!(Pin::new(&mut *socket).poll_next(cx)) {
                Some(Ok(Message::Text(text))) => Happened::Said(text),
                Some(Ok(_)) => Happened::Alive,
                Some(Err(_)) | None => Happened::Lost,
            }))
        })
        .await
    }

    /// Waits for the future, and takes subscriptions meanwhile.
    async fn meanwhile<F: Future>(&mut self, future: F) -> Result<F::Output, Over> {
        let mut future = pin!(future);
        poll_fn(|cx| {
            while let Poll::Ready(subscribed) = self.poll_subscriptions(cx) {
                if let Err(over) = subscribed {
                    return Poll::Ready(Err(over));
                }
            }
            future.as_mut().poll(cx).map(Ok)
        })
        .await
    }

    /// Takes the subscriptions that are there.
    fn poll_subscriptions(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Over>> {
        let mut taken = Poll::Pending;
        while let Poll::Ready(key) = self.subscriptions.poll_next_unpin(cx) {
            match key {
                Some(key) => self.follow.follow(&key),
                None => return Poll::Ready(Err(Over)),
            }
            taken = Poll::Ready(Ok(()));
        }
        taken
    }
}
