//! One request at a time: which is due, and what comes of it.

use core::time::Duration;

use super::{Election, Event, InFlight, LostReason, Operation, Output, Reply, Request, RequestId};
use crate::lease::Term;
use crate::record::{Acquired, Claim, Renewed};
use crate::storage::StorageError;

/// How often a release is tried. Where all fail the lease runs out by itself.
const RELEASE_ATTEMPTS: u32 = 3;

impl Election {
    /// The request in flight took too long. It may still be applied at any later time.
    pub(super) fn time_out(&mut self) {
        if let Some(request) = self.in_flight.take_if(|request| self.now >= request.timeout_at) {
            let waited = request.timeout_at.saturating_duration_since(request.sent);
            self.fail(request.operation, StorageError::timed_out(waited));
        }
    }

    pub(super) fn due_request(&self) -> Option<(Operation, Request)> {
        if self.in_flight.is_some() || self.now < self.due_at() {
            return None;
        }
        if let Some(release) = &self.release {
            return Some((Operation::Release, Request::Release(self.key.clone(), release.session)));
        }
        let Some(holder) = &self.holder else {
            return Some((Operation::Get, Request::Get(self.key.clone())));
        };
        let claim = Claim {
            key: self.key.clone(),
            holder: holder.clone(),
            session: self.session?,
            ttl: self.config.ttl,
            value: self.value.clone(),
            after: self.after(),
            takeover: self.takeover(),
        };
        match &self.reign {
            Some(reign) => Some((Operation::Renew, Request::Renew(claim, reign.term))),
            None => Some((Operation::Acquire, Request::Acquire(claim))),
        }
    }

    /// While a reign is to go on, what was known before it: like a claimant to whom the reply was lost.
    fn after(&self) -> Option<Term> {
        match self.continues {
            Some((term, until)) if self.now < until => term.before(),
            _ => self.known,
        }
    }

    pub(super) fn send(&mut self, operation: Operation, request: Request) -> Output {
        self.last_id += 1;
        let id = RequestId(self.last_id);
        let left =
            self.reign.as_ref().map_or(Duration::MAX, |reign| reign.deadline.saturating_duration_since(self.now));
        let timeout_at = self.now.saturating_add(self.config.request_timeout.min(left));
        self.in_flight = Some(InFlight { id, operation, sent: self.now, timeout_at, value: self.values.0 });
        self.may_hold |= operation == Operation::Acquire;
        self.woken = false;
        Output::Request { id, request }
    }

    pub(super) fn handle_reply(&mut self, request: &InFlight, reply: Reply) {
        match (request.operation, reply) {
            (Operation::Acquire, Reply::Acquired(Acquired::Granted { term, version })) => {
                self.granted(request, term, version);
            }
            (Operation::Acquire, Reply::Acquired(Acquired::Held { lease, retry_after })) => {
                self.succeed();
                self.may_hold = false;
                let continued = self.continues.take().is_some();
                self.held(lease, retry_after);
                if continued && retry_after.is_zero() {
                    // The reign is over, and the key free: the next claim is an ordinary one.
                    self.next_at = self.now;
                }
            }
            (Operation::Renew, Reply::Renewed(Renewed::Extended { version })) => self.extended(request, version),
            (Operation::Renew, Reply::Renewed(Renewed::Lost(lease))) => {
                self.succeed();
                self.may_hold = false;
                self.lose(LostReason::Superseded);
                let wait =
                    lease.as_ref().filter(|lease| lease.is_live()).map_or(Duration::ZERO, |lease| lease.time_left);
                self.held(lease, wait);
            }
            (Operation::Release, Reply::Released) => {
                self.succeed();
                self.released();
            }
            (Operation::Get, Reply::Got(lease)) => {
                self.succeed();
                let wait = lease
                    .as_ref()
                    .filter(|lease| lease.is_live())
                    .map_or(self.config.retry_interval, |lease| lease.time_left);
                self.see_leader(lease);
                self.next_at = self.now.saturating_add(self.pause(wait));
            }
            (operation, Reply::Failed(error)) => self.fail(operation, error),
            (operation, _) => {
                self.fail(operation, StorageError::permanent("the reply does not fit the request"));
            }
        }
        if self.woken && self.reign.is_none() && self.release.is_none() {
            self.next_at = self.now;
        }
    }

    pub(super) fn succeed(&mut self) {
        self.failures = 0;
        self.last_error = None;
        self.last_success = Some(self.now);
    }

    pub(super) fn fail(&mut self, operation: Operation, error: StorageError) {
        self.failures = self.failures.saturating_add(1);
        self.last_error = Some(error.clone());
        self.events.push_back(Event::StorageFailed { operation, error });
        let pause = match (&self.reign, operation) {
            (Some(_), _) | (_, Operation::Release) => self.pace.leader_retry(&self.config),
            _ => self.pace.backoff(&self.config, self.failures),
        };
        self.next_at = self.now.saturating_add(pause);
        if operation == Operation::Release {
            let spent = self.release.as_mut().is_none_or(|release| {
                release.attempts += 1;
                release.attempts >= RELEASE_ATTEMPTS
            });
            if spent {
                self.released();
            }
        }
        self.enter_jeopardy();
        if let Some(most) = self.config.fall_back_after
            && self.reign.is_some()
            && self.failures >= most.get()
        {
            self.lose(LostReason::Failures);
        }
    }
}
