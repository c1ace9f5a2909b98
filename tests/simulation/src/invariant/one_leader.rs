//! R1, R22: at any true moment at most one candidate of a key, or of each of its slots, answers that it leads.
//!
//! But for a term that an operator revoked, and freed the key at once: its former holder believes in it until its deadline, or until the
//! storage tells it otherwise. That overlap is what terms at the resource are for, and it is all that is let pass here.

use crate::handle::Handle;
use crate::reached::Situation;
use crate::sim::{Sim, World};
use crate::store::Granted;

const RULE: &str = "one leader";

impl Sim {
    /// A candidate has just begun to answer that it leads: nobody else of its key does. Those that stand still are asked too.
    pub(crate) fn check_alone(&self, seat: usize) {
        let (term, slot) = self.ask_handle(seat, |handle| (handle.term(), handle.slot()));
        for other in self.rivals(seat) {
            let ask = |handle: &mut Handle| (handle.is_leader(), handle.term(), handle.slot());
            let (leads, held, its) = self.ask_handle(other, ask);
            let mut world = self.world();
            world.set_leads(other, leads);
            if leads && its == slot && world.is_bound(seat) && world.is_bound(other) {
                let row = world.plan.row(world.seats[seat].key, slot);
                if world.outlives_its_term(seat, row, term) || world.outlives_its_term(other, row, held) {
                    world.reach(Situation::RevokedLedOn);
                } else {
                    let (seat, other) = (world.describe(seat), world.describe(other));
                    world.fail(RULE, format!("{seat} leads while {other} still does"));
                }
            }
            let process = world.seats[other].process;
            drop(world);
            if !leads {
                self.count_answering(process);
            }
        }
    }

    /// A new term was granted: nobody holds an older one by its own reckoning, hand-over included.
    pub(crate) fn check_no_other_leads(&self, granted: &Granted) {
        let count = self.world().seats.len();
        for other in 0..count {
            let (held, slot) = self.ask_handle(other, |handle| (handle.term(), handle.slot()));
            let mut world = self.world();
            let row = world.plan.row(world.seats[other].key, slot);
            if row != granted.key {
                continue;
            }
            let older = held.is_some_and(|term| term != granted.term.get());
            if older && world.is_bound(other) && !world.outlives_its_term(other, row, held) {
                let (to, other) = (world.name(granted.seat), world.describe(other));
                let term = granted.term;
                world.fail(RULE, format!("term {term} was granted to {to} while {other} still leads"));
            }
        }
    }

    fn rivals(&self, seat: usize) -> Vec<usize> {
        let world = self.world();
        let key = world.seats[seat].key;
        (0..world.seats.len()).filter(|other| *other != seat && world.seats[*other].key == key).collect()
    }
}

impl World {
    /// Whether the promise is given for this candidate now: not while its clocks have stood still.
    pub(super) fn is_bound(&self, seat: usize) -> bool {
        self.seats[seat].exempt.is_none()
    }

    /// Whether a candidate that holds this term may do so though others lead: the term was revoked, the candidate was not
    /// told so yet, and its lease, had it been left alone, would not be over.
    ///
    /// `row` is the one that its handle says: what is known of the seat may be older, where its thread stands still right after
    /// a grant.
    pub(super) fn outlives_its_term(&self, seat: usize, row: usize, term: Option<u64>) -> bool {
        let state = &self.seats[seat];
        let until = term.and_then(|term| self.checks.revoked[row].get(&term));
        until.is_some_and(|until| self.now < *until) && (!state.told_lost || self.is_busy(seat))
    }

    pub(super) fn describe(&self, seat: usize) -> String {
        format!("{} in term {}", self.name(seat), self.seats[seat].term)
    }
}
