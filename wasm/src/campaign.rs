//! A candidate that is a Durable Object: no loop survives in a Worker, so its alarm is the sleep between two steps.

mod awake;
mod due;
mod group;
mod object;
mod scheduled;
#[cfg(feature = "script")]
mod script;
mod tickets;

use core::fmt;
use core::future::Future;
use core::time::Duration;

use lessor::{Builder, Leadership, Lost, Term};
use lessor_service::Layout;
use serde::{Deserialize, Serialize};
use worker::{Env, Result, State};

use due::Due;
pub use group::CampaignGroup;
use object::Object;
use scheduled::Progress;
pub use scheduled::Scheduled;
#[cfg(feature = "script")]
pub use script::CampaignCore;

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
/// Between events the object is asleep, and may be gone from memory: all that is left then is a [`Ticket`](lessor::Ticket) in its own
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
    object: Object,
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
        Self { object: Object::new(state, env, binding.into(), vec![builder]), progress: Progress::default() }
    }

    /// Over objects that leases are spread over like this: as the service's variable `LESSOR_SHARDS` says.
    #[must_use]
    pub fn layout(self, layout: Layout) -> Self {
        Self { object: self.object.layout(layout), ..self }
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
        let awake = self.object.begin().await?;
        let Some(leadership) = awake.leadership() else { return Ok(None) };
        let (outcome, due) = awake.meanwhile(leadership.run(job(leadership.clone()))).await;
        self.object.arm(due, false).await?;
        Ok(Some(outcome))
    }

    /// Hands over: a job that is under way is dropped, the lease is released, and others may lead for the cool-off. Whether this candidate led.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    ///
    /// # Cancel safety
    /// It may or may not have handed over.
    pub async fn resign(&self) -> Result<bool> {
        self.object.resign(|_| true).await
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
        self.object.stop().await
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
        self.object.lead(|_| true).await
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
        self.object.ensure().await
    }
}

fn now_ms() -> u64 {
    worker::Date::now().as_millis()
}

impl fmt::Debug for Campaign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Campaign").field("object", &self.object).finish_non_exhaustive()
    }
}
