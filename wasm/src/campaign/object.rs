//! What candidates have of their object: its storage, where they leave tickets, and its alarm.

use core::fmt;
use core::time::Duration;
use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};

use futures::future::join_all;
use lessor::{BuildError, Builder, Candidate, Driver, Key, Leadership, Ticket, Timer};
use lessor_service::Layout;
use wasm_bindgen::{JsCast, JsValue};
use worker::worker_sys::DurableObjectState;
use worker::{Env, Error, Result, State};

use super::awake::{Awake, Entrant};
use super::tickets::Tickets;
use super::{Due, Lead, now_ms};
use crate::storage::DurableObjectStorage;
use crate::timer::WorkerTimer;

/// When to look again at a storage that could not be used.
const AFTER_FAILURE: Duration = Duration::from_secs(10);

/// An alarm that should have come so long ago will not.
const LOST_MS: u64 = 60_000;

pub(super) struct Object {
    state: State,
    env: Env,
    binding: String,
    layout: Layout,
    builders: Vec<Builder>,
    awake: RefCell<Weak<Awake>>,
    /// When the alarm comes, in ms, if it was this instance that set it and it has not come.
    alarm_ms: Cell<Option<u64>>,
    /// Of what, once they were awake.
    keys: RefCell<Vec<Key>>,
}

impl Object {
    pub(super) fn new(state: &State, env: &Env, binding: String, builders: Vec<Builder>) -> Self {
        let raw: &JsValue = state.as_raw().as_ref();
        let state = State::from(raw.clone().unchecked_into::<DurableObjectState>());
        Self {
            state,
            env: env.clone(),
            binding,
            layout: Layout::PerKey,
            builders,
            awake: RefCell::default(),
            alarm_ms: Cell::default(),
            keys: RefCell::default(),
        }
    }

    pub(super) fn layout(self, layout: Layout) -> Self {
        Self { layout, ..self }
    }

    /// With another builder for each.
    pub(super) fn each(self, change: impl Fn(Builder) -> Builder) -> Self {
        Self { builders: self.builders.into_iter().map(change).collect(), ..self }
    }

    /// An alarm has come: does a step, and sets the next one.
    pub(super) async fn begin(&self) -> Result<Rc<Awake>> {
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
        Ok(awake)
    }

    /// Hands these keys over: whether one of them was led.
    pub(super) async fn resign(&self, which: impl Fn(&Key) -> bool) -> Result<bool> {
        let awake = self.wake()?;
        // What it knows may be old: the storage has the last word.
        let mut due = awake.step().await;
        let led = awake.candidates().filter(|candidate| which(candidate.key()) && candidate.leadership().is_some());
        let led: Vec<_> = led.collect();
        if !led.is_empty() {
            // An error says that there is no driver any more, and then there is no term either.
            let resigning = join_all(led.iter().map(|candidate| candidate.resign()));
            (_, due) = awake.promptly(resigning).await;
        }
        self.arm(due, false).await?;
        Ok(!led.is_empty())
    }

    pub(super) async fn stop(&self) -> Result<()> {
        // Who never was a candidate does not become one for this.
        if Tickets::of(&self.state)?.found()?.is_none() && self.awake.borrow().strong_count() == 0 {
            return self.delete_alarm().await;
        }
        let awake = self.wake()?;
        let _ = awake.step().await;
        let stopping = join_all(awake.candidates().map(Candidate::shutdown));
        let _ = awake.promptly(stopping).await;
        self.delete_alarm().await
    }

    /// Whether the candidate of this key leads.
    pub(super) async fn lead(&self, which: impl Fn(&Key) -> bool) -> Result<Option<Lead>> {
        if let Some(lead) = self.asleep(&which)? {
            return Ok(Some(lead));
        }
        let awake = self.wake()?;
        let found = || awake.candidates().find(|candidate| which(candidate.key())).and_then(Candidate::leadership);
        if found().is_none() {
            let due = awake.step().await;
            // However often it is asked: the alarm comes when it was to come.
            self.arm(due, true).await?;
        }
        // Looked at anew: whatever was awaited, the deadline counts.
        let leadership = found().filter(Leadership::is_valid);
        Ok(leadership.map(|leadership| Lead::of(leadership.term(), leadership.remaining())))
    }

    pub(super) async fn ensure(&self) -> Result<()> {
        let storage = self.state.storage();
        let due_ms = storage.get_alarm().await?.and_then(|due_ms| u64::try_from(due_ms).ok());
        if due_ms.is_none_or(|due_ms| due_ms.saturating_add(LOST_MS) < now_ms()) {
            self.alarm_ms.set(None);
            storage.set_alarm(Duration::from_millis(1)).await?;
        }
        Ok(())
    }

    /// How much is left of the leadership of this term. Nothing: it is over, or is handed over, or the event that it began in is.
    #[cfg(feature = "script")]
    pub(super) fn remaining(&self, term: lessor::Term) -> Duration {
        let awake = self.awake.borrow().upgrade();
        let leadership = awake.and_then(|awake| awake.leadership());
        let leadership = leadership.filter(|leadership| leadership.is_valid() && leadership.term() == term);
        leadership.map_or(Duration::ZERO, |leadership| leadership.remaining())
    }

    /// The leadership that its ticket tells of. Reads the object's storage as whoever wakes: an instance that was superseded hears of it.
    fn asleep(&self, which: impl Fn(&Key) -> bool) -> Result<Option<Lead>> {
        let found = Tickets::of(&self.state)?.found()?;
        if self.awake.borrow().strong_count() > 0 {
            return Ok(None);
        }
        let of_this = |ticket: &Ticket| which(ticket.key()) && self.keys.borrow().contains(ticket.key());
        let tickets = found.unwrap_or_default().tickets;
        let Some(ticket) = tickets.into_iter().find(of_this) else { return Ok(None) };
        let Some((term, until)) = ticket.led().zip(ticket.reign_until()) else { return Ok(None) };
        let time_left = until.saturating_duration_since(WorkerTimer::new().now());
        Ok((!time_left.is_zero()).then(|| Lead::of(term, time_left)))
    }

    /// An event begins. Reads the object's storage in any case: if another instance has taken over, that fails.
    pub(super) fn wake(&self) -> Result<Rc<Awake>> {
        let tickets = Tickets::of(&self.state)?;
        let found = tickets.found()?;
        if let Some(awake) = self.awake.borrow().upgrade() {
            return Ok(awake);
        }
        let left = found.is_some();
        let mut found = found.unwrap_or_default();
        let storage = DurableObjectStorage::new(self.env.durable_object(&self.binding)?).layout(self.layout);
        let mut entrants = Vec::new();
        for builder in &self.builders {
            let (candidate, driver) = enter(builder, &mut found.tickets, &storage)?;
            let config = driver.config();
            if config.takeover_guard || !config.takeover_delay.is_zero() || !config.claim_delay.is_zero() {
                let refused = "a campaign takes none of takeover_guard, takeover_delay, claim_delay";
                return Err(Error::RustError(refused.into()));
            }
            let rests = found.resting.iter().find(|(key, _)| key == candidate.key()).map(|(_, until)| *until);
            entrants.push(Entrant::new(candidate, driver, rests));
        }
        // Gone before they are used: no request leaves the object before that is durable.
        if left {
            tickets.delete()?;
        }
        *self.keys.borrow_mut() = entrants.iter().map(|entrant| entrant.candidate.key().clone()).collect();
        let awake = Rc::new(Awake::new(entrants, storage, tickets));
        *self.awake.borrow_mut() = Rc::downgrade(&awake);
        Ok(awake)
    }

    /// Sets the alarm; or leaves it, if it comes earlier. Where it comes at that time anyway nothing is written.
    pub(super) async fn arm(&self, due: Option<Due>, earlier_wins: bool) -> Result<()> {
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

/// A candidate that goes on with the ticket that is its own, if there is one. (A key that was renamed has left one that is nobody's.)
fn enter(
    builder: &Builder,
    found: &mut Vec<Ticket>,
    storage: &DurableObjectStorage,
) -> Result<(Candidate, Driver<DurableObjectStorage>)> {
    let entropy = entropy()?;
    let build = |builder: Builder| builder.build_with(storage.clone(), WorkerTimer::new(), entropy);
    let new = build(builder.clone());
    let Ok((candidate, _)) = &new else { return new.map_err(refused) };
    let key = candidate.key();
    // A slot's key begins with that of its election.
    let is_own = |ticket: &Ticket| ticket.key().as_str().strip_prefix(key.as_str()).is_some_and(is_slot);
    let Some(place) = found.iter().position(is_own) else { return new.map_err(refused) };
    match build(builder.clone().resume(found.swap_remove(place).continuing())) {
        // It had slots then, or has them now.
        Err(BuildError::TicketOfAnother { .. }) => new,
        resumed => resumed,
    }
    .map_err(refused)
}

/// Whether this is what stands behind the key of an election: nothing, or the number of a slot.
fn is_slot(rest: &str) -> bool {
    rest.is_empty() || rest.starts_with("/slot/")
}

fn refused(error: BuildError) -> Error {
    Error::RustError(error.to_string())
}

/// From the platform's source of randomness.
fn entropy() -> Result<impl FnMut() -> u64 + Copy + 'static> {
    // Failing can be told here, not later.
    let mut state = getrandom::u64().map_err(|error| Error::RustError(error.to_string()))?;
    Ok(move || {
        state = getrandom::u64().unwrap_or_else(|_| state.wrapping_mul(0xd134_2543_de82_ef95).wrapping_add(1));
        state
    })
}

impl fmt::Debug for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Object").field("builders", &self.builders).finish_non_exhaustive()
    }
}
