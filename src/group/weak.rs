//! A view of a group.

use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::fmt;

use super::events::Queue;
use super::{Alive, Group, GroupEvents, GroupStatus, Hub};
use crate::text::Id;
use crate::time::{AnyTimer, Timer};

/// A view of a [`Group`] that does not keep it going: for health checks, dashboards and web services, as a
/// [`WeakCandidate`](crate::WeakCandidate) is of one candidate.
///
/// Once the group is over there is nothing to be seen: no candidates, no processes, no events.
///
/// ```
/// use lessor::{Builder, Group, MemoryStorage};
///
/// # smol::block_on(async {
/// let (group, driver) = Group::builder().id("node-a").build(MemoryStorage::new())?;
/// let driver = smol::spawn(driver.run());
/// let health = group.downgrade();
/// group.add(Builder::new("shard/0"))?.elected().await?;
/// assert_eq!((health.id().as_str(), health.status().leading), ("node-a", 1));
///
/// drop(group); // as a task that panics does
/// driver.await; // all is handed over
/// assert!(health.status().candidates == 0 && health.upgrade().is_none());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
pub struct WeakGroup<T: Timer = AnyTimer> {
    hub: Weak<Hub<T>>,
    alive: Weak<Alive<T>>,
    id: Id,
}

impl<T: Timer> Group<T> {
    /// A view that does not keep the group going: for health checks and web services.
    #[must_use]
    pub fn downgrade(&self) -> WeakGroup<T> {
        let (hub, alive) = (Arc::downgrade(&self.hub), Arc::downgrade(&self.alive));
        WeakGroup { hub, alive, id: self.id().clone() }
    }
}

impl<T: Timer> WeakGroup<T> {
    /// The group, unless its last handle is gone; also one that has stopped, while somebody has a handle of it. What this
    /// answers keeps it going: drop it soon.
    #[must_use]
    pub fn upgrade(&self) -> Option<Group<T>> {
        let alive = self.alive.upgrade()?;
        Some(Group { hub: alive.0.clone(), alive })
    }

    /// As [`Group::id`].
    #[must_use]
    pub const fn id(&self) -> &Id {
        &self.id
    }

    /// As [`Group::status`].
    #[must_use]
    pub fn status(&self) -> GroupStatus {
        self.hub.upgrade().map(|hub| hub.status()).unwrap_or_default()
    }

    /// As [`Group::processes`].
    #[must_use]
    pub fn processes(&self) -> Vec<Id> {
        self.hub.upgrade().map(|hub| hub.processes()).unwrap_or_default()
    }

    /// As [`Group::events`].
    pub fn events(&self) -> GroupEvents {
        self.hub.upgrade().map_or_else(
            || {
                let queue = Arc::new(Queue::default());
                queue.end();
                GroupEvents::new(queue)
            },
            |hub| hub.events(),
        )
    }
}

impl<T: Timer> Clone for WeakGroup<T> {
    fn clone(&self) -> Self {
        Self { hub: self.hub.clone(), alive: self.alive.clone(), id: self.id.clone() }
    }
}

impl<T: Timer> fmt::Debug for WeakGroup<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WeakGroup").field("status", &self.status()).finish_non_exhaustive()
    }
}
