//! What came of many runs, as Markdown.

use std::fmt::Write as _;
use std::ops::Range;
use std::time::Duration;

use crate::many::Summary;
use crate::plan::Protocol;

/// Seconds of a year.
pub const YEAR: f64 = 365.25 * 24.0 * 3600.0;

/// How long the machine took: the one place that asks it for the time, after all is done.
#[derive(Debug)]
pub struct Stopwatch(std::time::Instant);

impl Stopwatch {
    /// From now on.
    #[expect(clippy::disallowed_methods, reason = "the speed of the simulator is measured, not simulated")]
    pub fn start() -> Self {
        Self(std::time::Instant::now())
    }

    /// So long.
    pub fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }
}

/// One hunt, and what it got into.
pub fn summary(first_seed: u64, summary: &Summary, took: Duration) -> String {
    let simulated = summary.counts.simulated.as_secs_f64();
    let last = first_seed.saturating_add(summary.runs).saturating_sub(1);
    let mut text = String::new();
    let mut row = |name: &str, value: String| {
        let _ = writeln!(text, "| {name} | {value} |");
    };
    row("seeds", format!("{first_seed} to {last}, {} runs", grouped(summary.runs)));
    row("simulated", format!("{:.2} years ({} s)", simulated / YEAR, grouped(simulated as u64)));
    row("promises broken", summary.broken.len().to_string());
    row("elections", grouped(summary.counts.elections));
    row("storage requests", grouped(summary.counts.requests));
    row("events", grouped(summary.counts.events));
    row("writes refused by the fence", grouped(summary.counts.refused_writes));
    let speed = simulated / took.as_secs_f64();
    row("speed", format!("{} simulated seconds a second, {:.0} s in all", grouped(speed as u64), took.as_secs_f64()));
    let mut text = format!("| | |\n|---|---|\n{text}\n| met | times |\n|---|---:|\n");
    for (situation, count) in summary.counts.reached.counts() {
        let _ = writeln!(text, "| {} | {} |", situation.text(), grouped(count));
    }
    text + "\n"
}

/// Protocols side by side: without and with machines that freeze.
pub fn comparison(seeds: Range<u64>, columns: &[(Protocol, [Summary; 2])]) -> String {
    let mut text = format!(
        "Seeds {} to {}, each protocol with its default durations; lessor with `takeover_guard` where the storage's clock steps forward, and in a fifth of the other runs.\n\n",
        seeds.start,
        seeds.end.saturating_sub(1)
    );
    for (group, title) in ["Every fault but frozen machines", "Frozen machines too: their clocks stand still with them"]
        .iter()
        .enumerate()
    {
        let _ = writeln!(text, "{title}:\n");
        let head: String = columns.iter().map(|(protocol, _)| format!(" {} |", protocol.name())).collect();
        let _ = writeln!(text, "| |{head}\n|---|{}", "---:|".repeat(columns.len()));
        let rows: [Row; 9] = [
            ("runs", |all| grouped(all.runs)),
            ("simulated days", |all| grouped((all.counts.simulated.as_secs_f64() / 86_400.0) as u64)),
            ("two led at once, times in a million s", |all| per_million(all, all.counts.overlaps as f64)),
            ("two led at once, s in a million s", |all| per_million(all, all.counts.overlapped.as_secs_f64())),
            ("the longest of these", |all| format!("{:.1} s", all.counts.longest.as_secs_f64())),
            ("runs in which two led", |all| share(all.runs_with_overlap as f64, all.runs as f64)),
            ("stale writes accepted, in a million s", |all| per_million(all, all.counts.stale_writes as f64)),
            ("stale writes refused by their term, in a million s", |all| {
                per_million(all, all.counts.refused_writes as f64)
            }),
            ("time with a leader", |all| share(all.counts.led.as_secs_f64(), all.counts.key_time.as_secs_f64())),
        ];
        for (name, value) in rows {
            let values: String = columns.iter().map(|(_, groups)| format!(" {} |", value(&groups[group]))).collect();
            let _ = writeln!(text, "| {name} |{values}");
        }
        text.push('\n');
    }
    text
}

/// What is counted, and how it is shown.
type Row = (&'static str, fn(&Summary) -> String);

fn per_million(all: &Summary, count: f64) -> String {
    let rate = count / (all.counts.simulated.as_secs_f64() / 1e6);
    if count == 0.0 {
        "0".into()
    } else if rate < 100.0 {
        format!("{rate:.1}")
    } else {
        grouped(rate as u64)
    }
}

fn share(part: f64, of: f64) -> String {
    format!("{:.1} %", if of > 0.0 { part / of * 100.0 } else { 0.0 })
}

/// 1,234,567.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped() {
        assert_eq!([0, 999, 1000, 1_234_567].map(grouped), ["0", "999", "1,000", "1,234,567"]);
    }
}
