//! R19: what befalls the requests of one key is nothing to the others: an answer that has come is taken in at once, whoever
//! else waits, and where the requests for one key fail all others keep their terms.

use lessor::{Event, LostReason};

use crate::plan::Protocol;
use crate::reached::Situation;
use crate::sim::World;

const RULE: &str = "each for itself";

impl World {
    /// An answer has come to this call.
    pub(crate) fn expect_heard(&mut self, call: usize) {
        if self.plan.protocol == Protocol::Lessor && !self.calls[call].seats.is_empty() {
            self.checks.come.push(call);
        }
    }

    /// Everybody has done what they could do by now.
    pub(crate) fn check_heard(&mut self) {
        for call in std::mem::take(&mut self.checks.come) {
            let process = &self.processes[self.calls[call].process];
            let late = process.paused_until > self.now || process.is_late(self.now) || !process.up;
            if !late && self.calls[call].is_waited_for() {
                let names: Vec<_> = self.calls[call].seats.iter().map(|seat| self.describe(*seat)).collect();
                self.fail(RULE, format!("{} have got an answer, and do not take it in", names.join(", ")));
            }
        }
    }

    /// A candidate said this.
    pub(crate) fn check_untouched(&mut self, seat: usize, event: &Event) {
        if !self.plan.faults.only_keys_fail() || self.healed {
            return;
        }
        let (key, ttl) = (self.seats[seat].key, self.seats[seat].ttl());
        let failed = self.key_failed_until(key);
        let touched = failed > 0 && self.now < failed + ttl;
        // What is given up is judged when that begins: its work may then take a while to end.
        let ends = match event {
            // It belongs to another process, which asks for it.
            Event::Ending { .. } if self.is_moved(seat) => false,
            Event::Ending { .. } | Event::StorageFailed { .. } | Event::Jeopardy { .. } => true,
            Event::Lost { reason, .. } => *reason != LostReason::Resigned,
            _ => false,
        };
        if !touched && ends {
            let name = self.describe(seat);
            self.fail(RULE, format!("{name} told {event:?}, and nothing was wrong with k{key}"));
        } else if !touched && matches!(event, Event::Renewed { .. }) && self.some_key_fails() {
            self.reach(Situation::OtherKeyFailed);
        }
    }

    fn some_key_fails(&self) -> bool {
        (0..self.plan.keys).any(|key| self.now < self.key_failed_until(key))
    }
}
