//! The storage as the candidates of a process reach it.

use std::sync::Arc;

use lessor::storage::{Reply, Request, one_by_one};
use lessor::{Key, Storage, StorageError, Wakeups, async_trait};

use crate::message::{Ask, Told};
use crate::operator::number_of;
use crate::sim::Sim;

pub(crate) struct Port {
    pub(crate) sim: Arc<Sim>,
    pub(crate) process: usize,
    pub(crate) incarnation: u32,
}

impl Port {
    /// Whose key that is. Nobody's: it is about the processes that share the keys.
    fn seat_of(&self, key: Option<&Key>) -> Option<usize> {
        Some(self.process * self.sim.world().plan.keys + number_of(key?)?)
    }
}

#[cfg_attr(not(target_family = "wasm"), async_trait)]
#[cfg_attr(target_family = "wasm", async_trait(?Send))]
impl Storage for Port {
    async fn call(&self, request: Request) -> Result<Reply, StorageError> {
        let seat = self.seat_of(request.key());
        let ask = Ask::Lessor(vec![request]);
        match self.sim.call(self.process, self.incarnation, seat.into_iter().collect(), ask).await {
            Told::Lessor(mut replies) => replies.pop().unwrap_or_else(|| Err(StorageError::unfit())),
            _ => Err(StorageError::transient("connection reset")),
        }
    }

    /// Candidates do not ask this; the loop of `candidate::batch` has batches of its own.
    async fn call_all(&self, requests: Vec<Request>) -> Vec<Result<Reply, StorageError>> {
        one_by_one(self, requests).await
    }

    fn subscribe(&self, key: &Key) -> Wakeups {
        if let Some(registers) = self.sim.registers_of(self.process) {
            return registers.subscribe(key);
        }
        let seat = self.seat_of(Some(key));
        let world = self.sim.world();
        match seat {
            Some(seat) if world.plan.faults.wakes => Wakeups::new(world.seats[seat].hint.clone()),
            _ => Wakeups::never(),
        }
    }

    async fn check(&self) -> Result<(), StorageError> {
        Ok(())
    }
}
