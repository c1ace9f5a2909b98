//! Following: when to ask, and whether to take over.

use alloc::boxed::Box;
use core::time::Duration;

use super::{Election, Event, Known, Leader, Sighting, Vacancy};
use crate::lease::Lease;
use crate::storage::Takeover;
use crate::time::Instant;

impl Election {
    /// A claim was refused, or a renewal: others may lead, or nobody. `says_more`: the next claim says more than this one,
    /// even if nothing is learnt from the lease.
    pub(super) fn refused(&mut self, lease: Option<Lease>, retry_after: Duration, says_more: bool) {
        let (before, named) = (self.known, self.takeover());
        let says_nothing = lease.is_none();
        self.see_key(lease.as_ref());
        // The version that the claim named is gone, whatever it is: the next one leaves it to the storage.
        let is_outdated = matches!(named, Takeover::Unchanged(_)) && self.takeover() == Takeover::Expired;
        if let Some(seen) = &mut self.sighting {
            seen.is_anothers |= !retry_after.is_zero();
        }
        let pause = match &lease {
            _ if self.lets_others_go_first() && self.claims_at().is_some() => self.pause_before_claim(),
            // (What is released and not granted all the same is reserved for another: for so long as for a live lease.)
            Some(lease) if !lease.is_live() && (lease.id.is_some() || retry_after.is_zero()) => {
                let learnt = retry_after.is_zero() && (says_more || self.known > before);
                self.pause_before_takeover(retry_after, learnt || is_outdated)
            }
            _ => self.pause(retry_after),
        };
        self.see_leader(lease);
        let again_at = self.now.saturating_add(pause);
        // A storage that shows nothing grants nothing: that holds for each slot.
        self.next_at = if says_nothing { again_at } else { self.next_slot(again_at) };
        self.looks_again = self.next_at > self.now;
    }

    /// A look is answered: an observer's, or that of a candidate which lets others go first.
    pub(super) fn looked(&mut self, lease: Option<Lease>) {
        let time_left = lease.as_ref().filter(|lease| lease.is_live()).map(|lease| lease.time_left);
        if self.profile.id.is_some() {
            self.see_key(lease.as_ref());
        }
        let pause = match time_left {
            _ if self.may_be_its_own() => Duration::ZERO,
            _ if self.claims_at().is_some() => self.pause_before_claim(),
            Some(time_left) => self.pause(time_left),
            None => self.pause(self.config.retry_interval),
        };
        self.see_leader(lease);
        self.next_at = self.next_slot(self.now.saturating_add(pause));
        self.looks_again = self.next_at > self.now;
    }

    /// Takes note of how the key is, which this candidate does not lead.
    fn see_key(&mut self, lease: Option<&Lease>) {
        self.known = self.known.max(lease.map(|lease| lease.term));
        let before = self.sighting.as_ref().map(|seen| (seen.term, seen.version));
        let same = lease.is_some_and(|lease| before == Some((lease.term, lease.version)));
        self.vacancy = match (lease, self.vacancy) {
            (Some(lease), _) if lease.is_live() => {
                let still_from = self.sighting.as_ref().filter(|_| same).map(|seen| self.seen_still_until(seen));
                match still_from.filter(|at| *at <= self.now) {
                    // Its holder has stopped, whatever the storage's clock says: a look alone would never show it free.
                    Some(since) => Vacancy::Free { since },
                    None => Vacancy::Held { until: self.now.saturating_add(lease.time_left) },
                }
            }
            (Some(_), Vacancy::Held { until }) if same => Vacancy::Free { since: until.min(self.now) },
            (Some(_), Vacancy::Free { since }) if same => Vacancy::Free { since },
            (Some(lease), _) => Vacancy::Free { since: self.now.saturating_add(lease.time_left) },
            (None, Vacancy::New { since }) => Vacancy::New { since },
            (None, _) => Vacancy::New { since: self.now },
        };
        if let Some(lease) = lease {
            self.sight(lease);
        }
    }

    /// Whether a look is due rather than a claim: others go first, and have not had their time. What may be this session's
    /// already is claimed: only the claim can tell.
    pub(super) fn lets_others_go_first(&self) -> bool {
        let may_claim = self.may_hold || self.may_be_its_own() || self.claims_at().is_some_and(|at| self.now >= at);
        !self.claim_delay().is_zero() && !may_claim
    }

    /// Whether the key is reserved, and perhaps for this candidate: only a claim can tell, and is refused if it is not.
    fn may_be_its_own(&self) -> bool {
        let is_reserved = matches!(self.vacancy, Vacancy::Free { since } if self.now < since);
        is_reserved && self.sighting.as_ref().is_some_and(|seen| !seen.is_anothers)
    }

    fn claim_delay(&self) -> Duration {
        self.claim_delay.as_deref().copied().unwrap_or(self.config.claim_delay)
    }

    /// From when on others have had their time. `None`: the key is not free, as far as was seen.
    fn claims_at(&self) -> Option<Instant> {
        match self.vacancy {
            Vacancy::Free { since } | Vacancy::New { since } => Some(since.saturating_add(self.claim_delay())),
            Vacancy::Unseen | Vacancy::Held { .. } => None,
        }
    }

    /// Others have less time than before: the claim may be due.
    pub(super) fn hasten_claim(&mut self) {
        // After a failure it asks when the storage may have recovered.
        let waits = self.in_flight.is_none() && self.failures == 0 && self.phase.heeds_wakeups();
        if !waits || self.profile.id.is_none() {
            return;
        }
        let at = match self.claims_at() {
            Some(at) => at.max(self.now),
            None => self.now.saturating_add(self.pace.around(self.config.retry_interval)),
        };
        self.next_at = self.next_at.min(at);
    }

    /// Until others have had their time, a little spread. It looks in between: others may come and go.
    fn pause_before_claim(&mut self) -> Duration {
        let look = self.pace.around(self.config.untold_pause());
        let Some(at) = self.claims_at() else { return look };
        let spread = self.pace.spread(&self.config);
        at.saturating_duration_since(self.now).saturating_add(spread).min(look)
    }

    /// The lease is not live, and was not granted all the same (or it is the own one, which could not be renewed). Three
    /// cases:
    ///
    /// * The next claim says more: somebody was faster, and it names the newer term; or the version that this one named is not
    ///   there any more. It asks again at once.
    /// * `retry_after` zero, and nothing new: after a while. A storage that repeats itself is not asked in a busy loop.
    /// * Else the claim's `takeover` spared the lease: when the own delay or guard is over, at the latest after a while.
    ///
    /// A while is the retry interval, and not longer than a fifth of the ttl: nobody tells of a lease that has run out.
    fn pause_before_takeover(&mut self, retry_after: Duration, says_more: bool) -> Duration {
        if says_more {
            return Duration::ZERO;
        }
        let wait = self.pace.around(self.config.untold_pause());
        match self.takes_over_at() {
            Some(at) if !retry_after.is_zero() && at > self.now => at.saturating_duration_since(self.now).min(wait),
            _ => wait,
        }
    }

    /// Back when told, a little spread; at the latest after the retry interval. Zero: nobody was seen to hold the key, and nobody
    /// may be there to tell.
    pub(super) fn pause(&mut self, retry_after: Duration) -> Duration {
        if retry_after.is_zero() {
            return self.pace.around(self.config.untold_pause());
        }
        // Who lets others go first hurries as little while they lead.
        let delay = if self.lets_others_go_first() { self.claim_delay() } else { Duration::ZERO };
        let interval = self.pace.around(self.config.retry_interval.max(delay));
        let lease_ends = retry_after.saturating_add(self.pace.spread(&self.config));
        // The claim names the version from then on, and that may be the only one that is granted.
        let stood_still = self.sighting.as_deref().map(|seen| self.seen_still_until(seen)).filter(|at| *at > self.now);
        let stood_still = stood_still.map_or(Duration::MAX, |at| at.saturating_duration_since(self.now));
        lease_ends.min(stood_still.max(self.config.untold_pause())).min(interval)
    }

    fn sight(&mut self, lease: &Lease) {
        let ends = self.now.saturating_add(lease.time_left);
        let same = self.sighting.take().filter(|seen| (seen.term, seen.version) == (lease.term, lease.version));
        self.sighting = Some(Box::new(Sighting {
            term: lease.term,
            version: lease.version,
            ttl: lease.ttl,
            is_anothers: same.as_ref().is_some_and(|seen| seen.is_anothers),
            since: same.as_ref().map_or(self.now, |seen| seen.since),
            vacant_at: same.map_or(ends, |seen| seen.vacant_at.min(ends)),
        }));
    }

    /// From when on an expired lease may be taken over, where that is not simply left to the storage's clock.
    fn takes_over_at(&self) -> Option<Instant> {
        let seen = self.sighting.as_deref()?;
        let delayed = seen.vacant_at.saturating_add(self.config.takeover_delay);
        Some(if self.config.takeover_guard { delayed.max(self.seen_still_until(seen)) } else { delayed })
    }

    /// From when on a version was seen unchanged for so long that its holder has stopped, whatever the storage's
    /// clock says. With the guard one leader (P1) rests on that it is a whole ttl, and begins anew with each version.
    fn seen_still_until(&self, seen: &Sighting) -> Instant {
        seen.since.saturating_add(seen.ttl).saturating_add(self.config.margin)
    }

    /// How old an answer to the next claim may be. A look at a lease that was live when it was seen last can share the answer
    /// to another candidate's; it cannot where something has happened since, or the lease may be the own one.
    ///
    /// A quarter of the retry interval: so much later than by its own look it sees a change at worst.
    pub(super) fn max_age(&self) -> Option<Duration> {
        let is_held = matches!(self.vacancy, Vacancy::Held { .. });
        let judges = matches!(self.takeover(), Takeover::Unchanged(_));
        let may_share = self.looks_again && is_held && !self.may_hold && !judges;
        may_share.then(|| self.config.retry_interval.min(self.config.ttl) / 4)
    }

    /// What a claim says of another's expired lease.
    ///
    /// With a delay or the guard the candidate judges that by its own clock: before `takes_over_at` it claims released
    /// leases only, afterwards an expired one too, if its version is still the one that it saw.
    ///
    /// Without, the storage judges. But once a version stood still for a ttl and margin the claim names it, for a storage
    /// whose clock has stepped back and does not see it expire. That has a price: if this candidate did not look for that
    /// long, and another version has come and expired meanwhile, the claim is refused once. It has then seen the new one, and
    /// claims again at once.
    pub(super) fn takeover(&self) -> Takeover {
        let judges_itself = self.config.takeover_guard || !self.config.takeover_delay.is_zero();
        match (&self.sighting, self.takes_over_at()) {
            (Some(seen), Some(at)) if judges_itself && self.now >= at => Takeover::Unchanged(seen.version),
            _ if judges_itself => Takeover::ReleasedOnly,
            (Some(seen), _) if self.now >= self.seen_still_until(seen) => Takeover::Unchanged(seen.version),
            _ => Takeover::Expired,
        }
    }

    /// Takes note of who else leads; a lease that is not live is nobody's.
    ///
    /// It is believed in until its end, and for a request timeout more: so long may it take to hear of a renewal.
    pub(super) fn see_leader(&mut self, lease: Option<Lease>) {
        let lease = lease.filter(Lease::is_live);
        if self.is_of_the_shown(lease.as_ref()) {
            self.show_leader(lease);
        }
    }

    pub(super) fn show_leader(&mut self, lease: Option<Lease>) {
        let shown = |lease: &Lease| (lease.id.clone(), lease.term, lease.value.clone());
        let changed = match (&self.leader, &lease) {
            (Known::Nobody, lease) => lease.is_some(),
            (Known::Own(_), _) => true,
            (Known::Other(before), lease) => Some(shown(&before.lease)) != lease.as_ref().map(shown),
        };
        self.leader = lease.clone().map_or(Known::Nobody, |lease| {
            let until = self.now.saturating_add(lease.time_left).saturating_add(self.config.request_timeout);
            Known::Other(Box::new(Leader { lease, seen: self.now, until }))
        });
        if changed {
            self.events.push_back(Event::LeaderChanged(lease));
        }
    }
}
