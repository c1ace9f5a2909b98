//! R22: a candidate asks for one slot at a time: while it may hold one, for no other. A claim that may have been applied is
//! repeated, and for the same slot.

use std::collections::BTreeMap;

use lessor::storage::{Acquired, Operation, Renewed, Reply, Request};

use super::others_go_first::Sight;
use crate::clock::Nanos;
use crate::reached::Situation;
use crate::sim::World;

const RULE: &str = "one slot each";

/// What a candidate asked for, and what it was told.
#[derive(Debug, Default)]
pub(crate) struct Round {
    /// The record that it may hold: from its first claim until it is told that it does not, or gives it back.
    pub(super) may_hold: Option<usize>,
    /// The record that it asked for last, and when by its clock.
    pub(super) asked: Option<(usize, Nanos)>,
    /// How it saw each record last.
    pub(super) seen: BTreeMap<usize, Sight>,
}

impl Round {
    /// Of an instance that goes on with a ticket: it may hold what the last one held.
    pub(super) fn resumed(row: Option<usize>) -> Self {
        Self { may_hold: row, ..Self::default() }
    }
}

impl World {
    /// A candidate sends this.
    pub(crate) fn check_place(&mut self, seat: usize, request: &Request) {
        let Some(row) = request.key().map(|key| self.plan.row_of(key)) else { return };
        // Where a thread stands still, an instance of a group may ask before it has taken its seat, and who takes in an answer
        // may have read the clock before or after its reign was over.
        if self.plan.faults.stalled > 0.0 {
            return;
        }
        let now = self.clock_of(seat);
        let operation = request.operation();
        let round = &self.checks.rounds[seat];
        let (may_hold, before) = (round.may_hold, round.asked);
        let keeps = may_hold.is_none_or(|held| held == row && operation != Operation::Get);
        if !keeps {
            let (name, key) = (self.name(seat), self.plan.name_of(row));
            let held = may_hold.map(|held| self.plan.name_of(held));
            self.fail(RULE, format!("{name} sends {operation} for {key}, and may hold {held:?}"));
        }
        if operation == Operation::Acquire && may_hold.is_none() {
            self.check_turn(seat, row, now);
        }
        if before.is_some_and(|(before, _)| before != row) {
            self.reach(Situation::NextSlot);
        }
        let round = &mut self.checks.rounds[seat];
        round.asked = Some((row, now));
        match operation {
            Operation::Acquire => round.may_hold = Some(row),
            Operation::Release => round.may_hold = None,
            _ => {}
        }
    }

    /// A candidate is told this, and waits for it.
    pub(crate) fn count_heard(&mut self, seat: usize, reply: &Reply) {
        // An answer that comes after the end of the reign is nobody's.
        let is_late = self.clock_of(seat) >= self.seats[seat].deadline;
        let lease = match reply {
            Reply::Renewed(Renewed::Lost { .. }) if is_late => return,
            Reply::Acquired(Acquired::Refused { lease, .. }) | Reply::Renewed(Renewed::Lost { lease, .. }) => {
                self.checks.rounds[seat].may_hold = None;
                lease
            }
            Reply::Got(lease) => lease,
            _ => return,
        };
        self.count_look(seat, lease.as_ref());
    }
}
