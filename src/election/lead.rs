//! Leading: the deadline, renewals, and the end of a reign.

use core::mem;

use super::{AfterRelease, Election, Ending, Event, InFlight, LostReason, Phase, Reign};
use crate::lease::Lease;
use crate::storage::{Operation, StorageError};
use crate::term::{Term, Version};
use crate::time::Instant;

impl Election {
    /// When a reign ends whose grant or renewal was sent then.
    fn deadline(&self, sent: Instant) -> Instant {
        sent.saturating_add(self.config.ttl.saturating_sub(self.config.margin))
    }

    pub(super) fn granted(&mut self, request: &InFlight, term: Term, version: Version) {
        if self.stopping {
            // Not taken up: the session may hold the lease now, so what follows is its release.
            return self.succeed();
        }
        let deadline = self.deadline(request.sent);
        if self.now >= deadline {
            let waited = self.now.saturating_duration_since(request.sent);
            return self.fail(Operation::Acquire, StorageError::too_late(waited));
        }
        self.succeed();
        // Noted from here on: the next claim asks for a later term. (Not above: there it repeats this one, and gets the same
        // term.)
        self.known = self.known.max(Some(term));
        let over = self.to_continue.take().is_some_and(|(continued, until)| continued == term && self.now >= until);
        if over {
            // Its deadline has passed meanwhile: a term that was lost does not come back. The next claim has a new one.
            self.next_at = self.now;
            return;
        }
        self.stored = self.stored.max(request.serial);
        self.sighting = None;
        self.free_since = None;
        self.begin_round();
        self.phase = Phase::Leading(Reign { term, version, began: self.now, deadline, jeopardy: false });
        self.events.push_back(Event::Elected { term, deadline, slot: self.slot() });
        self.see_own_lease();
        self.plan_renewal(request);
    }

    pub(super) fn extended(&mut self, request: &InFlight, version: Version) {
        let deadline = self.deadline(request.sent);
        self.succeed();
        self.stored = self.stored.max(request.serial);
        if let Some(reign) = self.phase.reign_mut() {
            reign.version = version;
            reign.deadline = reign.deadline.max(deadline);
            reign.jeopardy = false;
            self.events.push_back(Event::Renewed { term: reign.term, deadline: reign.deadline });
        }
        self.see_own_lease();
        self.plan_renewal(request);
    }

    fn plan_renewal(&mut self, request: &InFlight) {
        self.next_at = if request.serial < self.value.serial {
            self.now
        } else {
            request.sent.saturating_add(self.pace.renewal(&self.config)).max(self.now)
        };
    }

    /// A leader shows itself as the leader, with the time it gives itself.
    fn see_own_lease(&mut self) {
        let Some(reign) = self.phase.reign() else { return };
        let lease = Lease {
            id: self.id.clone(),
            time_left: reign.deadline.saturating_duration_since(self.now),
            age: Some(self.now.saturating_duration_since(reign.began)),
            value: self.value.value.clone(),
            ..Lease::new(reign.term, reign.version, self.config.ttl)
        };
        self.see_leader(Some(lease));
    }

    pub(super) fn enter_jeopardy(&mut self) {
        if let Some(reign) = self.phase.reign_mut().filter(|reign| !reign.jeopardy) {
            reign.jeopardy = true;
            self.events.push_back(Event::Jeopardy { term: reign.term, deadline: reign.deadline });
        }
    }

    /// The reign is over.
    pub(super) fn lose(&mut self, reason: LostReason) {
        if reason == LostReason::Expired {
            // Whoever listens hears of jeopardy before each expiry, even where no request failed.
            self.enter_jeopardy();
        }
        let (reign, ending) = match mem::replace(&mut self.phase, Phase::Following) {
            Phase::Leading(reign) => (reign, None),
            Phase::Ending { reign, ending } => (reign, Some(ending)),
            other => {
                self.phase = other;
                return;
            }
        };
        self.in_flight = None;
        self.events.push_back(Event::Lost { term: reign.term, reason });
        self.see_leader(None);
        let Some(Ending { successor, .. }) = ending else { return };
        let then = if self.stopping { AfterRelease::Stop } else { AfterRelease::CoolOff };
        if !self.begin_release(then, successor) && !self.stopping {
            // The storage said that the lease is not the session's any more.
            self.cool_off(1);
        }
    }
}
