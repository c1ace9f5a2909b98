//! What this handle wrote lately: no read may show less.
//!
//! A server that was cut off from the others, and led them before, goes on answering reads for some seconds, until it notices. Whoever
//! wrote through another one and comes to it would read what was before that: a leader would hear that it is not one.

use core::time::Duration;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use lessor::{Instant, SystemTimer, Timer};

/// Longer than a leader without a majority takes itself for one. After that what is read is believed, though it is older: a bucket was
/// restored, or made anew.
const BELIEVED_AFTER: Duration = Duration::from_secs(60);

/// The last writes of this handle, by their subjects.
pub(crate) struct Written {
    timer: SystemTimer,
    last: Mutex<Last>,
}

#[derive(Default)]
struct Last {
    by_subject: HashMap<String, (u64, Instant)>,
    /// How many there may be before the old ones are left out.
    room: usize,
}

impl Written {
    pub(crate) fn new() -> Self {
        Self { timer: SystemTimer::new(), last: Mutex::default() }
    }

    /// This handle wrote this.
    pub(crate) fn wrote(&self, subject: &str, sequence: u64) {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).wrote(subject, sequence, self.timer.now());
    }

    /// Whether what was read, the message of this sequence, or 0 for none, is from before what this handle wrote.
    pub(crate) fn is_newer_than(&self, subject: &str, sequence: u64) -> bool {
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        last.by_subject
            .get(subject)
            .is_some_and(|(wrote, at)| *wrote > sequence && self.timer.now() < at.saturating_add(BELIEVED_AFTER))
    }
}

impl Last {
    fn wrote(&mut self, subject: &str, sequence: u64, now: Instant) {
        if let Some(last) = self.by_subject.get_mut(subject) {
            // Two answers may overtake each other.
            if sequence >= last.0 || now >= last.1.saturating_add(BELIEVED_AFTER) {
                *last = (sequence, now);
            }
            return;
        }
        if self.by_subject.len() >= self.room {
            self.by_subject.retain(|_, (_, at)| now < at.saturating_add(BELIEVED_AFTER));
            self.room = self.by_subject.len().saturating_mul(2).max(16);
        }
        self.by_subject.insert(subject.to_owned(), (sequence, now));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(secs: u64) -> Instant {
        Instant::from_origin(Duration::from_secs(secs))
    }

    #[test]
    fn what_is_older_than_a_write() {
        let written = Written::new();
        assert!(!written.is_newer_than("a", 0));
        written.wrote("a", 7);
        written.wrote("a", 5);
        assert!(written.is_newer_than("a", 6) && written.is_newer_than("a", 0));
        assert!(!written.is_newer_than("a", 7) && !written.is_newer_than("a", 8) && !written.is_newer_than("b", 0));
    }

    /// A bucket that was made anew begins again.
    #[test]
    fn an_old_write_is_forgotten() {
        let mut last = Last::default();
        last.wrote("a", 7, at(0));
        last.wrote("a", 1, at(100));
        assert_eq!(last.by_subject["a"], (1, at(100)));
        for number in 0..1_000 {
            last.wrote(&number.to_string(), number, at(200 + 10 * number));
        }
        assert!(last.by_subject.len() < 40, "{}", last.by_subject.len());
    }
}
