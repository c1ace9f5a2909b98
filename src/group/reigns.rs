//! The reigns of a group, as they begin.

use alloc::collections::{BTreeSet, VecDeque};
use alloc::sync::Arc;
use core::fmt;
use core::pin::Pin;
use core::task::{Context, Poll};

use event_listener::Event as Signal;
use futures::Stream;
use futures::future::poll_fn;

use super::Hub;
use crate::candidate::Candidate;
use crate::leadership::Leadership;
use crate::listening::Listening;
use crate::mutex::Mutex;
use crate::text::Key;
use crate::time::{AnyTimer, Timer};

/// Keys whose candidates were elected and that nobody has asked about since: each once, so that they are never too many.
#[derive(Default)]
pub(super) struct Begun {
    unread: Mutex<Unread>,
    pushed: Signal,
}

#[derive(Default)]
struct Unread {
    order: VecDeque<Key>,
    keys: BTreeSet<Key>,
    ended: bool,
}

impl Begun {
    pub(super) fn push(&self, key: &Key) {
        let mut unread = self.unread.lock();
        if unread.keys.insert(key.clone()) {
            unread.order.push_back(key.clone());
        }
    }

    pub(super) fn end(&self) {
        self.unread.lock().ended = true;
    }

    /// The key that has waited longest. `None` in it: there will be no more.
    fn take(&self) -> Option<Option<Key>> {
        let mut unread = self.unread.lock();
        let Some(key) = unread.order.pop_front() else { return unread.ended.then_some(None) };
        unread.keys.remove(&key);
        Some(Some(key))
    }

    /// Wakes the listener. Apart from `push`, since a waker may do anything.
    pub(super) fn notify(&self) {
        self.pushed.notify(usize::MAX);
    }
}

/// The stream of the [`Leadership`]s of a group, as they begin. See [`Group::reigns`](super::Group::reigns).
///
/// It does not keep the group alive, and ends with its driver. A reign that is over before it was taken is left out.
#[must_use = "streams do nothing unless polled"]
pub struct Reigns<T: Timer = AnyTimer> {
    hub: Arc<Hub<T>>,
    begun: Arc<Begun>,
    listening: Listening,
}

impl<T: Timer> Reigns<T> {
    pub(super) fn new(hub: Arc<Hub<T>>, begun: Arc<Begun>) -> Self {
        Self { hub, begun, listening: Listening::default() }
    }

    /// The next reign that began. `None`: there will be no more.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing.
    pub async fn next(&mut self) -> Option<Leadership<T>> {
        poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await
    }
}

// It has no pinned parts.
impl<T: Timer> Unpin for Reigns<T> {}

impl<T: Timer> Stream for Reigns<T> {
    type Item = Leadership<T>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Self { hub, begun, listening } = &mut *self;
        listening.poll(&begun.pushed, cx, || {
            loop {
                let Some(key) = begun.take()? else { return Some(None) };
                let candidate = hub.state.lock().candidates.get(key.as_str()).and_then(Candidate::of);
                if let Some(leadership) = candidate.and_then(|candidate| candidate.leadership()) {
                    return Some(Some(leadership));
                }
            }
        })
    }
}

impl<T: Timer> fmt::Debug for Reigns<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reigns").field("unread", &self.begun.unread.lock().order.len()).finish()
    }
}
