//! Watching an election without taking part.

use core::fmt;

use crate::config::Config;
use crate::election::Status;
use crate::events::Events;
use crate::lease::Lease;
use crate::shared::{Handle, Kept};
use crate::stopped::Stopped;
use crate::text::Key;
use crate::time::{AnyTimer, Timer};

/// Sees who leads, and never claims: for clients of the leader, and dashboards.
///
/// Made by `observe` and its like of a [`Builder`](crate::Builder::observe_with), together with its
/// [`Driver`](crate::Driver), which stops when the last clone is gone. It costs one read per retry interval (a tenth more
/// or less; by default a fifth of the ttl, however well the storage wakes it), and one at each wake-up and at the end of each lease that it sees; more, with growing pauses, while the storage
/// fails.
///
/// ```
/// use lessor::{Builder, MemoryStorage};
///
/// # smol::block_on(async {
/// let storage = MemoryStorage::new();
/// let (mut observer, driver) = Builder::new("api").observe(storage.clone())?;
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
pub struct Observer<T: Timer = AnyTimer>(Handle<T>);

impl<T: Timer> Observer<T> {
    pub(crate) const fn new(shared: Kept<T>) -> Self {
        Self(Handle::new(shared))
    }

    /// Who leads as far as is known, with the time that is left by now. After its end a lease is shown for a request timeout
    /// more, with no time left: a renewal may not have been heard of yet. `None`: nobody, or not known.
    #[must_use]
    pub fn leader(&self) -> Option<Lease> {
        self.0.shared.leader()
    }

    /// Waits until the leader, its term or its value is another than when this handle last reported a change, and
    /// answers who leads then.
    ///
    /// # Errors
    /// [`Stopped`] if there will be no more changes.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing.
    pub async fn leader_changed(&mut self) -> Result<Option<Lease>, Stopped> {
        self.0.leader_changed().await
    }

    /// The key of the election.
    #[must_use]
    pub fn key(&self) -> &Key {
        &self.0.shared.key
    }

    /// The durations that it goes by.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.0.shared.profile.config
    }

    /// What happens from now on, beginning with the present state.
    pub fn events(&self) -> Events {
        self.0.shared.events()
    }

    /// How the observer is: for health checks.
    #[must_use]
    pub fn status(&self) -> Status {
        self.0.shared.status()
    }
}

impl<T: Timer> Clone for Observer<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T: Timer> fmt::Debug for Observer<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Observer").field("status", &self.status()).finish_non_exhaustive()
    }
}
