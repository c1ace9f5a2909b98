//! R4, R6: each reign has a term of its own: who was seen not to lead any more in a term never leads in it again, and who
//! was told by the storage that its lease is lost does not lead on.

use crate::plan::Kind;
use crate::sim::World;

const RULE: &str = "an end is final";

impl World {
    /// A candidate answers that it leads, and all its events have been told.
    pub(crate) fn check_told(&mut self, seat: usize, term: u64) {
        if self.seats[seat].told_lost {
            let name = self.name(seat);
            self.fail(RULE, format!("{name} leads on in term {term}, and the storage said that its lease is lost"));
        }
    }

    /// A candidate that was seen not to lead is seen to lead.
    pub(crate) fn check_return(&mut self, seat: usize, term: u64) {
        let state = &self.seats[seat];
        // Who reads the clock, stands still and then hands the old reading to `Election` has been overtaken by those
        // who looked in between. `Candidate` is safe from that.
        let overtaken = state.participant.kind == Kind::Batch && self.plan.faults.stalled > 0.0;
        if state.led_in(term) && !overtaken {
            let name = self.name(seat);
            self.fail(RULE, format!("{name} leads in term {term} again, after it was seen that it does not"));
        }
    }
}
