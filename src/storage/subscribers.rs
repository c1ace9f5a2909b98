//! Who waits for wake-ups of which key.

use alloc::collections::BTreeMap;
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::fmt;

use super::Wakeups;
use super::topic::{Subscription, Topic};
use crate::mutex::Mutex;
use crate::text::Key;

/// Who waits for wake-ups of which key: the part that every adapter with wake-ups needs.
///
/// A subscription starts with nothing kept; each [`wake`](Self::wake) after it is seen, several as one.
/// A key whose subscriptions are all dropped is forgotten in time.
///
/// Whether it is woken by whatever happens only the adapter knows, and says with [`Wakeups::complete`].
///
/// ```
/// use futures::{FutureExt, StreamExt};
/// use lessor::Key;
/// use lessor::storage::Subscribers;
///
/// let subscribers = Subscribers::new();
/// let key = Key::new("k")?;
/// let mut wakeups = subscribers.subscribe(&key);
/// subscribers.wake(&key);
/// subscribers.wake(&key);
/// assert_eq!(wakeups.next().now_or_never(), Some(Some(())));
/// assert_eq!(wakeups.next().now_or_never(), None, "they coalesce");
/// # Ok::<(), lessor::InvalidText>(())
/// ```
#[derive(Debug, Default)]
pub struct Subscribers(Mutex<Followed>);

#[derive(Debug, Default)]
struct Followed {
    topics: BTreeMap<Key, Weak<Topic>>,
    /// How many keys there may be before those that nobody waits for are forgotten.
    room: usize,
    outage: Outage,
}

/// What was told of the connection that brings wake-ups.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Outage {
    /// There was none yet, or it has ended and the next one is not made yet: what comes next says whether that is worth a word.
    #[default]
    Open,
    /// It stands.
    Over,
    /// It was told that there is none.
    Told,
}

impl Subscribers {
    /// No subscriptions yet.
    #[must_use]
    pub const fn new() -> Self {
        Self(Mutex::new(Followed { topics: BTreeMap::new(), room: 0, outage: Outage::Open }))
    }

    /// Wake-ups of this key from now on.
    pub fn subscribe(&self, key: &Key) -> Wakeups {
        let mut followed = self.0.lock();
        let topic = followed.topics.get(key).and_then(Weak::upgrade).unwrap_or_else(|| followed.begin(key));
        drop(followed);
        Wakeups::of(Subscription::new(topic))
    }

    /// Wakes the subscribers of this key.
    pub fn wake(&self, key: &Key) {
        let topic = self.0.lock().topics.get(key).and_then(Weak::upgrade);
        if let Some(topic) = topic {
            topic.wake();
        }
    }

    /// Wakes everybody, as after a lost connection was made anew: it is [connected](Self::connected).
    pub fn wake_all(&self) {
        self.connected();
        let topics: Vec<_> = self.0.lock().topics.values().filter_map(Weak::upgrade).collect();
        topics.iter().for_each(|topic| topic.wake());
    }

    /// The connection that brings wake-ups stands. For storages that have one.
    pub fn connected(&self) {
        let before = core::mem::replace(&mut self.0.lock().outage, Outage::Over);
        if before == Outage::Told {
            #[cfg(feature = "tracing")]
            tracing::info!(target: "lessor", "wake-ups come again");
        }
    }

    /// The connection that brings wake-ups has ended, or could not be made. For storages that have one.
    ///
    /// Followers ask by themselves meanwhile, so it is no failure, and one that is made anew at once is nobody's concern. With
    /// feature `tracing` a connection that cannot be made is told as a warning, once until the next one
    /// [stands](Self::connected). `error` says why; it must show no secret.
    ///
    /// ```
    /// let subscribers = lessor::storage::Subscribers::new();
    /// subscribers.disconnected(&"this user may not listen");
    /// ```
    pub fn disconnected(&self, error: &dyn fmt::Display) {
        let mut followed = self.0.lock();
        let before = followed.outage;
        followed.outage = if before == Outage::Over { Outage::Open } else { Outage::Told };
        drop(followed);
        if before == Outage::Open {
            #[cfg(feature = "tracing")]
            tracing::warn!(target: "lessor", %error, "there are no wake-ups");
            #[cfg(not(feature = "tracing"))]
            let _ = error;
        }
    }

    /// One of several ways that bring wake-ups has ended: each key has its own, all over one connection mostly. It is made
    /// anew; where that fails, the connection is [gone](Self::disconnected).
    pub(super) fn interrupted(&self) {
        let mut followed = self.0.lock();
        if followed.outage == Outage::Over {
            followed.outage = Outage::Open;
        }
    }

    /// The keys that somebody waits for.
    #[must_use]
    pub fn keys(&self) -> Vec<Key> {
        let followed = self.0.lock();
        followed.topics.iter().filter(|(_, topic)| topic.strong_count() > 0).map(|(key, _)| key.clone()).collect()
    }
}

impl Followed {
    fn begin(&mut self, key: &Key) -> Arc<Topic> {
        // Rarely enough that a key costs the same however many there are.
        if self.topics.len() >= self.room {
            self.topics.retain(|_, topic| topic.strong_count() > 0);
            self.room = self.topics.len().saturating_mul(2).max(16);
        }
        let topic = Arc::new(Topic::default());
        self.topics.insert(key.clone(), Arc::downgrade(&topic));
        topic
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;

    /// What nobody waits for any more does not pile up, and what somebody waits for stays.
    #[test]
    fn keys_are_forgotten_in_time() {
        let subscribers = Subscribers::new();
        let kept = Key::new("kept").unwrap();
        let _wakeups = subscribers.subscribe(&kept);
        for number in 0..1000 {
            let _ = subscribers.subscribe(&Key::new(format!("{number}")).unwrap());
            assert!(subscribers.0.lock().topics.len() <= 16);
        }
        assert_eq!(subscribers.keys(), [kept]);
    }
}
