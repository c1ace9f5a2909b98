//! R5: terms grow with each grant, each revoke and each reign, across release, expiry, restart and loss.

use lessor::Term;
use lessor::storage::Record;

use super::Checks;
use crate::reached::Situation;
use crate::sim::World;

const RULE: &str = "terms grow";

impl Checks {
    /// The number of a reign that has none of its own: the storage gave the key to another.
    pub(crate) fn next_reign(&mut self, key: usize) -> u64 {
        self.reigns[key] += 1;
        self.reigns[key]
    }
}

impl World {
    /// The storage granted a term: again to the session that holds it, or a new one.
    pub(crate) fn check_grant(&mut self, seat: Option<usize>, key: usize, term: Term, again: bool) {
        if again {
            return;
        }
        let newest = self.checks.grants[key].last().copied().unwrap_or(0);
        if term.get() <= newest {
            let name = self.sender(seat);
            self.fail(RULE, format!("{name} was granted term {term} after term {newest}"));
        }
        self.checks.grants[key].push(term.get());
        if seat.is_some() {
            self.checks.waited_for[key].clear();
        }
    }

    /// An operator took a lease from its holder: the revoke has a term of its own, in which nobody leads.
    pub(crate) fn check_revoke(&mut self, key: usize, before: &Record, after: &Record) {
        self.check_grant(None, key, after.term, false);
        // Whoever reigned may still believe in it: until it is over if the key waits for that; else beside the next one.
        self.checks.waited_for[key].push(before.term.get());
        if after.session.is_none() {
            let until = self.store.promised(key);
            let terms = core::mem::take(&mut self.checks.waited_for[key]);
            self.checks.revoked[key].extend(terms.into_iter().map(|term| (term, until)));
        }
    }

    /// Somebody leads who did not lead in this term before.
    pub(crate) fn check_reign(&mut self, seat: usize, term: u64) {
        let key = self.seats[seat].row;
        let newest = self.checks.reigns[key];
        let revoked = self.outlives_its_term(seat, self.seats[seat].row, Some(term));
        if revoked {
            self.reach(Situation::RevokedBeforeItLed);
        } else if term <= newest && self.is_bound(seat) {
            let name = self.name(seat);
            self.fail(RULE, format!("{name} leads in term {term} after a reign in term {newest}"));
        }
        self.checks.reigns[key] = newest.max(term);
    }
}
