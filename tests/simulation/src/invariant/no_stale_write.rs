//! R11: a resource that looks at the term accepts no write of an earlier reign after one of a later reign, or after an
//! operator told it that the earlier one was revoked.

use lessor::Term;

use crate::plan::{Misuse, Protocol};
use crate::reached::Situation;
use crate::sim::World;
use crate::trace::What;

const RULE: &str = "no stale write";

impl World {
    /// A write reaches the resource.
    pub(crate) fn write(&mut self, seat: usize, key: usize, term: u64) {
        let accepted = self.admits(key, term);
        let (reign, newest) = if accepted { self.accept(key, term) } else { (0, 0) };
        let stale = !accepted || reign < newest;
        self.note(|| What::Wrote { candidate: seat, term, accepted, stale }, [11, term, u64::from(accepted)]);
        if !accepted {
            self.tally.counts.refused_writes += 1;
            self.reach(Situation::StaleWriteRefused);
        } else if stale {
            self.tally.counts.stale_writes += 1;
            let name = self.name(seat);
            let text =
                format!("a write of {name} in term {term}, reign {reign}, was accepted after one of reign {newest}");
            self.fail(RULE, text);
        }
    }

    /// An operator who revoked a lease tells the resource, in the term of the revoke.
    pub(crate) fn write_as_operator(&mut self, key: usize, term: Term) {
        if self.admits(key, term.get()) {
            self.accept(key, term.get());
        }
    }

    fn admits(&self, key: usize, term: u64) -> bool {
        let fenced = self.plan.protocol == Protocol::Lessor && self.plan.misuse != Some(Misuse::UnfencedWrites);
        let admitted = |term| self.checks.fences[key].admit(term).is_ok();
        !fenced || Term::new(term).is_some_and(admitted)
    }

    /// The resource accepted a write. Answers its reign, and the newest of those before it.
    fn accept(&mut self, key: usize, term: u64) -> (u64, u64) {
        // What counts is the order of the grants in true time, not the numbers that they go by.
        let grants = &self.checks.grants[key];
        let reign = match self.plan.protocol {
            Protocol::Lessor => grants.iter().rposition(|known| *known == term).map_or(0, |place| place as u64 + 1),
            _ => term,
        };
        let newest = self.checks.written[key];
        self.checks.written[key] = newest.max(reign);
        (reign, newest)
    }
}
