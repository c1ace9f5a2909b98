use core::ops::Deref;
use core::time::Duration;

use lessor::Instant;

use super::now;

/// A connection to one server, as a [`Link`](super::Link) needs to know it.
pub trait Connection: Send + Sync + 'static {
    /// How many answers came on it so far, to whomever.
    fn answers(&self) -> u64;

    /// It is used no more: what lasts on it has to go to another.
    fn give_up(&self) {}

    /// Whether it is known that nothing comes on it any more.
    fn is_over(&self) -> bool {
        false
    }
}

/// A connection, to which server it goes, and how long it took.
#[derive(Debug)]
pub struct Line<T> {
    connection: T,
    place: usize,
    since: Instant,
    took: Duration,
}

impl<T> Line<T> {
    /// It has just been opened.
    pub(super) fn opened(connection: T, place: usize, began: Instant) -> Self {
        let since = now();
        Self { connection, place, since, took: since.saturating_duration_since(began) }
    }

    /// The place of its server.
    pub const fn place(&self) -> usize {
        self.place
    }

    /// Whether it has lasted no longer than it took to come about: on so slow a way a silence says nothing yet.
    pub(super) fn is_young(&self) -> bool {
        now().saturating_duration_since(self.since) < self.took
    }
}

impl<T> Deref for Line<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.connection
    }
}
