//! Work for as long as a candidate leads, and what comes after it.

use alloc::string::{String, ToString};
use core::fmt;
use core::future::Future;
use core::pin::pin;
use core::task::Poll;
use core::time::Duration;

use futures::future::poll_fn;

use crate::candidate::Candidate;
use crate::leadership::{Guard, Leadership};
use crate::stopped::{Abandoned, Stopped};
use crate::telemetry;
use crate::term::Term;
use crate::time::Timer;

/// What comes after work that has ended: what the work of [`Candidate::lead`] answers.
///
/// Work that never ends, an endless loop, need not say it. A result says it by `into()`: `Ok(())` is
/// [`NextTerm`](Self::NextTerm), `Ok` of a `Then` is that, and an error, of any type that can be shown, is [`Failed`](Self::Failed).
///
/// ```
/// use core::time::Duration;
/// use lessor::{Builder, Leadership, MemoryStorage, Then};
///
/// async fn report(leadership: &Leadership) -> Result<(), std::io::Error> {
///     // Each write with `leadership.term()`.
///     Ok(())
/// }
///
/// # smol::block_on(async {
/// let (candidate, driver) = Builder::new("nightly-report").build(MemoryStorage::new())?;
/// let lead = candidate.lead(async |leadership| match report(&leadership).await {
///     Err(error) if error.kind() == std::io::ErrorKind::NotFound => Then::Again(Duration::from_secs(60)),
///     reported => reported.into(),
/// });
/// # drop((lead, driver));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Then {
    /// Goes on leading, and begins the work again only in the next term: for work that is to be done once a term.
    NextTerm,
    /// Begins the work again in the same term, after this pause; with less than 1 ms it takes 1 ms.
    Again(Duration),
    /// Hands over, lets others lead for the [cool-off](crate::Config::cool_off), and campaigns again after it.
    Resign,
    /// As [`Resign`](Self::Resign), since another may succeed; and the log is told why (feature `tracing`), as a WARN.
    Failed(String),
    /// Hands over, and stops the candidate for good.
    Stop,
}

impl From<()> for Then {
    fn from((): ()) -> Self {
        Self::NextTerm
    }
}

impl<R: Into<Self>, E: fmt::Display> From<Result<R, E>> for Then {
    fn from(result: Result<R, E>) -> Self {
        match result {
            Ok(then) => then.into(),
            Err(error) => Self::Failed(error.to_string()),
        }
    }
}

impl<T: Timer> Candidate<T> {
    /// Does this work whenever the candidate leads, until the candidate is stopped: what nearly every program wants.
    ///
    /// Waits for a term, begins the work, and [drops it where it waits](Leadership::run) when the term ends or a
    /// hand-over begins; then waits for the next term. Work that ends by itself answers what comes [then](Then); nothing of it
    /// is begun again without a pause.
    ///
    /// ```
    /// use core::time::Duration;
    /// use lessor::{Builder, MemoryStorage, Then};
    ///
    /// # smol::block_on(async {
    /// let (candidate, driver) = Builder::new("nightly-report").build(MemoryStorage::new())?;
    /// let driver = smol::spawn(driver.run());
    /// let mut attempts = 0;
    /// candidate
    ///     .lead(|leadership| {
    ///         attempts += 1;
    ///         async move {
    ///             println!("attempt {attempts}, in term {}", leadership.term());
    ///             if attempts < 3 { Then::Again(Duration::from_millis(10)) } else { Then::Stop }
    ///         }
    ///     })
    ///     .await?;
    /// driver.await; // stopped: the lease is released
    /// assert_eq!(attempts, 3);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # }).unwrap();
    /// ```
    ///
    /// Answers `Ok` when the candidate has stopped: its driver's [`run_until`](crate::Driver::run_until) has ended it, say at the program's
    /// signal, or a [`shutdown`](Candidate::shutdown), or the work itself.
    ///
    /// **If the work panics** the panic goes on to whoever awaits this, and the candidate hands over and stops: without
    /// its work it must not go on leading. The guide's page [on work](crate::guide::work) says how to go on instead, and
    /// what to do about work that blocks or runs on other threads.
    ///
    /// The closure may borrow what its task has (`async |leadership| ..`), or hand out copies (`move |leadership| { let pool =
    /// pool.clone(); async move { .. } }`). An `async move` closure that takes something with it can do its work only once, and is no
    /// `FnMut`.
    ///
    /// # Errors
    /// [`Abandoned`] if the driver was dropped: its task was aborted, or panicked.
    ///
    /// # Cancel safety
    /// Once polled, dropping the future drops the work and **stops the candidate**, which hands over: nobody would do the work.
    // Not `AsyncFnMut`: a task with a closure that borrows could not be sent then ("not general enough", Rust 1.95).
    pub async fn lead<W>(&self, mut work: impl FnMut(Leadership<T>) -> W) -> Result<(), Abandoned>
    where
        W: Future<Output = Then>,
    {
        let mut rounds = Rounds::new(self);
        while let Some(leadership) = rounds.next().await {
            // Begun under the guard: the term lasts when the work's own code first runs.
            let begun = async { work(leadership.clone()).await };
            if let Ok(then) = leadership.run(begun).await {
                rounds.ended(leadership, then);
            }
        }
        rounds.finish()
    }

    /// As [`lead`](Self::lead), for work that must not be dropped where it waits: it is told of a hand-over, and waited for.
    ///
    /// The work gets a [`Guard`], and looks out for its [`ending`](Leadership::ending). The lease is released when the work has ended and
    /// dropped its guard, or after the [drain timeout](crate::Config::drain_timeout). It is dropped only when the
    /// term has ended.
    ///
    /// ```
    /// use core::cell::Cell;
    /// use core::time::Duration;
    /// use lessor::{Builder, ManualTimer, MemoryStorage, Then, Timer};
    ///
    /// let timer = ManualTimer::new();
    /// let storage = MemoryStorage::with_timer(timer.clone());
    /// let (candidate, driver) = Builder::new("k").build_on(storage, timer.clone())?;
    /// timer.spawn(driver.run_until(timer.sleep(Duration::from_secs(5)))); // a signal, in a program
    /// let batches = Cell::new(0);
    /// let work = candidate.lead_guarded(async |guard| {
    ///     while !guard.is_ending() {
    ///         timer.sleep(Duration::from_secs(2)).await; // a batch, whole or not at all
    ///         batches.set(batches.get() + 1);
    ///     }
    ///     Then::NextTerm
    /// });
    /// timer.block_on(work).unwrap().unwrap();
    /// assert_eq!(batches.get(), 3, "the third was under way");
    /// # Ok::<(), lessor::BuildError>(())
    /// ```
    ///
    /// # Errors
    /// As [`lead`](Self::lead).
    ///
    /// # Cancel safety
    /// As [`lead`](Self::lead).
    pub async fn lead_guarded<W>(&self, mut work: impl FnMut(Guard<T>) -> W) -> Result<(), Abandoned>
    where
        W: Future<Output = Then>,
    {
        let mut rounds = Rounds::new(self);
        while let Some(leadership) = rounds.next().await {
            let Ok(guard) = leadership.guard() else { continue };
            let mut begun = pin!(async { work(guard).await });
            let mut lost = pin!(leadership.lost());
            let ended = poll_fn(|cx| {
                if lost.as_mut().poll(cx).is_ready() {
                    return Poll::Ready(None);
                }
                begun.as_mut().poll(cx).map(Some)
            });
            if let Some(then) = ended.await {
                rounds.ended(leadership.clone(), then);
            }
        }
        rounds.finish()
    }
}

/// One piece of work after the other. Dropped before it is finished, it stops the candidate.
struct Rounds<'a, T: Timer> {
    candidate: &'a Candidate<T>,
    /// In which term the work is under way.
    working: Option<Term>,
    ended: Option<(Leadership<T>, Then)>,
    stopped: Option<Stopped>,
}

impl<'a, T: Timer> Rounds<'a, T> {
    const fn new(candidate: &'a Candidate<T>) -> Self {
        Self { candidate, working: None, ended: None, stopped: None }
    }

    /// Does what the work before has asked for, and waits for when it is to begin again. `None`: never.
    async fn next(&mut self) -> Option<Leadership<T>> {
        self.working = None;
        let leadership = self.begin().await;
        self.working = leadership.as_ref().map(Leadership::term);
        leadership
    }

    async fn begin(&mut self) -> Option<Leadership<T>> {
        // What these answer is what `elected` says next.
        match self.ended.take() {
            None => {}
            Some((leadership, Then::NextTerm)) => leadership.ending().await,
            // A later term has work of its own.
            Some((leadership, Then::Resign | Then::Failed(_))) if leadership.is_valid() => {
                let _ = self.candidate.resign().await;
            }
            Some((_, Then::Resign | Then::Failed(_))) => {}
            Some((_, Then::Stop)) => {
                let _ = self.candidate.shutdown().await;
            }
            Some((leadership, Then::Again(pause))) => {
                self.pause(&leadership, pause).await;
                if !leadership.is_ending() {
                    return Some(leadership);
                }
            }
        }
        match self.candidate.elected().await {
            Ok(leadership) => Some(leadership),
            Err(stopped) => {
                self.stopped = Some(stopped);
                None
            }
        }
    }

    async fn pause(&self, leadership: &Leadership<T>, pause: Duration) {
        let mut pause = pin!(self.candidate.sleep(pause.max(Duration::from_millis(1))));
        let mut ending = pin!(leadership.ending());
        poll_fn(|cx| match ending.as_mut().poll(cx) {
            Poll::Ready(()) => Poll::Ready(()),
            Poll::Pending => pause.as_mut().poll(cx).map(drop),
        })
        .await;
    }

    fn ended(&mut self, leadership: Leadership<T>, then: Then) {
        if let Then::Failed(why) = &then {
            telemetry::work_failed(leadership.key(), self.candidate.id(), leadership.term(), why);
        }
        if !leadership.is_valid() {
            telemetry::work_outlived(leadership.key(), self.candidate.id(), leadership.term());
        }
        self.ended = Some((leadership, then));
    }

    fn finish(self) -> Result<(), Abandoned> {
        match self.stopped {
            Some(Stopped::DriverDropped) => Err(Abandoned),
            _ => Ok(()),
        }
    }
}

impl<T: Timer> Drop for Rounds<'_, T> {
    fn drop(&mut self) {
        if self.stopped.is_some() {
            return;
        }
        if let Some(term) = self.working {
            telemetry::work_dropped(self.candidate.key(), self.candidate.id(), term);
        }
        self.candidate.stop();
    }
}
