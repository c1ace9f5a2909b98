//! Waiting for a signal from within a poll.

use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll};

use event_listener::{Event as Signal, EventListener};
use futures::ready;

/// Waits for a signal, over several polls.
#[derive(Debug, Default)]
pub(crate) struct Listening(Option<EventListener>);

impl Listening {
    /// Looks, over and over, until it finds something; in between it waits for the signal.
    pub(crate) fn poll<R>(
        &mut self,
        signal: &Signal,
        cx: &mut Context<'_>,
        mut look: impl FnMut() -> Option<R>,
    ) -> Poll<R> {
        loop {
            if let Some(found) = look() {
                return Poll::Ready(found);
            }
            match &mut self.0 {
                // Then it looks again: what came in between was not signalled to it.
                None => self.0 = Some(signal.listen()),
                Some(listener) => {
                    ready!(Pin::new(listener).poll(cx));
                    self.0 = None;
                }
            }
        }
    }
}
