//! One request at a time: which is due, and what comes of it.

use alloc::boxed::Box;
use core::time::Duration;

use super::{Election, Event, InFlight, LostReason, Output, Phase, Releasing, RequestId};
use crate::storage::{
    Acquired, Claim, Get, Operation, Release, Renewal, Renewed, Reply, Request, StorageError, Successor,
};
use crate::term::Term;
use crate::time::Instant;

/// How often a release is tried. Where all fail the lease runs out by itself.
const RELEASE_ATTEMPTS: u32 = 3;

impl Election {
    /// The request in flight may have taken too long. It may still be applied at any later time.
    pub(super) fn fail_if_overdue(&mut self) {
        if self.in_flight.as_ref().is_some_and(|request| self.now >= self.overdue_at(request))
            && let Some(request) = self.in_flight.take()
        {
            self.fail(request.operation, StorageError::timed_out(self.config.request_timeout));
        }
    }

    /// A renewal may be out for longer than its reign lasts: that ends by itself, and nobody waits for the answer then.
    pub(super) fn overdue_at(&self, request: &InFlight) -> Instant {
        request.sent.saturating_add(self.config.request_timeout)
    }

    pub(super) fn due_request(&self) -> Option<Request> {
        if self.in_flight.is_some() || self.now < self.due_at() {
            return None;
        }
        let (key, patience) = (self.slot_key().clone(), self.config.request_timeout);
        if let Phase::Releasing(releasing) = &self.phase {
            let Releasing { session, successor, .. } = &**releasing;
            let successor = successor.clone().map(|id| Successor::new(id, self.config.cool_off));
            return Some(Release::new(key, *session).successor(successor).patience(patience).into());
        }
        let Some(id) = self.profile.id.clone() else { return Some(Get::new(key).patience(patience).into()) };
        let (session, ttl, value) = (self.session?, self.config.ttl, self.value.value.clone());
        Some(match self.phase.reign() {
            Some(reign) => {
                let time_left = reign.deadline.saturating_duration_since(self.now);
                let renewal = Renewal::new(key, id, session, reign.term, ttl).value(value);
                renewal.patience(patience).time_left(time_left).into()
            }
            None if self.lets_others_go_first() => Get::new(key).patience(patience).into(),
            None => {
                let claim = Claim::new(key, id, session, ttl).value(value).patience(patience);
                let claim = claim.after(self.claims_after()).takeover(self.takeover());
                Claim { max_age: self.max_age(), ..claim }.into()
            }
        })
    }

    /// What the claim is based on. Where a reign of the last instance is to go on, what was known before that reign: the
    /// storage then takes the claim for a repeated one whose reply was lost, and grants the same term ("live, mine,
    /// `after < term`" in the table of `Record::judge`).
    fn claims_after(&self) -> Option<Term> {
        match self.to_continue.as_deref() {
            Some(&(term, until)) if self.now < until => term.previous(),
            _ => self.known,
        }
    }

    pub(super) fn send(&mut self, request: Request) -> Output {
        self.last_id += 1;
        let (id, operation) = (RequestId(self.last_id), request.operation());
        self.in_flight = Some(InFlight { operation, sent: self.now, serial: self.value.serial });
        self.may_hold |= operation == Operation::Acquire;
        (self.woken, self.looks_again) = (false, false);
        Output::Request { id, request }
    }

    pub(super) fn handle_reply(&mut self, request: &InFlight, reply: Result<Reply, StorageError>) {
        match (request.operation, reply) {
            (Operation::Acquire, Ok(Reply::Acquired(Acquired::Granted { term, version }))) => {
                self.granted(request, term, version);
            }
            (Operation::Acquire, Ok(Reply::Acquired(Acquired::Refused { lease, retry_after }))) => {
                self.succeed();
                self.may_hold = false;
                // Where a reign was to go on the next claim is an ordinary one: it says more than the refused one.
                let says_more = self.to_continue.take().is_some();
                self.refused(lease, retry_after, says_more);
            }
            (Operation::Renew, Ok(Reply::Renewed(Renewed::Extended { version }))) => self.extended(request, version),
            (Operation::Renew, Ok(Reply::Renewed(Renewed::Lost { lease }))) => {
                self.succeed();
                self.may_hold = false;
                self.lose(LostReason::Superseded);
                let wait =
                    lease.as_ref().filter(|lease| lease.is_live()).map_or(Duration::ZERO, |lease| lease.time_left);
                self.refused(lease, wait, false);
            }
            (Operation::Release, Ok(Reply::Released)) => {
                self.succeed();
                self.released();
            }
            (Operation::Get, Ok(Reply::Got(lease))) => {
                self.succeed();
                self.looked(lease);
            }
            (operation, Err(error)) => self.fail(operation, error),
            (operation, Ok(_)) => self.fail(operation, StorageError::unfit()),
        }
        if self.woken && self.phase.heeds_wakeups() {
            self.wake();
        }
    }

    pub(super) fn succeed(&mut self) {
        self.failures = 0;
        self.last_error = None;
        self.last_success = Some(self.now);
    }

    pub(super) fn fail(&mut self, operation: Operation, error: StorageError) {
        // What was not sent says nothing of the storage: it does not count towards `fall_back_after`.
        if !error.is_not_sent() {
            self.failures = self.failures.saturating_add(1);
        }
        self.last_error = Some(Box::new(error.clone()));
        self.events.push_back(Event::StorageFailed { operation, error });
        let pause = if self.phase.reign().is_some() || operation == Operation::Release {
            self.pace.leader_retry(&self.config)
        } else {
            self.pace.backoff(&self.config, self.failures)
        };
        self.next_at = self.now.saturating_add(pause);
        if let Phase::Releasing(releasing) = &mut self.phase {
            releasing.attempts += 1;
            if releasing.attempts >= RELEASE_ATTEMPTS {
                self.released();
            }
        }
        self.enter_jeopardy();
        if let Some(most) = self.config.fall_back_after
            && self.phase.reign().is_some()
            && self.failures >= most.get()
        {
            self.lose(LostReason::Failures);
        }
    }
}
