//! R9: when a release is sent the candidate does not lead any more, and no work of its term is running.

use std::sync::Arc;

use lessor::LostReason;

use crate::plan::nanos;
use crate::reached::Situation;
use crate::sim::Sim;

const RULE: &str = "no work at release";

impl Sim {
    /// A candidate is about to send a release.
    pub(crate) fn check_release(self: &Arc<Self>, seat: usize) {
        self.look(seat);
        let held = self.ask_handle(seat, |handle| handle.term());
        let mut world = self.world();
        if let Some(term) = held {
            let name = world.name(seat);
            world.fail(RULE, format!("{name} sends a release while it holds term {term}"));
        }
        // An end by time waits for nobody: that work has been overtaken anyhow.
        let state = &world.seats[seat];
        if !matches!(state.lost, Some(LostReason::Resigned | LostReason::Stopped)) {
            return;
        }
        let is_running = state.ending_since.is_some() && state.busy.contains(&state.term);
        world.check_work_keeps(seat, is_running);
        let state = &world.seats[seat];
        let Some(since) = state.ending_since.filter(|_| state.busy.contains(&state.term)) else {
            world.reach(Situation::Drained);
            return;
        };
        let waited = world.clock_of(seat) - since;
        let (term, patience) = (state.term, nanos(state.participant.config.drain_timeout));
        // Patience begins when the clock is read; who stands still after that gives the news late.
        if waited >= patience {
            world.reach(Situation::DrainedOut);
        } else if world.plan.faults.stalled == 0.0 {
            let name = world.name(seat);
            world.fail(RULE, format!("{name} sends a release while work of term {term} is running"));
        }
    }
}
