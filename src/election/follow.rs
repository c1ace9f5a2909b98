//! Following: when to ask, and whether to take over.

use core::time::Duration;

use super::{Election, Event, Leader, Sighting};
use crate::lease::Lease;
use crate::record::Takeover;
use crate::time::Instant;

impl Election {
    pub(super) fn held(&mut self, lease: Option<Lease>, retry_after: Duration) {
        let before = self.known;
        self.known = before.max(lease.as_ref().map(|lease| lease.term));
        let pause = match &lease {
            // Not live, and not granted: somebody else was faster, or `takeover` said not yet. What was news is asked about
            // at once (`retry_after` zero). Else back when the own delay or guard is over, at the latest after the interval.
            Some(lease) if !lease.is_live() => {
                self.sight(lease);
                let wait = if retry_after.is_zero() && self.known > before {
                    Duration::ZERO
                } else {
                    self.pace.around(self.config.retry_interval)
                };
                let free_at = self.takes_over_at().filter(|at| !retry_after.is_zero() && *at > self.now);
                free_at.map_or(wait, |at| at.saturating_duration_since(self.now).min(wait))
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
        let shown = |lease: &Lease| (lease.holder.clone(), lease.term, lease.value.clone());
        let before = self.leader.take().map(|leader| leader.lease);
        let changed = before.as_ref().map(shown) != lease.as_ref().map(shown);
        let grace = if self.reign.is_some() { Duration::ZERO } else { self.config.request_timeout };
        self.leader = lease.clone().map(|lease| {
            let until = self.now.saturating_add(lease.time_left).saturating_add(grace);
            Leader { lease, seen: self.now, until }
        });
        if changed {
            self.events.push_back(Event::LeaderChanged(lease));
        }
    }
}
