//! Following: when to ask, and whether to take over.

use core::time::Duration;

use super::{Election, Event, Leader, Sighting};
use crate::lease::Lease;
use crate::storage::Takeover;
use crate::time::Instant;

impl Election {
    pub(super) fn held(&mut self, lease: Option<Lease>, retry_after: Duration) {
        let before = self.known;
        self.known = before.max(lease.as_ref().map(|lease| lease.term));
        let pause = match &lease {
            Some(lease) if !lease.is_live() => {
                self.sight(lease);
                self.pause_before_takeover(retry_after, self.known > before)
            }
            Some(lease) => {
                self.sight(lease);
                self.pause(retry_after)
            }
            None => self.pause(retry_after),
        };
        self.next_at = self.now.saturating_add(pause);
        self.see_leader(lease);
    }

    /// The lease is not live, and was not granted all the same.
    ///
    /// `retry_after` zero: somebody was faster, and the storage tells this candidate to look first. If it learnt something
    /// by that it asks again at once. Otherwise `takeover` said not yet: back when the own delay or guard is over, at the
    /// latest after the retry interval.
    fn pause_before_takeover(&mut self, retry_after: Duration, learnt: bool) -> Duration {
        if retry_after.is_zero() && learnt {
            return Duration::ZERO;
        }
        let wait = self.pace.around(self.config.retry_interval);
        match self.takes_over_at() {
            Some(at) if !retry_after.is_zero() && at > self.now => at.saturating_duration_since(self.now).min(wait),
            _ => wait,
        }
    }

    /// Back when told, a little spread; at the latest after the retry interval.
    pub(super) fn pause(&mut self, retry_after: Duration) -> Duration {
        let interval = self.pace.around(self.config.retry_interval);
        if retry_after.is_zero() {
            return interval;
        }
        retry_after.saturating_add(self.pace.spread(&self.config)).min(interval)
    }

    fn sight(&mut self, lease: &Lease) {
        let ends = self.now.saturating_add(lease.time_left);
        let same = self.sighting.take().filter(|seen| (seen.term, seen.version) == (lease.term, lease.version));
        self.sighting = Some(Sighting {
            term: lease.term,
            version: lease.version,
            ttl: lease.ttl,
            since: same.as_ref().map_or(self.now, |seen| seen.since),
            vacant_at: same.map_or(ends, |seen| seen.vacant_at.min(ends)),
        });
    }

    /// From when on an expired lease may be taken over, where that is not simply left to the storage's clock.
    fn takes_over_at(&self) -> Option<Instant> {
        let seen = self.sighting.as_ref()?;
        let delayed = seen.vacant_at.saturating_add(self.config.takeover_delay);
        Some(if self.config.takeover_guard { delayed.max(self.watched_at(seen)) } else { delayed })
    }

    /// From when on a version was seen unchanged for so long that its holder has stopped, whatever the storage's
    /// clock says.
    fn watched_at(&self, seen: &Sighting) -> Instant {
        seen.since.saturating_add(seen.ttl).saturating_add(self.config.margin)
    }

    pub(super) fn takeover(&self) -> Takeover {
        let own_choice = self.config.takeover_guard || !self.config.takeover_delay.is_zero();
        match (&self.sighting, self.takes_over_at()) {
            (Some(seen), Some(at)) if own_choice && self.now >= at => Takeover::Unchanged(seen.version),
            _ if own_choice => Takeover::ReleasedOnly,
            // For a storage whose clock has stepped back, and does not see the lease expire. Where the version has moved
            // meanwhile the key is not free anyhow.
            (Some(seen), _) if self.now >= self.watched_at(seen) => Takeover::Unchanged(seen.version),
            _ => Takeover::Expired,
        }
    }

    /// Takes note of who leads; a lease that is not live is nobody's.
    ///
    /// Another's is believed in until its end, and for a request timeout more: so long may it take to hear of a
    /// renewal. One's own ends at the deadline.
    pub(super) fn see_leader(&mut self, lease: Option<Lease>) {
        let lease = lease.filter(Lease::is_live);
        let shown = |lease: &Lease| (lease.id.clone(), lease.term, lease.value.clone());
        let before = self.leader.take().map(|leader| leader.lease);
        let changed = before.as_ref().map(shown) != lease.as_ref().map(shown);
        let grace = if self.phase.reign().is_some() { Duration::ZERO } else { self.config.request_timeout };
        self.leader = lease.clone().map(|lease| {
            let until = self.now.saturating_add(lease.time_left).saturating_add(grace);
            Leader { lease, seen: self.now, until }
        });
        if changed {
            self.events.push_back(Event::LeaderChanged(lease));
        }
    }
}
