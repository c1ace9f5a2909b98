//! The leader's view of one reign.

use alloc::sync::Arc;
use core::fmt;
use core::future::Future;
use core::ops::Deref;
use core::pin::pin;
use core::task::Poll;
use core::time::Duration;

use futures::future::poll_fn;

use crate::debug::debug_as_displayed;
use crate::election::LostReason;
use crate::shared::{Kept, Present};
use crate::term::Term;
use crate::text::Key;
use crate::time::{AnyTimer, Timer};

/// One reign of a candidate.
///
/// Clones are the same reign. A new reign of the same candidate is another `Leadership`, with a higher term: this one
/// never becomes valid again. It is a view, no lock: dropping it ends nothing, but it keeps its candidate going.
///
/// # Guarantees
/// While it is valid no other candidate of the [key](Self::key) answers that it leads, for every offset between the clocks, for
/// rates within the [margin](crate::Config::margin), and for every delay and loss of messages. (A storage whose clock
/// may step forward needs the [take-over guard](crate::Config::takeover_guard) for that.) No lease can promise
/// what happens *after* a check: a paused process, or a write under way, ends up in the next one's reign. Only the
/// resource can refuse that, by the [term](Self::term) (see [`Fence`](crate::Fence)).
///
/// ```
/// use core::time::Duration;
/// use lessor::{Builder, Fence, MemoryStorage};
///
/// # smol::block_on(async {
/// let (candidate, driver) = Builder::new("nightly-report").build(MemoryStorage::new())?;
/// smol::spawn(driver.run()).detach();
/// let leadership = candidate.elected().await?;
///
/// let resource = Fence::new();
/// for _chapter in 0..3 {
///     // Each takes about a second: not begun with less than that left.
///     let term = leadership.check(Duration::from_secs(1))?;
///     resource.admit_with(term, || { /* the write */ })?;
/// }
/// candidate.shutdown().await?;
/// assert!(leadership.check(Duration::ZERO).is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
pub struct Leadership<T: Timer = AnyTimer> {
    shared: Kept<T>,
    present: Present,
}

impl<T: Timer> Leadership<T> {
    pub(crate) const fn new(shared: Kept<T>, present: Present) -> Self {
        Self { shared, present }
    }

    /// The key that is led: where the key of the candidate has [slots](crate::Builder::slots), that of the slot. What the
    /// [term](Self::term) belongs to, and so what to fence by.
    #[must_use]
    pub fn key(&self) -> &Key {
        self.present.slot.as_ref().map_or(&self.shared.key, |slot| &slot.key)
    }

    /// The number of the [slot](crate::Builder::slots) that is led, from 0 on. `None`: the key has no slots.
    #[must_use]
    pub fn slot(&self) -> Option<u16> {
        self.present.slot.as_ref().map(|slot| slot.number)
    }

    /// The number of the reign: the fencing token to send along with each write.
    #[must_use]
    pub fn term(&self) -> Term {
        self.present.reign.term()
    }

    /// Whether the lease is held, hand-over included. Asks the clock every time.
    #[must_use]
    pub fn is_valid(&self) -> bool {
        self.present.reign.deadline().is_ahead(|| self.shared.timer.now())
    }

    /// How long it holds unless it is renewed. Zero: it is over.
    #[must_use]
    pub fn remaining(&self) -> Duration {
        self.present.reign.deadline().remaining(|| self.shared.timer.now())
    }

    /// For how long it has lasted, from when this instance heard of it; after its end too. By the candidate's timer.
    ///
    /// For schedulers: a run that became due longer ago than this fell into an earlier reign, whose leader may have done it.
    /// A reign that goes on from a [`Ticket`](crate::Ticket) begins at zero again in each instance.
    ///
    /// ```
    /// use core::time::Duration;
    /// use lessor::{Candidate, Leadership};
    ///
    /// /// The leadership for a run that was due this long ago.
    /// fn leads(candidate: &Candidate, late: Duration) -> Option<Leadership> {
    ///     candidate.leadership().filter(|leadership| leadership.age() >= late)
    /// }
    /// ```
    #[must_use]
    pub fn age(&self) -> Duration {
        self.shared.timer.now().saturating_duration_since(self.present.began)
    }

    /// The term, if the reign holds for at least this much longer: to be asked before each step that takes about that
    /// long.
    ///
    /// # Errors
    /// [`CheckError`]: the term is over, or lasts but not that long.
    pub fn check(&self, min_remaining: Duration) -> Result<Term, CheckError> {
        match self.remaining() {
            Duration::ZERO => Err(self.lost_now().into()),
            remaining if remaining < min_remaining => {
                Err(CheckError::TooShort { term: self.term(), remaining, wanted: min_remaining })
            }
            _ => Ok(self.term()),
        }
    }

    /// Does this work within the reign: drops it when the term ends or a hand-over begins.
    ///
    /// The hand-over waits until the work is dropped. Work that has to be ended with more care holds a
    /// [`guard`](Self::guard). For work in each term there is [`Candidate::lead`](crate::Candidate::lead).
    ///
    /// `Ok` says that the work has ended, not that the term lasted until then: work that blocks its thread cannot be dropped, and
    /// may end after it. [`is_valid`](Self::is_valid) says whether the term still lasts. Nor is what the work has begun elsewhere,
    /// on a thread or as a task, dropped with it: that needs a [guard](Self::guard) of its own ([on work](crate::guide::work)).
    ///
    /// # Errors
    /// [`Lost`] if the term ended first; the work was then dropped where it waited, or never begun.
    ///
    /// # Cancel safety
    /// Dropping the future drops the work.
    pub async fn run<W: Future>(&self, work: W) -> Result<W::Output, Lost> {
        // Declared first, so that it is dropped last: the hand-over waits until the work is gone.
        let guard = self.guard()?;
        let mut work = pin!(work);
        let mut ending = pin!(self.ending());
        poll_fn(|cx| {
            // The clock before the work: a timer that rings late must not let it go on.
            if ending.as_mut().poll(cx).is_ready() || !guard.is_valid() {
                return Poll::Ready(Err(self.lost_now()));
            }
            work.as_mut().poll(cx).map(Ok)
        })
        .await
    }

    /// Holds a hand-over open for work outside [`run`](Self::run): the lease is released when every guard is gone, or
    /// the drain timeout has passed. Watch [`ending`](Self::ending) to know when to finish.
    ///
    /// # Errors
    /// [`Lost`] if the term has ended or is ending.
    pub fn guard(&self) -> Result<Guard<T>, Lost> {
        if self.is_valid() && self.present.reign.add_guard() {
            // From here on dropping gives the hold back.
            let guard = Guard(Arc::new(Guarded(self.clone())));
            if guard.is_valid() {
                return Ok(guard);
            }
        }
        Err(self.lost_now())
    }

    /// Whether a hand-over has begun, or the term has ended.
    #[must_use]
    pub fn is_ending(&self) -> bool {
        self.present.reign.is_ending() || !self.is_valid()
    }

    /// Waits until a hand-over begins, or the term ends.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing.
    pub async fn ending(&self) {
        self.until(|| self.is_ending()).await;
    }

    /// Waits until the term has ended, and says why. Needs no driver: it has its own sleep to the deadline.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing.
    pub async fn lost(&self) -> Lost {
        self.until(|| !self.is_valid()).await;
        self.lost_now()
    }

    async fn until(&self, over: impl Fn() -> bool) {
        loop {
            let mut change = pin!(self.shared.change());
            if over() {
                return;
            }
            let mut deadline = pin!(self.shared.timer.sleep(self.remaining()));
            poll_fn(|cx| match change.as_mut().poll(cx) {
                Poll::Ready(()) => Poll::Ready(()),
                Poll::Pending => deadline.as_mut().poll(cx).map(drop),
            })
            .await;
        }
    }

    fn lost_now(&self) -> Lost {
        Lost { term: self.term(), remaining: self.remaining(), reason: self.present.reign.reason() }
    }
}

impl<T: Timer> Clone for Leadership<T> {
    fn clone(&self) -> Self {
        Self { shared: self.shared.clone(), present: self.present.clone() }
    }
}

impl<T: Timer> fmt::Debug for Leadership<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Leadership")
            .field("term", &self.term())
            .field("remaining", &self.remaining())
            .finish_non_exhaustive()
    }
}

/// Holds a hand-over open until it is dropped, with all its clones. Reads like its [`Leadership`].
///
/// It keeps no lease beyond its deadline: what cannot be renewed ends, guard or not.
///
/// ```
/// use futures::join;
/// use lessor::{Builder, MemoryStorage};
///
/// # smol::block_on(async {
/// let (candidate, driver) = Builder::new("nightly-report").build(MemoryStorage::new())?;
/// smol::spawn(driver.run()).detach();
/// let guard = candidate.elected().await?.guard()?;
/// let tidy_up = async {
///     guard.ending().await;
///     assert!(guard.is_valid(), "the lease is held meanwhile");
///     drop(guard); // now it may be released
/// };
/// let (stopped, ()) = join!(candidate.shutdown(), tidy_up);
/// stopped?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
#[must_use = "a guard holds a hand-over open only until it is dropped"]
pub struct Guard<T: Timer = AnyTimer>(Arc<Guarded<T>>);

struct Guarded<T: Timer>(Leadership<T>);

impl<T: Timer> Deref for Guard<T> {
    type Target = Leadership<T>;

    fn deref(&self) -> &Leadership<T> {
        &self.0.0
    }
}

impl<T: Timer> Clone for Guard<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T: Timer> Drop for Guarded<T> {
    fn drop(&mut self) {
        if self.0.present.reign.remove_guard() {
            self.0.shared.rouse();
        }
    }
}

impl<T: Timer> fmt::Debug for Guard<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Guard").field(&**self).finish()
    }
}

/// The term has ended, or is ending.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Lost {
    /// Which term.
    pub term: Term,
    /// For how long the lease is still held. Zero: it is over. Else a hand-over has begun, and no new work is taken on.
    pub remaining: Duration,
    /// Why it ended or is ending.
    pub reason: LostReason,
}

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { term, remaining, reason } = self;
        let state = if remaining.is_zero() { "has ended" } else { "is ending" };
        write!(f, "term {term} {state}: {reason}")
    }
}

impl core::error::Error for Lost {}

debug_as_displayed!(Lost);

/// Why a [`check`](Leadership::check) gave no term.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum CheckError {
    /// The term has ended.
    Lost(Lost),
    /// The term lasts, but not for as long as the next step takes. A renewal may give it more time.
    #[non_exhaustive]
    TooShort {
        /// Which term.
        term: Term,
        /// How much time is left.
        remaining: Duration,
        /// How much was asked for.
        wanted: Duration,
    },
}

impl From<Lost> for CheckError {
    fn from(lost: Lost) -> Self {
        Self::Lost(lost)
    }
}

impl fmt::Display for CheckError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lost(lost) => lost.fmt(f),
            Self::TooShort { term, remaining, wanted } => {
                write!(f, "term {term} has only {remaining:?} left, {wanted:?} are wanted")
            }
        }
    }
}

impl core::error::Error for CheckError {}

debug_as_displayed!(CheckError);
