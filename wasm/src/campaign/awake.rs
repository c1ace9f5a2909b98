//! Candidates while events of their object are under way.

use core::future::Future;
use core::time::Duration;
use std::cell::Cell;

use futures::channel::oneshot;
use futures::future::{Either, join, join_all, select};
use futures::lock::Mutex;
use lessor::{Candidate, Driver, Leadership, Role, Timer};

use super::Due;
use super::tickets::{Left, Tickets};
use crate::storage::DurableObjectStorage;
use crate::timer::WorkerTimer;

/// One at least.
pub(super) struct Awake {
    entrants: Vec<Entrant>,
    pub(super) storage: DurableObjectStorage,
    tickets: Tickets,
    /// When the next step is due, by the last one: several events may be under way, and each of them steps.
    due: Cell<Option<Due>>,
}

pub(super) struct Entrant {
    pub(super) candidate: Candidate,
    driver: Mutex<Option<Driver<DurableObjectStorage>>>,
    /// It resigned, and others lead until then: a driver that is new knows nothing of that.
    rests: Option<Due>,
    due: Cell<Option<Due>>,
}

impl Entrant {
    pub(super) fn new(candidate: Candidate, driver: Driver<DurableObjectStorage>, rests: Option<Due>) -> Self {
        Self { candidate, driver: Mutex::new(Some(driver)), rests, due: Cell::default() }
    }

    async fn step(&self) -> Option<Due> {
        if self.rests.is_some_and(Due::is_to_come) {
            return self.rests;
        }
        self.due.set(self.drive().await);
        self.due.get()
    }

    async fn drive(&self) -> Option<Due> {
        // There is one until this is dropped.
        let mut driver = self.driver.lock().await;
        let driver = driver.as_mut()?;
        let step = driver.step().await;
        // How often it has failed before is forgotten between events: it is not asked in haste.
        let least = if step.status.failures > 0 { driver.config().retry_interval / 2 } else { Duration::ZERO };
        step.wake_in.map(|wake_in| Due::within(wake_in.max(least)))
    }

    /// What the next instance goes on with.
    fn leave(self, left: &mut Left) {
        let status = self.candidate.status();
        let rests = if status.role == Role::CoolingOff { self.due.get() } else { self.rests };
        if let Some(until) = rests.filter(|until| until.is_to_come()) {
            left.resting.push((self.candidate.key().clone(), until));
            return;
        }
        let refused = status.role == Role::Follower && status.failures == 0;
        let ticket = self.driver.into_inner().and_then(Driver::into_ticket);
        // Else its session holds nothing: the next instance draws a new one, and nothing has to be written.
        left.tickets.extend(ticket.filter(|ticket| !refused || ticket.led().is_some()));
    }
}

impl Awake {
    pub(super) fn new(entrants: Vec<Entrant>, storage: DurableObjectStorage, tickets: Tickets) -> Self {
        Self { entrants, storage, tickets, due: Cell::default() }
    }

    pub(super) fn candidates(&self) -> impl Iterator<Item = &Candidate> {
        self.entrants.iter().map(|entrant| &entrant.candidate)
    }

    /// Where there is one candidate: its leadership.
    pub(super) fn leadership(&self) -> Option<Leadership> {
        self.candidates().find_map(Candidate::leadership)
    }

    /// What was just asked of candidates is done at once.
    pub(super) async fn promptly<F: Future>(&self, what: F) -> (F::Output, Option<Due>) {
        self.due.set(Some(Due::within(Duration::ZERO)));
        self.meanwhile(what).await
    }

    /// Does a step: when the next one is due.
    pub(super) async fn step(&self) -> Option<Due> {
        self.due.set(join_all(self.entrants.iter().map(Entrant::step)).await.into_iter().flatten().min());
        self.due.get()
    }

    /// Does this, and steps meanwhile: when the next one is due then.
    pub(super) async fn meanwhile<F: Future>(&self, what: F) -> (F::Output, Option<Due>) {
        let (done, over) = oneshot::channel::<()>();
        let work = async {
            let outcome = what.await;
            drop(done);
            outcome
        };
        join(work, self.steps(over)).await
    }

    /// Goes on with steps until it is over, and ends between two of them: else the next instance gets no ticket.
    async fn steps(&self, mut over: oneshot::Receiver<()>) -> Option<Due> {
        while let Some(due) = self.due.get() {
            match select(WorkerTimer::new().sleep(due.left()), over).await {
                Either::Left(((), rest)) => over = rest,
                Either::Right(_) => break,
            }
            self.step().await;
        }
        self.due.get()
    }
}

/// The last of the events is over: demoted first, then the tickets are written, all of them as one row.
impl Drop for Awake {
    fn drop(&mut self) {
        let mut left = Left::default();
        self.entrants.drain(..).for_each(|entrant| entrant.leave(&mut left));
        if left.tickets.is_empty() && left.resting.is_empty() {
            return;
        }
        if let Err(error) = self.tickets.put(left) {
            // The next instance draws sessions of its own, and waits for the leases of these to run out.
            worker::console_error!("the tickets could not be written: {error}");
        }
    }
}
