//! Ending: let work end, demote, take a new session, release. In this order, always.

use alloc::boxed::Box;
use core::mem;

use super::{AfterRelease, Election, Ending, Event, LostReason, Phase, Releasing};
use crate::storage::Operation;
use crate::text::Id;
use crate::time::Instant;

impl Election {
    /// Does nothing unless leading: an ending goes on, from now on at most for the drain timeout. (Its reign is then lost as
    /// stopped if a stop came meanwhile.)
    pub(super) fn begin_ending(&mut self, reason: LostReason) {
        let drain_until = Some(self.now.saturating_add(self.config.drain_timeout));
        self.phase = match mem::replace(&mut self.phase, Phase::Following) {
            Phase::Leading(reign) => {
                self.events.push_back(Event::Ending { term: reign.term, reason });
                Phase::Ending { reign, ending: Box::new(Ending { drain_until, drained: false, successor: None }) }
            }
            Phase::Ending { reign, mut ending } => {
                ending.drain_until = ending.drain_until.or(drain_until);
                Phase::Ending { reign, ending }
            }
            other => other,
        }
    }

    /// As a resignation, and the release names a successor: the one that was named last.
    pub(super) fn begin_transfer(&mut self, to: Id, is_patient: bool) {
        let begins = matches!(self.phase, Phase::Leading(_));
        if begins || !is_patient {
            self.begin_ending(LostReason::Resigned);
        }
        if let Phase::Ending { ending, .. } = &mut self.phase {
            ending.successor = Some(to);
            if begins && is_patient {
                ending.drain_until = None;
            }
        }
    }

    /// When an ending reign may be released. `None`: when its work has ended, if one is ending at all.
    pub(super) fn ends_at(&self) -> Option<Instant> {
        let Phase::Ending { reign, ending } = &self.phase else { return None };
        let held_until = reign.began.saturating_add(self.config.min_hold);
        if ending.drained { Some(held_until) } else { Some(held_until.max(ending.drain_until?)) }
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
        if self.in_flight.is_none() && !self.begin_release(AfterRelease::Stop, None) {
            self.phase = Phase::Stopped;
            self.show_leader(None);
            self.events.push_back(Event::Stopped);
        }
    }

    /// Begins to release what the session may hold; false if it holds nothing, and then the session stays. A session that
    /// ever sent a release never claims again: late, the release would free what it holds by then (P1).
    pub(super) fn begin_release(&mut self, then: AfterRelease, successor: Option<Id>) -> bool {
        let Some(session) = self.session.take_if(|_| self.may_hold) else { return false };
        self.may_hold = false;
        self.bind_to_its_slot(false);
        self.phase = Phase::Releasing(Box::new(Releasing { session, successor, attempts: 0, then }));
        self.next_at = self.now;
        true
    }

    /// The release is done, or was tried often enough.
    pub(super) fn released(&mut self) {
        let Phase::Releasing(releasing) = &self.phase else { return };
        let Releasing { then, successor, .. } = &**releasing;
        match then {
            // While the key is reserved the others cannot lead either: they have their while after that.
            AfterRelease::CoolOff => self.cool_off(if successor.is_some() { 2 } else { 1 }),
            // `stop_if_idle` finds it idle now.
            AfterRelease::Stop => self.phase = Phase::Following,
        }
    }

    /// For this many cool-offs.
    pub(super) fn cool_off(&mut self, times: u32) {
        let until = self.now.saturating_add(self.config.cool_off.saturating_mul(times));
        self.phase = Phase::CoolingOff { until };
        self.next_at = until;
    }
}
