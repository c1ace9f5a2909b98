//! What a user holds of an election.

use alloc::sync::Arc;
use core::fmt;

use crate::election::Status;
use crate::events::Events;
use crate::leadership::Leadership;
use crate::lease::{Lease, Value};
use crate::shared::{Closed, Handle, Shared, State};
use crate::time::{DefaultTimer, Timer};

/// One participant in the election for a key.
///
/// Made by [`Builder`](crate::Builder) together with the [`Driver`](crate::Driver) that makes it go. Clones are the
/// same candidate; when the last of them, and of its [`Leadership`]s, is gone, the driver stops and releases the
/// lease.
///
/// ```
/// use lessor::{Builder, Candidate, MemoryStorage};
///
/// struct Service {
///     candidate: Candidate,
/// }
///
/// # smol::block_on(async {
/// let (candidate, driver) = Builder::new("nightly-report").build(MemoryStorage::new())?;
/// let driver = smol::spawn(driver.run());
/// let service = Service { candidate };
///
/// let leadership = service.candidate.elected().await?;
/// assert!(service.candidate.is_leader());
/// assert_eq!(leadership.run(async { 6 * 7 }).await?, 42);
/// service.candidate.shutdown().await?;
/// # driver.await;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
pub struct Candidate<T: Timer = DefaultTimer>(Handle<T>);

impl<T: Timer> Candidate<T> {
    pub(crate) fn new(shared: Arc<Shared<T>>) -> Self {
        Self(Handle::new(shared))
    }

    /// Whether this candidate leads and takes on new work.
    ///
    /// Asks the clock every time: one atomic load and one reading, no lock. It turns false by itself at the deadline,
    /// even if the driver hangs, starves or is gone; and when a hand-over begins, while the work of the term may
    /// still end ([`Leadership::is_valid`]).
    ///
    /// What it says was true at the call. What you do next takes time: hand the [term](Leadership::term) to whatever
    /// you change.
    #[must_use]
    #[doc(alias = "IsLeader")]
    pub fn is_leader(&self) -> bool {
        self.0.shared.leading.is_ahead(|| self.0.shared.timer.now())
    }

    /// The present leadership, without waiting: for schedulers and cron. `None` where [`is_leader`](Self::is_leader)
    /// is false.
    #[must_use]
    pub fn leadership(&self) -> Option<Leadership<T>> {
        let grant = self.0.shared.state.lock().grant.clone()?;
        let leadership = Leadership::new(self.0.shared.clone(), self.0.alive.clone(), grant);
        Some(leadership).filter(|leadership| leadership.is_valid() && !leadership.is_ending())
    }

    /// Waits until this candidate leads; at once if it does.
    ///
    /// # Errors
    /// [`Stopped`] if it never will.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing; the candidate goes on.
    pub async fn elected(&self) -> Result<Leadership<T>, Stopped> {
        loop {
            let closed_or_held = |state: &State, now| match &state.grant {
                _ if state.closed.is_some() => Some(Err(Stopped)),
                Some(grant) if !grant.is_ending() && state.holds_a_term(now) => Some(Ok(grant.clone())),
                _ => None,
            };
            let grant = self.0.shared.wait_for(closed_or_held).await?;
            let leadership = Leadership::new(self.0.shared.clone(), self.0.alive.clone(), grant);
            // Its clock was read before its deadline was loaded: ask again in the right order.
            if leadership.is_valid() {
                return Ok(leadership);
            }
        }
    }

    /// Who leads as far as this candidate knows, itself included, with the time that is left by now.
    ///
    /// A follower knows what it saw when it last asked. `None`: nobody, or not known.
    #[must_use]
    pub fn leader(&self) -> Option<Lease> {
        self.0.shared.leader()
    }

    /// Waits until the leader, its term or its value is another than when this handle last reported a change, and
    /// answers who leads then.
    ///
    /// The handle that was built has reported nothing; a clone has what it was cloned from. Changes in between coalesce:
    /// the answer is always the present state.
    ///
    /// # Errors
    /// [`Stopped`] if there will be no more changes.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing.
    pub async fn leader_changed(&self) -> Result<Option<Lease>, Stopped> {
        self.0.leader_changed().await.ok_or(Stopped)
    }

    /// Publishes a value with the lease, now and in terms to come, until set anew.
    ///
    /// Waits, while leading, until the storage has it or the term has ended; otherwise it goes out with the next
    /// claim. A repeated message that lingered in the network may bring an older value back until the next renewal.
    ///
    /// # Errors
    /// [`Stopped`] if the candidate stopped, or its driver was dropped, before the storage had the value.
    ///
    /// # Cancel safety
    /// Once polled, the value is set even if the future is dropped.
    pub async fn set_value(&self, value: Option<Value>) -> Result<(), Stopped> {
        let number = self.0.shared.ask(|wishes| {
            wishes.new_value = Some(value);
            wishes.value.ask()
        });
        self.0
            .shared
            .wait_for(|state, now| {
                let wishes = &state.wishes;
                let leading = state.holds_a_term(now);
                match state.closed {
                    _ if wishes.value_stored >= number => Some(Ok(())),
                    Some(_) => Some(Err(Stopped)),
                    None => (wishes.value.done >= number && !leading).then_some(Ok(())),
                }
            })
            .await
    }

    /// What happens from now on, beginning with the present state.
    pub fn events(&self) -> Events {
        self.0.shared.events()
    }

    /// How this candidate is: for health checks. [`Status`] says which probe asks what.
    #[must_use]
    pub fn status(&self) -> Status {
        self.0.shared.status()
    }

    /// Hands over: ends the term, waits for its work, releases the lease and lets others lead for the cool-off.
    ///
    /// Answers when the release is done, or given up because the storage did not answer. Does nothing if not leading.
    ///
    /// Whoever holds a [`Guard`](crate::Guard) of the term has to drop it first: waiting here with it in hand takes
    /// the whole drain timeout.
    ///
    /// # Errors
    /// [`Stopped`] if the driver was dropped before the release was done. A candidate that stopped has handed over: no error.
    ///
    /// # Cancel safety
    /// Once polled, the hand-over goes on even if the future is dropped.
    pub async fn resign(&self) -> Result<(), Stopped> {
        let number = self.0.shared.ask(|wishes| wishes.resign.ask());
        self.0
            .shared
            .wait_for(|state, _| match state.closed {
                _ if state.wishes.resign.done >= number => Some(Ok(())),
                Some(Closed::Stopped) => Some(Ok(())),
                Some(Closed::Dropped) => Some(Err(Stopped)),
                None => None,
            })
            .await
    }

    /// Stops for good: ends the term, waits for its work, releases the lease; the driver then returns.
    ///
    /// Whoever holds a [`Guard`](crate::Guard) of the term has to drop it first: waiting here with it in hand takes
    /// the whole drain timeout.
    ///
    /// # Errors
    /// [`Stopped`] if the driver was dropped before it could release.
    ///
    /// # Cancel safety
    /// Once polled, the candidate stops even if the future is dropped.
    pub async fn shutdown(&self) -> Result<(), Stopped> {
        self.0.shared.ask(|wishes| wishes.stop = true);
        self.0
            .shared
            .wait_for(|state, _| match state.closed? {
                Closed::Stopped => Some(Ok(())),
                Closed::Dropped => Some(Err(Stopped)),
            })
            .await
    }
}

impl<T: Timer> Clone for Candidate<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T: Timer> fmt::Debug for Candidate<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Candidate").field("status", &self.status()).finish_non_exhaustive()
    }
}

/// The candidate or observer has stopped, or its driver is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stopped;

impl fmt::Display for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the candidate has stopped, or its driver was dropped")
    }
}

impl core::error::Error for Stopped {}
