//! R21: a process that shares its keys asks others for no more of them in a minute than it is allowed; and nothing is moved to it
//! but what it asked for (`who_asks_is_given`).
//!
//! What is asked for may be told much later, where the storage is away, and then several at once. So it is counted from when the
//! process began: it is never ahead of its minutes.

use crate::clock::{Nanos, SECOND};
use crate::sim::World;

const RULE: &str = "moves are few";

impl World {
    /// A process says which keys it asks others for.
    pub(crate) fn check_wants(&mut self, process: usize, clock: Nanos) {
        let Some(member) = self.plan.member(process) else { return };
        let (view, moves) = (&self.views[process], u64::from(member.moves_per_minute));
        let (wanted, minute) = (view.wanted_count, clock.saturating_sub(view.began_at) / (60 * SECOND) + 1);
        if wanted > moves * minute {
            let most = moves * minute;
            self.fail(
                RULE,
                format!("p{process} asked for {wanted} keys by its minute {minute}, at most {most} are due"),
            );
        }
    }
}
