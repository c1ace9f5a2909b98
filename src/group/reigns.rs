//! The reigns of a group, as they begin.

use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::sync::{Arc, Weak};
use core::fmt;
use core::pin::Pin;
use core::task::{Context, Poll};

use event_listener::Event as Signal;
use futures::Stream;
use futures::future::poll_fn;

use super::Hub;
use crate::leadership::Leadership;
use crate::listening::Listening;
use crate::mutex::Mutex;
use crate::shared_reign::SharedReign;
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

/// The last reign of each key that a listener was given. It hears of one twice where it asks between the election and the word
/// of it.
#[derive(Default)]
struct Given {
    reigns: BTreeMap<Key, Weak<SharedReign>>,
    /// How many there may be before those that are over are forgotten.
    room: usize,
}

impl Given {
    /// Notes that it is given this one. Whether it was not before.
    fn is_new(&mut self, key: &Key, reign: &Arc<SharedReign>) -> bool {
        if self.reigns.get(key).is_some_and(|given| given.as_ptr() == Arc::as_ptr(reign)) {
            return false;
        }
        // Rarely enough that a key costs the same however many there are.
        if self.reigns.len() >= self.room {
            self.reigns.retain(|_, given| given.strong_count() > 0);
            self.room = self.reigns.len().saturating_mul(2).max(16);
        }
        self.reigns.insert(key.clone(), Arc::downgrade(reign));
        true
    }
}

/// The stream of the [`Leadership`]s of a group, as they begin, each once. See [`Group::reigns`](super::Group::reigns).
///
/// It does not keep the group alive, and ends with its driver. A reign that is over before it was taken is left out.
#[must_use = "streams do nothing unless polled"]
pub struct Reigns<T: Timer = AnyTimer> {
    hub: Arc<Hub<T>>,
    begun: Arc<Begun>,
    given: Given,
    listening: Listening,
}

impl<T: Timer> Reigns<T> {
    pub(super) fn new(hub: Arc<Hub<T>>, begun: Arc<Begun>) -> Self {
        Self { hub, begun, given: Given::default(), listening: Listening::default() }
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
        let Self { hub, begun, given, listening } = &mut *self;
        listening.poll(&begun.pushed, cx, || {
            loop {
                let Some(key) = begun.take()? else { return Some(None) };
                let Some(candidate) = hub.state.lock().candidates.get(key.as_str()).cloned() else { continue };
                let Some(present) = candidate.state.lock().reign() else { continue };
                let reign = present.reign.clone();
                let leadership = Leadership::new(candidate, present);
                if leadership.is_valid() && !leadership.is_ending() && given.is_new(&key, &reign) {
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

#[cfg(all(test, not(lessor_loom)))]
mod tests {
    use super::*;
    use crate::term::Term;
    use crate::time::Instant;
    use alloc::format;
    use core::time::Duration;

    /// What is over does not pile up, whether its key is led again or not.
    #[test]
    fn reigns_are_forgotten_in_time() {
        let begin = || Arc::new(SharedReign::new(Term::FIRST, Instant::default(), Duration::MAX));
        let (lasting, lasts) = (Key::new("lasting").unwrap(), begin());
        let mut given = Given::default();
        assert!(given.is_new(&lasting, &lasts));
        for number in 0..1_000 {
            let (key, reign) = (Key::new(format!("{}", number % 500)).unwrap(), begin());
            assert!(given.is_new(&key, &reign) && !given.is_new(&key, &reign));
            assert!(given.reigns.len() <= 16, "{}", given.reigns.len());
        }
        assert!(!given.is_new(&lasting, &lasts));
    }
}
