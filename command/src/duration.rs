//! Durations, as people write and read them.

use std::time::Duration;

/// `500ms`, `2s`, `1.5` (seconds), `5m` or `1h`.
pub(crate) fn parse(text: &str) -> Result<Duration, String> {
    let units = [("ms", 0.001), ("s", 1.0), ("m", 60.0), ("h", 3600.0), ("", 1.0)];
    let (number, unit) =
        units.iter().find_map(|(suffix, unit)| Some((text.strip_suffix(suffix)?, unit))).unwrap_or((text, &1.0));
    let duration = number.parse::<f64>().ok().and_then(|number| Duration::try_from_secs_f64(number * unit).ok());
    duration.ok_or_else(|| "allowed are durations as 500ms, 2s, 1.5 (seconds), 5m or 1h".to_owned())
}

/// Its two largest units: `3m 20s`.
pub(crate) fn shown(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let [minutes, hours, days] = [60, 3600, 86_400].map(|unit| seconds / unit);
    match (days, hours, minutes) {
        (0, 0, 0) if seconds < 10 => format!("{:.1}s", duration.as_secs_f64()),
        (0, 0, 0) => format!("{seconds}s"),
        (0, 0, _) => format!("{minutes}m {}s", seconds % 60),
        (0, _, _) => format!("{hours}h {}m", minutes % 60),
        _ => format!("{days}d {}h", hours % 24),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_allowed() {
        for (text, ms) in [("500ms", 500), ("2s", 2000), ("1.5", 1500), ("5m", 300_000), ("1h", 3_600_000), ("0", 0)] {
            assert_eq!(parse(text), Ok(Duration::from_millis(ms)), "{text}");
        }
        for text in ["", "s", "-1s", "1d", "NaN", "inf", "1e400", "1 s"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn how_it_is_shown() {
        for (ms, text) in [
            (0, "0.0s"),
            (9_400, "9.4s"),
            (59_999, "59s"),
            (200_000, "3m 20s"),
            (3_661_000, "1h 1m"),
            (90_000_000, "1d 1h"),
        ] {
            assert_eq!(shown(Duration::from_millis(ms)), text);
        }
    }
}
