//! The loop of [`Election`] with awaits.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::future::Future;
use core::mem;
use core::pin::{Pin, pin};
use core::task::{Context, Poll};
use core::time::Duration;

use futures::Stream;
use futures::future::poll_fn;

use crate::candidacy::{Candidacy, Next};
use crate::config::Config;
use crate::election::{RequestId, Status};
use crate::entropy::Entropy;
use crate::maybe_send::BoxFuture;
use crate::shared::{News, Shared, Wishes};
use crate::storage::{Answer, Storage, StorageError, Wakeups};
use crate::telemetry::Report;
use crate::ticket::Ticket;
use crate::time::{AnyTimer, Instant, Timer};

/// Runs a candidate or an observer: spawn [`run`](Self::run), or call [`step`](Self::step) from where no loop
/// survives.
///
/// It never ends because of a failing storage, only when it is stopped: by
/// [`Candidate::shutdown`](crate::Candidate::shutdown), by the end of the last handle, or by
/// [`run_until`](Self::run_until).
///
/// Dropping it is safe at any point: nobody believes in its leadership any more, all who wait get an answer. The
/// lease itself then runs out in the storage; only stopping hands it over at once.
///
/// ```
/// use futures::channel::oneshot;
/// use lessor::{Builder, MemoryStorage};
///
/// # smol::block_on(async {
/// let (stop, stopped) = oneshot::channel::<()>();
/// let (candidate, driver) = Builder::new("nightly-report").build(MemoryStorage::new())?;
/// let driver = smol::spawn(driver.run_until(stopped));
/// candidate.elected().await?;
///
/// drop(stop);
/// driver.await; // the lease is released
/// assert!(!candidate.is_leader());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
#[must_use = "a candidate makes no progress unless its driver runs"]
pub struct Driver<S, T: Timer = AnyTimer> {
    candidacy: Candidacy<T>,
    storage: Arc<S>,
    entropy: Entropy,
    wakeups: Wakeups,
    call: Option<(RequestId, BoxFuture<Answer>)>,
    /// The request whose answer is being polled for. Found afterwards: that panicked.
    polled: Option<RequestId>,
    news: News,
    rounds: Rounds,
}

/// How often a driver went on without waiting for anything: where that has no end, others on the executor's thread get their
/// turn all the same.
#[derive(Default)]
pub(crate) struct Rounds(u8);

impl Rounds {
    /// More than a candidate needs to be elected by answers that are there at once.
    const AT_ONCE: u8 = 16;

    /// Goes on; once in a while only when it is polled the next time.
    pub(crate) fn go_on(&mut self, cx: &Context<'_>) -> Poll<()> {
        self.0 += 1;
        if self.0 < Self::AT_ONCE {
            return Poll::Ready(());
        }
        self.0 = 0;
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

/// Where a [`Driver::step`] left off.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Step {
    /// Come back after this, at least 1 ms. `None`: stopped, there is nothing more to do.
    pub wake_in: Option<Duration>,
    /// How the candidate is.
    pub status: Status,
}

impl<S: Storage + 'static, T: Timer> Driver<S, T> {
    /// The wake-ups begin before the first claim: a release right after it must not be missed.
    pub(crate) fn new(shared: Arc<Shared<T>>, storage: S, wakeups: Wakeups, entropy: Entropy) -> Self {
        let candidacy = Candidacy::new(shared);
        let (storage, news) = (Arc::new(storage), News::default());
        Self { candidacy, storage, entropy, wakeups, call: None, polled: None, news, rounds: Rounds::default() }
    }

    /// Runs until the candidate is stopped. Spawn it, and keep a handle: when the last one is dropped, the driver stops and
    /// this returns.
    ///
    /// # Cancel safety
    /// Dropping the future drops the driver, which is safe at any point.
    // No `async fn`: that would hold the driver twice, as its argument and as its variable. Where there are many, it counts.
    #[expect(clippy::manual_async_fn, reason = "so that the future holds the driver once")]
    pub fn run(mut self) -> impl Future<Output = ()> {
        async move { self.drive().await }
    }

    /// Runs until `stop` ends; then ends the term, releases the lease and returns. What a service spawns and joins.
    ///
    /// Work in [`Leadership::run`](crate::Leadership::run) is dropped where it waits; work under a
    /// [`Guard`](crate::Guard) is waited for, for the drain timeout at most; then the lease is released.
    ///
    /// Returns earlier if the candidate is stopped otherwise.
    ///
    /// # Cancel safety
    /// Dropping the future drops the driver, which is safe at any point.
    #[expect(clippy::manual_async_fn, reason = "so that the future holds the driver once")]
    pub fn run_until(mut self, stop: impl Future) -> impl Future<Output = ()> {
        async move {
            let shared = self.candidacy.shared.clone();
            let mut stop = pin!(stop);
            let mut drive = pin!(self.drive());
            let mut stopping = false;
            poll_fn(|cx| {
                if !stopping && stop.as_mut().poll(cx).is_ready() {
                    stopping = true;
                    shared.ask(Wishes::stop);
                }
                drive.as_mut().poll(cx)
            })
            .await;
        }
    }

    /// Does what is due now, waits for the storage's answer, and says when to come back.
    ///
    /// For where no loop survives: alarms, cron, a request at a time. Stepping early, late or twice is harmless;
    /// between steps the deadline holds as always. Do not wait for `elected`, `resign` or `shutdown` in the task that
    /// steps: they need steps to come to an end.
    ///
    /// ```
    /// use lessor::{Builder, ManualTimer, MemoryStorage, Timer};
    ///
    /// let timer = ManualTimer::new();
    /// let storage = MemoryStorage::with_timer(timer.clone());
    /// let (candidate, mut driver) = Builder::new("k").id("node-a").build_on(storage, timer.clone())?;
    /// timer.block_on(async {
    ///     while let Some(wake_in) = driver.step().await.wake_in {
    ///         if candidate.is_leader() {
    ///             break; // the job
    ///         }
    ///         timer.sleep(wake_in).await;
    ///     }
    /// });
    /// assert!(candidate.is_leader());
    /// # Ok::<(), lessor::BuildError>(())
    /// ```
    ///
    /// # Cancel safety
    /// A request that was under way goes on in the next step.
    pub async fn step(&mut self) -> Step {
        // Without a call in flight the loop below polls nothing: so here is looked once, without waiting, at what came since
        // the last step (wake-ups, wishes).
        if let Next::At { .. } = self.settle() {
            poll_fn(|cx| Poll::Ready(self.poll_happening(cx))).await;
        }
        loop {
            let wake_in = match self.settle() {
                Next::Done => None,
                Next::At { at, now, .. } if self.call.is_some() => {
                    self.wait(at, now).await;
                    continue;
                }
                Next::At { at, now, .. } => {
                    let wait = at.saturating_duration_since(self.candidacy.now().max(now));
                    Some(wait.max(Duration::from_millis(1)))
                }
            };
            return Step { wake_in, status: self.candidacy.shared.status() };
        }
    }

    /// The durations that the candidate goes by.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.candidacy.shared.profile.config
    }

    /// Goes to sleep, at the edge, between two steps: nobody believes in its leadership any more, and its session is
    /// left for the next instance to [go on with](crate::Builder::resume), which then need not wait for the old lease
    /// to run out.
    ///
    /// `None` if the session must not go on: a request is under way, a hand-over is or was asked for, or the candidate stops, as it does
    /// without its last handle: keep one until now. The next instance then draws a session of its own. A ticket carries no cool-off: who resigned, and goes to sleep before that is over,
    /// may claim at once when it wakes.
    #[must_use]
    pub fn into_ticket(mut self) -> Option<Ticket> {
        let ticket = self.candidacy.ticket();
        // Demoted before the ticket is out.
        drop(self);
        ticket
    }

    async fn drive(&mut self) {
        while let Next::At { at, now, .. } = self.settle() {
            self.wait(at, now).await;
        }
    }

    /// Carries out what the election asks for, until it has to wait.
    fn settle(&mut self) -> Next {
        if let Some(id) = self.polled.take() {
            self.news.reply = Some((id, Err(StorageError::panicked())));
        }
        let Self { candidacy, storage, entropy, call, news, .. } = self;
        let send = |id, request, report: &Report| {
            let storage = storage.clone();
            *call = Some((id, report.within(Box::pin(async move { storage.call(request).await }))));
        };
        let next = candidacy.settle(None, mem::take(news), entropy, &mut Vec::new(), send, |_, _| {});
        let in_flight = if let Next::At { in_flight, .. } = next { in_flight } else { None };
        call.take_if(|(id, _)| Some(*id) != in_flight);
        next
    }

    /// Until `at`, which follows from the reading `from` of the clock, or until something happens.
    #[expect(clippy::manual_async_fn, reason = "so that the future holds what it is given once")]
    fn wait(&mut self, at: Instant, from: Instant) -> impl Future<Output = ()> {
        async move {
            // Made only when there is something to wait for: an answer that is there at once needs no sleep, and each one costs
            // an allocation and a timer's work.
            let mut sleep = pin!(None);
            let mut something_happened = false;
            poll_fn(|cx| {
                something_happened |= self.poll_happening(cx);
                if something_happened {
                    return self.rounds.go_on(cx);
                }
                self.rounds = Rounds::default();
                if sleep.is_none() {
                    let timer = &self.candidacy.shared.timer;
                    // The clock may have gone back since: no longer than by the reading from before.
                    let now = timer.now().max(from);
                    sleep.set(Some(timer.sleep(at.saturating_duration_since(now))));
                }
                sleep.as_mut().as_pin_mut().map_or(Poll::Pending, |sleep| sleep.poll(cx).map(drop))
            })
            .await;
        }
    }

    fn poll_happening(&mut self, cx: &mut Context<'_>) -> bool {
        let mut happened = false;
        // Before the call: a storage that is told of changes learns of them here, and answers the call by what it knows.
        if let Poll::Ready(Some(())) = Pin::new(&mut self.wakeups).poll_next(cx) {
            self.news.is_woken = true;
            happened = true;
        }
        // Taken out, so that what panics is not polled again.
        if let Some((id, mut call)) = self.call.take() {
            self.polled = Some(id);
            let reply = call.as_mut().poll(cx);
            self.polled = None;
            if let Poll::Ready(reply) = reply {
                self.news.reply = Some((id, reply));
                happened = true;
            } else {
                self.call = Some((id, call));
            }
        }
        happened | self.candidacy.shared.poll_asked(cx)
    }
}

impl<S, T: Timer> fmt::Debug for Driver<S, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Driver").field("shared", &self.candidacy.shared).finish_non_exhaustive()
    }
}
