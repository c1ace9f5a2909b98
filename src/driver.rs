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

use event_listener::EventListener;
use futures::Stream;
use futures::future::poll_fn;

use crate::config::Config;
use crate::election::{Election, Event, Input, Output, RequestId, Status};
use crate::maybe_send::BoxFuture;
use crate::shared::{Shared, Wishes};
use crate::storage::{Answer, Request, Session, Storage, Wakeups};
use crate::telemetry::Report;
use crate::ticket::Ticket;
use crate::time::{AnyTimer, Instant, Timer};

#[cfg(not(any(target_family = "wasm", target_os = "none")))]
pub(crate) type Entropy = Box<dyn FnMut() -> u64 + Send>;
#[cfg(any(target_family = "wasm", target_os = "none"))]
pub(crate) type Entropy = Box<dyn FnMut() -> u64>;

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
    shared: Arc<Shared<T>>,
    storage: Arc<S>,
    election: Election,
    entropy: Entropy,
    wakeups: Wakeups,
    asked: Option<EventListener>,
    call: Option<(RequestId, BoxFuture<Answer>)>,
    report: Report,
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

enum Next {
    At(Instant),
    Done,
}

impl<S: Storage + 'static, T: Timer> Driver<S, T> {
    /// The wake-ups begin before the first claim: a release right after it must not be missed.
    pub(crate) fn new(
        shared: Arc<Shared<T>>,
        storage: S,
        wakeups: Wakeups,
        election: Election,
        entropy: Entropy,
    ) -> Self {
        let report = Report::new(&election);
        Self { shared, storage: Arc::new(storage), election, entropy, wakeups, asked: None, call: None, report }
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
            let shared = self.shared.clone();
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
        if let Next::At(_) = self.settle() {
            poll_fn(|cx| Poll::Ready(self.poll_happening(cx))).await;
        }
        loop {
            let wake_in = match self.settle() {
                Next::Done => None,
                Next::At(at) if self.call.is_some() => {
                    self.wait(at).await;
                    continue;
                }
                Next::At(at) => {
                    let wait = at.saturating_duration_since(self.shared.timer.now());
                    Some(wait.max(Duration::from_millis(1)))
                }
            };
            return Step { wake_in, status: self.shared.status() };
        }
    }

    /// The durations that the candidate goes by.
    #[must_use]
    pub const fn config(&self) -> &Config {
        self.election.config()
    }

    /// Goes to sleep, at the edge, between two steps: nobody believes in its leadership any more, and its session is
    /// left for the next instance to [go on with](crate::Builder::resume), which then need not wait for the old lease
    /// to run out.
    ///
    /// `None` if the session must not go on: a request is under way, a hand-over is, or the candidate stops. The next instance
    /// then draws a session of its own. A ticket carries no cool-off: who resigned, and goes to sleep before that is over,
    /// may claim at once when it wakes.
    #[must_use]
    pub fn into_ticket(mut self) -> Option<Ticket> {
        let ticket = self.election.clone().into_ticket();
        if ticket.is_some() {
            self.report.ticket_taken();
        }
        // Demoted before the ticket is out.
        drop(self);
        ticket
    }

    async fn drive(&mut self) {
        while let Next::At(at) = self.settle() {
            self.wait(at).await;
        }
    }

    /// Carries out what the election asks for, until it has to wait.
    fn settle(&mut self) -> Next {
        self.asked.get_or_insert_with(|| self.shared.asked.listen());
        let mut events = Vec::new();
        loop {
            for wish in self.shared.take_wishes() {
                self.input(wish);
            }
            let now = self.shared.timer.now();
            let output = self.election.poll_output(now);
            if let Output::Event(event) = output {
                events.push(event);
                continue;
            }
            // Handles may react at once to what they are told now (an ending term without guards is drained already): their
            // wishes are looked at again before waiting.
            let told_something = !events.is_empty();
            self.tell(mem::take(&mut events), now);
            match output {
                Output::Event(_) => {}
                Output::DrawSession => {
                    let session = Session::draw(&mut *self.entropy);
                    self.input(Input::Session(session));
                }
                Output::Request { id, request } => self.call = Some((id, self.request(id, request, now))),
                Output::Timeout(_) if told_something => {}
                Output::Timeout(at) => {
                    self.call.take_if(|(id, _)| Some(*id) != self.election.in_flight());
                    return Next::At(at);
                }
                Output::Done => {
                    self.call = None;
                    return Next::Done;
                }
            }
        }
    }

    fn input(&mut self, input: Input) {
        self.election.handle_input(self.shared.timer.now(), input);
    }

    fn tell(&mut self, events: Vec<Event>, now: Instant) {
        let told = self.shared.tell(events, &self.election);
        self.report.told(&told.events, self.election.in_flight(), now);
        if let Some(term) = told.over {
            self.input(Input::Expired(term));
        }
    }

    fn request(&mut self, id: RequestId, request: Request, now: Instant) -> BoxFuture<Answer> {
        self.report.requested(id, &request, now);
        let storage = self.storage.clone();
        self.report.within(Box::pin(async move { storage.call(request).await }))
    }

    /// Until `at`, or until something happens.
    async fn wait(&mut self, at: Instant) {
        // Made only when there is something to wait for: an answer that is there at once needs no sleep, and each one costs
        // an allocation and a timer's work.
        let mut sleep = pin!(None);
        poll_fn(|cx| {
            if self.poll_happening(cx) {
                return Poll::Ready(());
            }
            if sleep.is_none() {
                let timer = &self.shared.timer;
                sleep.set(Some(timer.sleep(at.saturating_duration_since(timer.now()))));
            }
            sleep.as_mut().as_pin_mut().map_or(Poll::Pending, |sleep| sleep.poll(cx).map(drop))
        })
        .await;
    }

    fn poll_happening(&mut self, cx: &mut Context<'_>) -> bool {
        let mut happened = false;
        if let Some((id, call)) = &mut self.call
            && let Poll::Ready(reply) = call.as_mut().poll(cx)
        {
            let id = *id;
            self.call = None;
            self.report.answered(&reply);
            self.input(Input::Reply { id, reply });
            happened = true;
        }
        if let Poll::Ready(Some(())) = Pin::new(&mut self.wakeups).poll_next(cx) {
            self.input(Input::Wakeup);
            happened = true;
        }
        if let Some(asked) = &mut self.asked
            && Pin::new(asked).poll(cx).is_ready()
        {
            self.asked = None;
            happened = true;
        }
        happened
    }
}

impl<S, T: Timer> Drop for Driver<S, T> {
    fn drop(&mut self) {
        let events = self.shared.abandon();
        self.report.dropped(&events);
    }
}

impl<S, T: Timer> fmt::Debug for Driver<S, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Driver").field("election", &self.election).finish_non_exhaustive()
    }
}
