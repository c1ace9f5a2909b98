//! Wake-ups: one socket for all keys, while somebody subscribes.

use alloc::collections::BTreeSet;
use alloc::sync::Arc;

use futures::channel::mpsc::UnboundedSender;

use crate::lease::Key;
use crate::lock::Mutex;
use crate::storage::{Topics, Wakeups};

mod connect;
mod follow;
mod pace;
mod place;
mod task;
#[cfg(test)]
mod tests;
mod upgrade;

pub(super) use place::Place;

use pace::Pace;

/// Who waits for wake-ups of which key, and the thread that brings them.
///
/// Its end is the connection's end, whoever still waits.
pub(super) struct Watch(Arc<Shared>);

/// What the thread needs. It does not keep the storage alive.
struct Shared {
    place: Place,
    pace: Pace,
    topics: Topics,
    /// Where to tell the thread of new subscriptions. `None`: it does not run.
    thread: Mutex<Option<UnboundedSender<Key>>>,
}

impl Watch {
    /// Nothing is sent before somebody subscribes.
    pub(super) fn new(place: Place) -> Self {
        Self::with(place, Pace::default())
    }

    fn with(place: Place, pace: Pace) -> Self {
        Self(Arc::new(Shared { place, pace, topics: Topics::new(), thread: Mutex::new(None) }))
    }

    pub(super) fn subscribe(&self, key: &Key) -> Wakeups {
        // First: the thread asks the topics whether it may end.
        let wakeups = self.0.topics.subscribe(key);
        let mut thread = self.0.thread.lock();
        let told = thread.as_ref().is_some_and(|thread| thread.unbounded_send(key.clone()).is_ok());
        if !told {
            *thread = task::start(self.0.clone());
        }
        wakeups
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        *self.0.thread.lock() = None;
    }
}

impl Shared {
    /// The keys that somebody waits for. `None`: there are none, and the next to subscribe starts another thread.
    fn keys(&self) -> Option<BTreeSet<Key>> {
        let mut thread = self.thread.lock();
        let keys = BTreeSet::from_iter(self.topics.keys());
        if keys.is_empty() {
            *thread = None;
        }
        Some(keys).filter(|keys| !keys.is_empty())
    }
}
