//! Registers, over which observers judge: what is asked of them, and who asks.
//!
//! Each seat has a [`Handle`] of its own, which is the shipped
//! [`RegisterStorage`](lessor::storage::registers::RegisterStorage): what it asks of the one [`register`](mod@register) there is are messages,
//! as requests and replies are elsewhere. What the handle makes of the answers, by the clock of its seat, it decides itself.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use lessor::storage::Record;
use lessor::storage::registers::{Sight, Sights, Stored, Swap};

mod handle;
mod register;
mod script;
mod transition;

pub(crate) use handle::{Deed, Done, Handle, Next};
pub(crate) use register::Register;
pub(crate) use script::Reading;

/// What a write of the register goes by.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Revision {
    name: u8,
    /// How many writes there were with it: what it is, whatever it goes by. For the checks alone.
    count: u8,
}

impl PartialEq for Revision {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

/// What a handle asks of the register.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Ask {
    /// How many writes there were when it was sent: what is read is of then, or newer.
    Read(u8),
    Swap(Arc<Swap<Revision>>),
}

/// What it is answered.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Answer {
    Read(Option<Arc<Stored<Revision>>>),
    /// The new revision, if it was as expected.
    Swapped(Option<Revision>),
    /// An error: if a swap was asked for it is open whether it was applied.
    Failed,
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "r{}", self.name)
    }
}

impl Hash for Revision {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (self.name, self.count).hash(state);
    }
}

impl Hash for Ask {
    fn hash<H: Hasher>(&self, state: &mut H) {
        match self {
            Self::Read(count) => (0_u8, count).hash(state),
            Self::Swap(swap) => (1_u8, &swap.expected, &swap.bytes).hash(state),
        }
    }
}

impl Hash for Answer {
    fn hash<H: Hasher>(&self, state: &mut H) {
        match self {
            Self::Read(stored) => {
                0_u8.hash(state);
                stored.as_ref().map(|stored| (&stored.revision, &stored.bytes)).hash(state);
            }
            Self::Swapped(revision) => (1_u8, revision).hash(state),
            Self::Failed => 2_u8.hash(state),
        }
    }
}

pub(crate) fn hash_record(record: &Record, state: &mut impl Hasher) {
    let Record { session, id, term, version, ttl_ms, expires_ms, value, .. } = record;
    (session, id, term, version, ttl_ms, expires_ms, value).hash(state);
}

/// When each was the newest write that there was is for claims that may be answered by what is known. Here there are none.
fn hash_sights(sights: &Sights<Revision>, state: &mut impl Hasher) {
    for sight in [&sights.sight, &sights.newer] {
        sight.is_some().hash(state);
        if let Some(Sight { revision, record, since, .. }) = sight {
            (revision, since).hash(state);
            hash_record(record, state);
        }
    }
}
