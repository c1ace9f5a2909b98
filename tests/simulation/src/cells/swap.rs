//! A swap reaches a register: what it changes, and what that is for the key.

use lessor::storage::registers::Swap;
use lessor::storage::{Acquired, Operation, Record, Renewed, Reply, Request};

use super::{CellAsk, Revision, Write};
use crate::clock::{MILLISECOND, Nanos};
use crate::invariant::Step;
use crate::plan::Misuse;
use crate::reached::Situation;
use crate::sim::World;
use crate::store::Granted;

impl World {
    /// Writes a register if its revision is still the expected one.
    pub(super) fn swap_cell(
        &mut self,
        call: usize,
        ask: &CellAsk,
        row: usize,
        swap: &Swap<Revision>,
        granted: &mut Vec<Granted>,
    ) -> Option<Revision> {
        let Self { cells, plan, now, .. } = self;
        cells.run_out(row, *now, plan);
        let is_waited_for = self.calls[call].is_waited_for();
        if !self.is_as_expected(row, swap) {
            self.reach(if is_waited_for { Situation::LostRace } else { Situation::LingeringSwapRefused });
            return None;
        }
        if !is_waited_for {
            self.reach(Situation::LingeringSwapApplied);
        }
        let Ok(after) = Record::from_bytes(&swap.bytes) else {
            self.fail_bytes(row, &swap.bytes);
            return None;
        };
        let before = self.cells.current(row).cloned();
        let (at, ttl) = (self.now, self.plan.ttl);
        let cells = &mut self.cells;
        cells.last_name += 1;
        // A clock that is too coarse makes one of many.
        let reused = self.plan.misuse == Some(Misuse::RevisionsReused);
        let name = if reused { at / (ttl / 5) } else { cells.last_name };
        let revision = Revision { name, count: cells.registers[row].writes.len() + 1 };
        cells.registers[row].writes.push(Write { record: after.clone(), revision: revision.clone(), at });
        self.check_ending(ask, row, swap.expected.as_ref(), before.as_ref(), &after);
        self.check_written(ask, row, before.as_ref(), &after);
        self.wrote_cell(ask, row, swap.expected.as_ref(), before.as_ref(), &after, granted);
        self.check_swap_by_model(ask, row, swap.expected.as_ref(), before.as_ref(), &after);
        self.tell_watchers(row);
        Some(revision)
    }

    fn is_as_expected(&self, row: usize, swap: &Swap<Revision>) -> bool {
        let register = &self.cells.registers[row];
        let current = match self.plan.misuse {
            Some(Misuse::SwapsUnconditionally) => return true,
            // It compares by what it read a moment ago.
            Some(Misuse::SwapsInTwoSteps) => {
                let a_moment_ago = self.now.saturating_sub(self.plan.ttl / 50);
                register.writes.iter().rev().find(|write| write.at <= a_moment_ago)
            }
            _ => register.current(),
        };
        current.map(|write| &write.revision) == swap.expected.as_ref()
    }

    /// What was written, as a step of the record that the request is about: checked, counted, told.
    fn wrote_cell(
        &mut self,
        ask: &CellAsk,
        row: usize,
        expected: Option<&Revision>,
        before: Option<&Record>,
        after: &Record,
        granted: &mut Vec<Granted>,
    ) {
        self.store.set_record(row, after.clone());
        let (request, seat) = (&ask.request, ask.seat);
        if is_mark(before, after) {
            self.reach(Situation::EndMarked);
            self.forget_reservation(row);
            self.wrote(row, seat, before, after, 0, true);
            return;
        }
        // By how much the asker has seen it grow old: for a claim, and for a revoke that leaves what is left, that is its clock.
        let now_ms = match request {
            Request::Acquire(_) | Request::Revoke(_) => self.stood_still(ask, row, expected) / MILLISECOND,
            _ => 0,
        };
        let reply = match request {
            Request::Acquire(_) => Acquired::granted(after.term, after.version).into(),
            Request::Renew(_) => Renewed::extended(after.version).into(),
            Request::Revoke(_) => Reply::Revoked(before.map(|before| before.lease(0))),
            _ => Reply::Released,
        };
        self.reach_by_swap(ask, row, expected, before);
        let mut dated = after.clone();
        if dated.expires_ms > 0 {
            dated.expires_ms = dated.expires_ms.saturating_add(now_ms);
        }
        let step = Step { before, request, reply: &reply, after: Some(&dated), now_ms };
        self.judged(seat, row, &step, granted);
        self.wrote(row, seat, before, after, 0, false);
    }

    /// For how long the asker had seen the revision that it names when it sent this, by the clock of its process.
    pub(crate) fn stood_still(&self, ask: &CellAsk, row: usize, expected: Option<&Revision>) -> Nanos {
        let first = expected.and_then(|expected| self.cells.sights[ask.handle].first(row, expected.count));
        first.map_or(0, |first| ask.clock.saturating_sub(first))
    }

    fn reach_by_swap(&mut self, ask: &CellAsk, row: usize, expected: Option<&Revision>, before: Option<&Record>) {
        let Some(before) = before else { return };
        let (is_held, is_marked) = (before.session.is_some(), before.expires_ms == 0);
        let written_at = expected.and_then(|expected| self.cells.written(row, expected.count)).map_or(0, |(_, at)| at);
        let ttl = before.ttl_ms * MILLISECOND;
        match &ask.request {
            Request::Acquire(claim) if is_held && before.session != Some(claim.session) => {
                self.reach(if is_marked { Situation::MarkedTaken } else { Situation::EndTaken });
                // It saw it for the first time when it was old already.
                if !is_marked && self.stood_still(ask, row, expected) + ttl / 2 < self.now - written_at {
                    self.reach(Situation::LateObserver);
                }
            }
            Request::Renew(_) if self.now > written_at + ttl + ttl / 10 => self.reach(Situation::RenewedLate),
            _ => {}
        }
    }
}

/// Whether all that was written is that the lease, or the reservation, has ended.
pub(crate) fn is_mark(before: Option<&Record>, after: &Record) -> bool {
    before.is_some_and(|before| {
        before.expires_ms > 0 && after.expires_ms == 0 && (before.session, before.term) == (after.session, after.term)
    })
}

/// Whether a request may write a mark, where it is not granted.
pub(crate) fn may_mark(operation: Operation) -> bool {
    !matches!(operation, Operation::Renew | Operation::List)
}
