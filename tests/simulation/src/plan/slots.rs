//! In which runs a key has slots.
//!
//! Drawn apart from the rest: a seed without slots means what it always meant.

use super::Plan;
use crate::random::Random;

impl Plan {
    /// In some runs.
    pub(super) fn slot_some(&mut self) {
        let mut random = Random::stream(self.seed, "slots", 0);
        if random.chance(0.25) {
            self.slots = random.choose(&[1, 2, 2, 2, 3, 4]);
            self.keys = self.keys.min(3);
        }
    }
}
