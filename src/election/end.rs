//! Ending: let work end, demote, take a new session, release. In this order, always.

use core::mem;

use super::{AfterRelease, Election, Ending, Event, LostReason, Phase, Releasing};
use crate::storage::Operation;
use crate::time::Instant;

impl Election {
    /// Does nothing unless leading: an ending goes on. (Its reign is then lost as stopped if a stop came meanwhile.)
    pub(super) fn begin_ending(&mut self, reason: LostReason) {
        match mem::replace(&mut self.phase, Phase::Following) {
            Phase::Leading(reign) => {
                let drain_until = self.now.saturating_add(self.config.drain_timeout);
                self.events.push_back(Event::Ending { term: reign.term, reason });
                self.phase = Phase::Ending { reign, ending: Ending { drain_until, drained: false } };
            }
            other => self.phase = other,
        }
    }

    /// When an ending reign may be released.
    pub(super) fn ends_at(&self) -> Option<Instant> {
        let Phase::Ending { reign, ending } = &self.phase else { return None };
        let held_until = reign.began.saturating_add(self.config.min_hold);
        Some(if ending.drained { held_until } else { held_until.max(ending.drain_until) })
    }

    /// Demotes, if the work of an ending reign is over. What comes next is its release; a candidate that goes on draws a
    /// new session before that is sent, since `poll_output` asks for it first.
    pub(super) fn end_the_reign_if_due(&mut self) {
        if self.ends_at().is_some_and(|at| self.now >= at) {
            self.lose(if self.stopping { LostReason::Stopped } else { LostReason::Resigned });
        }
    }

    /// Stops, if it is to, and once it leads no more: releases first what its session may hold.
    pub(super) fn stop_if_idle(&mut self) {
        let idle = matches!(self.phase, Phase::Observing | Phase::Following | Phase::CoolingOff { .. });
        if !self.stopping || !idle {
            return;
        }
        // Nobody needs the answer to a look. That to a claim decides whether there is something to release.
        self.in_flight.take_if(|request| request.operation == Operation::Get);
        if self.in_flight.is_none() && !self.begin_release(AfterRelease::Stop) {
            self.phase = Phase::Stopped;
            self.see_leader(None);
            self.events.push_back(Event::Stopped);
        }
    }

    /// Begins to release what the session may hold; false if it holds nothing, and then the session stays. A session that
    /// ever sent a release never claims again.
    pub(super) fn begin_release(&mut self, then: AfterRelease) -> bool {
        let Some(session) = self.session.take_if(|_| self.may_hold) else { return false };
        self.may_hold = false;
        self.phase = Phase::Releasing(Releasing { session, attempts: 0, then });
        self.next_at = self.now;
        true
    }

    /// The release is done, or was tried often enough.
    pub(super) fn released(&mut self) {
        if let Phase::Releasing(Releasing { then, .. }) = self.phase {
            self.phase = Phase::Following;
            match then {
                AfterRelease::CoolOff => self.cool_off(),
                // `stop_if_idle` finds it idle now.
                AfterRelease::Stop => {}
            }
        }
    }

    pub(super) fn cool_off(&mut self) {
        let until = self.now.saturating_add(self.config.cool_off);
        self.phase = Phase::CoolingOff { until };
        self.next_at = until;
    }
}
