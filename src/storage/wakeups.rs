//! Hints that asking now is worth it.

use alloc::boxed::Box;
use core::fmt;
use core::pin::Pin;
use core::task::{Context, Poll};

use futures::{Stream, ready};

use crate::maybe_send::MaybeSend;

#[cfg(not(any(target_family = "wasm", target_os = "none")))]
type Inner = Pin<Box<dyn Stream<Item = ()> + Send>>;
#[cfg(any(target_family = "wasm", target_os = "none"))]
type Inner = Pin<Box<dyn Stream<Item = ()>>>;

/// A stream of hints that asking the storage now is worth it.
///
/// See [`Storage::subscribe`](crate::Storage::subscribe) for when they come.
#[must_use = "streams do nothing unless polled"]
pub struct Wakeups(Option<Inner>);

impl Wakeups {
    /// No wake-ups, ever.
    pub const fn never() -> Self {
        Self(None)
    }

    /// The items of this stream. When it ends there are no more wake-ups, and this one
    /// stays pending.
    pub fn new(stream: impl Stream<Item = ()> + MaybeSend + 'static) -> Self {
        Self(Some(Box::pin(stream)))
    }

    /// Whether no wake-up will ever come.
    #[must_use]
    pub const fn is_never(&self) -> bool {
        self.0.is_none()
    }
}

impl Stream for Wakeups {
    type Item = ();

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<()>> {
        let Some(inner) = &mut self.0 else { return Poll::Pending };
        let item = ready!(inner.as_mut().poll_next(cx));
        if item.is_none() {
            self.0 = None;
            return Poll::Pending;
        }
        Poll::Ready(item)
    }
}

impl fmt::Debug for Wakeups {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wakeups").field("never", &self.is_never()).finish()
    }
}
