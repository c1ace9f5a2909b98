//! Wake-ups: one socket for all keys, while somebody subscribes.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::channel::mpsc::UnboundedSender;
use lessor::storage::Subscribers;
use lessor::{Key, Wakeups};

mod follow;
mod task;
#[cfg(test)]
#[cfg(not(target_family = "wasm"))]
mod tests;
mod trouble;

pub(crate) use task::Heard;
pub(crate) use trouble::Trouble;

use crate::platform::Place;
use task::Rhythm;

/// Who waits for wake-ups of which key, and the task that brings them.
///
/// Its end is the connection's end, whoever still waits.
pub(crate) struct Watch(Arc<Shared>);

/// What the task needs. It does not keep the storage alive.
struct Shared {
    place: Place,
    rhythm: Rhythm,
    subscribers: Subscribers,
    /// Where to tell the task of new subscriptions. `None`: it does not run.
    task: Mutex<Option<UnboundedSender<Key>>>,
}

impl Watch {
    /// Nothing is sent before somebody subscribes.
    pub(crate) fn new(place: Place) -> Self {
        Self::with(place, Rhythm::default())
    }

    fn with(place: Place, rhythm: Rhythm) -> Self {
        #[cfg_attr(target_family = "wasm", expect(clippy::arc_with_non_send_sync, reason = "there is one thread"))]
        Self(Arc::new(Shared { place, rhythm, subscribers: Subscribers::new(), task: Mutex::new(None) }))
    }

    pub(crate) fn subscribe(&self, key: &Key) -> Wakeups {
        // First: the task asks the subscribers whether it may end.
        let wakeups = self.0.subscribers.subscribe(key);
        let mut task = self.0.task();
        let told = task.as_ref().is_some_and(|task| task.unbounded_send(key.clone()).is_ok());
        if !told {
            *task = task::start(self.0.clone());
        }
        wakeups
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        *self.0.task() = None;
    }
}

impl Shared {
    fn task(&self) -> MutexGuard<'_, Option<UnboundedSender<Key>>> {
        self.task.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The keys that somebody waits for. `None`: there are none, and the next to subscribe starts another task.
    fn keys(&self) -> Option<BTreeSet<Key>> {
        let mut task = self.task();
        let keys = BTreeSet::from_iter(self.subscribers.keys());
        if keys.is_empty() {
            *task = None;
        }
        Some(keys).filter(|keys| !keys.is_empty())
    }
}
