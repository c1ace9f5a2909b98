//! The storage as a candidate reaches it.

use std::sync::Arc;

use lessor::{
    Acquired, Claim, Key, Lease, Renewed, Reply, Request, Session, Storage, StorageError, Term, Wakeups, async_trait,
};

use crate::message::{Ask, Told};
use crate::sim::Sim;

pub(crate) struct Port {
    pub(crate) sim: Arc<Sim>,
    pub(crate) process: usize,
    pub(crate) incarnation: u32,
    pub(crate) seat: usize,
}

impl Port {
    async fn ask(&self, request: Request) -> Result<Reply, StorageError> {
        let ask = Ask::Lessor(vec![request]);
        match self.sim.call(self.process, self.incarnation, vec![self.seat], ask).await {
            Told::Lessor(mut replies) => replies.pop().ok_or_else(no_fit),
            _ => Err(StorageError::transient("connection reset")),
        }
    }
}

fn no_fit() -> StorageError {
    StorageError::permanent("the reply does not fit the request")
}

#[async_trait]
impl Storage for Port {
    async fn acquire(&self, claim: &Claim) -> Result<Acquired, StorageError> {
        match self.ask(Request::Acquire(claim.clone())).await? {
            Reply::Acquired(acquired) => Ok(acquired),
            _ => Err(no_fit()),
        }
    }

    async fn renew(&self, claim: &Claim, term: Term) -> Result<Renewed, StorageError> {
        match self.ask(Request::Renew(claim.clone(), term)).await? {
            Reply::Renewed(renewed) => Ok(renewed),
            _ => Err(no_fit()),
        }
    }

    async fn release(&self, key: &Key, session: Session) -> Result<(), StorageError> {
        match self.ask(Request::Release(key.clone(), session)).await? {
            Reply::Released => Ok(()),
            _ => Err(no_fit()),
        }
    }

    async fn get(&self, key: &Key) -> Result<Option<Lease>, StorageError> {
        match self.ask(Request::Get(key.clone())).await? {
            Reply::Got(lease) => Ok(lease),
            _ => Err(no_fit()),
        }
    }

    fn subscribe(&self, _: &Key) -> Wakeups {
        let world = self.sim.world();
        if world.plan.faults.wakes { Wakeups::new(world.seats[self.seat].hint.clone()) } else { Wakeups::never() }
    }

    async fn check(&self) -> Result<(), StorageError> {
        Ok(())
    }
}
