//! Leases over registers that can be compared and swapped, and over nothing else.

mod conforms;
mod costs;
mod doubt;
mod shelf;
mod sights;
mod watched;

use core::time::Duration;

use lessor::storage::registers::RegisterStorage;
use lessor::storage::{Acquired, Claim, Renewal, Renewed, Session};
use lessor::time::ManualSleep;
use lessor::{Id, Instant, Key, Lease, ManualTimer, StorageExt, Term, Timer};

use shelf::Shelf;

const TTL: Duration = Duration::from_secs(10);

/// One that stands for a process: it has a clock and sights of its own.
pub(crate) struct Node {
    pub(crate) storage: RegisterStorage<Shelf>,
    pub(crate) timer: ManualTimer,
    number: u128,
}

impl Node {
    pub(crate) fn new(shelf: &Shelf, number: u128) -> Self {
        let timer = ManualTimer::new();
        let storage = RegisterStorage::with_timer(shelf.clone(), Coarse(timer.clone()));
        Self { storage, timer, number }
    }

    pub(crate) fn claim(&self) -> Claim {
        self.claim_of(key())
    }

    pub(crate) fn claim_of(&self, key: Key) -> Claim {
        let id = Id::new(format!("node {}", self.number)).unwrap();
        Claim::new(key, id, Session::from_bits(self.number), TTL)
    }

    pub(crate) fn acquire(&self, claim: Claim) -> Acquired {
        self.run(self.storage.acquire(claim)).unwrap()
    }

    /// The term that it is granted, knowing this one.
    pub(crate) fn wins(&self, after: Option<Term>) -> Term {
        match self.acquire(self.claim().after(after)) {
            Acquired::Granted { term, .. } => term,
            refused => panic!("{refused:?}"),
        }
    }

    /// For how long it has to wait.
    pub(crate) fn waits(&self, after: Option<Term>) -> Duration {
        match self.acquire(self.claim().after(after)) {
            Acquired::Refused { retry_after, .. } => retry_after,
            granted => panic!("{granted:?}"),
        }
    }

    pub(crate) fn renewal(&self, term: Term) -> Renewal {
        let claim = self.claim();
        Renewal::new(claim.key, claim.id, claim.session, term, TTL)
    }

    pub(crate) fn renews(&self, term: Term) -> bool {
        matches!(self.run(self.storage.renew(self.renewal(term))).unwrap(), Renewed::Extended { .. })
    }

    pub(crate) fn lease(&self) -> Lease {
        self.run(self.storage.get(&key())).unwrap().unwrap()
    }

    pub(crate) fn run<F: Future>(&self, future: F) -> F::Output {
        self.timer.block_on(future).expect("it comes to an end")
    }
}

/// A clock that says of itself that it shows whole milliseconds.
struct Coarse(ManualTimer);

impl Timer for Coarse {
    type Sleep = ManualSleep;

    fn now(&self) -> Instant {
        self.0.now()
    }

    fn sleep(&self, duration: Duration) -> ManualSleep {
        self.0.sleep(duration)
    }

    fn resolution(&self) -> Duration {
        Duration::from_millis(1)
    }
}

pub(crate) fn key() -> Key {
    Key::new("k").unwrap()
}
