//! Watching an election without taking part.

use alloc::sync::Arc;
use core::fmt;
use core::sync::atomic::{AtomicUsize, Ordering};

use crate::candidate::Stopped;
use crate::election::Status;
use crate::events::Events;
use crate::lease::Lease;
use crate::shared::{Alive, Shared};
use crate::time::{DefaultTimer, Timer};

/// Sees who leads, and never claims: for clients of the leader, and dashboards.
///
/// Made by [`Builder::observe`](crate::Builder::observe) together with its [`Driver`](crate::Driver), which stops
/// when the last clone is gone. It costs at most one read per retry interval.
///
/// ```
/// use lessor::{Builder, MemoryStorage};
///
/// # smol::block_on(async {
/// let storage = MemoryStorage::new();
/// let (observer, driver) = Builder::new("api").observe(storage.clone())?;
/// smol::spawn(driver.run()).detach();
///
/// let (candidate, driver) = Builder::new("api").id("node-a").value("10.0.0.7:8080").build(storage)?;
/// smol::spawn(driver.run()).detach();
///
/// let leader = observer.leader_changed().await?.unwrap();
/// assert_eq!(leader.value.unwrap().as_str(), "10.0.0.7:8080");
/// # drop(candidate);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
pub struct Observer<T: Timer = DefaultTimer> {
    shared: Arc<Shared<T>>,
    alive: Arc<Alive<T>>,
    seen: AtomicUsize,
}

impl<T: Timer> Observer<T> {
    pub(crate) fn new(shared: Arc<Shared<T>>) -> Self {
        let alive = Arc::new(Alive(shared.clone()));
        Self { shared, alive, seen: AtomicUsize::new(0) }
    }

    /// Who leads as far as is known, with the time that is left by now. `None`: nobody, or not known.
    #[must_use]
    pub fn leader(&self) -> Option<Lease> {
        self.shared.leader()
    }

    /// Waits until the leader, its term or its value is another than when this handle last reported a change, and
    /// answers who leads then.
    ///
    /// # Errors
    /// [`Stopped`] if there will be no more changes.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing.
    pub async fn leader_changed(&self) -> Result<Option<Lease>, Stopped> {
        let (seen, lease) = self.shared.leader_changed(self.seen.load(Ordering::Relaxed)).await.ok_or(Stopped)?;
        self.seen.store(seen, Ordering::Relaxed);
        Ok(lease)
    }

    /// What happens from now on, beginning with the present state.
    pub fn events(&self) -> Events {
        self.shared.events()
    }

    /// How the observer is: for health checks.
    #[must_use]
    pub fn status(&self) -> Status {
        self.shared.status()
    }
}

impl<T: Timer> Clone for Observer<T> {
    fn clone(&self) -> Self {
        let seen = AtomicUsize::new(self.seen.load(Ordering::Relaxed));
        Self { shared: self.shared.clone(), alive: self.alive.clone(), seen }
    }
}

impl<T: Timer> fmt::Debug for Observer<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Observer").field("status", &self.status()).finish_non_exhaustive()
    }
}
