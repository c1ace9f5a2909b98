//! When a job is due.

use core::fmt;
use core::time::Duration;

use chrono::{DateTime, Utc};
use croner::Cron;
use croner::parser::CronParser;

/// Times at which a job is due, as a cron expression: in UTC, and read as Cloudflare's cron triggers are.
///
/// Five fields: minute, hour, day of the month, month, day of the week; with a sixth one before them, seconds. Days of the week are 1 to 7
/// from **Sunday** on, or `SUN` to `SAT`. `L`, `W` and `#` are understood.
///
/// A time that nobody was there for is made up for, as soon as somebody leads: the latest one, or [each](Self::make_up). Times before a
/// schedule was first led for are not.
///
/// ```
/// use std::time::Duration;
///
/// use lessor_worker::Schedule;
///
/// // Each night at two, each of the last week's too if it was missed.
/// let nights = Schedule::new("nightly", "0 2 * * *")?.make_up(Duration::from_secs(7 * 24 * 3600));
/// // On the last Friday of a month.
/// let closing = Schedule::new("closing", "0 18 * * 6L")?;
///
/// let refused = Schedule::new("nightly", "2 o'clock").unwrap_err();
/// assert!(refused.to_string().contains("\"0 2 * * *\""), "{refused}");
/// # Ok::<(), lessor_worker::InvalidSchedule>(())
/// ```
#[derive(Clone, Debug)]
pub struct Schedule {
    name: String,
    cron: Cron,
    make_up: Duration,
}

/// Why there is no such schedule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidSchedule(String);

impl Schedule {
    /// Under this name, which tells schedules of a key apart: 1 to 64 bytes, without line breaks.
    ///
    /// # Errors
    /// The name does not fit, the expression cannot be read, or its time never comes.
    pub fn new(name: impl Into<String>, cron: &str) -> Result<Self, InvalidSchedule> {
        let name = name.into();
        check_name(&name)?;
        let parser = CronParser::builder().alternative_weekdays(true).build();
        let refused = |why: String| {
            InvalidSchedule(format!(
                "schedule {name}: {cron:?} is refused ({why}): write minute, hour, day of the month, month and day of the week, as in \
                 \"0 2 * * *\""
            ))
        };
        let cron = parser.parse(cron).map_err(|error| refused(error.to_string()))?;
        let epoch = DateTime::<Utc>::UNIX_EPOCH;
        cron.find_next_occurrence(&epoch, false).map_err(|error| refused(error.to_string()))?;
        Ok(Self { name, cron, make_up: Duration::ZERO })
    }

    /// Each time that was missed is made up for, one after the other, if it was at most so long ago. Without this, or if all are longer ago,
    /// it is the latest one.
    #[must_use]
    pub fn make_up(self, missed: Duration) -> Self {
        Self { make_up: missed, ..self }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The first time that is due now, if all up to `done_ms` are done. In ms since 1970, like all times here.
    #[must_use]
    pub fn due(&self, done_ms: u64, now_ms: u64) -> Option<u64> {
        let make_up = u64::try_from(self.make_up.as_millis()).unwrap_or(u64::MAX);
        let first = self.next(done_ms.max(now_ms.saturating_sub(make_up).saturating_sub(1)));
        first.filter(|at| *at <= now_ms).or_else(|| self.latest(now_ms).filter(|at| *at > done_ms))
    }

    /// The first time after this one.
    #[must_use]
    pub fn next(&self, after_ms: u64) -> Option<u64> {
        self.cron.find_next_occurrence(&time(after_ms)?, false).ok().and_then(ms)
    }

    /// The last one until then.
    fn latest(&self, until_ms: u64) -> Option<u64> {
        self.cron.find_previous_occurrence(&time(until_ms)?, true).ok().and_then(ms)
    }
}

/// It is one line of what a `LeaseObject` is asked.
pub(crate) fn check_name(name: &str) -> Result<(), InvalidSchedule> {
    const LONGEST: usize = 64;
    if name.is_empty() || name.len() > LONGEST || name.contains('\n') {
        let refused = format!("the schedule's name {name:?} is refused: take 1 to {LONGEST} bytes without line breaks");
        return Err(InvalidSchedule(refused));
    }
    Ok(())
}

fn time(ms: u64) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp_millis(i64::try_from(ms).ok()?)
}

fn ms(time: DateTime<Utc>) -> Option<u64> {
    u64::try_from(time.timestamp_millis()).ok()
}

impl fmt::Display for InvalidSchedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl core::error::Error for InvalidSchedule {}

#[cfg(target_family = "wasm")]
impl From<InvalidSchedule> for worker::Error {
    fn from(refused: InvalidSchedule) -> Self {
        Self::RustError(refused.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: u64 = 3_600_000;
    const DAY: u64 = 24 * HOUR;
    /// A Sunday, at midnight.
    const SUNDAY: u64 = 1_799_539_200_000;

    fn nightly() -> Schedule {
        Schedule::new("nightly", "0 2 * * *").unwrap()
    }

    #[test]
    fn what_is_due() {
        let two = |day: u64| SUNDAY + day * DAY + 2 * HOUR;
        let nightly = nightly();
        assert_eq!(nightly.next(SUNDAY), Some(two(0)));
        assert_eq!(nightly.next(two(0)), Some(two(1)));
        assert_eq!(nightly.due(SUNDAY, two(0) - 1), None);
        assert_eq!(nightly.due(SUNDAY, two(0)), Some(two(0)), "to the moment");
        assert_eq!(nightly.due(two(0), two(0) + HOUR), None, "it is done");
        assert_eq!(nightly.due(two(0), two(1) + HOUR), Some(two(1)));
        // Somebody has set the clock back, or has done more.
        assert_eq!(nightly.due(two(3), two(1)), None);
    }

    #[test]
    fn what_was_missed() {
        let two = |day: u64| SUNDAY + day * DAY + 2 * HOUR;
        let now = two(5) + HOUR;
        let missed = |schedule: &Schedule| {
            let (mut done, mut made_up) = (two(0), Vec::new());
            while let Some(at) = schedule.due(done, now) {
                made_up.push(at);
                done = at;
            }
            made_up
        };
        assert_eq!(missed(&nightly()), [two(5)], "the latest");
        let days = |count: u32| nightly().make_up(Duration::from_millis(DAY) * count);
        assert_eq!(missed(&days(7)), [two(1), two(2), two(3), two(4), two(5)]);
        assert_eq!(missed(&days(2)), [two(4), two(5)]);
        assert_eq!(missed(&nightly().make_up(Duration::from_millis(HOUR))), [two(5)], "to the moment");
        assert_eq!(missed(&nightly().make_up(Duration::from_secs(1))), [two(5)], "the latest at least");
        assert_eq!(missed(&nightly().make_up(Duration::MAX)), missed(&days(7)));
    }

    /// As cron triggers have it: the first day of the week is Sunday.
    #[test]
    fn days_of_the_week() {
        for (cron, at) in [
            ("0 0 * * 1", SUNDAY),
            ("0 0 * * SUN", SUNDAY),
            ("0 0 * * 2-6", SUNDAY + DAY),
            ("*/15 * * * 7", SUNDAY + 6 * DAY),
            ("0 0 * * 7L", SUNDAY + 20 * DAY),
            ("30 * * * * *", SUNDAY + 30_000),
        ] {
            assert_eq!(Schedule::new("one", cron).unwrap().next(SUNDAY - 1), Some(at), "{cron}");
        }
    }

    #[test]
    fn what_is_refused() {
        for cron in ["", "0 2 * *", "60 2 * * *", "0 2 30 2 *", "at two"] {
            let refused = Schedule::new("one", cron).unwrap_err().to_string();
            assert!(refused.contains(&format!("schedule one: {cron:?} is refused")), "{refused}");
        }
        for name in ["", "two\nlines", &"long".repeat(17)] {
            let refused = Schedule::new(name, "0 2 * * *").unwrap_err().to_string();
            assert!(refused.contains("take 1 to 64 bytes"), "{refused}");
        }
    }
}
