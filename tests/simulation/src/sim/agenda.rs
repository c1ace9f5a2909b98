//! What happens when.

use std::cmp::Ordering;

use crate::cells::Item;
use crate::clock::Nanos;
use crate::message::{Ask, Told};
use crate::store::Rows;

/// What happens at some time.
#[derive(Debug)]
pub(crate) enum Event {
    Wake {
        sleep: usize,
        number: u64,
    },
    Poll(usize),
    Arrive {
        call: usize,
        ask: Box<Ask>,
    },
    Reply {
        call: usize,
        told: Box<Told>,
    },
    /// The second half of a storage that reads first and writes later.
    Put {
        call: usize,
        told: Box<Told>,
        rows: Box<Rows>,
    },
    /// A watch of a register gets to the store.
    Watch {
        watch: usize,
    },
    /// A watch that was told nothing is told again.
    Speak {
        watch: usize,
    },
    /// What a watch says arrives.
    Tell {
        watch: usize,
        item: Box<Item>,
    },
    Write {
        seat: usize,
        row: usize,
        term: u64,
    },
    Hint {
        seat: usize,
    },
    Fault(usize),
    Resume(usize),
    Start(usize),
    Resign(usize),
    Heal,
}

#[derive(Debug)]
pub(super) struct Scheduled {
    pub(super) at: Nanos,
    pub(super) number: u64,
    pub(super) event: Event,
}

impl Ord for Scheduled {
    fn cmp(&self, other: &Self) -> Ordering {
        (other.at, other.number).cmp(&(self.at, self.number))
    }
}

impl PartialOrd for Scheduled {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Scheduled {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Scheduled {}
