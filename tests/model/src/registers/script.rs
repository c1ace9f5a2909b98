//! The shipped handle, played: its register answers as the script says, and its clock shows what the script says.

use std::future::{Pending, pending, poll_fn};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use lessor::storage::registers::{RegisterStorage, Registers, Sights, Stored, Swap};
use lessor::storage::{List, Request};
use lessor::{Instant, Key, Storage, StorageError, Timer, async_trait};

use super::handle::Step;
use super::{Answer, Ask, Next, Revision};

/// What the clock of a handle shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Reading {
    pub(crate) now: Instant,
    /// It shows whole multiples of this.
    pub(crate) resolution: Duration,
}

/// What a handle knows after a call has come so far, and what comes next.
pub(super) fn play(request: &Request, steps: &[Step]) -> Option<(Sights<Revision>, Next)> {
    let key = request.key()?;
    let script = Script::default();
    let storage = RegisterStorage::with_timer(script.clone(), script.clone());
    let mut call = storage.call(request.clone());
    let mut polled = Poll::Pending;
    for step in steps {
        storage.set_sights(key, Sights::clone(&step.sights));
        {
            let mut page = script.page();
            page.reading = Some(step.reading);
            page.first = step.first;
            page.asked = None;
            page.answer = step.answer.clone();
        }
        polled = call.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    }
    let next = match polled {
        Poll::Pending => Next::Ask(script.page().asked.take()?),
        Poll::Ready(reply) => Next::Reply(reply.map(Box::new)),
    };
    Some((storage.sights(key), next))
}

/// Registers and clock of one call.
#[derive(Clone, Debug, Default)]
struct Script(Arc<Mutex<Page>>);

#[derive(Debug, Default)]
struct Page {
    reading: Option<Reading>,
    /// What the clock shows when it is read next, where that is to be another time.
    first: Option<Instant>,
    asked: Option<Ask>,
    answer: Option<Answer>,
}

impl Script {
    fn page(&self) -> MutexGuard<'_, Page> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn ask(&self, ask: Ask) -> Answer {
        self.page().asked = Some(ask);
        poll_fn(|_| self.page().answer.take().map_or(Poll::Pending, Poll::Ready)).await
    }
}

impl Timer for Script {
    type Sleep = Pending<()>;

    fn now(&self) -> Instant {
        let mut page = self.page();
        let now = page.reading.map(|reading| reading.now);
        page.first.take().or(now).unwrap_or_default()
    }

    fn sleep(&self, _: Duration) -> Pending<()> {
        pending()
    }

    fn resolution(&self) -> Duration {
        self.page().reading.map_or(Duration::ZERO, |reading| reading.resolution)
    }
}

#[async_trait]
impl Registers for Script {
    type Revision = Revision;

    fn name(&self) -> &str {
        "the register"
    }

    async fn read(&self, _: &Key) -> Result<Option<Stored<Revision>>, StorageError> {
        match self.ask(Ask::Read(0)).await {
            Answer::Read(stored) => Ok(stored.as_deref().cloned()),
            _ => Err(failed()),
        }
    }

    async fn swap(&self, swap: &Swap<Revision>) -> Result<Option<Revision>, StorageError> {
        match self.ask(Ask::Swap(Arc::new(swap.clone()))).await {
            Answer::Swapped(revision) => Ok(revision),
            _ => Err(failed()),
        }
    }

    async fn list(&self, _: &List) -> Result<Vec<(Key, Stored<Revision>)>, StorageError> {
        Err(failed())
    }

    async fn check(&self) -> Result<(), StorageError> {
        Ok(())
    }
}

fn failed() -> StorageError {
    StorageError::transient("planted")
}
