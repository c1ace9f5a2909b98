//! Behind the lock: the election, and what the handles see of it, ask for and wait for.

use alloc::boxed::Box;
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::mem;
use core::task::Waker;

use event_listener::{Event as Signal, EventListener};

use super::wishes::{Progress, ValueState, Wishes};
use crate::election::{Election, Input, RequestId, Role, Status};
use crate::events::Queue;
use crate::lease::Lease;
use crate::shared_reign::SharedReign;
use crate::slots::Slot;
use crate::stopped::Stopped;
use crate::storage::{Answer, Session};
use crate::time::Instant;

/// Behind the lock. No foreign code runs under it, neither a timer's nor a waker's: it might ask for the lock itself.
pub(crate) struct State {
    /// Moved on in one step with all that the handles see of it: what they see here was told.
    pub(crate) election: Election,
    pub(super) reign: Option<Arc<SharedReign>>,
    /// How often the leader changed.
    pub(super) leader_changes: u32,
    /// `None`: nobody has asked for anything yet.
    pub(super) wishes: Option<Box<Wishes>>,
    pub(crate) closed: Option<Stopped>,
    /// Who listens to events. There often is nobody: it is in a place of its own.
    #[expect(clippy::box_collection, reason = "one word where there is none, instead of three")]
    pub(super) queues: Option<Box<Vec<Weak<Queue>>>>,
    /// Something in the state changed: the handles wait for this.
    pub(super) changed: Signal,
    /// Whether any of them does: a signal that nobody waited for takes no memory.
    pub(super) is_awaited: bool,
    /// Somebody asks for something, and the driver has not looked since.
    pub(super) is_asked: bool,
    /// Wakes the driver when somebody does.
    pub(super) driver: Option<Waker>,
}

/// The present reign, as a leadership has it.
#[derive(Clone)]
pub(crate) struct Present {
    pub(crate) reign: Arc<SharedReign>,
    pub(crate) began: Instant,
    /// The slot that is led, where the key has some.
    pub(crate) slot: Option<Arc<Slot>>,
}

/// What happened to a candidate since its election was moved on.
#[derive(Default)]
pub(crate) struct News {
    pub(crate) reply: Option<(RequestId, Answer)>,
    pub(crate) session: Option<Session>,
    pub(crate) is_woken: bool,
    /// It is time to renew, together with others.
    pub(crate) renew: bool,
    /// The group gives the key up.
    pub(crate) resign: bool,
}

impl State {
    /// The present reign.
    pub(crate) fn reign(&self) -> Option<Present> {
        let (began, ..) = self.election.reign()?;
        let slot = self.election.slot().map(|number| Slot { number, key: self.election.slot_key().clone() });
        Some(Present { reign: self.reign.clone()?, began, slot: slot.map(Arc::new) })
    }

    /// Whether a term is held, whatever the driver last had time to say.
    pub(crate) fn holds_a_term(&self, now: Instant) -> bool {
        self.reign.as_ref().is_some_and(|reign| reign.deadline().was_ahead_of(now))
    }

    /// Whether somebody asked for an end, of the reign or the candidate, of which the election may not have been told.
    pub(crate) fn is_to_end(&self) -> bool {
        self.wishes.as_ref().is_some_and(|wishes| wishes.ask_for_an_end())
    }

    /// Whether the hand-over of this number is done.
    pub(crate) fn has_resigned(&self, number: u64) -> bool {
        self.wishes.as_ref().is_some_and(|wishes| wishes.has_resigned(number))
    }

    /// How far the value of this serial is.
    pub(crate) const fn value(&self, serial: u64) -> ValueState {
        if self.election.serial_stored() >= serial {
            ValueState::Stored
        } else if self.election.serial_set() >= serial {
            ValueState::Set
        } else {
            ValueState::Asked
        }
    }

    pub(super) fn leader(&self, now: Instant) -> Option<Lease> {
        if self.closed.is_some() { None } else { self.election.leader_at(now) }
    }

    pub(super) fn status(&self, now: Instant) -> Status {
        let driver_alive = self.closed.is_none();
        let status = Status { at: now, leader: self.leader(now), driver_alive, ..self.election.status() };
        let role = if driver_alive { Role::Follower } else { Role::Stopped };
        if driver_alive && (status.term.is_none() || self.holds_a_term(now)) {
            return status;
        }
        Status { role, term: None, slot: None, deadline: None, jeopardy: false, ..status }
    }

    /// What was asked for since the last time. A stop is told each time.
    pub(super) fn take_wishes(&mut self, now: Instant) {
        self.is_asked = false;
        let Self { wishes, election, .. } = self;
        if let Some(wishes) = wishes {
            wishes.tell(|wish| election.handle_input(now, wish));
        }
    }

    /// That the work of an ending term has ended. It is told each time.
    pub(super) fn tell_if_drained(&mut self, now: Instant) {
        if let Some(reign) = self.reign.as_ref().filter(|reign| reign.is_drained()) {
            self.election.handle_input(now, Input::Drained(reign.term()));
        }
    }

    pub(super) fn take_news(&mut self, now: Instant, news: &mut News) {
        // One after the other, since a list of them would be moved about for each renewal.
        if let Some((id, reply)) = news.reply.take() {
            self.election.take_reply(now, id, reply);
        }
        if let Some(session) = news.session.take() {
            self.election.handle_input(now, Input::Session(session));
        }
        if mem::take(&mut news.is_woken) {
            self.election.handle_input(now, Input::Wakeup);
        }
        if mem::take(&mut news.renew) {
            self.election.handle_input(now, Input::Renew);
        }
        if mem::take(&mut news.resign) {
            self.election.handle_input(now, Input::Resign);
        }
    }

    pub(super) fn wishes(&mut self) -> &mut Wishes {
        let Self { wishes, election, .. } = self;
        wishes.get_or_insert_with(|| Box::new(Wishes::new(election)))
    }

    pub(super) fn progress(&mut self) -> Option<Progress> {
        let Self { wishes, election, .. } = self;
        wishes.as_mut().map(|wishes| wishes.progress(election))
    }

    pub(super) fn listen(&mut self) -> EventListener {
        self.is_awaited = true;
        self.changed.listen()
    }

    /// Answers what wakes the driver, for when the lock is given back.
    pub(super) const fn rouse(&mut self) -> Option<Waker> {
        self.is_asked = true;
        self.driver.take()
    }
}
