//! Ending: let work end, demote, take a new session, release. In this order, always.

use core::mem;

use super::{Election, Ending, Event, LostReason, Phase, Releasing};
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

    /// If it is time: demotes, and hands the old session to the release. A candidate that goes on draws a new one before
    /// that release is sent, since `poll_output` asks for it first.
    pub(super) fn end(&mut self) {
        if self.ends_at().is_some_and(|at| self.now >= at) {
            self.lose(if self.stopping { LostReason::Stopped } else { LostReason::Resigned });
        }
        let idle = matches!(self.phase, Phase::Observing | Phase::Following | Phase::CoolingOff { .. });
        if !self.stopping || !idle {
            return;
        }
        self.in_flight.take_if(|request| request.operation == Operation::Get);
        if self.in_flight.is_none() {
            self.give_up(false);
            if !matches!(self.phase, Phase::Releasing(_)) {
                self.phase = Phase::Stopped;
                self.see_leader(None);
                self.events.push_back(Event::Stopped);
            }
        }
    }

    /// Gives up the session, and the lease if it may hold it. A session that ever sent a release never claims again.
    pub(super) fn give_up(&mut self, cool_off: bool) {
        if let Some(session) = self.session.take_if(|_| self.may_hold) {
            self.may_hold = false;
            self.phase = Phase::Releasing(Releasing { session, attempts: 0, cool_off });
            self.next_at = self.now;
        } else if cool_off {
            self.cool_off();
        }
    }

    /// The release is done, or given up.
    pub(super) fn released(&mut self) {
        if let Phase::Releasing(Releasing { cool_off, .. }) = self.phase {
            self.phase = Phase::Following;
            if cool_off {
                self.cool_off();
            }
        }
    }

    fn cool_off(&mut self) {
        let until = self.now.saturating_add(self.config.cool_off);
        self.phase = Phase::CoolingOff { until };
        self.next_at = until;
    }
}
