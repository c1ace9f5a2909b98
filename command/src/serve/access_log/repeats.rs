//! What is said again and again: once a second, and how often it was meanwhile.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;

/// After how long the same is said again.
pub(super) const SAID_AGAIN: Duration = Duration::from_secs(1);

/// So many different things are said within that time.
const DIFFERENT: usize = 64;

#[derive(Debug)]
struct Repeat {
    said: Instant,
    /// How often it happened since.
    more: u64,
}

#[derive(Debug, Default)]
pub(super) struct Repeats(HashMap<String, Repeat>);

impl Repeats {
    /// Whether it has to be said now; `None`: too much else has been said already.
    pub(super) fn happened(&mut self, what: &str, now: Instant) -> Option<bool> {
        if let Some(repeat) = self.0.get_mut(what) {
            repeat.more += 1;
            return Some(false);
        }
        if self.0.len() >= DIFFERENT {
            return None;
        }
        self.0.insert(what.to_owned(), Repeat { said: now, more: 0 });
        Some(true)
    }

    /// What has to be said of what happened again.
    pub(super) fn due(&mut self, now: Instant) -> Vec<String> {
        let mut due = Vec::new();
        self.0.retain(|what, repeat| {
            if now.saturating_duration_since(repeat.said) < SAID_AGAIN {
                return true;
            }
            if repeat.more == 0 {
                return false;
            }
            due.push(format!("{what} ({} times more)", repeat.more));
            (repeat.said, repeat.more) = (now, 0);
            true
        });
        due
    }

    /// Whether there is nothing of which it may have to be said how often it happened.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn once_a_second_and_how_often() {
        let (mut repeats, start) = (Repeats::default(), Instant::now());
        let at = |seconds: f64| start + Duration::from_secs_f64(seconds);
        assert_eq!(repeats.happened("it fails", at(0.0)), Some(true));
        for _ in 0..255 {
            assert_eq!(repeats.happened("it fails", at(0.1)), Some(false));
        }
        assert_eq!(repeats.happened("something else", at(0.2)), Some(true));
        assert_eq!(repeats.due(at(0.9)), [""; 0]);
        assert_eq!(repeats.due(at(1.5)), ["it fails (255 times more)"]);
        assert_eq!(repeats.happened("it fails", at(1.6)), Some(false));
        assert_eq!(repeats.due(at(2.5)), ["it fails (1 times more)"]);
        assert_eq!((repeats.due(at(9.0)), repeats.is_empty()), (vec![], true));
        for number in 0..1_000 {
            assert_eq!(repeats.happened(&number.to_string(), at(9.0)), (number < DIFFERENT).then_some(true));
        }
    }
}
