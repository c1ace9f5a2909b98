//! A view of a candidate.

use alloc::sync::Arc;
use core::fmt;

use crate::candidate::Candidate;
use crate::config::Config;
use crate::election::Status;
use crate::events::Events;
use crate::lease::Lease;
use crate::shared::{Kept, Shared};
use crate::text::{Id, Key};
use crate::time::{AnyTimer, Timer};

/// A view of a [`Candidate`] that does not keep it going: for health checks, dashboards and web services.
///
/// A candidate leads for as long as anybody has a [`Candidate`], so whoever does not do its work should not have one. If the
/// task with the work dies, the last `Candidate` goes with it, and another process leads; a clone in a health check would
/// let it lead on with nobody at work.
///
/// ```
/// use lessor::{Builder, MemoryStorage, WeakCandidate};
///
/// struct Health {
///     candidate: WeakCandidate,
/// }
///
/// # smol::block_on(async {
/// let (candidate, driver) = Builder::new("nightly-report").build(MemoryStorage::new())?;
/// let driver = smol::spawn(driver.run());
/// let health = Health { candidate: candidate.downgrade() };
/// candidate.elected().await?;
/// assert!(health.candidate.is_leader());
///
/// drop(candidate); // as a task that panics does
/// driver.await; // it has handed over, and stopped
/// assert!(!health.candidate.is_leader() && health.candidate.upgrade().is_none());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
pub struct WeakCandidate<T: Timer = AnyTimer> {
    shared: Arc<Shared<T>>,
    id: Id,
}

impl<T: Timer> Candidate<T> {
    /// A view that does not keep the candidate going: for health checks and web services.
    #[must_use]
    pub fn downgrade(&self) -> WeakCandidate<T> {
        WeakCandidate { shared: self.shared(), id: self.id().clone() }
    }
}

impl<T: Timer> WeakCandidate<T> {
    /// The candidate, unless its last handle ([`Candidate`], [`Leadership`](crate::Leadership), [`Guard`](crate::Guard)) is gone; also one
    /// that has stopped, while somebody has a handle of it. What this answers keeps it going: drop it soon.
    #[must_use]
    pub fn upgrade(&self) -> Option<Candidate<T>> {
        Some(Candidate::new(Kept::again(&self.shared)?, self.id.clone()))
    }

    /// As [`Candidate::is_leader`].
    #[must_use]
    pub fn is_leader(&self) -> bool {
        self.shared.is_leader()
    }

    /// As [`Candidate::leader`].
    #[must_use]
    pub fn leader(&self) -> Option<Lease> {
        self.shared.leader()
    }

    /// As [`Candidate::status`].
    #[must_use]
    pub fn status(&self) -> Status {
        self.shared.status()
    }

    /// As [`Candidate::events`].
    pub fn events(&self) -> Events {
        self.shared.events()
    }

    /// The key of the election.
    #[must_use]
    pub fn key(&self) -> &Key {
        &self.shared.key
    }

    /// What people call the candidate.
    #[must_use]
    pub const fn id(&self) -> &Id {
        &self.id
    }

    /// The durations that it goes by.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.shared.profile.config
    }
}

impl<T: Timer> Clone for WeakCandidate<T> {
    fn clone(&self) -> Self {
        Self { shared: self.shared.clone(), id: self.id.clone() }
    }
}

impl<T: Timer> fmt::Debug for WeakCandidate<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WeakCandidate").field("status", &self.status()).finish_non_exhaustive()
    }
}
