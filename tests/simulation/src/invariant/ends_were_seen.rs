//! Registers: a lease of another, or a reservation, is ended only by a swap of the very revision that its asker has seen stand
//! still for the whole ttl by the clock of its process, from after it was told of it to before it sent the swap.

use std::time::Duration;

use lessor::storage::{Record, Request};

use crate::cells::{CellAsk, Revision, is_mark};
use crate::clock::MILLISECOND;
use crate::plan::nanos;
use crate::sim::World;

const RULE: &str = "ends were seen";

impl World {
    /// A swap has got through.
    pub(crate) fn check_ending(
        &mut self,
        ask: &CellAsk,
        row: usize,
        expected: Option<&Revision>,
        before: Option<&Record>,
        after: &Record,
    ) {
        let Some(before) = before.filter(|before| before.expires_ms > 0) else { return };
        let ends = match &ask.request {
            Request::Acquire(claim) => match before.session {
                Some(session) => session != claim.session,
                None => before.id != claim.id,
            },
            // These end what they are about, whoever looks on.
            Request::Renew(_) | Request::Release(_) | Request::Revoke(_) if !is_mark(Some(before), after) => false,
            _ => true,
        };
        if !ends {
            return;
        }
        let stood_still = Duration::from_nanos(self.stood_still(ask, row, expected));
        let ttl = Duration::from_nanos(before.expires_ms * MILLISECOND);
        let newest = self.cells.count(row) - 1;
        let named = expected.map_or(0, |expected| expected.count);
        if named != newest || nanos(stood_still) < nanos(ttl) {
            let (name, key) = (self.sender(ask.seat), self.plan.name_of(row));
            let text = format!(
                "{name} ended {key} by {:?}: it had seen write {named} of {newest} for {stood_still:?}, {ttl:?} are due",
                ask.request
            );
            self.fail(RULE, text);
        }
    }
}
