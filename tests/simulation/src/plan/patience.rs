//! In which runs some ask rarely, less often than a lease lasts, and in which one is away when the others have to lead.
//!
//! Drawn apart from the rest: a seed without them means what it always meant.

use super::Plan;
use crate::clock::Nanos;
use crate::random::Random;

/// One that dies shortly before the healing, and is back only when the key has to be led.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Gone {
    pub(crate) process: usize,
    pub(crate) at: Nanos,
    /// From when to the healing all others are cut off, if they are.
    pub(crate) alone_from: Option<Nanos>,
}

impl Plan {
    /// In some runs.
    pub(super) fn slow_some(&mut self) {
        let mut random = Random::stream(self.seed, "patience", 0);
        if !random.chance(0.15) {
            return;
        }
        let share = random.choose(&[0.5, 1.0]);
        self.make_slow(&mut random, share, 1.0);
    }

    /// So many of them, by so many ttls at least.
    fn make_slow(&mut self, random: &mut Random, share: f64, least: f64) {
        for participant in &mut self.participants {
            if random.chance(share) {
                let config = &mut participant.config;
                config.retry_interval = config.ttl.mul_f64(least + 5.0 * random.fraction());
            }
        }
    }

    /// In some runs. Where groups share the keys, or a key has slots, all have to be there.
    pub(super) fn lose_one(&mut self) {
        let mut random = Random::stream(self.seed, "gone", 0);
        if self.has_groups() || self.slots > 0 || !random.chance(0.3) {
            return;
        }
        let process = random.between(0, self.participants.len() as u64) as usize;
        let at = self.heal_at - random.between(1, self.ttl * 3);
        // What the others saw last may be long over then.
        let alone_from = random.chance(0.5).then(|| at - random.between(1, self.ttl * 4));
        self.gone = Some(Gone { process, at, alone_from });
        if alone_from.is_some() && random.chance(0.7) {
            self.make_slow(&mut random, 1.0, 6.0);
        }
    }
}
