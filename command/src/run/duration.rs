//! How long the durations of `run` may be.

use std::ops::RangeInclusive;
use std::time::Duration;

use lessor::Config;

use crate::duration::parse;

const DAY: Duration = Config::MAX_DURATION;

/// From 500 ms to a day: a shorter lease leaves a process no time to die.
pub(super) fn ttl(given: &str) -> Result<Duration, String> {
    within(given, Duration::from_millis(500)..=DAY)
}

/// Between two runs.
pub(super) fn pause(given: &str) -> Result<Duration, String> {
    within(given, Duration::from_millis(10)..=DAY)
}

/// Up to a day.
pub(super) fn bounded(given: &str) -> Result<Duration, String> {
    within(given, Duration::ZERO..=DAY)
}

pub(super) fn any(given: &str) -> Result<Duration, String> {
    within(given, Duration::ZERO..=Duration::MAX)
}

pub(super) fn within(given: &str, allowed: RangeInclusive<Duration>) -> Result<Duration, String> {
    parse(given).ok().filter(|value| allowed.contains(value)).ok_or_else(|| what_is_allowed(allowed))
}

pub(super) fn what_is_allowed(allowed: RangeInclusive<Duration>) -> String {
    let (least, most) = allowed.into_inner();
    let range = match most {
        Duration::MAX => "any duration".to_owned(),
        DAY => format!("{least:?} to 24h"),
        most => format!("{least:?} to {most:?}"),
    };
    format!("allowed is {range}, as in `500ms`, `2s`, `1.5` (seconds), `5m` or `1h`")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units() {
        for (given, ms) in [("500ms", 500), ("2s", 2000), ("1.5", 1500), ("5m", 300_000), ("1h", 3_600_000), ("0", 0)] {
            assert_eq!(any(given), Ok(Duration::from_millis(ms)), "{given}");
        }
        for given in ["", "s", "-1s", "1x", "ever", "inf", "nan", "1 s", "1e400"] {
            assert!(any(given).is_err(), "{given}");
        }
        assert_eq!(ttl("24h"), Ok(DAY));
        assert!(ttl("499ms").is_err() && ttl("24.1h").is_err());
    }
}
