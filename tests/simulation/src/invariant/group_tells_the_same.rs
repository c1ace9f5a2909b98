//! R16, R19: the stream of a group tells of each key what the key's own candidate tells, in the same order.
//!
//! (Where a thread stands still between the two, nobody can say which belong together.)

use std::collections::VecDeque;

use lessor::Event;

use crate::sim::World;

const RULE: &str = "group tells the same";

/// What one of the two has told and the other has not yet.
#[derive(Debug, Default)]
pub(crate) struct Pairing {
    /// The candidate's stream begins with how things are.
    has_begun: bool,
    by_group: VecDeque<Event>,
    by_candidate: VecDeque<Event>,
}

impl World {
    /// The group tells this of the key of a seat.
    pub(crate) fn group_told(&mut self, seat: usize, event: Event) {
        if self.plan.faults.stalled == 0.0 {
            self.checks.pairings[seat].by_group.push_back(event);
            self.pair(seat);
        }
    }

    /// The candidate of a seat tells this.
    pub(crate) fn candidate_told(&mut self, seat: usize, event: &Event) {
        let in_group = self.seats[seat].participant.kind.is_group();
        let begins = !std::mem::replace(&mut self.checks.pairings[seat].has_begun, true);
        // The group leaves out renewals, and ends with its driver.
        let stalls = self.plan.faults.stalled > 0.0;
        if in_group && !begins && !stalls && !matches!(event, Event::Renewed { .. }) && !self.seats[seat].asked.drop {
            self.checks.pairings[seat].by_candidate.push_back(event.clone());
            self.pair(seat);
        }
    }

    fn pair(&mut self, seat: usize) {
        let Pairing { by_group, by_candidate, .. } = &mut self.checks.pairings[seat];
        if by_group.is_empty() || by_candidate.is_empty() {
            return;
        }
        let (group, candidate) = (by_group.pop_front(), by_candidate.pop_front());
        if group != candidate {
            let name = self.name(seat);
            self.fail(RULE, format!("{name} told {candidate:?}, its group {group:?}"));
        }
    }

    /// All has been well for a while.
    pub(super) fn check_pairs(&mut self, seat: usize) {
        let pairing = &self.checks.pairings[seat];
        if !pairing.by_group.is_empty() || !pairing.by_candidate.is_empty() {
            let text = format!("{}: {pairing:?} was told by one alone", self.name(seat));
            self.fail(RULE, text);
        }
    }
}
