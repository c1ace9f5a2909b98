//! R21: a key whose work does not end is not moved, for as long as that takes.

use crate::plan::nanos;
use crate::reached::Situation;
use crate::sim::World;

const RULE: &str = "work keeps its key";

impl World {
    /// A candidate is about to release a term that it gave up itself.
    pub(super) fn check_work_keeps(&mut self, seat: usize, is_running: bool) {
        if !self.is_moved(seat) || self.plan.faults.stalled > 0.0 {
            return;
        }
        let state = &self.seats[seat];
        let waited = state.ending_since.map_or(0, |since| self.clock_of(seat).saturating_sub(since));
        if is_running {
            let (name, key, term) = (self.name(seat), state.key, state.term);
            self.fail(RULE, format!("{name} moves k{key} away, and work of term {term} is running"));
        } else if waited > nanos(state.participant.config.drain_timeout) {
            self.reach(Situation::WorkKeptItsKey);
        }
    }
}
