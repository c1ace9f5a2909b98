//! R4: registers may be read late, and what is told is what was written once all the same. An end that is told of is an end for
//! everybody; and a leader that is told of its loss has lost its lease.

use lessor::Lease;
use lessor::storage::{Acquired, Renewed, Reply, Request, Session};

use crate::sim::World;

const RULE: &str = "what is told was there";

impl World {
    /// Somebody is told this.
    pub(super) fn check_told_reply(&mut self, request: &Request, reply: &Reply) {
        let Some(row) = request.key().map(|key| self.plan.row_of(key)).filter(|row| *row < self.plan.all_rows()) else {
            return;
        };
        let lease = match reply {
            Reply::Acquired(Acquired::Refused { lease, .. }) | Reply::Renewed(Renewed::Lost { lease, .. }) => lease,
            Reply::Got(lease) | Reply::Revoked(lease) => lease,
            _ => return,
        };
        // A revoke ends it by itself, whatever was left.
        let ends_it = matches!(reply, Reply::Revoked(_));
        let was_there = lease.as_ref().is_none_or(|lease| self.was_written(row, lease, ends_it));
        let holds_on = match (request, reply, self.cells.current(row)) {
            (Request::Renew(renewal), Reply::Renewed(Renewed::Lost { .. }), Some(current)) => {
                let is_its_own = (current.session, current.term) == (Some(renewal.session), renewal.term);
                is_its_own && current.expires_ms > 0
            }
            _ => false,
        };
        if !was_there || holds_on {
            let (key, current) = (self.plan.name_of(row), self.cells.current(row).cloned());
            self.fail(RULE, format!("{request:?} was answered {reply:?}, and {key} holds {current:?}"));
        }
    }

    fn was_written(&self, row: usize, lease: &Lease, may_have_ended: bool) -> bool {
        let is_it = |count: usize| {
            let (record, _) = self.cells.written(row, count)?;
            let id = record.session.filter(|session| *session != Session::NOBODY).map(|_| &record.id);
            let same = (record.term, record.version, id) == (lease.term, lease.version, lease.id.as_ref());
            // Who says that it has ended has seen that written, or has written it.
            let is_certain = may_have_ended || id.is_none() || lease.is_live() || record.expires_ms == 0;
            Some(same && is_certain && lease.time_left <= lease.ttl)
        };
        (1..=self.cells.count(row)).rev().any(|count| is_it(count) == Some(true))
    }
}
