//! A candidate that is a Durable Object: no loop survives in a Worker, so its alarm is the sleep between two steps.

mod awake;
mod scheduled;
#[cfg(feature = "script")]
mod script;
mod tickets;

use core::fmt;
use core::future::Future;
use core::time::Duration;
use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};

use lessor::{BuildError, Builder, Key, Leadership, Lost, Term, Ticket, Timer};
use serde::{Deserialize, Serialize};
use wasm_bindgen::{JsCast, JsValue};
use worker::worker_sys::DurableObjectState;
use worker::{Env, Error, Result, State};

use awake::Awake;
use scheduled::Progress;
pub use scheduled::Scheduled;
#[cfg(feature = "script")]
pub use script::CampaignCore;
use tickets::Tickets;

use crate::route::Layout;
use crate::storage::DurableObjectStorage;
use crate::timer::WorkerTimer;

/// When to look again at a storage that could not be used.
const AFTER_FAILURE: Duration = Duration::from_secs(10);

/// An alarm that should have come so long ago will not.
const LOST_MS: u64 = 60_000;

/// Leadership that is handed on: to a handler of requests, of queued messages, of a schedule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Lead {
    /// Send it along with every write.
    pub term: Term,
    /// How long it lasts from when it was asked for, in ms. The candidate may be asked again.
    pub time_left_ms: u64,
}

impl Lead {
    fn of(term: Term, time_left: Duration) -> Self {
        Self { term, time_left_ms: u64::try_from(time_left.as_millis()).unwrap_or(u64::MAX) }
    }
}

/// The campaign of a Durable Object: each of its events does a step, and its alarm comes when the next one is due.
///
/// Between events the object is asleep, and may be gone from memory: all that is left then is a [`Ticket`] in its own
/// storage, which the next event takes. So the lease outlives eviction, restart and deployment, in one term, for as
/// long as the alarm comes in time. An instance that was superseded finds its storage closed, and leads no more.
///
/// Alarms come at least once, and late at times; have [`ensure`](Self::ensure) called by a cron trigger, in case one
/// is lost. With the ttl at 30 s and the renew interval at 10 s two alarms may be late.
///
/// An object has one campaign: there is one ticket, and one alarm. Take-over guard and delay need a candidate that
/// watches for longer than an event lasts, and are refused.
///
/// A panic, in a job say, takes down the module that all objects of a Worker share: then events that are under way
/// would hang. Export the class `guarded` (`js/objects.js`), as the example does: they fail at once, and the
/// platform calls the alarm again.
///
/// ```no_run
/// use std::time::Duration;
/// use lessor::Builder;
/// use lessor_worker::{Campaign, DurableObjectStorage};
/// use worker::{DurableObject, Env, Request, Response, Result, State, durable_object};
///
/// #[durable_object]
/// pub struct Candidate {
///     campaign: Campaign,
/// }
///
/// impl DurableObject for Candidate {
///     fn new(state: State, env: Env) -> Self {
///         let builder = Builder::new("nightly").id("weur").config(lessor_worker::config());
///         Self { campaign: Campaign::new(&state, &env, "LEASES", builder) }
///     }
///
///     /// For the other handlers: do I lead, in which term, for how long?
///     async fn fetch(&self, _: Request) -> Result<Response> {
///         Response::from_json(&self.campaign.lead().await?)
///     }
///
///     async fn alarm(&self) -> Result<Response> {
///         self.campaign.run(|leadership| async move { println!("term {}", leadership.term()) }).await?;
///         Response::empty()
///     }
/// }
/// ```
pub struct Campaign {
    state: State,
    env: Env,
    binding: String,
    layout: Layout,
    builder: Builder,
    awake: RefCell<Weak<Awake>>,
    /// When the alarm comes, in ms, if it was this instance that set it and it has not come.
    alarm_ms: Cell<Option<u64>>,
    /// Of what, once it was awake.
    key: RefCell<Option<Key>>,
    progress: Progress,
}

/// Where panics unwind, one in a job ends the event like a drop: the candidate sleeps, or the next instance draws a new
/// session.
impl core::panic::RefUnwindSafe for Campaign {}
impl core::panic::UnwindSafe for Campaign {}

/// The durations for alarms: ttl 30 s, renewals and claims every 10 s.
#[must_use]
pub fn config() -> lessor::Config {
    let mut config = lessor::Config::with_ttl(Duration::from_secs(30));
    config.renew_interval = Duration::from_secs(10);
    config.retry_interval = Duration::from_secs(10);
    config
}

impl Campaign {
    /// For the object of this state, over the `LeaseObject`s of this binding. Nothing is checked before the first event.
    #[must_use]
    pub fn new(state: &State, env: &Env, binding: impl Into<String>, builder: Builder) -> Self {
        let raw: &JsValue = state.as_raw().as_ref();
        let state = State::from(raw.clone().unchecked_into::<DurableObjectState>());
        Self {
            state,
            env: env.clone(),
            binding: binding.into(),
            layout: Layout::PerKey,
            builder,
            awake: RefCell::default(),
            alarm_ms: Cell::default(),
            key: RefCell::default(),
            progress: Progress::default(),
        }
    }

    /// Over objects that leases are spread over like this: as the service's variable `LESSOR_SHARDS` says.
    #[must_use]
    pub fn layout(self, layout: Layout) -> Self {
        Self { layout, ..self }
    }

    /// What the alarm does: a step; if that leads, the job, with steps while it lasts; and the next alarm.
    ///
    /// The job is dropped when the term ends: then the outcome is [`Lost`]. `None`: somebody else leads. An alarm has
    /// 15 minutes; a longer job has to come back.
    ///
    /// # Errors
    /// The object's storage or its alarm cannot be used, or the builder's settings do not fit.
    ///
    /// # Cancel safety
    /// The job is dropped, and the candidate sleeps.
    pub async fn run<J: Future>(
        &self,
        job: impl FnOnce(Leadership) -> J,
    ) -> Result<Option<core::result::Result<J::Output, Lost>>> {
        let (awake, due) = self.begin().await?;
        let Some(leadership) = awake.candidate.leadership() else { return Ok(None) };
        let (outcome, due) = awake.meanwhile(leadership.run(job(leadership.clone())), due).await;
        self.arm(due, false).await?;
        Ok(Some(outcome))
    }

    /// An alarm has come: does a step, and sets the next one.
    async fn begin(&self) -> Result<(Rc<Awake>, Option<Due>)> {
        self.alarm_ms.set(None);
        let awake = match self.wake() {
            Ok(awake) => awake,
            Err(error) => {
                // The platform tries an alarm that failed a few times, and then never again.
                self.arm(Some(Due::within(AFTER_FAILURE)), true).await?;
                return Err(error);
            }
        };
        // Before the job, which may take the module down.
        let due = awake.step().await;
        self.arm(due, false).await?;
        Ok((awake, due))
    }

    /// Hands over: a job that is under way is dropped, the lease is released, and others may lead for the cool-off. Whether this candidate led.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    ///
    /// # Cancel safety
    /// It may or may not have handed over.
    pub async fn resign(&self) -> Result<bool> {
        let awake = self.wake()?;
        // What it knows may be old: the storage has the last word.
        let mut due = awake.step().await;
        let leads = awake.candidate.leadership().is_some();
        if leads {
            // An error says that there is no driver any more, and then there is no term either.
            (_, due) = awake.meanwhile(awake.candidate.resign(), Some(Due::within(Duration::ZERO))).await;
        }
        self.arm(due, false).await?;
        Ok(leads)
    }

    /// Ends the campaign, for a place that is given up: hands over, if this candidate leads, and sets no alarm any more. What calls
    /// [`run`](Self::run), [`lead`](Self::lead) or [`ensure`](Self::ensure) after that begins another one.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    ///
    /// # Cancel safety
    /// It may or may not have ended. Call it again.
    pub async fn stop(&self) -> Result<()> {
        // Who never was a candidate does not become one for this.
        if Tickets::of(&self.state)?.found()?.is_none() && self.awake.borrow().strong_count() == 0 {
            return self.delete_alarm().await;
        }
        let awake = self.wake()?;
        let _ = awake.step().await;
        let _ = awake.meanwhile(awake.candidate.shutdown(), Some(Due::within(Duration::ZERO))).await;
        self.delete_alarm().await
    }

    /// Whether this candidate leads: asks the storage if it does not know, and hands the leadership on for the time that is left. Where
    /// it leads, and sleeps, nothing is written or asked.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    ///
    /// # Cancel safety
    /// The candidate sleeps.
    pub async fn lead(&self) -> Result<Option<Lead>> {
        if let Some(lead) = self.asleep()? {
            return Ok(Some(lead));
        }
        let awake = self.wake()?;
        if awake.candidate.leadership().is_none() {
            let due = awake.step().await;
            // However often it is asked: the alarm comes when it was to come.
            self.arm(due, true).await?;
        }
        // Looked at anew: whatever was awaited, the deadline counts.
        let leadership = awake.candidate.leadership().filter(Leadership::is_valid);
        Ok(leadership.map(|leadership| Lead::of(leadership.term(), leadership.remaining())))
    }

    /// Sets the alarm if there is none, or if it should have come a minute ago and was lost: a watchdog for a cron trigger, and what starts
    /// the campaign.
    ///
    /// # Errors
    /// The alarm cannot be used.
    ///
    /// # Cancel safety
    /// The alarm may or may not have been set.
    pub async fn ensure(&self) -> Result<()> {
        let storage = self.state.storage();
        let due_ms = storage.get_alarm().await?.and_then(|due_ms| u64::try_from(due_ms).ok());
        if due_ms.is_none_or(|due_ms| due_ms.saturating_add(LOST_MS) < now_ms()) {
            self.alarm_ms.set(None);
            storage.set_alarm(Duration::from_millis(1)).await?;
        }
        Ok(())
    }

    /// The leadership that its ticket tells of. Reads the object's storage as whoever wakes: an instance that was superseded hears of it.
    fn asleep(&self) -> Result<Option<Lead>> {
        let found = Tickets::of(&self.state)?.found()?;
        if self.awake.borrow().strong_count() > 0 {
            return Ok(None);
        }
        let of_this = |ticket: &Ticket| self.key.borrow().as_ref() == Some(ticket.key());
        let Some(ticket) = found.flatten().filter(of_this) else { return Ok(None) };
        let Some((term, until)) = ticket.led().zip(ticket.reign_until()) else { return Ok(None) };
        let time_left = until.saturating_duration_since(WorkerTimer::new().now());
        Ok((!time_left.is_zero()).then(|| Lead::of(term, time_left)))
    }

    /// An event begins. Reads the object's storage in any case: if another instance has taken over, that fails.
    fn wake(&self) -> Result<Rc<Awake>> {
        let tickets = Tickets::of(&self.state)?;
        let found = tickets.found()?;
        if let Some(awake) = self.awake.borrow().upgrade() {
            return Ok(awake);
        }
        let (left, ticket) = (found.is_some(), found.flatten().map(Ticket::continuing));
        let builder = ticket.into_iter().fold(self.builder.clone(), Builder::resume);
        let storage = DurableObjectStorage::new(self.env.durable_object(&self.binding)?).layout(self.layout);
        let built = builder.build_with(storage.clone(), WorkerTimer::new(), entropy()?);
        let (candidate, driver) = built.map_err(|error: BuildError| Error::RustError(error.to_string()))?;
        let config = driver.config();
        if config.takeover_guard || !config.takeover_delay.is_zero() || !config.claim_delay.is_zero() {
            let refused = "a campaign takes none of takeover_guard, takeover_delay, claim_delay";
            return Err(Error::RustError(refused.into()));
        }
        // Gone before it is used: no request leaves the object before that is durable.
        if left {
            tickets.delete()?;
        }
        *self.key.borrow_mut() = Some(candidate.key().clone());
        let awake = Rc::new(Awake::new(candidate, driver, storage, tickets));
        *self.awake.borrow_mut() = Rc::downgrade(&awake);
        Ok(awake)
    }

    /// Sets the alarm; or leaves it, if it comes earlier. Where it comes at that time anyway nothing is written.
    async fn arm(&self, due: Option<Due>, earlier_wins: bool) -> Result<()> {
        let Some(Due(due_ms)) = due.filter(|Due(due_ms)| self.alarm_ms.get() != Some(*due_ms)) else { return Ok(()) };
        let storage = self.state.storage();
        if earlier_wins {
            let at_ms = u64::try_from(storage.get_alarm().await?.unwrap_or(i64::MAX)).unwrap_or_default();
            if at_ms <= due_ms {
                return Ok(());
            }
        }
        // An alarm for this very moment can be lost.
        storage.set_alarm(Duration::from_millis(due_ms.saturating_sub(now_ms()).max(1))).await?;
        self.alarm_ms.set(Some(due_ms));
        Ok(())
    }

    async fn delete_alarm(&self) -> Result<()> {
        self.alarm_ms.set(None);
        self.state.storage().delete_alarm().await
    }
}

/// When the next step is due, in ms since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Due(u64);

impl Due {
    fn within(wait: Duration) -> Self {
        let wait_ms = u64::try_from(wait.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX);
        Self(now_ms().saturating_add(wait_ms))
    }

    fn left(self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(now_ms()))
    }
}

fn now_ms() -> u64 {
    worker::Date::now().as_millis()
}

/// From the platform's source of randomness.
fn entropy() -> Result<impl FnMut() -> u64 + 'static> {
    // Failing can be told here, not later.
    let mut state = getrandom::u64().map_err(|error| Error::RustError(error.to_string()))?;
    Ok(move || {
        state = getrandom::u64().unwrap_or_else(|_| state.wrapping_mul(0xd134_2543_de82_ef95).wrapping_add(1));
        state
    })
}

impl fmt::Debug for Campaign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Campaign").field("builder", &self.builder).finish_non_exhaustive()
    }
}
