//! A candidate that is a Durable Object: no loop survives in a Worker, so its alarm is the sleep between two steps.

use core::fmt;
use core::future::Future;
use core::time::Duration;
use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};

use futures::channel::oneshot;
use futures::future::{Either, join, select};
use futures::lock::Mutex;
use lessor::{BuildError, Builder, Candidate, Driver, Leadership, Lost, Role, Term, Ticket, Timer};
use serde::{Deserialize, Serialize};
use wasm_bindgen::{JsCast, JsValue};
use worker::worker_sys::DurableObjectState;
use worker::{Env, Error, Result, State};

use crate::schedule::{Schedule, check_name};
use crate::sql::Sql;
use crate::storage::DurableObjectStorage;
use crate::timer::WorkerTimer;

const TABLES: &str = "
CREATE TABLE IF NOT EXISTS lessor_ticket (one INTEGER PRIMARY KEY CHECK (one = 1), ticket TEXT NOT NULL);";

/// When to look again at a storage that could not be used.
const AFTER_FAILURE: Duration = Duration::from_secs(10);

/// How long a job that failed waits: twice as long each time, up to the longest.
const FIRST_PAUSE_MS: u64 = 5_000;
const LONGEST_PAUSE_MS: u64 = 600_000;

/// An alarm that should have come so long ago will not.
const LOST_MS: u64 = 60_000;

/// Leadership that is handed on: to a handler of requests, of queued messages, of a schedule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lead {
    /// Send it along with every write.
    pub term: Term,
    /// How long it lasts from when it was asked for, in ms. The candidate may be asked again.
    pub time_left_ms: u64,
}

/// What came of the times of a schedule that were due.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Scheduled<E> {
    /// Somebody else leads, or nobody.
    Following,
    /// So many times are done: none, if none was due.
    Done(usize),
    /// The job failed for this time. An alarm to come tries again: after 5 s, then after twice as long each time, up to 10 minutes.
    Failed {
        /// Which time: in ms since 1970.
        at_ms: u64,
        /// What it said.
        error: E,
    },
    /// The term ended while the job was under way: whoever leads next does it.
    Lost(Lost),
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
    binding: &'static str,
    builder: Builder,
    awake: RefCell<Weak<Awake>>,
    /// Up to when schedules are done, in this term: only its leader moves that on.
    marks: RefCell<Vec<Mark>>,
    failing: Cell<Failing>,
}

struct Mark {
    name: String,
    term: Term,
    done_ms: u64,
}

/// A job that fails.
#[derive(Clone, Copy, Default)]
struct Failing {
    pause_ms: u64,
    again_ms: u64,
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

/// The candidate while events of the object are under way.
struct Awake {
    candidate: Candidate,
    driver: Mutex<Option<Driver<DurableObjectStorage>>>,
    storage: DurableObjectStorage,
    sql: Sql,
}

impl Campaign {
    /// For the object of this state, over the `LeaseObject`s of this binding. Nothing is checked before the first event.
    #[must_use]
    pub fn new(state: &State, env: &Env, binding: &'static str, builder: Builder) -> Self {
        let raw: &JsValue = state.as_raw().as_ref();
        let state = State::from(raw.clone().unchecked_into::<DurableObjectState>());
        Self {
            state,
            env: env.clone(),
            binding,
            builder,
            awake: RefCell::default(),
            marks: RefCell::default(),
            failing: Cell::default(),
        }
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
        let (awake, wake_in) = self.begin().await?;
        let Some(leadership) = awake.candidate.leadership() else { return Ok(None) };
        let (outcome, wake_in) = awake.meanwhile(leadership.run(job(leadership.clone())), wake_in).await;
        self.arm(wake_in, false).await?;
        Ok(Some(outcome))
    }

    /// What the alarm does where the job has a schedule: a step; if that leads, the job for each time that is due, with steps while it
    /// lasts; and the next alarm, which comes when the next step or the next time is due.
    ///
    /// The alarm alone does it: no cron trigger is needed, but for [`ensure`](Self::ensure). Up to when all is done stands with the lease,
    /// where only the leader of the newest term can move it on: the next leader goes on there, and makes up for what was missed while
    /// nobody led ([`Schedule::make_up`]). A time is done when the job says `Ok`. If the leader dies before that is written, the next one
    /// does that time once more: let the job's target refuse a time that it has taken, and each term but the newest.
    ///
    /// # Errors
    /// As [`run`](Self::run); the object that holds the lease did not answer, and an alarm to come asks again.
    ///
    /// # Cancel safety
    /// The job is dropped, and its time is still due.
    pub async fn run_scheduled<J, E>(
        &self,
        schedule: &Schedule,
        mut job: impl FnMut(Leadership, u64) -> J,
    ) -> Result<Scheduled<E>>
    where
        J: Future<Output = core::result::Result<(), E>>,
    {
        let (awake, wake_in) = self.begin().await?;
        let Some(leadership) = awake.candidate.leadership() else { return Ok(Scheduled::Following) };
        let due = leadership.run(self.do_due(&awake, schedule, &leadership, &mut job));
        let (outcome, wake_in) = awake.meanwhile(due, wake_in).await;
        let next_in = self.next_in(schedule).filter(|_| outcome.is_ok());
        self.arm(wake_in.map(|wake_in| wake_in.min(next_in.unwrap_or(wake_in))), false).await?;
        outcome.unwrap_or_else(|lost| Ok(Scheduled::Lost(lost)))
    }

    async fn do_due<J, E>(
        &self,
        awake: &Awake,
        schedule: &Schedule,
        leadership: &Leadership,
        job: &mut impl FnMut(Leadership, u64) -> J,
    ) -> Result<Scheduled<E>>
    where
        J: Future<Output = core::result::Result<(), E>>,
    {
        let (name, term) = (schedule.name(), leadership.term());
        let mut done_ms = self.mark(awake, name, term, 0).await?;
        if done_ms == 0 {
            // What was before it was ever led for is nobody's.
            done_ms = now_ms();
            self.mark(awake, name, term, done_ms).await?;
        }
        let mut done = 0;
        while let Some(at_ms) = schedule.due(done_ms, now_ms()).filter(|_| self.failing.get().again_ms <= now_ms()) {
            if let Err(error) = job(leadership.clone(), at_ms).await {
                let pause_ms = (self.failing.get().pause_ms * 2).clamp(FIRST_PAUSE_MS, LONGEST_PAUSE_MS);
                self.failing.set(Failing { pause_ms, again_ms: now_ms().saturating_add(pause_ms) });
                return Ok(Scheduled::Failed { at_ms, error });
            }
            self.failing.take();
            self.mark(awake, name, term, at_ms).await?;
            done_ms = at_ms;
            done += 1;
        }
        Ok(Scheduled::Done(done))
    }

    /// In how long there is something to do again: at the next time of the schedule, or when a job that failed is tried again.
    fn next_in(&self, schedule: &Schedule) -> Option<Duration> {
        let now_ms = now_ms();
        let again_ms = Some(self.failing.get().again_ms).filter(|again_ms| *again_ms > now_ms);
        let next_ms = again_ms.into_iter().chain(schedule.next(now_ms)).min()?;
        Some(Duration::from_millis(next_ms - now_ms))
    }

    /// Moves on up to when a schedule is done, in this term: up to when it was before. A time of 0 only asks.
    async fn mark(&self, awake: &Awake, name: &str, term: Term, at_ms: u64) -> Result<u64> {
        let known = || {
            let marks = self.marks.borrow();
            marks.iter().find(|mark| mark.name == name && mark.term == term).map(|mark| mark.done_ms)
        };
        if let Some(done_ms) = known().filter(|done_ms| *done_ms >= at_ms) {
            return Ok(done_ms);
        }
        let marked = awake.storage.mark(awake.candidate.key(), name, term, at_ms).await;
        let before_ms = marked.map_err(|error| Error::RustError(format!("schedule {name}: {error}")))?;
        let mut marks = self.marks.borrow_mut();
        marks.retain(|mark| mark.name != name);
        marks.push(Mark { name: name.to_owned(), term, done_ms: before_ms.max(at_ms) });
        Ok(before_ms)
    }

    /// An alarm has come: does a step, and sets the next one.
    async fn begin(&self) -> Result<(Rc<Awake>, Option<Duration>)> {
        let awake = match self.wake() {
            Ok(awake) => awake,
            Err(error) => {
                // The platform tries an alarm that failed a few times, and then never again.
                self.arm(Some(AFTER_FAILURE), true).await?;
                return Err(error);
            }
        };
        let wake_in = awake.step().await;
        self.arm(wake_in, false).await?;
        Ok((awake, wake_in))
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
        let wake_in = awake.step().await;
        let leads = awake.candidate.leadership().is_some();
        let wake_in = if leads {
            // An error says that there is no driver any more, and then there is no term either.
            let (_, wake_in) = awake.meanwhile(awake.candidate.resign(), Some(Duration::ZERO)).await;
            wake_in
        } else {
            wake_in
        };
        self.arm(wake_in, false).await?;
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
        if self.ticket()?.is_none() && self.awake.borrow().strong_count() == 0 {
            return self.state.storage().delete_alarm().await;
        }
        let awake = self.wake()?;
        let _ = awake.step().await;
        let _ = awake.meanwhile(awake.candidate.shutdown(), Some(Duration::ZERO)).await;
        self.state.storage().delete_alarm().await
    }

    /// Whether this candidate leads: asks the storage, and hands the leadership on for the time that is left.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    ///
    /// # Cancel safety
    /// The candidate sleeps.
    pub async fn lead(&self) -> Result<Option<Lead>> {
        let awake = self.wake()?;
        if awake.candidate.leadership().is_none() {
            let wake_in = awake.step().await;
            // However often it is asked: the alarm comes when it was to come.
            self.arm(wake_in, true).await?;
        }
        // Looked at anew: whatever was awaited, the deadline counts.
        Ok(awake.candidate.leadership().filter(Leadership::is_valid).map(|leadership| Lead {
            term: leadership.term(),
            time_left_ms: u64::try_from(leadership.remaining().as_millis()).unwrap_or(u64::MAX),
        }))
    }

    /// [`lead`](Self::lead), once for each time of a schedule: for whoever is told of the times by others, as by a cron trigger, which may
    /// come twice, or never. ([`run_scheduled`](Self::run_scheduled) knows them by itself.)
    ///
    /// `name` tells schedules of the key apart, as in [`Schedule::new`]. A time that is not later than the last one that was led for, by
    /// whichever candidate, is not led for again, not even if the job failed: to try again is for whoever was told.
    ///
    /// # Errors
    /// As [`run`](Self::run); the name does not fit; the object that holds the lease did not answer.
    ///
    /// # Cancel safety
    /// The time may or may not have been led for.
    pub async fn lead_once(&self, name: &str, scheduled_ms: u64) -> Result<Option<Lead>> {
        check_name(name)?;
        let Some(lead) = self.lead().await? else { return Ok(None) };
        let awake = self.wake()?;
        let before_ms = self.mark(&awake, name, lead.term, scheduled_ms).await?;
        Ok((before_ms < scheduled_ms).then_some(lead))
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
            storage.set_alarm(Duration::from_millis(1)).await?;
        }
        Ok(())
    }

    fn sql(&self) -> Result<Sql> {
        Ok(self.state.as_raw().storage()?.sql().unchecked_into())
    }

    /// What the last event has left.
    fn ticket(&self) -> Result<Option<String>> {
        let sql = self.sql()?;
        sql.run(TABLES, Vec::new())?;
        let mut found = None;
        for mut row in sql.rows("SELECT ticket FROM lessor_ticket", Vec::new())? {
            found = Some(row.text()?);
        }
        Ok(found)
    }

    /// An event begins. Reads the object's storage in any case: if another instance has taken over, that fails.
    fn wake(&self) -> Result<Rc<Awake>> {
        let found = self.ticket()?;
        if let Some(awake) = self.awake.borrow().upgrade() {
            return Ok(awake);
        }
        let ticket = found.as_deref().and_then(read).map(Ticket::continuing);
        let builder = ticket.into_iter().fold(self.builder.clone(), Builder::resume);
        let storage = DurableObjectStorage::new(self.env.durable_object(self.binding)?);
        let built = builder.build_with(storage.clone(), WorkerTimer::new(), entropy()?);
        let (candidate, driver) = built.map_err(|error: BuildError| Error::RustError(error.to_string()))?;
        let config = driver.config();
        if config.takeover_guard || !config.takeover_delay.is_zero() || !config.claim_delay.is_zero() {
            let refused = "a campaign takes none of takeover_guard, takeover_delay, claim_delay";
            return Err(Error::RustError(refused.into()));
        }
        let sql = self.sql()?;
        // Gone before it is used: no request leaves the object before that is durable.
        if found.is_some() {
            sql.run("DELETE FROM lessor_ticket", Vec::new())?;
        }
        let awake = Rc::new(Awake { candidate, driver: Mutex::new(Some(driver)), storage, sql });
        *self.awake.borrow_mut() = Rc::downgrade(&awake);
        Ok(awake)
    }

    /// Sets the alarm; or leaves it, if it comes earlier.
    async fn arm(&self, wake_in: Option<Duration>, earlier_wins: bool) -> Result<()> {
        let Some(wake_in) = wake_in else { return Ok(()) };
        let wake_in = u64::try_from(wake_in.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX);
        let storage = self.state.storage();
        if earlier_wins {
            let at = u64::try_from(storage.get_alarm().await?.unwrap_or(i64::MAX)).unwrap_or_default();
            if at <= now_ms().saturating_add(wake_in) {
                return Ok(());
            }
        }
        storage.set_alarm(Duration::from_millis(wake_in)).await
    }
}

impl Awake {
    /// Does a step: in how long the next one is due.
    async fn step(&self) -> Option<Duration> {
        // There is one until this is dropped.
        let mut driver = self.driver.lock().await;
        let driver = driver.as_mut()?;
        let step = driver.step().await;
        // How often it has failed before is forgotten between events: it is not asked in haste.
        let least = if step.status.failures > 0 { driver.config().retry_interval / 2 } else { Duration::ZERO };
        step.wake_in.map(|wake_in| wake_in.max(least))
    }

    /// Does this, and steps meanwhile: in how long the next one is due then.
    async fn meanwhile<F: Future>(&self, what: F, wake_in: Option<Duration>) -> (F::Output, Option<Duration>) {
        let (done, over) = oneshot::channel::<()>();
        let work = async {
            let outcome = what.await;
            drop(done);
            outcome
        };
        join(work, self.steps(wake_in, over)).await
    }

    /// Goes on with steps until it is over, and ends between two of them: else the next instance gets no ticket.
    async fn steps(&self, mut wake_in: Option<Duration>, mut over: oneshot::Receiver<()>) -> Option<Duration> {
        while let Some(pause) = wake_in {
            match select(WorkerTimer::new().sleep(pause), over).await {
                Either::Left(((), rest)) => over = rest,
                Either::Right(_) => break,
            }
            wake_in = self.step().await;
        }
        wake_in
    }
}

/// The last of the events is over: demoted first, then the ticket is written.
impl Drop for Awake {
    fn drop(&mut self) {
        let Some(driver) = self.driver.get_mut().take() else { return };
        let status = self.candidate.status();
        let refused = status.role == Role::Follower && status.failures == 0;
        let Some(ticket) = driver.into_ticket() else { return };
        if refused && ticket.led().is_none() {
            // Its session holds nothing: the next instance draws a new one, and nothing has to be written.
            return;
        }
        let ticket: String = ticket.into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
        if let Err(error) = self.sql.run("INSERT OR REPLACE INTO lessor_ticket VALUES (1, ?)", vec![ticket.into()]) {
            // The next instance draws a session of its own, and waits for the lease of this one to run out.
            worker::console_error!("the ticket could not be written: {}", Error::from(error));
        }
    }
}

fn now_ms() -> u64 {
    worker::Date::now().as_millis()
}

fn read(ticket: &str) -> Option<Ticket> {
    let byte = |at| u8::from_str_radix(ticket.get(at..at + 2)?, 16).ok();
    let bytes: Option<Vec<u8>> = (0..ticket.len()).step_by(2).map(byte).collect();
    Ticket::from_bytes(&bytes?)
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
