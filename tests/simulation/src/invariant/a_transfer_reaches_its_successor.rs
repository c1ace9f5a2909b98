//! R12: where all is well, a leader that hands over to a candidate which runs, follows and hears of it in time is followed by that one.

use lessor::Id;

use super::Vacancy;
use crate::plan::nanos;
use crate::sim::World;

const RULE: &str = "a transfer reaches its successor";

impl World {
    /// Whether the leader of a key is to hand over to this candidate, which has just asked for it: the reservation has to last
    /// until it asks again.
    pub(super) fn may_succeed(&self, leader: usize, seat: usize) -> bool {
        let cool_off = nanos(self.seats[leader].participant.config.cool_off);
        let hears_within = self.hears_within(self.seats[seat].participant.kind);
        // Of a key with slots it might have another by then.
        self.plan.slots == 0 && self.plan.seed.is_multiple_of(2) && hears_within + self.plan.ttl / 10 < cool_off
    }

    /// To whom the leader of a key is to hand over, if to anybody.
    pub(super) fn successor_of(&self, seat: usize) -> Option<Id> {
        match self.checks.vacant.as_ref()?.get(self.seats[seat].key)? {
            Vacancy::Asked(Some(successor)) => Some(self.id_of(*successor)),
            _ => None,
        }
    }

    /// A candidate leads after a hand-over.
    pub(super) fn check_successor(&mut self, seat: usize, successor: usize) {
        if successor != seat {
            let (name, meant) = (self.name(seat), self.name(successor));
            self.fail(RULE, format!("{name} leads, and the key was handed over to {meant}"));
        }
    }

    fn id_of(&self, seat: usize) -> Id {
        Id::new(self.name(seat)).expect("a valid id")
    }
}
