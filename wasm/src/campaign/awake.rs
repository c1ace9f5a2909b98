//! The candidate while events of its object are under way.

use core::future::Future;
use core::time::Duration;

use futures::channel::oneshot;
use futures::future::{Either, join, select};
use futures::lock::Mutex;
use lessor::{Candidate, Driver, Role, Timer};

use super::Due;
use super::tickets::Tickets;
use crate::storage::DurableObjectStorage;
use crate::timer::WorkerTimer;

pub(super) struct Awake {
    pub(super) candidate: Candidate,
    pub(super) storage: DurableObjectStorage,
    driver: Mutex<Option<Driver<DurableObjectStorage>>>,
    tickets: Tickets,
}

impl Awake {
    pub(super) fn new(
        candidate: Candidate,
        driver: Driver<DurableObjectStorage>,
        storage: DurableObjectStorage,
        tickets: Tickets,
    ) -> Self {
        Self { candidate, storage, driver: Mutex::new(Some(driver)), tickets }
    }

    /// Does a step: when the next one is due.
    pub(super) async fn step(&self) -> Option<Due> {
        // There is one until this is dropped.
        let mut driver = self.driver.lock().await;
        let driver = driver.as_mut()?;
        let step = driver.step().await;
        // How often it has failed before is forgotten between events: it is not asked in haste.
        let least = if step.status.failures > 0 { driver.config().retry_interval / 2 } else { Duration::ZERO };
        step.wake_in.map(|wake_in| Due::within(wake_in.max(least)))
    }

    /// Does this, and steps meanwhile: when the next one is due then.
    pub(super) async fn meanwhile<F: Future>(&self, what: F, due: Option<Due>) -> (F::Output, Option<Due>) {
        let (done, over) = oneshot::channel::<()>();
        let work = async {
            let outcome = what.await;
            drop(done);
            outcome
        };
        join(work, self.steps(due, over)).await
    }

    /// Goes on with steps until it is over, and ends between two of them: else the next instance gets no ticket.
    async fn steps(&self, mut due: Option<Due>, mut over: oneshot::Receiver<()>) -> Option<Due> {
        while let Some(next) = due {
            match select(WorkerTimer::new().sleep(next.left()), over).await {
                Either::Left(((), rest)) => over = rest,
                Either::Right(_) => break,
            }
            due = self.step().await;
        }
        due
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
        if let Err(error) = self.tickets.put(ticket) {
            // The next instance draws a session of its own, and waits for the lease of this one to run out.
            worker::console_error!("the ticket could not be written: {error}");
        }
    }
}
