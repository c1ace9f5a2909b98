//! R21: while nobody comes or goes nothing moves. Where only so many keys a minute may, that is so in the end; until then none
//! comes but to the one that asked for it, and where moves are switched off none comes at all.

use crate::clock::Nanos;
use crate::plan::nanos;
use crate::sim::World;

const RULE: &str = "nothing moves";

impl World {
    /// A candidate was elected, in this term.
    pub(crate) fn count_moved_in(&mut self, seat: usize, term: u64) {
        if self.seats[seat].moved_in.take() == Some(term) {
            self.checks.moved_in += 1;
        }
    }

    /// How many elections there have been but for those of keys that were moved.
    pub(super) fn unmoved_elections(&self) -> u64 {
        let moved = if self.plan.shares_slowly() { self.checks.moved_in } else { 0 };
        self.tally.counts.elections - moved
    }

    /// Whether a key is just being moved, where that goes on after all is well.
    ///
    /// Users do not resign any more by then: whoever hands over was asked to by the process to which the key belongs, also one
    /// whose user did resign earlier in its life. It waits for its work, which does not last for ever.
    pub(super) fn is_under_way(&self, key: usize) -> bool {
        let mut seats = 0..self.seats.len();
        let ends = |seat: usize| {
            let state = &self.seats[seat];
            let rest = nanos(self.plan.longest_rest(state.process)) + self.plan.ttl;
            let lately = state.ending_since.is_some_and(|since| self.clock_of(seat).saturating_sub(since) <= rest);
            state.key == key && self.plan.member(state.process).is_some() && self.holds_a_term(seat) && lately
        };
        self.plan.shares_slowly() && (self.checks.handed[key].is_some() || seats.any(ends))
    }

    /// Whether a candidate leads only since then, or not any more: where keys go on to be moved after all is well.
    pub(super) fn has_moved_since(&self, seat: usize, since: Nanos) -> bool {
        let state = &self.seats[seat];
        let ends = self.holds_a_term(seat) && self.ending(seat).is_some();
        self.plan.shares_slowly() && (ends || state.elected_at.max(state.lost_at) >= since)
    }

    /// All has been well for this long, and nobody has come or gone.
    pub(super) fn check_unmoved(&mut self, moved: u64) {
        let still = self.plan.spread.is_some() && !self.plan.shares_slowly();
        if still && self.checks.moved_in != moved {
            let more = self.checks.moved_in - moved;
            self.fail(RULE, format!("{more} keys moved though nobody came or went"));
        }
    }

    /// How often a key was moved so far.
    pub(super) fn moved(&self) -> u64 {
        self.checks.moved_in
    }
}
