//! Randomness of our own: a seed means the same run wherever it runs, for as long as the plan draws the same.

use std::time::Duration;

/// A stream of draws. (Steele, Lea, Flood: "Fast splittable pseudorandom number generators", 2014.)
///
/// Each subject of a run has a stream of its own, by name and number, so that a new kind of fault does not change what
/// the others draw.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// The stream of this name and number within the run of this seed.
    pub fn stream(seed: u64, name: &str, number: usize) -> Self {
        let named = name
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
        let mut random = Self(seed ^ named.rotate_left(17) ^ (number as u64).wrapping_mul(0xd134_2543_de82_ef95));
        random.draw();
        random
    }

    /// Any number.
    pub fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    /// From 0 to below 1.
    pub fn fraction(&mut self) -> f64 {
        (self.draw() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Whether something of this probability happens.
    pub fn chance(&mut self, probability: f64) -> bool {
        probability > 0.0 && self.fraction() < probability
    }

    /// From `low` to below `high`; `low` if there is nothing in between.
    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        if high <= low { low } else { low + self.draw() % (high - low) }
    }

    /// From `low` to below `high`.
    pub fn duration(&mut self, low: Duration, high: Duration) -> Duration {
        Duration::from_nanos(self.between(low.as_nanos() as u64, high.as_nanos() as u64))
    }

    /// From `low` to `high`, small values as likely as large ones on a logarithmic scale.
    pub fn scale(&mut self, low: Duration, high: Duration) -> Duration {
        let (low, high) = (libm::log(low.as_secs_f64()), libm::log(high.as_secs_f64()));
        Duration::from_secs_f64(libm::exp(low + (high - low) * self.fraction()))
    }

    /// With this mean, as between events that know nothing of each other.
    pub fn exponential(&mut self, mean: Duration) -> Duration {
        mean.mul_f64(-libm::log(1.0 - self.fraction()))
    }

    /// One of these.
    pub fn choose<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.between(0, of.len() as u64) as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Draws in which a logarithm that is right but for its last bit gives another nanosecond.
    #[test]
    fn a_draw_is_the_same_everywhere() {
        let draws = |number| Random::stream(0, "portable", number);
        let exponential = draws(1_290_481).exponential(Duration::from_secs(100));
        assert_eq!(exponential, Duration::from_nanos(163_097_261_187));
        let scale = draws(16_037_427).scale(Duration::from_millis(100), Duration::from_secs(40));
        assert_eq!(scale, Duration::from_nanos(22_516_957_475));
    }
}
