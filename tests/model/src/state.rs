//! A state of the whole: candidates, messages, storage, time, and what is left to happen.

use std::hash::{DefaultHasher, Hash, Hasher};

use lessor::Term;
use lessor::storage::Session;

use crate::clock::Tick;
use crate::network::Bag;
use crate::news::News;
use crate::registers::Handle;
use crate::scope::Budget;
use crate::seat::Seat;
use crate::store::Store;

/// A state of the whole. Known by its hash: see `fingerprint.rs` for what that leaves out.
#[derive(Clone, Debug)]
pub struct State {
    pub(crate) tick: Tick,
    pub(crate) seats: Vec<Seat>,
    /// What each seat has of the register, where observers judge.
    pub(crate) handles: Vec<Handle>,
    pub(crate) bag: Bag,
    pub(crate) store: Store,
    /// What may still happen.
    pub(crate) left: Budget,
    /// How often the storage's clock has stepped.
    pub(crate) stepped: u8,
    /// Sessions whose release was sent.
    pub(crate) released: Sessions,
    /// The highest term in which a reign began.
    pub(crate) elected: Option<Term>,
    pub(crate) news: News,
}

/// A set of sessions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Sessions(u64);

impl Sessions {
    pub(crate) fn insert(&mut self, session: Session) {
        self.0 |= 1 << (small(session) % 64);
    }

    pub(crate) fn has(self, session: Session) -> bool {
        self.0 & 1 << (small(session) % 64) != 0
    }
}

/// The model numbers its sessions.
fn small(session: Session) -> u64 {
    u64::try_from(session.to_bits()).unwrap_or(u64::MAX)
}

impl Hash for State {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let Self { tick, seats, handles, bag, store, left, stepped, released, elected, news } = self;
        tick.hash(state);
        seats.len().hash(state);
        seats.iter().for_each(|seat| seat.hash(*tick, state));
        (handles, bag, store, left, stepped, released, elected, news).hash(state);
    }
}

impl PartialEq for State {
    fn eq(&self, other: &Self) -> bool {
        let hash = |state: &Self| {
            let mut hasher = DefaultHasher::new();
            state.hash(&mut hasher);
            hasher.finish()
        };
        hash(self) == hash(other)
    }
}
