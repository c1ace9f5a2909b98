//! A key that is handed over where all is well goes to one of those who need not let others go first for long: nobody who waits
//! for much longer than another follower is faster than that.

use crate::plan::nanos;
use crate::sim::World;

const RULE: &str = "the preferred lead next";

impl World {
    /// A candidate took over what was handed over.
    pub(super) fn check_preferred(&mut self, elected: usize) {
        let state = &self.seats[elected];
        let delay = nanos(state.participant.config.claim_delay);
        let faster = self.seats.iter().position(|other| {
            let follows = other.key == state.key && !other.leads && other.process != state.process;
            // Who resigned is in its cool-off.
            let campaigns = follows && other.asked_at == 0 && other.ending_since.is_none();
            let heard_within = self.hears_within(other.participant.kind);
            campaigns && nanos(other.participant.config.claim_delay) + 2 * heard_within < delay
        });
        if let Some(faster) = faster {
            let (name, other) = (self.name(elected), self.name(faster));
            self.fail(RULE, format!("{name} leads, which lets others go first for {delay} ns, and {other} less"));
        }
    }
}
