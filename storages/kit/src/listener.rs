//! Wake-ups from a server that tells of grants and releases: one connection for all keys, on a thread of its own.

use core::convert::Infallible;
use core::fmt;
use core::pin::pin;
use core::time::Duration;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use async_io::Timer;
use futures::channel::oneshot;
use futures::future::{Either, select};
use lessor::storage::Subscribers;
use lessor::{Key, Wakeups};

use crate::backoff::Backoff;
use crate::timeout::within;

/// After how long a silence a [`Channel`] asks the server for a sign of life: a connection that is dead shows no other
/// sign.
pub const HEARTBEAT: Duration = Duration::from_secs(30);

/// How long the server may take for a sign of life, or to connect: see [`patiently`].
pub const PATIENCE: Duration = Duration::from_secs(10);

/// A way to hear of grants and releases: the part of a [`Listener`] that knows the server.
pub trait Channel: Send + Sync + 'static {
    /// Why a connection ended. Whatever it was, the next connection follows. With feature `tracing` the first that did not
    /// last is told as a warning.
    type Error: fmt::Display;

    /// What the thread is called.
    const THREAD: &'static str;

    /// One connection, from its beginning to its end: [wakes](Subscribers::wake) the followers of each key it hears of.
    ///
    /// When it begins it has to [wake all](Subscribers::wake_all): what came before it was missed. Its future is
    /// dropped where it waits when the listener is dropped.
    ///
    /// An `async fn` will do.
    fn listen(&self, subscribers: &Subscribers) -> impl Future<Output = Result<(), Self::Error>>;
}

/// The subscribers of each key, and the thread that wakes them.
///
/// The thread runs from the first [`subscribe`](Self::subscribe) on, and ends with the listener, even if somebody still
/// waits: a [`Wakeups`] does not keep it alive. A lost connection is replaced after a [pause](Backoff::default). The
/// pauses begin again once a connection has lasted as long as the longest pause.
///
/// With feature `tracing` the program's log has one warning when connections do not last, or do not come about, and a
/// line when one has lasted again. They have the target `lessor`.
///
/// ```
/// use lessor::Key;
/// use lessor::storage::Subscribers;
/// use lessor_kit::listener::{Channel, Listener};
/// use std::convert::Infallible;
///
/// /// Tells of everything at once, and then of nothing.
/// struct Once;
///
/// impl Channel for Once {
///     type Error = Infallible;
///     const THREAD: &'static str = "once";
///
///     async fn listen(&self, subscribers: &Subscribers) -> Result<(), Infallible> {
///         subscribers.wake_all();
///         std::future::pending().await
///     }
/// }
///
/// # futures::executor::block_on(async {
/// use futures::StreamExt;
///
/// let listener = Listener::new(Once);
/// let mut wakeups = listener.subscribe(&Key::new("nightly-report")?);
/// assert_eq!(wakeups.next().await, Some(()));
/// # Ok::<(), lessor::InvalidText>(())
/// # }).unwrap();
/// ```
pub struct Listener<C> {
    shared: Arc<Shared<C>>,
    /// Dropped, it ends the thread. `None`: there is none.
    thread: Mutex<Option<oneshot::Sender<Infallible>>>,
}

/// What the thread needs. It does not keep the listener alive.
struct Shared<C> {
    channel: C,
    subscribers: Subscribers,
}

impl<C: Channel> Listener<C> {
    /// Nothing is sent before somebody subscribes.
    pub fn new(channel: C) -> Self {
        Self { shared: Arc::new(Shared { channel, subscribers: Subscribers::new() }), thread: Mutex::new(None) }
    }

    /// Wake-ups of a key: what [`Storage::subscribe`](lessor::Storage::subscribe) answers.
    ///
    /// If no thread can be started there are none for now: the next `subscribe` tries again.
    pub fn subscribe(&self, key: &Key) -> Wakeups {
        let wakeups = self.shared.subscribers.subscribe(key);
        let mut thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
        if thread.as_ref().is_none_or(oneshot::Sender::is_canceled) {
            *thread = start(self.shared.clone());
        }
        wakeups
    }
}

impl<C> fmt::Debug for Listener<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listener").field("subscribers", &self.shared.subscribers).finish_non_exhaustive()
    }
}

fn start<C: Channel>(shared: Arc<Shared<C>>) -> Option<oneshot::Sender<Infallible>> {
    let (listener, gone) = oneshot::channel();
    let run = move || {
        async_io::block_on(async {
            let _ = select(gone, pin!(shared.follow())).await;
        });
    };
    thread::Builder::new().name(C::THREAD.into()).spawn(run).ok()?;
    Some(listener)
}

impl<C: Channel> Shared<C> {
    async fn follow(&self) -> Infallible {
        let mut backoff = Backoff::default();
        let mut deafness = Deafness::default();
        loop {
            let pause = self.connection(&mut backoff, &mut deafness).await;
            Timer::after(pause).await;
        }
    }

    /// One connection, and how long to wait after it.
    async fn connection(&self, backoff: &mut Backoff, deafness: &mut Deafness) -> Duration {
        let mut listening = pin!(self.channel.listen(&self.subscribers));
        match select(&mut listening, Timer::after(backoff.longest())).await {
            Either::Left((ended, _)) => deafness.begins::<C>(&ended),
            Either::Right(_) => {
                backoff.reset();
                deafness.ends::<C>();
                // Whatever it ends with, the next one follows.
                let _ = listening.await;
            }
        }
        backoff.pause(getrandom::u32().unwrap_or(u32::MAX))
    }
}

/// Whether it was told that followers are not woken.
#[derive(Default)]
struct Deafness {
    #[cfg(feature = "tracing")]
    is_told: bool,
}

#[cfg(feature = "tracing")]
impl Deafness {
    fn begins<C: Channel>(&mut self, ended: &Result<(), C::Error>) {
        if !core::mem::replace(&mut self.is_told, true) {
            let error = ended.as_ref().err().map_or_else(|| "the connection ended".into(), ToString::to_string);
            tracing::warn!(
                target: "lessor", storage = C::THREAD, error,
                "no wake-ups from the storage: followers ask at their retry interval"
            );
        }
    }

    fn ends<C: Channel>(&mut self) {
        if core::mem::take(&mut self.is_told) {
            tracing::info!(target: "lessor", storage = C::THREAD, "wake-ups from the storage again");
        }
    }
}

#[cfg(not(feature = "tracing"))]
impl Deafness {
    #[expect(clippy::unused_self, reason = "as with the feature")]
    const fn begins<C: Channel>(&mut self, _: &Result<(), C::Error>) {}

    #[expect(clippy::unused_self, reason = "as with the feature")]
    const fn ends<C: Channel>(&mut self) {}
}

/// Waits for a server's answer, at most [`PATIENCE`].
///
/// # Errors
/// The future's own, or an [`io::Error`] of the kind [`TimedOut`](io::ErrorKind::TimedOut), converted into `E`.
pub async fn patiently<T, E: From<io::Error>>(future: impl Future<Output = Result<T, E>>) -> Result<T, E> {
    within(PATIENCE, future).await.map_err(io::Error::from)?
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::sync::atomic::{AtomicUsize, Ordering};
    use futures::FutureExt;
    use futures::StreamExt;
    use futures::channel::mpsc::{UnboundedReceiver, UnboundedSender, unbounded};
    use futures::executor::block_on;

    /// Tells when it is asked to listen, and when it is gone; each connection breaks at once, but for the last one.
    struct Breaking {
        broken: usize,
        listening: UnboundedSender<String>,
        count: AtomicUsize,
    }

    impl Channel for Breaking {
        type Error = io::Error;
        const THREAD: &'static str = "breaking";

        async fn listen(&self, subscribers: &Subscribers) -> io::Result<()> {
            subscribers.wake_all();
            let thread = thread::current().name().unwrap_or_default().to_string();
            let _ = self.listening.unbounded_send(thread);
            if self.count.fetch_add(1, Ordering::Relaxed) < self.broken {
                return Err(io::ErrorKind::ConnectionReset.into());
            }
            core::future::pending().await
        }
    }

    fn breaking(broken: usize) -> (Listener<Breaking>, UnboundedReceiver<String>) {
        let (listening, told) = unbounded();
        (Listener::new(Breaking { broken, listening, count: AtomicUsize::new(0) }), told)
    }

    /// Long enough for every machine, and never waited for by a test that passes.
    async fn soon<F: Future>(future: F) -> F::Output {
        within(Duration::from_secs(60), future).await.expect("it never comes")
    }

    fn key(name: &str) -> Key {
        Key::new(name).unwrap()
    }

    #[test]
    fn the_first_subscription_starts_it() {
        block_on(async {
            let (listener, mut told) = breaking(0);
            assert_eq!(told.next().now_or_never(), None, "nobody subscribed");
            let mut first = listener.subscribe(&key("a"));
            assert_eq!(soon(told.next()).await.as_deref(), Some("breaking"));
            assert_eq!(soon(first.next()).await, Some(()), "what came before was missed");
            let mut second = listener.subscribe(&key("b"));
            listener.shared.subscribers.wake(&key("b"));
            assert_eq!(soon(second.next()).await, Some(()));
            assert_eq!(first.next().now_or_never(), None, "of another key");
            assert_eq!(Arc::strong_count(&listener.shared), 2, "one thread for all keys");
            assert_eq!(told.next().now_or_never(), None, "one connection for all keys");
        });
    }

    #[test]
    fn a_lost_connection_is_made_anew() {
        block_on(async {
            let (listener, mut told) = breaking(2);
            let mut wakeups = listener.subscribe(&key("a"));
            for connection in 1..=3 {
                assert!(soon(told.next()).await.is_some(), "connection {connection}");
                assert_eq!(soon(wakeups.next()).await, Some(()), "connection {connection}");
            }
        });
    }

    /// A connection that lasts as long as this.
    struct Lasting(Duration);

    impl Channel for Lasting {
        type Error = Infallible;
        const THREAD: &'static str = "lasting";

        async fn listen(&self, _: &Subscribers) -> Result<(), Infallible> {
            Timer::after(self.0).await;
            Ok(())
        }
    }

    #[test]
    fn the_first_pause_follows_a_connection_that_lasted() {
        let pause = |lasting, longest| {
            let mut backoff = Backoff::new(Duration::from_millis(1), longest);
            backoff.lengthen();
            block_on(Listener::new(Lasting(lasting)).shared.connection(&mut backoff, &mut Deafness::default()))
        };
        let longest = Duration::from_secs(60);
        assert!(pause(Duration::ZERO, longest) >= longest / 2, "it broke at once");
        let longest = Duration::from_millis(20);
        assert!(pause(longest * 2, longest) <= Duration::from_millis(1), "it lasted");
    }

    #[test]
    fn the_thread_ends_with_the_listener() {
        block_on(async {
            let (listener, mut told) = breaking(0);
            let wakeups = listener.subscribe(&key("a"));
            assert!(soon(told.next()).await.is_some());
            drop(listener);
            assert_eq!(soon(told.next()).await, None, "the channel is dropped with the thread");
            drop(wakeups);
        });
    }

    /// A channel that panics ends the thread; the next to subscribe has a new one.
    #[test]
    fn a_thread_that_ended_is_started_anew() {
        struct Panics(UnboundedSender<()>);

        impl Channel for Panics {
            type Error = Infallible;
            const THREAD: &'static str = "panics";

            async fn listen(&self, _: &Subscribers) -> Result<(), Infallible> {
                let _ = self.0.unbounded_send(());
                panic!("as the test wants it")
            }
        }

        block_on(async {
            let (started, mut told) = unbounded();
            let listener = Listener::new(Panics(started));
            let _first = listener.subscribe(&key("a"));
            assert_eq!(soon(told.next()).await, Some(()));
            let over = core::future::poll_fn(|cx| {
                let mut thread = listener.thread.lock().unwrap();
                thread.as_mut().expect("it was started").poll_canceled(cx)
            });
            soon(over).await;
            let _second = listener.subscribe(&key("a"));
            assert_eq!(soon(told.next()).await, Some(()), "a new thread");
        });
    }

    #[test]
    fn patience_hands_on_the_answer() {
        let refused = || io::Error::from(io::ErrorKind::ConnectionRefused);
        let answer = block_on(patiently(async { Err::<(), _>(refused()) }));
        assert_eq!(answer.unwrap_err().kind(), refused().kind());
        assert_eq!(block_on(patiently(async { Ok::<_, io::Error>(7) })).unwrap(), 7);
    }
}
