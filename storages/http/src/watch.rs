//! Wake-ups: one socket for all keys, while somebody subscribes.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::channel::mpsc::UnboundedSender;
use lessor::storage::Subscribers;
use lessor::{Key, Wakeups};

mod connect;
mod follow;
mod place;
mod task;
#[cfg(test)]
mod tests;
mod trouble;
mod upgrade;

pub(crate) use place::Place;

use task::Rhythm;

/// Who waits for wake-ups of which key, and the thread that brings them.
///
/// Its end is the connection's end, whoever still waits.
pub(crate) struct Watch(Arc<Shared>);

/// What the thread needs. It does not keep the storage alive.
struct Shared {
    place: Place,
    rhythm: Rhythm,
    subscribers: Subscribers,
    /// Where to tell the thread of new subscriptions. `None`: it does not run.
    thread: Mutex<Option<UnboundedSender<Key>>>,
}

impl Watch {
    /// Nothing is sent before somebody subscribes.
    pub(crate) fn new(place: Place) -> Self {
        Self::with(place, Rhythm::default())
    }

    fn with(place: Place, rhythm: Rhythm) -> Self {
        Self(Arc::new(Shared { place, rhythm, subscribers: Subscribers::new(), thread: Mutex::new(None) }))
    }

    pub(crate) fn subscribe(&self, key: &Key) -> Wakeups {
        // First: the thread asks the subscribers whether it may end.
        let wakeups = self.0.subscribers.subscribe(key);
        let mut thread = self.0.thread();
        let told = thread.as_ref().is_some_and(|thread| thread.unbounded_send(key.clone()).is_ok());
        if !told {
            *thread = task::start(self.0.clone());
        }
        wakeups
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        *self.0.thread() = None;
    }
}

impl Shared {
    fn thread(&self) -> MutexGuard<'_, Option<UnboundedSender<Key>>> {
        self.thread.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The keys that somebody waits for. `None`: there are none, and the next to subscribe starts another thread.
    fn keys(&self) -> Option<BTreeSet<Key>> {
        let mut thread = self.thread();
        let keys = BTreeSet::from_iter(self.subscribers.keys());
        if keys.is_empty() {
            *thread = None;
        }
        Some(keys).filter(|keys| !keys.is_empty())
    }
}
