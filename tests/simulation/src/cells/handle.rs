//! The registers as one process reaches them: what it asks for are messages.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use lessor::storage::registers::{RegisterStorage, Registers, Stored, Swap, Watch};
use lessor::storage::{Get, List, Request};
use lessor::{Instant, Key, StorageError, Timer, async_trait};

use super::watch::Items;
use super::{CellAsk, CellTold, CellWhat, Revision, Sights, in_doubt};
use crate::clock::Nanos;
use crate::message::{Ask, Told};
use crate::network::Call;
use crate::plan::nanos;
use crate::sim::{Sim, World};
use crate::timer::{SimSleep, SimTimer};

/// What one handle has of the store: a process has one in each of its lives.
pub(crate) struct Handle {
    sim: Arc<Sim>,
    process: usize,
    incarnation: u32,
    /// Its number among all.
    number: usize,
}

impl Sim {
    /// A storage that knows nothing yet.
    pub(crate) fn open_registers(self: &Arc<Self>, process: usize, incarnation: u32) -> RegisterStorage<Handle> {
        let mut world = self.world();
        let number = world.cells.sights.len();
        let resolution = world.plan.registers.map_or(0, |registers| registers.resolution);
        world.cells.sights.push(Sights::new(resolution));
        drop(world);
        let timer = SimTimer { sim: self.clone(), process, incarnation };
        let handle = Handle { sim: self.clone(), process, incarnation, number };
        RegisterStorage::with_timer(handle, Coarse { timer, resolution })
    }
}

/// A clock that shows whole ticks.
struct Coarse {
    timer: SimTimer,
    resolution: Nanos,
}

impl Timer for Coarse {
    type Sleep = SimSleep;

    fn now(&self) -> Instant {
        let reading = nanos(self.timer.now().since_origin());
        Instant::from_origin(Duration::from_nanos(reading - reading.checked_rem(self.resolution).unwrap_or(0)))
    }

    fn sleep(&self, duration: Duration) -> SimSleep {
        self.timer.sleep(duration)
    }

    fn resolution(&self) -> Duration {
        Duration::from_nanos(self.resolution)
    }
}

impl Handle {
    pub(crate) fn number(&self) -> usize {
        self.number
    }

    /// Asks for these, each with the key that it is about.
    fn ask(&self, asks: impl IntoIterator<Item = (Option<Key>, CellWhat)>) -> Asking<'_> {
        let world = self.sim.world();
        let asks = asks.into_iter().map(|(key, what)| {
            let (request, seat) = world.asked_for(key.as_ref(), &what);
            CellAsk { what, request, seat, handle: self.number, clock: 0 }
        });
        let asks = asks.collect();
        let by = world.cells.asking;
        Asking { handle: self, by, asks, call: None }
    }

    fn row(&self, key: &Key) -> usize {
        self.sim.world().plan.row_of(key)
    }

    fn read_of(&self, key: &Key) -> (Option<Key>, CellWhat) {
        (Some(key.clone()), CellWhat::Read(self.row(key)))
    }

    fn swap_of(&self, swap: &Swap<Revision>) -> (Option<Key>, CellWhat) {
        (Some(swap.key.clone()), CellWhat::Swap(self.row(&swap.key), Box::new(swap.clone())))
    }
}

impl World {
    /// For the sake of which request something is asked, and whose that is.
    fn asked_for(&self, key: Option<&Key>, what: &CellWhat) -> (Request, Option<usize>) {
        let call = self.cells.asking.map(|call| &self.calls[call]);
        let found = call.and_then(|call| {
            let place = call.requests.iter().position(|request| request.key() == key)?;
            Some((call.requests[place].clone(), call.seats.get(place).copied()))
        });
        found.unwrap_or_else(|| match (what, key) {
            (CellWhat::List(list), _) => (list.clone().into(), None),
            (_, Some(key)) => (Get::new(key.clone()).into(), None),
            (_, None) => (List::new().into(), None),
        })
    }
}

#[cfg_attr(not(target_family = "wasm"), async_trait)]
#[cfg_attr(target_family = "wasm", async_trait(?Send))]
impl Registers for Handle {
    type Revision = Revision;

    fn name(&self) -> &str {
        "the simulated registers"
    }

    async fn read(&self, key: &Key) -> Result<Option<Stored<Revision>>, StorageError> {
        let asking = self.ask([self.read_of(key)]);
        asking.await.into_iter().next().map_or_else(|| Err(in_doubt()), as_read)
    }

    async fn swap(&self, swap: &Swap<Revision>) -> Result<Option<Revision>, StorageError> {
        let asking = self.ask([self.swap_of(swap)]);
        asking.await.into_iter().next().map_or_else(|| Err(in_doubt()), as_swapped)
    }

    async fn read_all(&self, keys: &[Key]) -> Vec<Result<Option<Stored<Revision>>, StorageError>> {
        let asks: Vec<_> = keys.iter().map(|key| self.read_of(key)).collect();
        self.ask(asks).await.into_iter().map(as_read).collect()
    }

    async fn swap_all(&self, swaps: &[Swap<Revision>]) -> Vec<Result<Option<Revision>, StorageError>> {
        let asks: Vec<_> = swaps.iter().map(|swap| self.swap_of(swap)).collect();
        self.ask(asks).await.into_iter().map(as_swapped).collect()
    }

    async fn list(&self, list: &List) -> Result<Vec<(Key, Stored<Revision>)>, StorageError> {
        let asking = self.ask([(None, CellWhat::List(list.clone()))]);
        match asking.await.into_iter().next() {
            Some(Ok(CellTold::Listed(all))) => Ok(all),
            Some(Err(error)) => Err(error),
            _ => Err(in_doubt()),
        }
    }

    fn watch(&self, key: &Key) -> Option<Watch<Revision>> {
        let mut world = self.sim.world();
        if !world.plan.faults.wakes {
            return None;
        }
        let row = world.plan.row_of(key);
        let number = world.begin_watch(self.number, self.process, self.incarnation, row);
        drop(world);
        Some(Watch::new(Items { sim: self.sim.clone(), number }))
    }

    async fn check(&self) -> Result<(), StorageError> {
        Ok(())
    }
}

fn as_read(told: Result<CellTold, StorageError>) -> Result<Option<Stored<Revision>>, StorageError> {
    if let CellTold::Read(stored) = told? { Ok(stored) } else { Err(in_doubt()) }
}

fn as_swapped(told: Result<CellTold, StorageError>) -> Result<Option<Revision>, StorageError> {
    if let CellTold::Swapped(revision) = told? { Ok(revision) } else { Err(in_doubt()) }
}

/// A message on its way, sent when this is first polled. Dropping it changes nothing about the message.
struct Asking<'a> {
    handle: &'a Handle,
    /// The request for the sake of which this is asked.
    by: Option<usize>,
    asks: Vec<CellAsk>,
    call: Option<usize>,
}

impl Future for Asking<'_> {
    type Output = Vec<Result<CellTold, StorageError>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let Handle { sim, process, incarnation, .. } = this.handle;
        let mut world = sim.world();
        let call = match this.call {
            Some(call) => call,
            // The dead send nothing, even where a poll of theirs is not over yet.
            None if world.processes[*process].incarnation != *incarnation => return Poll::Pending,
            None => {
                let clock = world.processes[*process].clock.at(world.now);
                this.asks.iter_mut().for_each(|ask| ask.clock = clock);
                let seats = this.asks.iter().filter_map(|ask| ask.seat).collect();
                let call = world.calls.len();
                let new = Call::new(seats, *process, world.now);
                world.calls.push(new);
                world.count_asked(this.by, &this.asks);
                world.send(call, Ask::Cells(this.asks.clone()));
                *this.call.insert(call)
            }
        };
        let Some(told) = world.take_answer(call, cx.waker()) else { return Poll::Pending };
        let Told::Cells(answers) = told else {
            world.count_told(this.by, &[]);
            return Poll::Ready(this.asks.iter().map(|_| Err(in_doubt())).collect());
        };
        for (ask, answer) in this.asks.iter().zip(&answers) {
            if let Ok(answer) = answer {
                world.tell_handle(*process, ask, answer);
            }
        }
        world.count_told(this.by, &answers);
        Poll::Ready(answers)
    }
}

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        if let Some(call) = self.call {
            self.handle.sim.world().give_up(call);
        }
    }
}
