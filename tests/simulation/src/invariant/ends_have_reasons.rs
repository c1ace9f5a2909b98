//! R14, R16: a reign ends only for the reason that is told: one slow or failed call costs nothing, and nothing ends a
//! candidate but who stops it.

use lessor::{Event, LostReason};

use crate::clock::Nanos;
use crate::seat::Asked;
use crate::sim::World;

const RULE: &str = "ends have reasons";

impl World {
    /// A candidate said this, its clock saying that.
    pub(crate) fn check_end(&mut self, seat: usize, event: &Event, clock: Nanos) {
        self.count_failed(seat, event, clock);
        let Asked { resign, stop, drop } = self.seats[seat].asked;
        let given_up = match event {
            Event::Ending { reason: LostReason::Resigned, .. } if !resign => self.is_given_up(seat),
            Event::Lost { reason: LostReason::Resigned, .. } => self.seats[seat].given_up.is_some(),
            _ => false,
        };
        let state = &self.seats[seat];
        let holds = match event {
            Event::Stopped => stop || drop,
            Event::Ending { reason, .. } | Event::Lost { reason, .. } => match reason {
                LostReason::Expired => clock >= state.deadline,
                LostReason::Superseded => state.told_lost,
                LostReason::Failures => state.participant.config.fall_back_after.is_some(),
                LostReason::Resigned => resign || given_up,
                LostReason::Stopped => stop,
                LostReason::DriverDropped => drop,
                _ => false,
            },
            _ => true,
        };
        if !holds {
            let (name, deadline) = (self.name(seat), self.seats[seat].deadline);
            self.fail(RULE, format!("{name} told {event:?} at {clock}, which is not so: deadline {deadline}"));
        }
    }
}
