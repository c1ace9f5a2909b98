//! R14: who has asked waits for the answer until the request timeout: a renewal is not given up for another of the same term.
//! One that has failed is repeated soon.

use std::time::Duration;

use lessor::Event;
use lessor::storage::{Operation, Request};

use crate::clock::{MILLISECOND, Nanos};
use crate::plan::nanos;
use crate::sim::World;

const RULE: &str = "a request has its time";

/// A renewal that was sent: the call, its term, and when by the clock of its sender.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sent {
    call: usize,
    row: usize,
    term: u64,
    at: Nanos,
    /// When it was told that it failed, by that clock.
    failed_at: Option<Nanos>,
}

impl World {
    /// A candidate sends this, on its own.
    pub(crate) fn check_patience(&mut self, seat: usize, call: usize, request: &Request) {
        let Request::Renew(renewal) = request else { return };
        let row = self.plan.row_of(&renewal.key);
        let sent = Sent { call, row, term: renewal.term.get(), at: self.clock_of(seat), failed_at: None };
        let Some(before) = self.checks.sent[seat].replace(sent) else { return };
        let patience = nanos(self.seats[seat].participant.config.request_timeout);
        let is_waiting = self.calls.get(before.call).is_some_and(|call| !call.is_taken());
        // Where a thread stands still after it read the clock, it sends late and waits for less.
        let stalls = self.plan.faults.stalled > 0.0;
        if (before.row, before.term) == (sent.row, sent.term) && is_waiting && sent.at < before.at + patience && !stalls
        {
            let name = self.name(seat);
            let waited = sent.at - before.at;
            self.fail(RULE, format!("{name} renews again after {waited} ns, its patience with the last is {patience}"));
            return;
        }
        // A leader's pause, which its retry interval does not shorten; then the grain of a group's time, and the least pause
        // of who is stepped.
        let participant = &self.seats[seat].participant;
        let pause = nanos(Duration::from_millis(500).min(participant.config.ttl / 20));
        let soon = pause + 3 * MILLISECOND;
        // A clock may begin to run faster in the middle of a sleep.
        let soon = soon + (soon as f64 * 3.0 * participant.rate as f64 / 1e9) as Nanos;
        let failed_at = before
            .failed_at
            .filter(|_| (before.row, before.term) == (sent.row, sent.term) && self.plan.faults.programs_run());
        if let Some(failed_at) = failed_at.filter(|at| sent.at > at + soon) {
            let (name, waited) = (self.name(seat), sent.at - failed_at);
            self.fail(RULE, format!("{name} repeats a failed renewal after {waited} ns, at most {soon} are due"));
        }
    }

    /// A candidate was told this, its clock saying that.
    pub(super) fn count_failed(&mut self, seat: usize, event: &Event, clock: Nanos) {
        if matches!(event, Event::StorageFailed { operation: Operation::Renew, .. })
            && let Some(sent) = &mut self.checks.sent[seat]
            // What a group tells is read after what it sends in the same moment, which is about another.
            && sent.at < clock
        {
            sent.failed_at.get_or_insert(clock);
        }
    }
}
