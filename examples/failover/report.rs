//! The figures: for how long nobody led.

use std::fmt::{self, Write as _};
use std::time::Duration;

use lessor::Config;

/// How a leader was lost.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Disturbance {
    Killed,
    Resigned,
    Frozen,
}

impl Disturbance {
    pub(crate) const ALL: [Self; 3] = [Self::Killed, Self::Resigned, Self::Frozen];
}

impl fmt::Display for Disturbance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Killed => "was killed",
            Self::Resigned => "resigned",
            Self::Frozen => "was frozen",
        })
    }
}

#[derive(Default)]
pub(crate) struct Figures(Vec<(Disturbance, Duration)>);

impl Figures {
    pub(crate) fn add(&mut self, disturbance: Disturbance, gap: Duration) {
        self.0.push((disturbance, gap));
    }

    pub(crate) fn table(&self, config: &Config, promised: Duration) -> String {
        let mut table =
            format!("\n{:<32}{:>8}{:>12}{:>12}{:>12}", "nobody led after the leader", "times", "min", "median", "max");
        for disturbance in Disturbance::ALL {
            let mut gaps: Vec<_> =
                self.0.iter().filter(|(kind, _)| *kind == disturbance).map(|(_, gap)| *gap).collect();
            gaps.sort();
            if let (Some(min), Some(max)) = (gaps.first(), gaps.last()) {
                let (min, median, max) = (readable(*min), readable(median(&gaps)), readable(*max));
                let _ = write!(table, "\n{disturbance:<32}{:>8}{min:>12}{median:>12}{max:>12}", gaps.len());
            }
        }
        let (ttl, retry) = (readable(config.ttl), readable(config.retry_interval));
        let promised = readable(promised);
        let _ = write!(table, "\nfor scale: ttl {ttl}, retry interval {retry}, promised after a crash {promised}\n");
        table
    }
}

/// Of sorted durations: the middle one, or the mean of the middle two.
fn median(sorted: &[Duration]) -> Duration {
    let upper = sorted.get(sorted.len() / 2).copied().unwrap_or_default();
    let lower = sorted.get(sorted.len().saturating_sub(1) / 2).copied().unwrap_or_default();
    (lower + upper) / 2
}

/// To the millisecond, or to a hundredth of a second.
pub(crate) fn readable(duration: Duration) -> String {
    match duration.as_millis() {
        ..1000 => format!("{} ms", duration.as_millis()),
        1000.. => format!("{:.2} s", duration.as_secs_f64()),
    }
}
