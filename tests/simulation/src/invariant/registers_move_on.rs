//! R4, R5: what is written to a register is a record without dates that moves on from the one before: its term never goes back, each
//! grant has a term of its own, each write but a mark has a version of its own, and a mark changes nothing but that the lease
//! has ended.

use lessor::storage::{Record, Request, Session};

use crate::cells::{CellAsk, is_mark, may_mark};
use crate::sim::World;

const RULE: &str = "registers move on";

impl World {
    /// What was written is no record.
    pub(crate) fn fail_bytes(&mut self, row: usize, bytes: &[u8]) {
        let (key, text) = (self.plan.name_of(row), String::from_utf8_lossy(bytes).into_owned());
        self.fail(RULE, format!("what was written to {key} is no record: {text:?}"));
    }

    /// A swap has got through.
    pub(crate) fn check_written(&mut self, ask: &CellAsk, row: usize, before: Option<&Record>, after: &Record) {
        let reign = |record: &Record| (record.session, record.term);
        let is_granted =
            after.session.is_some_and(|session| session != Session::NOBODY) && before.map(reign) != Some(reign(after));
        let is_new = !is_granted || self.checks.register_terms[row].insert(after.term.get());
        let marked = |before: &Record| {
            let mut marked = before.clone();
            marked.expires_ms = 0;
            marked
        };
        // What is left of a lease that was revoked is no more than it was: whoever sees that counts from then.
        let is_left = after.session == Some(Session::NOBODY)
            && before.is_some_and(|before| after.expires_ms <= before.expires_ms);
        let is_whole = after.expires_ms == after.ttl_ms;
        let wrong = if after.since_ms != 0 || (after.expires_ms != 0 && !is_whole && !is_left) {
            "it has dates"
        } else if before.is_some_and(|before| after.term < before.term) {
            "its term goes back"
        } else if !is_new {
            "two grants have one term"
        } else if is_mark(before, after) && after.session.is_some() && may_mark(ask.request.operation()) {
            if before.map(marked).as_ref() == Some(after) {
                return;
            }
            "a mark changes more"
        } else if before.is_some_and(|before| after.version <= before.version) {
            // That a reservation has run out is a mark, too.
            if before.is_some_and(|before| before.session.is_none() && marked(before) == *after) {
                return;
            }
            "its version does not move"
        } else if is_granted && !matches!(ask.request, Request::Acquire(_)) {
            "only a claim grants"
        } else {
            return;
        };
        let (name, key) = (self.sender(ask.seat), self.plan.name_of(row));
        self.fail(
            RULE,
            format!("{wrong}: {name} asked {:?}, and {key} went from {before:?} to {after:?}", ask.request),
        );
    }
}
