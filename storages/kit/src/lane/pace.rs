//! How long renewals of a class are held back for others to come with them, how long flights take, and how large they
//! may be.

use core::time::Duration;

use lessor::Instant;
use lessor::storage::Renewal;

/// The longest that a renewal is held back.
const LINGER: Duration = Duration::from_millis(20);

/// What part of its ttl a renewal may be held back.
const LINGER_SHARE: u32 = 500;

/// The most keys of a flight.
const MOST_KEYS: usize = 1_024;

/// The least number of keys that a flight is cut down to.
const LEAST_KEYS: usize = 16;

/// What part of its senders' patience a flight may take. With several flights before a server that is too slow there is
/// room for each of them, and for the wait before it.
const FLIGHT_SHARE: u32 = 8;

#[derive(Debug)]
pub(super) struct Pace {
    last: Option<Instant>,
    /// About how long it takes until the next renewal comes.
    gap: Duration,
    /// When those that wait are to depart. `None`: none waits.
    ripe_at: Option<Instant>,
    /// About how long a flight takes.
    took: Duration,
    /// The most keys that a flight may have.
    most_keys: usize,
}

impl Default for Pace {
    fn default() -> Self {
        Self { last: None, gap: Duration::MAX, ripe_at: None, took: Duration::ZERO, most_keys: MOST_KEYS }
    }
}

impl Pace {
    /// A renewal, of a reign that ends at `deadline`.
    ///
    /// It is held back only where others are about to come, and never where its deadline is near: one alone pays nothing.
    pub(super) fn renewal_came(&mut self, renewal: &Renewal, deadline: Instant, now: Instant) {
        const LONG: Duration = Duration::from_secs(1);
        let since = self.last.replace(now).map_or(LONG, |last| now.saturating_duration_since(last).min(LONG));
        self.gap = (self.gap.min(LONG) * 7 + since) / 8;
        let most = LINGER.min(renewal.ttl / LINGER_SHARE);
        let is_near = deadline.saturating_duration_since(now) < renewal.ttl / 4;
        let linger = if self.gap < most && !is_near { most } else { Duration::ZERO };
        let ripe_at = now.saturating_add(linger);
        self.ripe_at = Some(self.ripe_at.map_or(ripe_at, |earlier| earlier.min(ripe_at)));
    }

    /// One that has waited before, for its key to land or on a connection that broke: it is not held back once more.
    pub(super) fn renewal_came_back(&mut self) {
        self.ripe_at = Some(Instant::default());
    }

    pub(super) fn is_ripe(&self, now: Instant) -> bool {
        self.ripe_at.is_none_or(|at| at <= now)
    }

    pub(super) const fn ripe_at(&self) -> Option<Instant> {
        self.ripe_at
    }

    /// Those that were left behind go with the next one.
    pub(super) fn departed(&mut self, were_renewals: bool, more_wait: bool, now: Instant) {
        if were_renewals {
            self.ripe_at = more_wait.then_some(now);
        }
    }

    pub(super) const fn most_keys(&self) -> usize {
        self.most_keys
    }

    /// A flight of so many keys was answered after so long, or has been silent for as long.
    ///
    /// Flights that take too long become smaller. Otherwise a server that is too slow would get ever larger ones, since
    /// more waits the longer each takes, until no answer comes in time.
    pub(super) fn answered_after(&mut self, took: Duration, keys: usize, patience: Duration) {
        self.took = (self.took * 7 + took) / 8;
        let budget = patience / FLIGHT_SHARE;
        if took > budget {
            let fits = budget.as_secs_f64() / took.as_secs_f64() * keys as f64;
            self.most_keys = self.most_keys.min(fits as usize).max(LEAST_KEYS);
        } else if keys >= self.most_keys && took < budget / 2 {
            self.most_keys = (self.most_keys * 2).min(MOST_KEYS);
        }
    }

    /// How much of the patience has to be left for a flight: as much as they take, at most half of it. (A stall must not
    /// keep everybody from trying again.)
    pub(super) fn reserve(&self, patience: Duration) -> Duration {
        self.took.clamp(patience / 8, patience / 2)
    }
}
