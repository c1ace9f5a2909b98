//! How long to wait: fresh jitter on every pause, backoff when the storage fails.

use core::time::Duration;

use crate::config::Config;

/// A small generator for jitter: unpredictability is not asked of it, only difference. (Steele, Lea, Flood: "Fast
/// splittable pseudorandom number generators", 2014.)
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pace {
    state: u64,
}

impl Pace {
    pub(super) const fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    /// From 0 to below 1.
    fn fraction(&mut self) -> f64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.state;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^= bits >> 31;
        (bits >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn between(&mut self, low: Duration, high: Duration) -> Duration {
        low + high.saturating_sub(low).mul_f64(self.fraction())
    }

    /// A number below `count`.
    pub(super) fn one_of(&mut self, count: u16) -> u16 {
        let drawn = (self.fraction() * f64::from(count)) as u16;
        drawn.min(count.saturating_sub(1))
    }

    /// The interval, a tenth more or less.
    pub(super) fn around(&mut self, interval: Duration) -> Duration {
        self.between(interval.mul_f64(1.0 - Config::JITTER), interval.mul_f64(1.0 + Config::JITTER))
    }

    /// After `failures` in a row: twice as long each time, up to a fifth of the ttl or the retry interval, never less than
    /// half of that bound.
    pub(super) fn backoff(&mut self, config: &Config, failures: u32) -> Duration {
        let doublings = failures.saturating_sub(1).min(20);
        let bound = config.retry_pause().saturating_mul(1 << doublings).min(config.untold_pause());
        self.between(bound / 2, bound)
    }

    /// A leader does not back off: it has until its deadline.
    pub(super) fn leader_retry(&mut self, config: &Config) -> Duration {
        let bound = config.retry_pause();
        self.between(bound / 2, bound)
    }

    /// So that the followers of a key do not all ask in the moment in which it expires.
    pub(super) fn spread(&mut self, config: &Config) -> Duration {
        self.between(Duration::from_millis(1), (config.ttl / 100).max(Duration::from_millis(2)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draws(mut draw: impl FnMut(&mut Pace) -> Duration) -> (Duration, Duration) {
        let mut pace = Pace::new(7);
        let mut range = (Duration::MAX, Duration::ZERO);
        for _ in 0..if cfg!(miri) { 100 } else { 10_000 } {
            let drawn = draw(&mut pace);
            range = (range.0.min(drawn), range.1.max(drawn));
        }
        range
    }

    /// R13: jitter is a tenth to either side and does not compound.
    #[test]
    fn jitter_stays_within_a_tenth() {
        let (low, high) = draws(|pace| pace.around(Duration::from_secs(2)));
        assert!(low >= Duration::from_millis(1800) && low < Duration::from_millis(1850), "{low:?}");
        assert!(high <= Duration::from_millis(2200) && high > Duration::from_millis(2150), "{high:?}");
    }

    /// R14: a leader tries again after 250 to 500 ms, sooner with a short ttl.
    #[test]
    fn a_leader_retries_soon() {
        let (low, high) = draws(|pace| pace.leader_retry(&Config::default()));
        assert!(low >= Duration::from_millis(250) && high <= Duration::from_millis(500));
        let short = Config::with_ttl(Duration::from_millis(100));
        let (low, high) = draws(|pace| pace.leader_retry(&short));
        assert!(low >= Duration::from_micros(2500) && high <= Duration::from_millis(5));
    }

    /// R14: backoff grows and is capped at the retry interval, or a fifth of the ttl if that is shorter.
    #[test]
    fn backoff_is_capped() {
        backs_off(&Config::default());
        backs_off(&Config { retry_interval: Duration::from_secs(10), ..Config::default() });
        let (low, high) =
            draws(|pace| pace.backoff(&Config { retry_interval: Duration::from_millis(600), ..Config::default() }, 9));
        assert!(low >= Duration::from_millis(300) && high <= Duration::from_millis(600));
    }

    fn backs_off(config: &Config) {
        for (failures, low, high) in
            [(1, 250, 500), (2, 500, 1000), (3, 1000, 2000), (4, 1000, 2000), (u32::MAX, 1000, 2000)]
        {
            let range = draws(|pace| pace.backoff(config, failures));
            assert!(
                range.0 >= Duration::from_millis(low) && range.1 <= Duration::from_millis(high),
                "{failures} {range:?}"
            );
        }
    }
}
