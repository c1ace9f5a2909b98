//! In which runs some let others go first.
//!
//! Drawn apart from the rest: a seed without ranks means what it always meant.

use std::time::Duration;

use super::Plan;
use crate::random::Random;

impl Plan {
    /// In some runs.
    pub(super) fn rank_some(&mut self) {
        let mut random = Random::stream(self.seed, "ranks", 0);
        if !random.chance(0.25) {
            return;
        }
        for participant in &mut self.participants {
            let config = &mut participant.config;
            config.claim_delay = match random.between(0, 5) {
                0 | 1 => Duration::ZERO,
                2 => config.cool_off,
                3 => config.cool_off * 2,
                _ => config.ttl.mul_f64(1.5 * random.fraction()),
            };
        }
    }
}
