//! Which processes have all their candidates in a group, and what befalls these.
//!
//! Drawn apart from the rest: a seed without groups means what it always meant.

use super::{Faults, Kind, Plan};
use crate::random::Random;

impl Plan {
    /// In some runs.
    pub(super) fn group_some(&mut self) {
        let mut random = Random::stream(self.seed, "groups", 0);
        if !random.chance(0.3) {
            return;
        }
        for (number, participant) in self.participants.iter_mut().enumerate() {
            if number == 0 || random.chance(0.6) {
                participant.kind = match participant.kind {
                    Kind::Step => Kind::GroupStep,
                    _ => Kind::Group,
                };
            }
        }
        self.keys = self.keys.max(random.choose(&[2, 3, 3, 5, 8]));
        // As many events as a run with fewer keys has.
        self.heal_at = self.heal_at.min(self.ttl * random.between(25, 50));
        let mut on = |low: f64, high: f64| {
            let (drawn, value) = (random.chance(0.4), low + (high - low) * random.fraction());
            if drawn { value } else { 0.0 }
        };
        let (key_fails, busy) = (on(4.0, 15.0), on(6.0, 20.0));
        match random.between(0, 8) {
            0 => self.faults = Faults { key_fails: 4.0, wakes: self.faults.wakes, ..Faults::default() },
            1 => self.faults = Faults { busy: 6.0, wakes: self.faults.wakes, ..Faults::default() },
            _ => (self.faults.key_fails, self.faults.busy) = (key_fails, busy),
        }
    }
}

impl Faults {
    /// Whether nothing is wrong but with the requests for one key at a time.
    pub(crate) fn only_keys_fail(&self) -> bool {
        self.key_fails > 0.0 && self.named().iter().filter(|(name, on)| *on && *name != "wake-ups").count() == 1
    }

    /// Whether all programs run as soon as they can, by clocks that go on evenly.
    pub(crate) fn programs_run(&self) -> bool {
        let stand_still = [self.paused, self.stalled, self.starved, self.suspended, self.frozen, self.clock_steps];
        stand_still.iter().all(|mean| *mean == 0.0)
    }
}
