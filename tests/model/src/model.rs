//! What stateright is told: where it begins, what may happen, and what happens then.

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use lessor::{Config, Ticket};
use stateright::{Model, Property};

use crate::action::Action;
use crate::clock::Tick;
use crate::fault::Fault;
use crate::memo::{Deed, Memo};
use crate::network::Message;
use crate::news::News;
use crate::property;
use crate::registers::{Ask, Handle};
use crate::scope::{Budget, Scope};
use crate::seat::{Instance, Moment, SESSIONS_A_SEAT, Seat, SetUpError, Start};
use crate::state::State;
use crate::store::Reading;

/// Two candidates and a storage, driven through every order of events within a [`Scope`].
#[derive(Debug)]
pub struct ElectionModel {
    pub(crate) scope: Scope,
    pub(crate) fault: Option<Fault>,
    pub(crate) config: Config,
    first: Vec<State>,
    pub(crate) memo: Memo,
    /// No more states are visited.
    pub(crate) cut: Arc<AtomicBool>,
    /// Which properties have been discovered, see [`property`].
    pub(crate) discovered: Vec<AtomicBool>,
}

impl ElectionModel {
    /// A model of this scope, with a rule taken away if `fault` says so.
    ///
    /// # Errors
    /// [`SetUpError`] if the library refuses the scope's durations.
    pub fn new(scope: Scope, fault: Option<Fault>) -> Result<Self, SetUpError> {
        let config = scope.config(fault);
        let mut seats = Vec::new();
        for index in 0..2 {
            let moment = Moment { tick: 0, now: scope.clocks.of(index, 0), keeps_session: false };
            // Zero is nobody's.
            let first = 1 + index * SESSIONS_A_SEAT;
            seats.push(Seat::new(index, index, &config, Start::New(first), moment)?);
        }
        let state = |left: &Budget| State {
            tick: 0,
            seats: seats.clone(),
            handles: if scope.registers { vec![Handle::default(); seats.len()] } else { Vec::new() },
            bag: Default::default(),
            store: Default::default(),
            left: *left,
            stepped: 0,
            released: Default::default(),
            elected: None,
            news: News::default(),
        };
        let mut first: Vec<State> = scope.budgets.iter().map(state).collect();
        if fault == Some(Fault::ObserverStepsForward) {
            first.iter_mut().for_each(|state| state.left.steps = 1);
        }
        let discovered = std::iter::repeat_with(AtomicBool::default).take(property::COUNT).collect();
        let (memo, cut) = Default::default();
        Ok(Self { scope, fault, config, first, memo, cut, discovered })
    }

    pub(crate) fn storage_clock(&self, state: &State) -> Reading {
        let steady_ms = self.scope.clocks.of_storage(state.tick);
        Reading { now_ms: steady_ms.saturating_add_signed(self.scope.step_ms * i64::from(state.stepped)), steady_ms }
    }

    /// The clock that the record counts by.
    pub(crate) fn record_clock(&self, state: &State) -> Reading {
        let clock = self.storage_clock(state);
        if self.scope.registers { state.store.reading(clock.steady_ms) } else { clock }
    }

    pub(crate) fn moment(&self, tick: Tick, seat: &Seat) -> Moment {
        Moment {
            tick,
            now: self.scope.clocks.of(seat.place, tick),
            keeps_session: self.fault == Some(Fault::SessionKept),
        }
    }

    /// How old what is read may be, in writes: of when it was sent, or newer; and in some cases older, but not than what its
    /// handle has been told that it wrote.
    fn ages(&self, state: &State, from: Option<u8>, sent: u8) -> RangeInclusive<u8> {
        let handle = from.and_then(|from| state.handles.get(usize::from(from)));
        let own = if self.fault == Some(Fault::OwnWriteMissed) { 0 } else { handle.map_or(0, |handle| handle.own) };
        let oldest = if state.left.stale > 0 { own.min(sent) } else { sent };
        0..=state.store.register.age_of(oldest)
    }

    /// The seats that answer `is_leader` with yes.
    pub(crate) fn leaders<'a>(&'a self, state: &'a State) -> impl Iterator<Item = &'a Seat> {
        state.seats.iter().filter(|seat| {
            let now = self.moment(state.tick, seat).now;
            seat.awake().is_some_and(|awake| awake.election.is_leader(now))
        })
    }

    fn seat_actions(&self, state: &State, index: u8, seat: &Seat, actions: &mut Vec<Action>) {
        let awake = match &seat.instance {
            Instance::Awake(awake) => awake,
            Instance::Asleep(ticket) => {
                actions.push(Action::Resume(index));
                if Ticket::from_bytes(ticket).is_some_and(|ticket| ticket.led().is_some()) {
                    actions.push(Action::Continue(index));
                }
                return;
            }
        };
        let left = &state.left;
        let now = self.moment(state.tick, seat).now;
        let in_flight = awake.election.in_flight().is_some();
        let may_send = left.requests.get(usize::from(seat.place)).is_some_and(|requests| *requests > 0);
        if may_send && awake.may_send(state.tick) {
            actions.push(Action::Send(index));
        }
        if now >= awake.wake_at {
            actions.push(Action::Poll(index));
        }
        if in_flight && left.failures > 0 {
            actions.push(Action::Fail(index));
        }
        if awake.election.is_leader(now) && left.resigns > 0 {
            actions.push(Action::Resign(index));
        }
        if awake.election.is_leader(now) && left.transfers > 0 {
            actions.push(Action::Transfer(index));
        }
        if left.stops > 0 {
            actions.push(Action::Stop(index));
        }
        if awake.term.is_some() && awake.election.is_handing_over() {
            actions.push(Action::Drained(index));
        }
        if left.crashes > 0 {
            actions.push(Action::Crash(index));
        }
        if left.tickets > 0 {
            actions.push(Action::Sleep(index));
        }
    }
}

impl Model for ElectionModel {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        self.first.clone()
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        if self.cut.load(Ordering::Relaxed) {
            return;
        }
        for (index, seat) in (0..).zip(&state.seats) {
            self.seat_actions(state, index, seat, actions);
        }
        for (message, content) in state.bag.distinct() {
            match content {
                Message::Request { .. } => {
                    actions.push(Action::Apply { message, keep: false });
                    if state.left.duplicates > 0 {
                        actions.push(Action::Apply { message, keep: true });
                    }
                }
                Message::Ask { from, ask: Ask::Swap(_), .. } => {
                    actions.push(Action::Apply { message, keep: false });
                    if state.left.duplicates > 0 && from.is_some() {
                        actions.push(Action::Apply { message, keep: true });
                    }
                }
                Message::Ask { from, ask: Ask::Read(count), .. } => {
                    let past = self.ages(state, *from, *count);
                    actions.extend(past.map(|back| Action::Read { message, back }));
                }
                Message::Reply { .. } | Message::Told { .. } => actions.push(Action::Deliver { message }),
            }
        }
        if state.left.steps > 0 {
            actions.push(Action::StepClock);
        }
        if state.left.ticks > 0 {
            actions.push(Action::Tick);
        }
    }

    fn next_state(&self, before: &State, action: Action) -> Option<State> {
        let mut state = before.clone();
        state.news = News::default();
        let left = &mut state.left;
        match action {
            Action::Tick => {
                left.ticks -= 1;
                self.tick(&mut state)?;
            }
            Action::StepClock => {
                left.steps -= 1;
                state.stepped += 1;
            }
            Action::Send(index) => {
                let place = state.seats.get(usize::from(index))?.place;
                *left.requests.get_mut(usize::from(place))? -= 1;
                self.drive(&mut state, index, Deed::Send)?;
            }
            Action::Poll(index) => self.drive(&mut state, index, Deed::Poll)?,
            Action::Fail(index) => {
                left.failures -= 1;
                if self.scope.registers {
                    self.fail(&mut state, index)?;
                } else {
                    self.drive(&mut state, index, Deed::Fail)?;
                }
            }
            Action::Resign(index) => {
                left.resigns -= 1;
                self.drive(&mut state, index, Deed::Resign)?;
            }
            Action::Transfer(index) => {
                left.transfers -= 1;
                self.drive(&mut state, index, Deed::Transfer)?;
            }
            Action::Stop(index) => {
                left.stops -= 1;
                self.drive(&mut state, index, Deed::Stop)?;
            }
            Action::Drained(index) => self.drive(&mut state, index, Deed::Drained)?,
            Action::Apply { message, keep } => {
                left.duplicates -= u8::from(keep);
                self.apply(&mut state, message, keep)?;
            }
            Action::Read { message, back } => self.read(&mut state, message, back)?,
            Action::Deliver { message } => self.deliver(&mut state, message)?,
            Action::Crash(index) => {
                left.crashes -= 1;
                self.crash(&mut state, index)?;
            }
            Action::Sleep(index) => {
                left.tickets -= 1;
                self.sleep(&mut state, index)?;
            }
            Action::Resume(index) => self.resume(&mut state, index, false)?,
            Action::Continue(index) => self.resume(&mut state, index, true)?,
        }
        self.lose(&mut state);
        self.drop_calls(&mut state);
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        property::all(&self.scope)
    }
}
