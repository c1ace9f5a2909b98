//! What a driver and its handles share: the driver publishes, the handles read and ask.

use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::fmt;
use core::sync::atomic::{AtomicUsize, Ordering};

use event_listener::{Event as Signal, EventListener};

use crate::election::{Election, Event, Leader, LostReason, Role, Status};
use crate::events::{Events, Queue};
use crate::lease::{Lease, Term, Value};
use crate::lock::{Mutex, MutexGuard};
use crate::published::{Deadline, Grant};
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
    status: Status,
    leader: Option<Leader>,
    pub(crate) grant: Option<Arc<Grant>>,
    /// How often the leader changed.
    leader_changes: usize,
    pub(crate) wishes: Wishes,
    pub(crate) closed: Option<Closed>,
    queues: Vec<Weak<Queue>>,
}

impl State {
    /// Whether a term is held, whatever the driver last had time to say.
    pub(crate) fn holds_a_term(&self, now: Instant) -> bool {
        self.grant.as_ref().is_some_and(|grant| grant.deadline().is_ahead(|| now))
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
    pub(crate) stop: bool,
    pub(crate) resign: Counted,
    pub(crate) value: Counted,
    pub(crate) new_value: Option<Option<Value>>,
    /// The newest value wish that the storage has seen.
    pub(crate) value_stored: u64,
}

/// A counted wish.
#[derive(Default)]
pub(crate) struct Counted {
    pub(crate) asked: u64,
    /// The newest that the driver took up.
    pub(crate) taken: u64,
    /// The newest that is done.
    pub(crate) done: u64,
}

impl Counted {
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
    pub(crate) fn new(timer: T, election: &Election) -> Self {
        let state = State {
            status: election.status(),
            leader: None,
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

    // No foreign code runs under the lock of the state, neither a timer's nor a waker's: it might ask for the lock
    // itself.

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
    pub(crate) async fn leader_changed(&self, seen: usize) -> Option<(usize, Option<Lease>)> {
        self.wait_for(|state, now| match state.leader_changes {
            changes if changes != seen => Some(Some((changes, state.leader(now)))),
            _ => state.closed.map(|_| None),
        })
        .await
    }

    pub(crate) fn events(&self) -> Events {
        let queue = Arc::new(Queue::default());
        let now = self.timer.now();
        let mut state = self.state.lock();
        present(&state, now).into_iter().flatten().for_each(|event| queue.push(event));
        if state.closed.is_none() {
            state.queues.retain(|queue| queue.strong_count() > 0);
            state.queues.push(Arc::downgrade(&queue));
        }
        Events::new(queue)
    }

    // === the driver's side ===

    /// Lets the handles see what happened and the state after it, in one step. To be called before a request that
    /// follows is sent.
    ///
    /// Leaves the events that were let through, and answers a term that was renewed after somebody had seen its end:
    /// it is over.
    pub(crate) fn publish(
        &self,
        events: &mut Vec<Event>,
        election: &Election,
        progress: impl FnOnce(&mut Wishes) -> bool,
    ) -> Option<Term> {
        let mut state = self.state.lock();
        let progressed = progress(&mut state.wishes);
        state.status = Status { driver_alive: state.closed.is_none(), ..election.status() };
        state.leader = election.leader().cloned();
        if progressed || !events.is_empty() { self.announce(state, events) } else { None }
    }

    /// The driver is gone: nothing stays true, and nobody waits any longer. Answers what happened thereby.
    pub(crate) fn abandon(&self) -> Vec<Event> {
        let mut state = self.state.lock();
        let mut events = Vec::new();
        if state.closed.is_some() {
            return events;
        }
        if let Some(grant) = &state.grant {
            events.push(Event::Lost { term: grant.term(), reason: LostReason::DriverDropped });
        }
        if state.leader.take().is_some() {
            events.push(Event::LeaderChanged(None));
        }
        events.push(Event::Stopped);
        state.closed = Some(Closed::Dropped);
        self.announce(state, &mut events);
        events
    }

    fn announce(&self, mut state: MutexGuard<'_, State>, events: &mut Vec<Event>) -> Option<Term> {
        let queues: Vec<_> = state.queues.iter().filter_map(Weak::upgrade).collect();
        let mut over = None;
        events.retain(|event| match self.apply(&mut state, event) {
            Ok(()) => {
                queues.iter().for_each(|queue| queue.push(event.clone()));
                true
            }
            Err(term) => {
                over = Some(term);
                false
            }
        });
        drop(state);
        queues.iter().for_each(|queue| queue.notify());
        self.changed.notify(usize::MAX);
        over
    }

    /// An error: the term was renewed after somebody had seen its end.
    fn apply(&self, state: &mut State, event: &Event) -> Result<(), Term> {
        match event {
            Event::Elected { term, deadline } => {
                state.grant = Some(Arc::new(Grant::new(*term, state.status.at, *deadline)));
                self.leading.set(*deadline);
            }
            Event::Renewed { term, deadline } => {
                let extended = state.grant.as_ref().is_some_and(|grant| {
                    grant.deadline().extend(*deadline) && (grant.is_ending() || self.leading.extend(*deadline))
                });
                return if extended { Ok(()) } else { Err(*term) };
            }
            Event::Ending { .. } => {
                self.leading.clear();
                let reason = if state.wishes.stop { LostReason::Stopped } else { LostReason::Resigned };
                if let Some(grant) = &state.grant {
                    grant.begin_ending(reason);
                }
            }
            Event::Lost { reason, .. } => {
                self.leading.clear();
                if let Some(grant) = state.grant.take() {
                    grant.lose(*reason);
                }
            }
            Event::LeaderChanged(_) => state.leader_changes = state.leader_changes.wrapping_add(1),
            Event::Stopped => {
                state.closed.get_or_insert(Closed::Stopped);
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
            _ => {}
        }
        Ok(())
    }
}

/// What a new listener has to know.
fn present(state: &State, now: Instant) -> [Option<Event>; 5] {
    let Status { role, term, deadline, jeopardy, leader, .. } = state.status(now);
    let reign = term.zip(deadline);
    [
        Some(Event::LeaderChanged(leader)),
        reign.map(|(term, deadline)| Event::Elected { term, deadline }),
        reign.filter(|_| jeopardy).map(|(term, deadline)| Event::Jeopardy { term, deadline }),
        term.filter(|_| role == Role::Ending).map(|term| Event::Ending { term }),
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
    seen: AtomicUsize,
}

impl<T: Timer> Handle<T> {
    pub(crate) fn new(shared: Arc<Shared<T>>) -> Self {
        let alive = Arc::new(Alive(shared.clone()));
        Self { shared, alive, seen: AtomicUsize::new(0) }
    }

    /// Who leads, once that is another than this handle last reported. `None`: there will be no more changes.
    pub(crate) async fn leader_changed(&self) -> Option<Option<Lease>> {
        let (seen, lease) = self.shared.leader_changed(self.seen.load(Ordering::Relaxed)).await?;
        self.seen.store(seen, Ordering::Relaxed);
        Some(lease)
    }
}

impl<T: Timer> Clone for Handle<T> {
    fn clone(&self) -> Self {
        let seen = AtomicUsize::new(self.seen.load(Ordering::Relaxed));
        Self { shared: self.shared.clone(), alive: self.alive.clone(), seen }
    }
}

/// The driver stops when the last of these is gone.
pub(crate) struct Alive<T: Timer>(Arc<Shared<T>>);

impl<T: Timer> Drop for Alive<T> {
    fn drop(&mut self) {
        self.0.ask(|wishes| wishes.stop = true);
    }
}
