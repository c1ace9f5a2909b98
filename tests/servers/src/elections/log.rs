use std::fmt;
use std::sync::{Condvar, Mutex, MutexGuard};
use std::time::Duration;

use lessor::{Event, Instant, Term};

use super::now;

/// What a candidate told.
#[derive(Clone, Debug)]
pub struct Entry {
    /// When it was heard.
    pub at: Instant,
    /// Whose it is.
    pub node: usize,
    /// Of which key.
    pub key: usize,
    /// What happened.
    pub event: Event,
}

/// All that all candidates told.
#[derive(Debug, Default)]
pub struct Log {
    entries: Mutex<Vec<Entry>>,
    pushed: Condvar,
}

impl Log {
    fn lock(&self) -> MutexGuard<'_, Vec<Entry>> {
        self.entries.lock().expect("no thread panics with it")
    }

    pub(super) fn push(&self, node: usize, key: usize, event: Event) {
        self.lock().push(Entry { at: now(), node, key, event });
        self.pushed.notify_all();
    }

    /// This place, for [`since`](Self::since).
    #[must_use]
    pub fn mark(&self) -> usize {
        self.lock().len()
    }

    /// What was told from a place on.
    #[must_use]
    pub fn since(&self, mark: usize) -> Vec<Entry> {
        self.lock().iter().skip(mark).cloned().collect()
    }

    /// The terms of all reigns of a key, and the first deadline of each.
    pub(super) fn elected(&self, key: usize) -> Vec<(Instant, Term)> {
        let of = |entry: &Entry| match entry.event {
            Event::Elected { term, deadline, .. } if entry.key == key => Some((deadline, term)),
            _ => None,
        };
        self.lock().iter().filter_map(of).collect()
    }

    pub(super) fn wait<T>(&self, what: &str, patience: Duration, mut found: impl FnMut() -> Option<T>) -> T {
        let began = now();
        loop {
            // Without the lock: it may read the log.
            if let Some(found) = found() {
                return found;
            }
            assert!(now().saturating_duration_since(began) < patience, "it never happens that {what}\n{self}");
            // Not all that is waited for comes with an event.
            let waited = self.pushed.wait_timeout(self.lock(), Duration::from_millis(5));
            drop(waited.expect("no thread panics with it"));
        }
    }
}

impl fmt::Display for Log {
    /// The newest of it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let entries = self.lock();
        writeln!(f, "now {:?}", now())?;
        for Entry { at, node, key, event } in entries.iter().skip(entries.len().saturating_sub(80)) {
            writeln!(f, "{at:?} node {node}, key {key}: {event:?}")?;
        }
        Ok(())
    }
}
