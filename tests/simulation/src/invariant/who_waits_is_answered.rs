//! R9, R16: handles hear of everything: whoever waits for an election, a hand-over or a value is answered, and what a
//! leader published is what the storage shows.

use lessor::Value;

use crate::plan::Kind;
use crate::sim::{Sim, World};

const RULE: &str = "who waits is answered";

/// What the program of an instance waits for, and what it was told.
#[derive(Debug, Default)]
pub(crate) struct Desk {
    /// What it asked for and was not answered yet.
    pub(crate) waits_for: Option<&'static str>,
    /// The newest term that it was told it leads in.
    pub(crate) elected: u64,
    /// What it published last.
    value: Option<Value>,
    /// Whether the storage has seen that.
    stored: bool,
}

impl Desk {
    pub(crate) fn publish(&mut self, value: Option<Value>) {
        (self.value, self.stored) = (value, false);
    }
}

impl Sim {
    /// A program was told that what it published is stored, or that its candidate does not lead.
    pub(crate) fn check_published(&self, seat: usize) {
        let held = self.ask_handle(seat, |handle| handle.term());
        let mut world = self.world();
        // Where a thread stands still after it was told, it may lead again by now.
        if let Some(term) = held.filter(|_| !world.seats[seat].desk.stored && world.plan.faults.stalled == 0.0) {
            let name = world.name(seat);
            world
                .fail(RULE, format!("{name} holds term {term}, and was told of a value that the storage has not seen"));
        }
    }
}

impl World {
    /// The storage has seen this value with the lease of a candidate.
    pub(crate) fn count_stored(&mut self, seat: usize, value: Option<&Value>) {
        let desk = &mut self.seats[seat].desk;
        desk.stored |= desk.value.as_ref() == value;
    }

    /// A program was told that its candidate is gone from the group, and the group still has it.
    pub(crate) fn fail_removal(&mut self, seat: usize) {
        let name = self.name(seat);
        self.fail(RULE, format!("{name} was told that its candidate is gone, and the group has it still"));
    }

    /// All has been well for a while.
    pub(super) fn check_answers(&mut self, seat: usize) {
        let state = &self.seats[seat];
        let (term, leads) = (state.term, state.leads);
        let handles = state.participant.kind != Kind::Batch;
        let Desk { waits_for, elected, value, .. } = &state.desk;
        let shown = self.store.value(state.row);
        let wrong = if let Some(what) = waits_for {
            format!("still waits for {what}")
        } else if leads && handles && *elected != term {
            format!("leads in term {term}, and waits to be told so since term {elected}")
        } else if leads && shown != value.as_ref() {
            format!("published {value:?}, and the storage shows {shown:?}")
        } else {
            return;
        };
        let name = self.name(seat);
        self.fail(RULE, format!("{name} {wrong}"));
    }
}
