//! R9, R12: who hands over gives its lease back before it asks for anything else or is done, and then lets others lead
//! for the cool-off.

use lessor::storage::{Operation, Request};
use lessor::{Event, LostReason};

use crate::clock::Nanos;
use crate::plan::nanos;
use crate::sim::World;

const RULE: &str = "hand-overs are whole";

/// What an instance owes of a hand-over.
#[derive(Debug, Default)]
pub(crate) struct Owed {
    /// The release of a reign that has ended.
    release: bool,
    /// Since when it lets others lead, by its clock.
    back_since: Option<Nanos>,
}

impl World {
    /// A candidate said this, its clock saying that; what it said before is known.
    pub(crate) fn count_owed(&mut self, seat: usize, event: &Event, clock: Nanos) {
        match event {
            Event::Lost { reason, .. } => {
                let dropped = *reason == LostReason::DriverDropped;
                let ended = self.ending(seat).is_some() && !dropped;
                // What the storage has given to another, or let run out, cannot be given back.
                let owed = &mut self.checks.owed[seat];
                owed.release = ended && *reason != LostReason::Superseded;
                owed.back_since = ended.then_some(clock);
            }
            Event::Stopped if self.checks.owed[seat].release && !self.seats[seat].asked.drop => {
                let name = self.name(seat);
                self.fail(RULE, format!("{name} is done, and has not released its lease"));
            }
            _ => {}
        }
    }

    /// A candidate sends this.
    pub(crate) fn check_owed(&mut self, seat: usize, request: &Request) {
        let operation = request.operation();
        let owed = &mut self.checks.owed[seat];
        if operation == Operation::Release {
            owed.release = false;
            self.count_handed_over(seat);
            return;
        }
        let (release, back_since) = (owed.release, owed.back_since);
        let cool_off = nanos(self.seats[seat].participant.config.cool_off);
        let too_soon = back_since.is_some_and(|since| self.clock_of(seat) < since + cool_off);
        if release {
            let name = self.name(seat);
            self.fail(RULE, format!("{name} sends {operation}, its release is due"));
        } else if too_soon && self.plan.faults.stalled == 0.0 {
            // Where a thread stands still after it read the clock, it tells of the end late.
            let name = self.name(seat);
            self.fail(RULE, format!("{name} sends {operation} within its cool-off"));
        }
    }
}
