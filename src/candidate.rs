//! What a user holds of an election.

use alloc::sync::Arc;
use core::fmt;
use core::time::Duration;

use crate::config::Config;
use crate::election::Status;
use crate::events::Events;
use crate::leadership::Leadership;
use crate::lease::Lease;
use crate::shared::{Handle, Kept, Shared, State, ValueState, Wishes};
use crate::stopped::{Abandoned, Stopped};
use crate::text::{Id, Key, Value};
use crate::time::{AnyTimer, Timer};

/// One participant in the election for a key.
///
/// Made by [`Builder`](crate::Builder) together with the [`Driver`](crate::Driver) that makes it go. Clones are the
/// same candidate; when the last of them, and of its [`Leadership`]s, is gone, the driver stops and releases the
/// lease. What is to see it without keeping it going has a [`WeakCandidate`](crate::WeakCandidate).
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
pub struct Candidate<T: Timer = AnyTimer> {
    handle: Handle<T>,
    id: Id,
}

impl<T: Timer> Candidate<T> {
    pub(crate) const fn new(shared: Kept<T>, id: Id) -> Self {
        Self { handle: Handle::new(shared), id }
    }

    /// `None`: it is an observer's.
    pub(crate) fn of(shared: &Kept<T>) -> Option<Self> {
        Some(Self::new(shared.clone(), shared.profile.id.clone()?))
    }

    /// Whether this is a handle of the same candidate.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        self.handle.shared.is_same(&other.handle.shared)
    }

    /// Whether it is a handle of this one.
    pub(crate) fn is_of(&self, shared: &Arc<Shared<T>>) -> bool {
        self.handle.shared.is_of(shared)
    }

    /// [`set_value`](Self::set_value), without the wait.
    pub(crate) fn publish(&self, value: Value) {
        self.handle.shared.ask(|wishes| wishes.set_value(Some(value)));
    }

    /// [`shutdown`](Self::shutdown), without the wait.
    pub(crate) fn stop(&self) {
        self.handle.shared.ask(Wishes::stop);
    }

    pub(crate) fn sleep(&self, duration: Duration) -> T::Sleep {
        self.handle.shared.timer.sleep(duration)
    }

    /// What is left of this handle when it is gone.
    pub(crate) fn shared(&self) -> Arc<Shared<T>> {
        self.handle.shared.downgrade()
    }

    /// Goes by this [claim delay](Config::claim_delay) from now on: to let others go first, or not any more.
    ///
    /// [`config`](Self::config) still answers what was configured.
    pub fn set_claim_delay(&self, delay: Duration) {
        self.handle.shared.ask(|wishes| wishes.set_claim_delay(delay));
    }

    /// The key of the election.
    #[must_use]
    pub fn key(&self) -> &Key {
        &self.handle.shared.key
    }

    /// What people call this candidate: the id that was set, or the random one that was drawn.
    #[must_use]
    pub const fn id(&self) -> &Id {
        &self.id
    }

    /// The durations that it goes by.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.handle.shared.profile.config
    }

    /// Whether this candidate leads and takes on new work.
    ///
    /// Asks the clock every time: one atomic load and one reading, no lock. It turns false by itself at the deadline,
    /// even if the driver hangs, starves or is gone; and when a hand-over begins, while the work of the term may
    /// still end ([`Leadership::is_valid`]).
    ///
    /// Without a standard library and without 64-bit atomics (on microcontrollers) there is a lock: ask in the same priority in which the
    /// driver runs, not in an interrupt that may come in the middle of it.
    ///
    /// What it says was so during the call: when the deadline was loaded it led, and by the clock, which is read after that,
    /// the deadline had not passed. A hand-over may begin in between as well as right after. What you do next takes time: hand the [term](Leadership::term) to whatever
    /// you change.
    #[must_use]
    #[doc(alias = "IsLeader")]
    pub fn is_leader(&self) -> bool {
        self.handle.shared.is_leader()
    }

    /// The present leadership, without waiting: for schedulers and cron. `None` where [`is_leader`](Self::is_leader)
    /// is false.
    #[must_use]
    pub fn leadership(&self) -> Option<Leadership<T>> {
        let reign = self.handle.shared.state.lock().reign()?;
        let leadership = Leadership::new(self.handle.shared.clone(), reign);
        Some(leadership).filter(|leadership| leadership.is_valid() && !leadership.is_ending())
    }

    /// Waits until this candidate leads; at once if it does.
    ///
    /// For work that is to be done while it leads there is [`lead`](Self::lead): a loop around this and work that ends by itself
    /// would begin the work over and over in one term.
    ///
    /// # Errors
    /// [`Stopped`] if it never will, and why.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing; the candidate goes on.
    pub async fn elected(&self) -> Result<Leadership<T>, Stopped> {
        loop {
            let held = |state: &State, now| {
                if let Some(stopped) = state.closed {
                    return Some(Err(stopped));
                }
                state.reign().filter(|present| !present.reign.is_ending() && state.holds_a_term(now)).map(Ok)
            };
            let reign = self.handle.shared.wait_for(held).await?;
            let leadership = Leadership::new(self.handle.shared.clone(), reign);
            // The clock was read before the lock was got, and so before the deadline was loaded. R3 wants it the other
            // way round: the leadership does that.
            if leadership.is_valid() {
                return Ok(leadership);
            }
        }
    }

    /// Who leads as far as this candidate knows, itself included, with the time that is left by now.
    ///
    /// A follower knows what it saw when it last asked. After the end of what it saw it goes on to show that lease for a
    /// request timeout, with no time left, since it may not have heard of a renewal yet. `None`: nobody, or not known.
    #[must_use]
    pub fn leader(&self) -> Option<Lease> {
        self.handle.shared.leader()
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
    pub async fn leader_changed(&mut self) -> Result<Option<Lease>, Stopped> {
        self.handle.leader_changed().await
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
        let serial = self.handle.shared.ask(|wishes| wishes.set_value(value));
        self.handle
            .shared
            .wait_for(|state, now| match state.value(serial) {
                ValueState::Stored => Some(Ok(())),
                _ if state.closed.is_some() => state.closed.map(Err),
                ValueState::Set if !state.holds_a_term(now) => Some(Ok(())),
                ValueState::Set | ValueState::Asked => None,
            })
            .await
    }

    /// What happens from now on, beginning with the present state.
    pub fn events(&self) -> Events {
        self.handle.shared.events()
    }

    /// How this candidate is: for health checks. [`Status`] says which probe asks what.
    #[must_use]
    pub fn status(&self) -> Status {
        self.handle.shared.status()
    }

    /// Hands over: ends the term, releases the lease and lets others lead for the cool-off.
    ///
    /// Work in [`Leadership::run`] is dropped where it waits; work under a [`Guard`](crate::Guard) is waited for, for the
    /// drain timeout at most. Does nothing if not leading.
    ///
    /// Answers when the release is done, or given up because the storage did not answer: then the lease runs out.
    ///
    /// Whoever holds a [`Guard`](crate::Guard) of the term has to drop it first: waiting here with it in hand takes
    /// the whole drain timeout.
    ///
    /// # Errors
    /// [`Abandoned`] if the driver was dropped before that. A candidate that stopped has handed over: no error.
    ///
    /// # Cancel safety
    /// Once polled, the hand-over goes on even if the future is dropped.
    pub async fn resign(&self) -> Result<(), Abandoned> {
        self.resigned(self.handle.shared.ask(Wishes::resign)).await
    }

    /// [Resigns](Self::resign) in favour of the candidate with this id: the key is reserved for it.
    ///
    /// Only that one is granted the key during the [cool-off](Config::cool_off), as soon as it asks; claims of others are
    /// refused. If it is not there, or does not want the key, nobody leads until the cool-off is over, and then anyone may; this candidate
    /// a cool-off later. Of several calls for one term the last one counts.
    ///
    /// A [claim delay](Config::claim_delay) does not keep the successor: it asks at once. Those of others count from the end of the cool-off.
    ///
    /// Ids prove nothing: if several candidates have this id, the first of them to ask leads. Where
    /// the release does not get through the lease runs out, and nothing is reserved.
    ///
    /// ```
    /// use core::time::Duration;
    /// use lessor::{Builder, Id, ManualTimer, MemoryStorage, Timer};
    ///
    /// let timer = ManualTimer::new();
    /// let storage = MemoryStorage::with_timer(timer.clone());
    /// let candidate = |id: &str| {
    ///     let (candidate, driver) = Builder::new("k").id(id).build_on(storage.clone(), timer.clone()).unwrap();
    ///     timer.spawn(driver.run());
    ///     candidate
    /// };
    /// let old = candidate("old");
    /// timer.block_on(old.elected()).unwrap().unwrap();
    /// let (_other, new) = (candidate("other"), candidate("new"));
    /// timer.block_on(timer.sleep(Duration::from_secs(60)));
    ///
    /// timer.block_on(old.resign_to(Id::new("new")?)).unwrap().unwrap();
    /// timer.block_on(new.elected()).unwrap().unwrap();
    /// # Ok::<(), lessor::InvalidText>(())
    /// ```
    ///
    /// # Errors
    /// As [`resign`](Self::resign).
    ///
    /// # Cancel safety
    /// As [`resign`](Self::resign).
    #[doc(alias = "transfer")]
    pub async fn resign_to(&self, successor: Id) -> Result<(), Abandoned> {
        self.resigned(self.handle.shared.ask(|wishes| wishes.transfer(successor, false))).await
    }

    /// Once the hand-over of this number is done.
    async fn resigned(&self, number: u64) -> Result<(), Abandoned> {
        self.handle
            .shared
            .wait_for(|state, _| match state.closed {
                _ if state.has_resigned(number) => Some(Ok(())),
                Some(Stopped::Shutdown) => Some(Ok(())),
                Some(Stopped::DriverDropped) => Some(Err(Abandoned)),
                None => None,
            })
            .await
    }

    /// Stops for good: ends the term, releases the lease; the driver then returns.
    ///
    /// Work in [`Leadership::run`] is dropped where it waits; work under a [`Guard`](crate::Guard) is waited for, for the
    /// drain timeout at most.
    ///
    /// Whoever holds a [`Guard`](crate::Guard) of the term has to drop it first: waiting here with it in hand takes
    /// the whole drain timeout.
    ///
    /// It is no error if the release was given up because the storage did not answer: the lease then runs out.
    ///
    /// # Errors
    /// [`Abandoned`] if the driver was dropped before that.
    ///
    /// # Cancel safety
    /// Once polled, the candidate stops even if the future is dropped.
    pub async fn shutdown(&self) -> Result<(), Abandoned> {
        self.handle.shared.ask(Wishes::stop);
        self.handle
            .shared
            .wait_for(|state, _| match state.closed? {
                Stopped::Shutdown => Some(Ok(())),
                Stopped::DriverDropped => Some(Err(Abandoned)),
            })
            .await
    }
}

impl<T: Timer> Clone for Candidate<T> {
    fn clone(&self) -> Self {
        Self { handle: self.handle.clone(), id: self.id.clone() }
    }
}

impl<T: Timer> fmt::Debug for Candidate<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Candidate").field("status", &self.status()).finish_non_exhaustive()
    }
}
