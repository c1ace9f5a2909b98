//! Ending: let work end, demote, take a new session, release. In this order, always.

use super::{Election, Ending, Event, LostReason, Operation, Reign, Release};
use crate::time::Instant;

impl Election {
    pub(super) fn begin_ending(&mut self) {
        if let Some(reign) = self.reign.as_mut().filter(|reign| reign.ending.is_none()) {
            let drain_until = self.now.saturating_add(self.config.drain_timeout);
            reign.ending = Some(Ending { drain_until, drained: false });
            self.events.push_back(Event::Ending { term: reign.term });
        }
    }

    /// When an ending reign may be released.
    pub(super) fn ends_at(&self, reign: &Reign) -> Option<Instant> {
        let ending = reign.ending.as_ref()?;
        let held_until = reign.began.saturating_add(self.config.min_hold);
        Some(if ending.drained { held_until } else { held_until.max(ending.drain_until) })
    }

    /// Demote, take a new session, then release with the old one. In this order, always.
    pub(super) fn end(&mut self) {
        if self.reign.as_ref().and_then(|reign| self.ends_at(reign)).is_some_and(|at| self.now >= at) {
            self.lose(if self.stopping { LostReason::Stopped } else { LostReason::Resigned });
        }
        if !self.stopping || self.stopped || self.reign.is_some() || self.release.is_some() {
            return;
        }
        self.in_flight.take_if(|request| request.operation == Operation::Get);
        if self.in_flight.is_none() {
            self.give_up(false);
            if self.release.is_none() {
                self.stopped = true;
                self.see_leader(None);
                self.events.push_back(Event::Stopped);
            }
        }
    }

    /// Gives up the session, and the lease if it may hold it. A session that ever sent a release never claims again.
    pub(super) fn give_up(&mut self, cool_off: bool) {
        if let Some(session) = self.session.take_if(|_| self.may_hold) {
            self.may_hold = false;
            self.release = Some(Release { session, attempts: 0, cool_off });
            self.next_at = self.now;
        } else if cool_off {
            self.cool_off();
        }
    }

    /// The release is done, or given up.
    pub(super) fn released(&mut self) {
        if self.release.take().is_some_and(|release| release.cool_off) {
            self.cool_off();
        }
    }

    fn cool_off(&mut self) {
        let until = self.now.saturating_add(self.config.cool_off);
        self.cool_off_until = Some(until);
        self.next_at = until;
    }
}
