//! A clock that counts the time asleep, made of one that does not and one that can be set.

use core::time::Duration;

/// The worst that browsers round to.
#[cfg_attr(test, allow(dead_code, reason = "for the timer that is made of it"))]
pub(super) const ROUNDED: Duration = Duration::from_millis(100);

/// So much of the time slept may not be counted yet.
#[cfg_attr(test, allow(dead_code, reason = "for the timer that is made of it"))]
pub(super) const UNCOUNTED: Duration = Duration::from_millis(AHEAD as u64);

/// By how much the wall clock has to get ahead before that is time slept, in ms.
///
/// Browsers round both clocks, to 100 ms at worst, and a wall clock is trimmed by parts of a thousand: neither may make
/// this clock run fast. No machine sleeps and wakes within a quarter of a second.
const AHEAD: f64 = 250.0;

/// One clock from two: one that keeps its rate and may stop while the machine sleeps, and a wall clock, which goes on
/// then and may step.
///
/// Time passes as the steady clock has it. When the wall clock gets ahead of it, the machine slept, or somebody set the
/// clock: from here the two look alike, and both count as time passed. Too much is safe, since who believes that more
/// time passed stops leading early. A step back of the wall clock does not count.
///
/// Where there is no steady clock the wall clock's steps forward are all there is.
#[derive(Clone, Copy, Debug)]
pub(super) struct CombinedClock {
    passed: Duration,
    last: Option<Reading>,
    /// The least by which the wall clock was ahead of the steady one since time slept was last counted.
    lead: f64,
}

/// What the two clocks show, in ms.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reading {
    pub(super) steady: Option<f64>,
    pub(super) wall: f64,
}

impl CombinedClock {
    pub(super) const fn new() -> Self {
        // A reading of zero would be an instant before which nothing can lie.
        Self { passed: Duration::from_secs(1), last: None, lead: 0.0 }
    }

    /// The time passed by now, by what the two clocks show. It never goes back.
    pub(super) fn read(&mut self, now: Reading) -> Duration {
        let passed = match (self.last, now.steady) {
            (Some(Reading { steady: Some(before), .. }), Some(steady)) => {
                let lead = now.wall - steady;
                let slept = if lead - self.lead > AHEAD { lead - self.lead } else { 0.0 };
                self.lead = if slept > 0.0 { lead } else { lead.min(self.lead) };
                (steady - before).max(0.0) + slept
            }
            (last, steady) => {
                self.lead = now.wall - steady.unwrap_or(0.0);
                last.map_or(0.0, |last| now.wall - last.wall)
            }
        };
        self.last = Some(now);
        // What is not a duration (less than nothing, no number) has not passed.
        let passed = Duration::try_from_secs_f64(passed / 1000.0).unwrap_or_default();
        self.passed = self.passed.saturating_add(passed);
        self.passed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    /// What the clock says has passed since the first of these readings, in ms.
    fn passed(readings: &[(Option<f64>, f64)]) -> Vec<f64> {
        let mut clock = CombinedClock::new();
        let read = readings.iter().map(|&(steady, wall)| clock.read(Reading { steady, wall }));
        let read: Vec<_> = read.collect();
        read.iter().map(|now| (*now - read[0]).as_secs_f64() * 1000.0).collect()
    }

    const WALL: f64 = 1.8e12;

    #[test]
    fn the_first_reading_is_not_zero() {
        let mut clock = CombinedClock::new();
        assert_eq!(clock.read(Reading { steady: Some(5.0), wall: WALL }), Duration::from_secs(1));
    }

    #[test]
    fn time_passes_as_the_steady_clock_has_it() {
        assert_eq!(passed(&[(Some(5.0), WALL), (Some(5.5), WALL), (Some(25.5), WALL + 20.0)]), [0.0, 0.5, 20.5]);
    }

    /// R8: the steady clock stood still, the wall clock went on.
    #[test]
    fn sleep_counts_once() {
        let hour = 3_600_000.0;
        let readings = [(Some(5.0), WALL), (Some(15.0), WALL + 10.0 + hour), (Some(16.0), WALL + 11.0 + hour)];
        assert_eq!(passed(&readings), [0.0, 10.0 + hour, 11.0 + hour]);
    }

    /// Nor does it hide a sleep that comes after it.
    #[test]
    fn a_step_back_of_the_wall_clock_does_not_count() {
        let hour = 3_600_000.0;
        let readings = [
            (Some(0.0), WALL),
            (Some(10.0), WALL - hour),
            (Some(20.0), WALL - hour + 10.0),
            (Some(30.0), WALL - hour + 5020.0),
            (Some(40.0), WALL - hour + 5030.0),
        ];
        assert_eq!(passed(&readings), [0.0, 10.0, 20.0, 5030.0, 5040.0]);
    }

    /// Many looks within one tick of a coarse wall clock are not many ticks.
    #[test]
    fn rounding_does_not_make_it_fast() {
        let readings: Vec<_> = (0..100_000_u32)
            .map(|look| f64::from(look) / 10.0)
            .map(|steady| (Some(steady), WALL + (steady / 100.0).floor() * 100.0))
            .collect();
        assert!((passed(&readings).last().unwrap() - 9999.9).abs() < 1.0);
    }

    /// Short sleeps add up: what is not yet counted never exceeds a quarter of a second.
    #[test]
    fn short_sleeps_add_up() {
        let readings: Vec<_> =
            (0..1000_u32).map(f64::from).map(|sleeps| (Some(sleeps), WALL + sleeps * 101.0)).collect();
        for (now, (_, wall)) in passed(&readings).into_iter().zip(&readings) {
            let truly = wall - WALL;
            assert!(now <= truly + 1.0 && now >= truly - AHEAD - 1.0, "{now} of {truly}");
        }
    }

    #[test]
    fn without_a_steady_clock_it_goes_by_the_wall_clock_and_never_back() {
        let readings = [(None, WALL), (None, WALL + 7.0), (None, WALL - 5000.0), (None, WALL - 4990.0)];
        assert_eq!(passed(&readings), [0.0, 7.0, 7.0, 17.0]);
    }

    #[test]
    fn a_steady_clock_may_come_and_go() {
        let readings = [(None, WALL), (Some(3.0), WALL + 3.0), (Some(5.0), WALL + 5.0), (None, WALL + 9.0)];
        assert_eq!(passed(&readings), [0.0, 3.0, 5.0, 9.0]);
    }

    #[test]
    fn what_is_no_time_does_not_count() {
        let readings = [(Some(0.0), WALL), (Some(f64::NAN), f64::NAN), (Some(-9.0), WALL), (Some(f64::MAX), WALL)];
        let passed = passed(&readings);
        assert!(passed.is_sorted(), "{passed:?}");
    }
}
