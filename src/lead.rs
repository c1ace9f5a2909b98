//! Work for as long as a candidate leads.

use core::future::Future;
use core::pin::pin;
use core::task::Poll;

use futures::future::poll_fn;

use crate::candidate::Candidate;
use crate::leadership::{Guard, Leadership};
use crate::stopped::Abandoned;
use crate::time::Timer;

mod rounds;
mod then;

use rounds::Rounds;
pub use then::Then;

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
    /// its work it must not go on leading. The next one leads at once if the process lives until its driver has released the lease, as
    /// it does where this is awaited in a task of its own. Where panics abort nothing is handed over: natively the lease runs out, in
    /// wasm the driver may go on ([on work](crate::guide::work), also for how to go on instead, and for work that blocks or runs on
    /// threads).
    ///
    /// An `async` closure may read what its task has. If the compiler says that it "does not implement `FnMut` because it captures state
    /// from its environment", it takes something with it or changes something: write `move |leadership| { let pool = pool.clone(); async
    /// move { .. } }`.
    ///
    /// Called twice, on clones of one candidate, both work in each term, and the end of one ends both.
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
                // The clock before the work: a timer that rings late must not let it go on.
                if lost.as_mut().poll(cx).is_ready() || !leadership.is_valid() {
                    return Poll::Ready(None);
                }
                begun.as_mut().poll(cx).map(Some)
            });
            match ended.await {
                Some(then) => rounds.ended(leadership.clone(), then),
                None => rounds.cut(&leadership),
            }
        }
        rounds.finish()
    }
}
