//! Clocks that are wrong.

/// A point of true time, or of some clock: nanoseconds since its beginning.
pub(crate) type Nanos = u64;

pub(crate) const MILLISECOND: Nanos = 1_000_000;
pub(crate) const SECOND: Nanos = 1_000_000_000;

/// A rate of nothing at all.
pub(crate) const STOPPED: i64 = -1_000_000_000;

/// A clock that runs too fast or too slow, and may step.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    since: Nanos,
    reading: Nanos,
    /// Billionths that it gains.
    rate: i64,
}

impl Clock {
    pub(crate) fn new(reading: Nanos, rate: i64) -> Self {
        Self { since: 0, reading, rate }
    }

    /// What it says at this true time.
    pub(crate) fn at(&self, now: Nanos) -> Nanos {
        let elapsed = i128::from(now - self.since);
        self.reading + (elapsed * self.pace() / 1_000_000_000) as Nanos
    }

    /// The first true time at which it says this, if it goes on as it goes now.
    pub(crate) fn when(&self, reading: Nanos) -> Nanos {
        let missing = i128::from(reading.saturating_sub(self.reading));
        let pace = self.pace();
        if missing == 0 {
            return self.since;
        }
        if pace == 0 {
            return Nanos::MAX;
        }
        // Rounded up, and once more: `at` rounds down.
        let elapsed = missing * 1_000_000_000 / pace + 2;
        Nanos::try_from(i128::from(self.since) + elapsed).unwrap_or(Nanos::MAX)
    }

    /// Nanoseconds that it counts in a second.
    fn pace(&self) -> i128 {
        1_000_000_000 + i128::from(self.rate)
    }

    pub(crate) fn rate(&self) -> i64 {
        self.rate
    }

    pub(crate) fn set_rate(&mut self, now: Nanos, rate: i64) {
        *self = Self { since: now, reading: self.at(now), rate };
    }

    pub(crate) fn step(&mut self, now: Nanos, by: i64) {
        let reading = self.at(now).saturating_add_signed(by);
        *self = Self { since: now, reading, rate: self.rate };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A sleeper is woken when its clock says so, not before, and not long after.
    #[test]
    fn a_clock_can_be_asked_both_ways() {
        for rate in [0, 52_631_578, -52_631_578, 999, -900_000_000] {
            let mut clock = Clock::new(17 * SECOND, 0);
            clock.set_rate(3 * SECOND, rate);
            for reading in [20 * SECOND + 1, 21 * SECOND, 100 * SECOND + 7] {
                let when = clock.when(reading);
                assert!(clock.at(when) >= reading, "{rate} {reading}");
                assert!(clock.at((when - 4).max(3 * SECOND)) <= reading, "{rate} {reading}");
            }
        }
        assert_eq!(Clock::new(0, STOPPED).when(1), Nanos::MAX);
    }

    #[test]
    fn a_step_moves_the_reading_alone() {
        let mut clock = Clock::new(10 * SECOND, 500_000_000);
        clock.step(2 * SECOND, -(4 * SECOND as i64));
        assert_eq!(clock.at(2 * SECOND), 9 * SECOND);
        assert_eq!(clock.at(4 * SECOND), 12 * SECOND);
    }
}
