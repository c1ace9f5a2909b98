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
            Event::Ending { reason: LostReason::Resigned, .. } => {
                let asked_for = self.is_asked_for(seat);
                if asked_for {
                    self.seats[seat].moving = Some(self.seats[seat].term);
                    self.forgive_overload(seat);
                }
                asked_for || (!resign && self.is_given_up(seat))
            }
            Event::Lost { reason: LostReason::Resigned, .. } => {
                let state = &self.seats[seat];
                state.given_up.is_some() || state.moving == Some(state.term)
            }
            _ => false,
        };
        let state = &self.seats[seat];
        let holds = match event {
            Event::Stopped => stop || drop,
            Event::Ending { reason, term, .. } | Event::Lost { reason, term, .. } => match reason {
                LostReason::Expired => clock >= state.deadline,
                LostReason::Superseded => state.lost_term == Some(*term),
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
            let process = self.seats[seat].process;
            let knows = self.plan.member(process).map(|_| format!(", it knows {:?}", self.views[process]));
            let text = format!("{name} told {event:?} at {clock}, which is not so: deadline {deadline}");
            self.fail(RULE, text + &knows.unwrap_or_default());
        }
    }
}
