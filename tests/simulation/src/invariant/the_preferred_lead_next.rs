//! A key that is handed over where all is well goes to one of those who need not let others go first for long: nobody who waits
//! for much longer than another follower is faster than that.

use crate::clock::Nanos;
use crate::plan::nanos;
use crate::seat::Seat;
use crate::sim::World;

const RULE: &str = "the preferred lead next";

impl World {
    /// A candidate took over what was handed over.
    pub(super) fn check_preferred(&mut self, elected: usize) {
        let delay = self.lets_first_for(elected);
        let state = &self.seats[elected];
        let others: Vec<_> = (0..self.seats.len()).map(|seat| self.lets_first_for(seat)).collect();
        let faster = self.seats.iter().enumerate().position(|(number, other)| {
            let has_key = self.plan.has_key(other.process, other.key);
            let follows = has_key && other.key == state.key && !other.leads && other.process != state.process;
            // Who resigned is in its cool-off.
            let campaigns = follows && other.asked_at == 0 && other.ending_since.is_none();
            let heard_within = self.hears_within(other.participant.kind);
            campaigns && others[number] + 2 * heard_within < delay
        });
        if let Some(faster) = faster {
            let (name, other) = (self.name(elected), self.name(faster));
            self.fail(RULE, format!("{name} leads, which lets others go first for {delay} ns, and {other} less"));
        }
    }

    /// For how long a candidate lets others go first, where all is well: its process knows who there is.
    fn lets_first_for(&self, seat: usize) -> Nanos {
        let Seat { process, key, ref participant, .. } = self.seats[seat];
        let own = nanos(participant.config.claim_delay);
        let is_first = self.shares_in_calm(process).get(&key) == Some(&process);
        let shares = self.plan.member(process).is_some() && !is_first;
        own + if shares { nanos(participant.config.ttl) } else { 0 }
    }
}
