//! Hints that asking now is worth it.

use alloc::boxed::Box;
use core::fmt;
use core::mem;
use core::pin::Pin;
use core::task::{Context, Poll};

use futures::Stream;
use futures::stream::SelectAll;

use super::topic::Subscription;
use crate::maybe_send::MaybeSend;

#[cfg(not(any(target_family = "wasm", target_os = "none")))]
type Inner = Pin<Box<dyn Stream<Item = ()> + Send>>;
#[cfg(any(target_family = "wasm", target_os = "none"))]
type Inner = Pin<Box<dyn Stream<Item = ()>>>;

/// A stream of hints that asking the storage now is worth it.
///
/// See [`Storage::subscribe`](crate::Storage::subscribe) for when they come.
#[must_use = "streams do nothing unless polled"]
pub struct Wakeups(Source);

/// Where they come from.
enum Source {
    Nowhere,
    /// There may be very many: without a pointer in between.
    Topic {
        subscription: Subscription,
        complete: bool,
    },
    Stream {
        stream: Inner,
        complete: bool,
    },
}

impl Wakeups {
    /// No wake-ups, ever.
    pub const fn never() -> Self {
        Self(Source::Nowhere)
    }

    /// The items of this stream. When it ends there are no more wake-ups, and this one
    /// stays pending.
    pub fn new(stream: impl Stream<Item = ()> + MaybeSend + 'static) -> Self {
        Self(Source::Stream { stream: Box::pin(stream), complete: false })
    }

    pub(super) const fn of(subscription: Subscription) -> Self {
        Self(Source::Topic { subscription, complete: false })
    }

    /// Those of all of these. They are complete if each of them is.
    pub(crate) fn merged(parts: impl IntoIterator<Item = Self>) -> Self {
        let mut complete = true;
        let parts = parts.into_iter().inspect(|part| complete &= part.is_complete()).filter(|part| !part.is_never());
        let parts: SelectAll<_> = parts.collect();
        if parts.is_empty() {
            return Self::never();
        }
        let merged = Self::new(parts);
        if complete { merged.complete() } else { merged }
    }

    /// Says that they are complete: they tell of every release, revoke and grant of the key, whoever makes it, in whatever
    /// process, as long as the way from the storage is open; and they come once when it is open again.
    ///
    /// A follower then need not ask in between: its default [retry interval](crate::Config::retry_interval) is the ttl. They
    /// are hints all the same: one that is missing costs time, at most that interval.
    ///
    /// ```
    /// use lessor::storage::Subscribers;
    /// use lessor::{Key, Wakeups};
    ///
    /// let subscribers = Subscribers::new(); // whom a connection to the server wakes, say
    /// let wakeups = subscribers.subscribe(&Key::new("k")?);
    /// assert!(!wakeups.is_complete(), "nobody said so");
    /// assert!(wakeups.complete().is_complete());
    /// assert!(!Wakeups::never().complete().is_complete());
    /// # Ok::<(), lessor::InvalidText>(())
    /// ```
    pub const fn complete(mut self) -> Self {
        match &mut self.0 {
            Source::Nowhere => {}
            Source::Topic { complete, .. } | Source::Stream { complete, .. } => *complete = true,
        }
        self
    }

    /// Whether no wake-up will ever come.
    #[must_use]
    pub const fn is_never(&self) -> bool {
        matches!(self.0, Source::Nowhere)
    }

    /// Whether they tell of every release, revoke and grant, as somebody [said](Self::complete).
    #[must_use]
    pub const fn is_complete(&self) -> bool {
        matches!(self.0, Source::Topic { complete: true, .. } | Source::Stream { complete: true, .. })
    }
}

impl Stream for Wakeups {
    type Item = ();

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<()>> {
        // Taken out, so that a stream that panics is not polled again: without wake-ups a candidate goes on.
        match mem::replace(&mut self.0, Source::Nowhere) {
            Source::Nowhere => Poll::Pending,
            Source::Topic { mut subscription, complete } => {
                let item = Pin::new(&mut subscription).poll_next(cx);
                self.0 = Source::Topic { subscription, complete };
                item
            }
            Source::Stream { mut stream, complete } => {
                let item = stream.as_mut().poll_next(cx);
                if item == Poll::Ready(None) {
                    return Poll::Pending;
                }
                self.0 = Source::Stream { stream, complete };
                item
            }
        }
    }
}

impl fmt::Debug for Wakeups {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wakeups").field("never", &self.is_never()).field("complete", &self.is_complete()).finish()
    }
}
