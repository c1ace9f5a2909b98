//! R4, R13: what an operation may do to a record, judged from outside: renew acts on the caller's live lease alone,
//! nothing shortens a lease but its own release or an operator, who takes it whole, a refusal writes nothing, and no record
//! is ever deleted.

use lessor::storage::{Acquired, Record, Renewed, Reply, Request, Session};

use crate::sim::World;

const RULE: &str = "record is kept";

/// What there was, what was asked and answered, and what there is now; the storage's clock in between.
pub(crate) struct Step<'a> {
    pub(crate) before: Option<&'a Record>,
    pub(crate) request: &'a Request,
    pub(crate) reply: &'a Reply,
    pub(crate) after: Option<&'a Record>,
    pub(crate) now_ms: u64,
}

impl Step<'_> {
    fn left(&self, record: &Record) -> u64 {
        if record.session.is_some() { record.expires_ms.saturating_sub(self.now_ms).min(record.ttl_ms) } else { 0 }
    }

    fn wrong(&self) -> Option<&'static str> {
        let wrote = self.before != self.after;
        match self.reply {
            Reply::Acquired(Acquired::Refused { .. })
            | Reply::Renewed(Renewed::Lost { .. })
            | Reply::Got(_)
            | Reply::Revoked(None)
                if wrote =>
            {
                return Some("a refusal wrote");
            }
            Reply::Acquired(Acquired::Granted { .. }) | Reply::Renewed(Renewed::Extended { .. }) if !wrote => {
                return Some("it says yes and writes nothing");
            }
            Reply::Revoked(Some(lease)) if !wrote || self.before.is_none_or(|before| lease.term != before.term) => {
                return Some("it revoked something else than it says");
            }
            _ => {}
        }
        let Some(before) = self.before else {
            return (wrote && !matches!(self.request, Request::Acquire(_))).then_some("only a claim makes a record");
        };
        let Some(after) = self.after else { return Some("the record is gone") };
        if wrote && (after.version <= before.version || after.term < before.term) {
            return Some("a write that does not move on");
        }
        let live = self.left(before) > 0;
        match self.request {
            Request::Renew(renewal) if wrote => {
                let own = before.session == Some(renewal.session) && before.term == renewal.term;
                if !live || !own {
                    return Some("it renewed what is over, or another's");
                }
                let same = after.session == before.session && after.term == before.term;
                (!same || self.left(after) < self.left(before)).then_some("it renewed and changed more, or shortened")
            }
            Request::Release(release) if wrote => {
                (before.session != Some(release.session) || after.session.is_some()).then_some("it released another's")
            }
            Request::Revoke(revoke) if wrote => {
                let own_term = Some(after.term) == before.term.next();
                let (left, is_left) = (self.left(before), self.left(after));
                // Over registers it was judged a while before its swap got through: then no less was left.
                let is_undated = after.since_ms == 0;
                let waits = after.session == Some(Session::NOBODY) && (is_left == left || is_undated && is_left > left);
                let taken = if revoke.now { after.session.is_none() } else { waits };
                (before.session.is_none() || !taken || !own_term)
                    .then_some("it revoked, and left the lease or its term")
            }
            Request::Revoke(revoke) => {
                let waits = !revoke.now && before.session == Some(Session::NOBODY);
                before.session.filter(|_| !waits).map(|_| "it was to revoke, and did not")
            }
            Request::Acquire(claim) if wrote && live => {
                // After a step back of the clock a lease seems to end later than its ttl from now.
                let clock_is_back = before.expires_ms - self.now_ms > before.ttl_ms;
                let own = before.session == Some(claim.session);
                let shorter = own && self.left(after) < self.left(before);
                (shorter || !own && !clock_is_back).then_some("it took a live lease, or shortened one")
            }
            _ => None,
        }
    }
}

impl World {
    /// The storage did this.
    pub(crate) fn check_step(&mut self, seat: Option<usize>, step: &Step<'_>) {
        let row = step.request.key().map_or(0, |key| self.plan.row_of(key));
        self.check_reservation(seat, row, step);
        if let Some(key) = step.request.key().and_then(|key| self.plan.key_of(self.plan.row_of(key))) {
            self.count_handed(seat, key, step);
        }
        if let Some(why) = step.wrong() {
            let name = self.sender(seat);
            let Step { before, request, after, now_ms, .. } = step;
            self.fail(RULE, format!("{why}: {name} asked {request:?} at {now_ms}: {before:?} became {after:?}"));
        }
    }
}
