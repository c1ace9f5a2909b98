//! What a driver and its handles share: the driver publishes, the handles read and ask.

use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::fmt;
use core::ops::DerefMut;

use event_listener::Event as Signal;

use crate::election::{Event, LostReason, Role, Status};
use crate::events::{Events, Queue};
use crate::lease::{Lease, Value};
use crate::lock::Mutex;
use crate::published::{Deadline, Ended, Grant};
use crate::time::{Instant, Timer};

pub(crate) struct Shared<T> {
    pub(crate) timer: T,
    /// Until when the candidate leads and takes on new work.
    pub(crate) leading: Deadline,
    pub(crate) state: Mutex<State>,
    /// Something in the state changed: the handles wait for this.
    changed: Signal,
    /// Somebody asks for something: the driver waits for this.
    pub(crate) asked: Signal,
}

pub(crate) struct State {
    pub(crate) status: Status,
    /// When the status was taken.
    pub(crate) taken_at: Instant,
    pub(crate) grant: Option<Arc<Grant>>,
    /// How often the leader changed.
    pub(crate) leader_changes: usize,
    pub(crate) wishes: Wishes,
    pub(crate) closed: Option<Closed>,
    queues: Vec<Weak<Queue>>,
}

/// What the handles asked for, and how far the driver is with it. Asking twice before the driver looks is asking once.
#[derive(Default)]
pub(crate) struct Wishes {
    pub(crate) stop: bool,
    pub(crate) resign: Ticket,
    pub(crate) value: Ticket,
    pub(crate) new_value: Option<Option<Value>>,
    /// The newest value wish that the storage has seen.
    pub(crate) value_stored: u64,
}

/// A counted wish.
#[derive(Default)]
pub(crate) struct Ticket {
    pub(crate) asked: u64,
    /// The newest that the driver took up.
    pub(crate) taken: u64,
    /// The newest that is done.
    pub(crate) done: u64,
}

impl Ticket {
    pub(crate) fn ask(&mut self) -> u64 {
        self.asked += 1;
        self.asked
    }
}

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Closed {
    Stopped,
    Dropped,
}

impl<T: Timer> Shared<T> {
    pub(crate) fn new(timer: T, status: Status) -> Self {
        let taken_at = timer.now();
        let state = State {
            status,
            taken_at,
            grant: None,
            leader_changes: 0,
            wishes: Wishes::default(),
            closed: None,
            queues: Vec::new(),
        };
        Self {
            timer,
            leading: Deadline::passed(),
            state: Mutex::new(state),
            changed: Signal::new(),
            asked: Signal::new(),
        }
    }

    // === the handles' side ===

    /// Waits until `ready` finds something. Cancel safe.
    pub(crate) async fn wait_for<R>(&self, mut ready: impl FnMut(&State) -> Option<R>) -> R {
        loop {
            // Listen first, look, then wait: else a change in between is missed.
            let change = self.changed.listen();
            let found = ready(&self.state.lock());
            if let Some(found) = found {
                return found;
            }
            change.await;
        }
    }

    pub(crate) fn change(&self) -> event_listener::EventListener {
        self.changed.listen()
    }

    pub(crate) fn ask<R>(&self, wish: impl FnOnce(&mut Wishes) -> R) -> R {
        let ticket = wish(&mut self.state.lock().wishes);
        self.asked.notify(usize::MAX);
        ticket
    }

    /// The state as it is now, whatever the driver last had time to say.
    pub(crate) fn status(&self) -> Status {
        let state = self.state.lock();
        let mut status = Status { leader: self.leader_in(&state), ..state.status.clone() };
        drop(state);
        if status.deadline.is_some_and(|deadline| self.timer.now() >= deadline) {
            status.deadline = None;
            status.term = None;
            status.jeopardy = false;
            if matches!(status.role, Role::Leader | Role::Ending) {
                status.role = Role::Follower;
            }
        }
        status
    }

    /// Who leads as far as is known, with the time that is left by now.
    pub(crate) fn leader(&self) -> Option<Lease> {
        self.leader_in(&self.state.lock())
    }

    fn leader_in(&self, state: &State) -> Option<Lease> {
        let lease = state.status.leader.as_ref()?;
        let elapsed = self.timer.now().saturating_duration_since(state.taken_at);
        Some(Lease { time_left: lease.time_left.saturating_sub(elapsed), ..lease.clone() }).filter(Lease::is_live)
    }

    /// Who leads, once that has changed since `seen`.
    pub(crate) async fn leader_changed(&self, seen: usize) -> Option<(usize, Option<Lease>)> {
        self.wait_for(|state| match state.leader_changes {
            changes if changes != seen => Some(Some((changes, self.leader_in(state)))),
            _ => state.closed.map(|_| None),
        })
        .await
    }

    pub(crate) fn events(&self) -> Events {
        let queue = Arc::new(Queue::default());
        let mut state = self.state.lock();
        present(&state).into_iter().flatten().for_each(|event| queue.push(event));
        if state.closed.is_none() {
            state.queues.push(Arc::downgrade(&queue));
        }
        Events::new(queue)
    }

    // === the driver's side ===

    /// Lets the handles see what happened and the state after it, in one step. To be called before a request that
    /// follows is sent.
    pub(crate) fn publish(&self, events: Vec<Event>, status: Status, progress: impl FnOnce(&mut Wishes) -> bool) {
        let mut state = self.state.lock();
        let progressed = progress(&mut state.wishes);
        state.status = Status { driver_alive: state.closed.is_none(), ..status };
        state.taken_at = self.timer.now();
        if progressed || !events.is_empty() {
            self.announce(state, events);
        }
    }

    /// The driver is gone: nothing stays true, and nobody waits any longer.
    pub(crate) fn abandon(&self) {
        let mut state = self.state.lock();
        if state.closed.is_some() {
            return;
        }
        let lost = state.grant.as_ref().map(|grant| grant.term());
        let reason = LostReason::DriverDropped;
        let mut events: Vec<_> = lost.map(|term| Event::Lost { term, reason }).into_iter().collect();
        events.push(Event::Stopped);
        state.closed = Some(Closed::Dropped);
        self.announce(state, events);
    }

    fn announce(&self, mut state: impl DerefMut<Target = State>, events: Vec<Event>) {
        for event in events {
            self.apply(&mut state, &event);
            state.queues.retain(|queue| {
                let queue = queue.upgrade();
                queue.inspect(|queue| queue.push(event.clone())).is_some()
            });
        }
        drop(state);
        self.changed.notify(usize::MAX);
    }

    fn apply(&self, state: &mut State, event: &Event) {
        match event {
            Event::Elected { term, deadline } => {
                state.grant = Some(Arc::new(Grant::new(*term, *deadline)));
                self.leading.set(*deadline);
            }
            Event::Renewed { deadline, .. } => {
                if let Some(grant) = &state.grant {
                    grant.deadline().set(*deadline);
                    if !grant.is_ending() {
                        self.leading.set(*deadline);
                    }
                }
            }
            Event::Ending { .. } => {
                self.leading.clear();
                if let Some(grant) = &state.grant {
                    grant.begin_ending(if state.wishes.stop { Ended::Stopped } else { Ended::Resigned });
                }
            }
            Event::Lost { reason, .. } => {
                self.leading.clear();
                if let Some(grant) = state.grant.take() {
                    grant.lose(ended(reason));
                }
            }
            Event::LeaderChanged(_) => state.leader_changes = state.leader_changes.wrapping_add(1),
            Event::Stopped => {
                state.closed.get_or_insert(Closed::Stopped);
                state.status = Status {
                    role: Role::Stopped,
                    term: None,
                    deadline: None,
                    jeopardy: false,
                    leader: None,
                    driver_alive: false,
                    ..state.status.clone()
                };
            }
            _ => {}
        }
    }
}

fn ended(reason: &LostReason) -> Ended {
    match reason {
        LostReason::Expired => Ended::Expired,
        LostReason::Superseded(_) => Ended::Superseded,
        LostReason::Failures(_) => Ended::Failures,
        LostReason::Resigned => Ended::Resigned,
        LostReason::Stopped => Ended::Stopped,
        LostReason::DriverDropped => Ended::DriverDropped,
    }
}

/// What a new listener has to know.
fn present(state: &State) -> [Option<Event>; 5] {
    let Status { role, term, deadline, jeopardy, leader, .. } = &state.status;
    let reign = term.zip(*deadline);
    [
        Some(Event::LeaderChanged(leader.clone())),
        reign.map(|(term, deadline)| Event::Elected { term, deadline }),
        reign.filter(|_| *jeopardy).map(|(term, deadline)| Event::Jeopardy { term, deadline }),
        term.filter(|_| *role == Role::Ending).map(|term| Event::Ending { term }),
        state.closed.map(|_| Event::Stopped),
    ]
}

impl<T> fmt::Debug for Shared<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("status", &self.state.lock().status).finish_non_exhaustive()
    }
}

/// Keeps a candidate going: the driver stops when the last clone is gone.
pub(crate) struct Alive<T: Timer>(pub(crate) Arc<Shared<T>>);

impl<T: Timer> Drop for Alive<T> {
    fn drop(&mut self) {
        self.0.ask(|wishes| wishes.stop = true);
    }
}

impl<T: Timer> fmt::Debug for Alive<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
