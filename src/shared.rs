//! What a driver and its handles share: the driver tells what happened, the handles read and ask.

use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::time::Duration;
use core::{fmt, mem};

use event_listener::{Event as Signal, EventListener};

use crate::config::Config;
use crate::deadline::Deadline;
use crate::election::{Election, Event, Input, Leader, LostReason, Role, Status};
use crate::events::{Events, Queue};
use crate::lease::Lease;
use crate::mutex::{Mutex, MutexGuard};
use crate::shared_reign::SharedReign;
use crate::slots::Slots;
use crate::stopped::Stopped;
use crate::term::Term;
use crate::text::{Id, Key, Value};
use crate::time::{Instant, Timer};

pub(crate) struct Shared<T> {
    pub(crate) timer: T,
    pub(crate) key: Key,
    pub(crate) config: Arc<Config>,
    /// Until when the candidate leads and takes on new work: one for all its reigns. Each [`SharedReign`] has a deadline of
    /// its own beside it, which lasts through the hand-over.
    pub(crate) leading: Deadline,
    pub(crate) state: Mutex<State>,
    /// Something in the state changed: the handles wait for this.
    changed: Signal,
    /// Somebody asks for something: the driver waits for this.
    pub(crate) asked: Signal,
}

/// Behind the lock. No foreign code runs under it, neither a timer's nor a waker's: it might ask for the lock itself.
pub(crate) struct State {
    status: Status,
    leader: Option<Leader>,
    pub(crate) reign: Option<Arc<SharedReign>>,
    /// How often the leader changed.
    leader_changes: usize,
    wishes: Wishes,
    pub(crate) closed: Option<Stopped>,
    queues: Vec<Weak<Queue>>,
}

impl State {
    /// Whether a term is held, whatever the driver last had time to say.
    pub(crate) fn holds_a_term(&self, now: Instant) -> bool {
        self.reign.as_ref().is_some_and(|reign| reign.deadline().is_ahead(|| now))
    }

    /// Whether the hand-over of this number is done.
    pub(crate) const fn has_resigned(&self, number: u64) -> bool {
        self.wishes.resign.done >= number
    }

    /// How far the value of this serial is.
    pub(crate) const fn value(&self, serial: u64) -> ValueState {
        if self.wishes.value_stored >= serial {
            ValueState::Stored
        } else if self.wishes.value_set >= serial {
            ValueState::Set
        } else {
            ValueState::Asked
        }
    }

    fn leader(&self, now: Instant) -> Option<Lease> {
        self.leader.as_ref()?.at(now)
    }

    fn status(&self, now: Instant) -> Status {
        let status = Status { at: now, leader: self.leader(now), ..self.status.clone() };
        if status.term.is_none() || self.holds_a_term(now) {
            return status;
        }
        Status { role: Role::Follower, term: None, deadline: None, jeopardy: false, ..status }
    }
}

/// What the handles asked for, and how far the driver is with it. Asking twice before the driver looks is asking once.
#[derive(Default)]
pub(crate) struct Wishes {
    stop: bool,
    resign: Resigning,
    /// A value that the driver has not taken up yet.
    value: Option<Option<Value>>,
    /// A claim delay that the driver has not taken up yet.
    claim_delay: Option<Duration>,
    /// The serial of the newest value asked for.
    value_asked: u64,
    /// That of the newest one taken up.
    value_set: u64,
    /// That of the newest one that the storage has seen.
    value_stored: u64,
}

/// Which hand-overs the driver has not taken up yet; and how often one was asked for, taken up, and done.
#[derive(Default)]
struct Resigning {
    /// To nobody in particular.
    is_plain: bool,
    /// To whom, and whether patiently.
    transfer: Option<(Id, bool)>,
    asked: u64,
    taken: u64,
    done: u64,
}

impl Wishes {
    pub(crate) const fn stop(&mut self) {
        self.stop = true;
    }

    /// The number of this wish, for [`State::has_resigned`].
    pub(crate) const fn resign(&mut self) -> u64 {
        self.resign.is_plain = true;
        self.resign.asked += 1;
        self.resign.asked
    }

    /// The number of this wish, for [`State::has_resigned`]. The candidate that is named last is meant.
    pub(crate) fn transfer(&mut self, to: Id, is_patient: bool) -> u64 {
        self.resign.transfer = Some((to, is_patient));
        self.resign.asked += 1;
        self.resign.asked
    }

    /// The value's serial, for [`State::value`].
    pub(crate) fn set_value(&mut self, value: Option<Value>) -> u64 {
        self.value = Some(value);
        self.value_asked += 1;
        self.value_asked
    }

    pub(crate) const fn set_claim_delay(&mut self, delay: Duration) {
        self.claim_delay = Some(delay);
    }

    /// Takes note of how far the election is. Whether that is news for somebody who waits.
    fn progress(&mut self, election: &Election) -> bool {
        let before = (self.value_stored, self.value_set, self.resign.done);
        self.value_stored = election.serial_stored();
        self.value_set = election.serial_set();
        if !election.is_handing_over() {
            self.resign.done = self.resign.taken;
        }
        before != (self.value_stored, self.value_set, self.resign.done)
    }
}

/// How far a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ValueState {
    /// The driver has not taken it up yet.
    Asked,
    /// It goes out with the next claim or renewal.
    Set,
    /// The storage has it.
    Stored,
}

impl<T: Timer> Shared<T> {
    pub(crate) fn new(timer: T, election: &Election) -> Self {
        let state = State {
            status: election.status(),
            leader: None,
            reign: None,
            leader_changes: 0,
            wishes: Wishes {
                value_asked: election.serial_set(),
                value_set: election.serial_set(),
                ..Wishes::default()
            },
            closed: None,
            queues: Vec::new(),
        };
        Self {
            timer,
            key: election.key().clone(),
            config: election.shared_config().clone(),
            leading: Deadline::none(),
            state: Mutex::new(state),
            changed: Signal::new(),
            asked: Signal::new(),
        }
    }

    // === the handles' side ===

    /// Waits until `ready` finds something. Cancel safe.
    pub(crate) async fn wait_for<R>(&self, mut ready: impl FnMut(&State, Instant) -> Option<R>) -> R {
        loop {
            // Listen first, look, then wait: else a change in between is missed.
            let change = self.changed.listen();
            let now = self.timer.now();
            let found = ready(&self.state.lock(), now);
            if let Some(found) = found {
                return found;
            }
            change.await;
        }
    }

    pub(crate) fn change(&self) -> EventListener {
        self.changed.listen()
    }

    pub(crate) fn ask<R>(&self, wish: impl FnOnce(&mut Wishes) -> R) -> R {
        let wished = wish(&mut self.state.lock().wishes);
        self.asked.notify(usize::MAX);
        wished
    }

    /// The state as it is now, whatever the driver last had time to say.
    pub(crate) fn status(&self) -> Status {
        let now = self.timer.now();
        self.state.lock().status(now)
    }

    /// Who leads as far as is known, with the time that is left by now.
    pub(crate) fn leader(&self) -> Option<Lease> {
        let now = self.timer.now();
        self.state.lock().leader(now)
    }

    /// Who leads, once that has changed since `seen`.
    async fn leader_changed(&self, seen: usize) -> Result<(usize, Option<Lease>), Stopped> {
        self.wait_for(|state, now| match state.leader_changes {
            changes if changes != seen => Some(Ok((changes, state.leader(now)))),
            _ => state.closed.map(Err),
        })
        .await
    }

    pub(crate) fn events(&self) -> Events {
        let queue = Arc::new(Queue::default());
        let now = self.timer.now();
        let mut state = self.state.lock();
        present_as_events(&state, now).into_iter().flatten().for_each(|event| queue.push(event));
        if state.closed.is_none() {
            state.queues.retain(|queue| queue.strong_count() > 0);
            state.queues.push(Arc::downgrade(&queue));
        }
        Events::new(queue)
    }

    // === the driver's side ===

    /// What was asked for since the last time, for the election. A stop, and a drained term, are told each time.
    pub(crate) fn take_wishes(&self) -> impl Iterator<Item = Input> + use<T> {
        let mut state = self.state.lock();
        let drained = state.reign.as_ref().filter(|reign| reign.is_drained()).map(|reign| reign.term());
        let wishes = &mut state.wishes;
        let serial = wishes.value_asked;
        let value = wishes.value.take().map(|value| Input::SetValue { value, serial });
        let claim_delay = wishes.claim_delay.take().map(Input::SetClaimDelay);
        let transfer = wishes.resign.transfer.take().map(|(to, is_patient)| Input::Transfer { to, is_patient });
        // After that: it bounds a patient one.
        let resign = mem::take(&mut wishes.resign.is_plain).then_some(Input::Resign);
        wishes.resign.taken = wishes.resign.asked;
        let stop = wishes.stop.then_some(Input::Stop);
        [value, claim_delay, transfer, resign, stop, drained.map(Input::Drained)].into_iter().flatten()
    }

    /// Lets the handles see what happened and the state after it, in one step. To be called before a request that
    /// follows is sent.
    pub(crate) fn tell(&self, events: Vec<Event>, election: &Election) -> Told {
        let mut state = self.state.lock();
        let progressed = state.wishes.progress(election);
        state.status = Status { driver_alive: state.closed.is_none(), ..election.status() };
        state.leader = election.leader().cloned();
        if progressed || !events.is_empty() {
            self.announce(state, events, election.slots())
        } else {
            Told { events, over: None }
        }
    }

    /// The driver is gone: nothing stays true, and nobody waits any longer. Answers what happened thereby.
    pub(crate) fn abandon(&self) -> Vec<Event> {
        let mut state = self.state.lock();
        let mut events = Vec::new();
        if state.closed.is_some() {
            return events;
        }
        if let Some(reign) = &state.reign {
            events.push(Event::Lost { term: reign.term(), reason: LostReason::DriverDropped });
        }
        if state.leader.take().is_some() {
            events.push(Event::LeaderChanged(None));
        }
        events.push(Event::Stopped);
        state.closed = Some(Stopped::DriverDropped);
        self.announce(state, events, None).events
    }

    fn announce(&self, mut state: MutexGuard<'_, State>, events: Vec<Event>, slots: Option<&Slots>) -> Told {
        let queues: Vec<_> = state.queues.iter().filter_map(Weak::upgrade).collect();
        let (mut told, mut over) = (Vec::with_capacity(events.len()), None);
        for event in events {
            match self.apply(&mut state, &event, slots) {
                None => {
                    queues.iter().for_each(|queue| queue.push(event.clone()));
                    told.push(event);
                }
                ended => over = over.or(ended),
            }
        }
        drop(state);
        queues.iter().for_each(|queue| queue.notify());
        self.changed.notify(usize::MAX);
        Told { events: told, over }
    }

    /// Answers a term that was renewed after somebody had seen its end: it is over, and nobody hears of the renewal. The
    /// driver hands it back to the election as [`Input::Expired`], which ends the reign here too.
    fn apply(&self, state: &mut State, event: &Event, slots: Option<&Slots>) -> Option<Term> {
        match event {
            Event::Elected { term, deadline, slot } => {
                let slot = slots.zip(*slot).and_then(|(slots, number)| slots.slot(number));
                // `status.at` is the election's now: `tell` has just set it.
                state.reign = Some(Arc::new(SharedReign::new(*term, state.status.at, *deadline, slot)));
                self.leading.set(*deadline);
            }
            Event::Renewed { term, deadline } => {
                let extended = state.reign.as_ref().is_some_and(|reign| {
                    reign.deadline().extend(*deadline) && (reign.is_ending() || self.leading.extend(*deadline))
                });
                return (!extended).then_some(*term);
            }
            Event::Ending { reason, .. } => {
                self.leading.clear();
                if let Some(reign) = &state.reign {
                    reign.begin_ending(*reason);
                }
            }
            Event::Lost { reason, .. } => {
                self.leading.clear();
                if let Some(reign) = state.reign.take() {
                    reign.lose(*reason);
                }
            }
            Event::LeaderChanged(_) => state.leader_changes = state.leader_changes.wrapping_add(1),
            Event::Stopped => {
                state.closed.get_or_insert(Stopped::Shutdown);
                state.leader = None;
                let status = state.status.clone();
                state.status = Status {
                    role: Role::Stopped,
                    term: None,
                    deadline: None,
                    jeopardy: false,
                    leader: None,
                    driver_alive: false,
                    ..status
                };
            }
            Event::Jeopardy { .. } | Event::StorageFailed { .. } | Event::Missed(_) => {}
        }
        None
    }
}

/// What came of telling the handles.
#[must_use]
pub(crate) struct Told {
    /// What the handles were told.
    pub(crate) events: Vec<Event>,
    /// A term that was renewed after somebody had seen its end: it is over.
    pub(crate) over: Option<Term>,
}

/// What a new listener has to know.
fn present_as_events(state: &State, now: Instant) -> [Option<Event>; 5] {
    let Status { role, term, deadline, jeopardy, leader, .. } = state.status(now);
    let reign = term.zip(deadline);
    let reason = state.reign.as_ref().map(|reign| reign.reason());
    let slot = state.reign.as_ref().and_then(|reign| reign.slot()).map(|slot| slot.number);
    let ending = term.filter(|_| role == Role::Ending).zip(reason);
    [
        Some(Event::LeaderChanged(leader)),
        reign.map(|(term, deadline)| Event::Elected { term, deadline, slot }),
        reign.filter(|_| jeopardy).map(|(term, deadline)| Event::Jeopardy { term, deadline }),
        ending.map(|(term, reason)| Event::Ending { term, reason }),
        state.closed.map(|_| Event::Stopped),
    ]
}

impl<T> fmt::Debug for Shared<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("status", &self.state.lock().status).finish_non_exhaustive()
    }
}

/// A handle: keeps its driver going, and remembers which change of leader it reported last.
pub(crate) struct Handle<T: Timer> {
    pub(crate) shared: Arc<Shared<T>>,
    pub(crate) alive: Arc<Alive<T>>,
    seen: usize,
}

impl<T: Timer> Handle<T> {
    pub(crate) fn new(shared: Arc<Shared<T>>) -> Self {
        let alive = Arc::new(Alive(shared.clone()));
        Self { shared, alive, seen: 0 }
    }

    /// Who leads, once that is another than this handle last reported.
    pub(crate) async fn leader_changed(&mut self) -> Result<Option<Lease>, Stopped> {
        let (seen, lease) = self.shared.leader_changed(self.seen).await?;
        self.seen = seen;
        Ok(lease)
    }
}

impl<T: Timer> Clone for Handle<T> {
    fn clone(&self) -> Self {
        Self { shared: self.shared.clone(), alive: self.alive.clone(), seen: self.seen }
    }
}

/// The driver stops when the last of these is gone.
pub(crate) struct Alive<T: Timer>(Arc<Shared<T>>);

impl<T: Timer> Drop for Alive<T> {
    fn drop(&mut self) {
        self.0.ask(Wishes::stop);
    }
}
