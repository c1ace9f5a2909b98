//! Leading: the deadline, renewals, and the end of a reign.

use super::{Election, Event, InFlight, LostReason, Operation, Reign};
use crate::lease::{Lease, Term, Version};
use crate::storage::StorageError;
use crate::time::Instant;

impl Election {
    /// What is left of a lease that was asked for at `sent`, judged by the own clock.
    fn deadline(&self, sent: Instant) -> Instant {
        sent.saturating_add(self.config.ttl.saturating_sub(self.config.margin))
    }

    pub(super) fn granted(&mut self, request: &InFlight, term: Term, version: Version) {
        if self.stopping {
            return self.succeed();
        }
        let deadline = self.deadline(request.sent);
        if self.now >= deadline {
            let waited = self.now.saturating_duration_since(request.sent);
            return self.fail(Operation::Acquire, StorageError::timed_out(waited));
        }
        self.succeed();
        self.known = self.known.max(Some(term));
        let over = self.continues.take().is_some_and(|(continued, until)| continued == term && self.now >= until);
        if over {
            // Its deadline has passed meanwhile: a term that was lost does not come back. The next claim has a new one.
            self.next_at = self.now;
            return;
        }
        self.values.1 = self.values.1.max(request.value);
        self.sighting = None;
        self.reign = Some(Reign { term, version, began: self.now, deadline, jeopardy: false, ending: None });
        self.events.push_back(Event::Elected { term, deadline });
        self.see_own_lease();
        self.plan_renewal(request);
    }

    pub(super) fn extended(&mut self, request: &InFlight, version: Version) {
        let deadline = self.deadline(request.sent);
        self.succeed();
        self.values.1 = self.values.1.max(request.value);
        if let Some(reign) = &mut self.reign {
            reign.version = version;
            reign.deadline = reign.deadline.max(deadline);
            reign.jeopardy = false;
            self.events.push_back(Event::Renewed { term: reign.term, deadline: reign.deadline });
        }
        self.see_own_lease();
        self.plan_renewal(request);
    }

    fn plan_renewal(&mut self, request: &InFlight) {
        self.next_at = if request.value < self.values.0 {
            self.now
        } else {
            request.sent.saturating_add(self.pace.around(self.config.renew_interval)).max(self.now)
        };
    }

    /// A leader shows itself as the leader, with the time it gives itself.
    fn see_own_lease(&mut self) {
        let Some(reign) = &self.reign else { return };
        let lease = Lease {
            holder: self.holder.clone(),
            term: reign.term,
            version: reign.version,
            ttl: self.config.ttl,
            time_left: reign.deadline.saturating_duration_since(self.now),
            value: self.value.clone(),
        };
        self.see_leader(Some(lease));
    }

    pub(super) fn enter_jeopardy(&mut self) {
        if let Some(reign) = self.reign.as_mut().filter(|reign| !reign.jeopardy) {
            reign.jeopardy = true;
            self.events.push_back(Event::Jeopardy { term: reign.term, deadline: reign.deadline });
        }
    }

    /// The reign is over. Its term stays known, so that the next grant is another one.
    pub(super) fn lose(&mut self, reason: LostReason) {
        if reason == LostReason::Expired {
            self.enter_jeopardy();
        }
        let Some(reign) = self.reign.take() else { return };
        self.in_flight = None;
        self.known = self.known.max(Some(reign.term));
        self.events.push_back(Event::Lost { term: reign.term, reason });
        self.see_leader(None);
        if reign.ending.is_some() && !self.stopping {
            self.give_up(true);
        }
    }
}
