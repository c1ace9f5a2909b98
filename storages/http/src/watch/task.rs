//! What runs by itself while somebody subscribes.

use core::convert::Infallible;
use core::pin::{Pin, pin};
use core::task::{Context, Poll};
use core::time::Duration;
use std::sync::Arc;

use futures::StreamExt;
use futures::channel::mpsc::{UnboundedReceiver, UnboundedSender, unbounded};
use futures::future::{Either, poll_fn, select};
use lessor::Key;
use lessor_kit::backoff::Backoff;

use super::Shared;
use super::follow::Follow;
use super::trouble::Trouble;
use crate::platform::{Sleep, Socket, Text, connect, sleep, spawn};

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

/// Starts it, if that is possible: where to tell it of new subscriptions.
///
/// It ends when nobody subscribes any more, or when the sender is gone.
pub(super) fn start(shared: Arc<Shared>) -> Option<UnboundedSender<Key>> {
    let (subscribed, subscriptions) = unbounded();
    let backoff = shared.rhythm.backoff.clone();
    let task = Task { shared, subscriptions, follow: Follow::default(), backoff };
    let run = async move || {
        let Err(Over) = task.run().await;
    };
    spawn(run).then_some(subscribed)
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
    Heard(Heard),
}

/// What comes from the service.
pub(crate) enum Heard {
    Text(Text),
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
            let pause = sleep(self.backoff.pause(random));
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
            let _ = select(pin!(socket.close()), sleep(GOODBYE)).await;
        }
        ended
    }

    async fn converse(&mut self, socket: &mut Socket) -> Result<Trouble, Over> {
        let Rhythm { heartbeat: beat, silence: limit, .. } = self.shared.rhythm;
        let (mut heartbeat, mut silence) = (sleep(beat), sleep(limit));
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
                    heartbeat = sleep(beat);
                    self.look()?;
                    // It has lasted for a while.
                    self.backoff.reset();
                    if self.follow.overdue() || !self.send(socket, "ping".into()).await? {
                        return Ok(Trouble::Passing);
                    }
                }
                Happened::Heard(Heard::Text(text)) => {
                    silence = sleep(limit);
                    if let Some(key) = self.follow.hear(&text) {
                        self.shared.subscribers.wake(&key);
                    }
                }
                Happened::Heard(Heard::Alive) => silence = sleep(limit),
                Happened::Heard(Heard::Lost) => return Ok(Trouble::Passing),
            }
        }
    }

    /// Whether it could be sent.
    async fn send(&mut self, socket: &mut Socket, text: String) -> Result<bool, Over> {
        let limit = self.shared.place.timeout;
        let sent = async { matches!(select(pin!(socket.send(text)), sleep(limit)).await, Either::Left((true, _))) };
        self.meanwhile(sent).await
    }

    async fn next(
        &mut self,
        socket: &mut Socket,
        heartbeat: &mut Sleep,
        silence: &mut Sleep,
    ) -> Result<Happened, Over> {
        poll_fn(|cx| {
            if let Poll::Ready(subscribed) = self.poll_subscriptions(cx) {
                return Poll::Ready(subscribed.map(|()| Happened::Subscribed));
            }
            if Pin::new(&mut *silence).poll(cx).is_ready() {
                return Poll::Ready(Ok(Happened::Heard(Heard::Lost)));
            }
            if Pin::new(&mut *heartbeat).poll(cx).is_ready() {
                return Poll::Ready(Ok(Happened::Heartbeat));
            }
            socket.poll_heard(cx).map(|heard| Ok(Happened::Heard(heard)))
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
