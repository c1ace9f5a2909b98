//! Leading: the deadline, renewals, and the end of a reign.

use alloc::boxed::Box;
use core::mem;

use super::{AfterRelease, Election, Event, InFlight, Known, LostReason, Phase, Reign, Vacancy};
use crate::config::Config;
use crate::lease::Lease;
use crate::storage::{Operation, StorageError};
use crate::term::{Term, Version};
use crate::text::Value;
use crate::time::Instant;

impl Election {
    /// When a reign ends whose grant or renewal was sent then. One leader (P1) rests on this [clause](crate::guide::rules#clauses): counted
    /// from the answer it would outlast the lease.
    fn deadline(&self, sent: Instant) -> Instant {
        sent.saturating_add(self.config.longest_reign())
    }

    pub(super) fn granted(&mut self, request: &InFlight, term: Term, version: Version) {
        self.bind_to_its_slot(true);
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
        // Noted from here on: the next claim asks for a later term, so that this one does not come back (P2). (Not above: there it
        // repeats this one, and gets the same term.)
        self.known = self.known.max(Some(term));
        let over =
            self.to_continue.take().is_some_and(|to_continue| to_continue.0 == term && self.now >= to_continue.1);
        if over {
            // Its deadline has passed meanwhile: a term that was lost does not come back. The next claim has a new one.
            self.next_at = self.now;
            return;
        }
        self.stored = self.stored.max(request.serial);
        self.sighting = None;
        self.vacancy = Vacancy::Unseen;
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
        let interval = self.config.renew_interval;
        self.next_at = if request.serial < self.value.serial {
            self.now
        } else if self.is_paced {
            // The latest time at which another may say so.
            request.sent.saturating_add(interval.mul_f64(1.0 + Config::JITTER)).max(self.now)
        } else {
            request.sent.saturating_add(self.pace.around(interval)).max(self.now)
        };
    }

    /// A leader shows itself as the leader.
    fn see_own_lease(&mut self) {
        self.is_of_the_shown(None);
        let Some(reign) = self.phase.reign() else { return };
        let value = &self.value.value;
        let lease = match &self.leader {
            Known::Own(shown) if shown.as_deref() == value.as_ref() => return,
            _ => self.own_lease(reign, value.clone(), self.now),
        };
        self.leader = Known::Own(value.clone().map(Box::new));
        self.events.push_back(Event::LeaderChanged(Some(lease)));
    }

    /// The lease of its own reign, with the time that it gives itself.
    pub(super) fn own_lease(&self, reign: &Reign, value: Option<Value>, now: Instant) -> Lease {
        Lease {
            id: self.profile.id.clone(),
            time_left: reign.deadline.saturating_duration_since(now),
            age: Some(now.saturating_duration_since(reign.began)),
            value,
            ..Lease::new(reign.term, reign.version, self.config.ttl)
        }
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
        let Some(successor) = ending.map(|ending| ending.successor) else { return };
        let then = if self.stopping { AfterRelease::Stop } else { AfterRelease::CoolOff };
        if !self.begin_release(then, successor) && !self.stopping {
            // The storage said that the lease is not the session's any more.
            self.cool_off(1);
        }
    }
}
