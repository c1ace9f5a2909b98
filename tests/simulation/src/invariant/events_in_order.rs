//! R16: events are ordered and never lost, and say what the handles say, of an end and its reason too.

use std::collections::BTreeMap;

use lessor::{Event, Instant, Lost, LostReason, Term};

use crate::clock::Nanos;
use crate::plan::nanos;
use crate::sim::World;

const RULE: &str = "events in order";

/// What the events of an instance have told so far.
#[derive(Debug, Default)]
pub(crate) struct Order {
    reign: Option<Told>,
    /// Of each slot, or of the key where it has none.
    last: BTreeMap<Option<u16>, Term>,
    stopped: bool,
}

#[derive(Debug)]
struct Told {
    term: Term,
    deadline: Instant,
    jeopardy: bool,
    /// Why it hands over, if it does.
    ending: Option<LostReason>,
}

impl Order {
    fn take(&mut self, event: &Event) -> Result<(), &'static str> {
        if self.stopped {
            return Err("something after the end");
        }
        match (event, &mut self.reign) {
            (Event::Elected { term, deadline, slot, .. }, None) => {
                if self.last.insert(*slot, *term).is_some_and(|last| *term <= last) {
                    return Err("an old term");
                }
                self.reign = Some(Told { term: *term, deadline: *deadline, jeopardy: false, ending: None });
            }
            (Event::Renewed { term, deadline, .. }, Some(reign)) if reign.term == *term => {
                if *deadline < reign.deadline {
                    return Err("an earlier deadline");
                }
                (reign.deadline, reign.jeopardy) = (*deadline, false);
            }
            (Event::Jeopardy { term, .. }, Some(reign)) if reign.term == *term => reign.jeopardy = true,
            (Event::Ending { term, reason, .. }, Some(reign)) if reign.term == *term && reign.ending.is_none() => {
                if !matches!(reason, LostReason::Resigned | LostReason::Stopped) {
                    return Err("no reason to hand over");
                }
                reign.ending = Some(*reason);
            }
            (Event::Lost { term, reason, .. }, Some(reign)) if reign.term == *term => {
                if *reason == LostReason::Expired && !reign.jeopardy {
                    return Err("an end by time without a warning");
                }
                // Who resigns may be stopped meanwhile, and not the other way round.
                let announced = match reason {
                    LostReason::Resigned => reign.ending == Some(LostReason::Resigned),
                    LostReason::Stopped => reign.ending.is_some(),
                    _ => true,
                };
                if !announced {
                    return Err("an end of its own accord that was not announced");
                }
                self.reign = None;
            }
            (Event::Stopped, None) => self.stopped = true,
            (Event::LeaderChanged(_) | Event::StorageFailed { .. }, _) => {}
            (Event::Missed(_), _) => return Err("events were missed though all were taken"),
            _ => return Err("it does not follow from what was told before"),
        }
        Ok(())
    }

    /// Until when, by what was told, the candidate leads; by its clock.
    fn leads_until(&self) -> Option<Nanos> {
        let reign = self.reign.as_ref().filter(|reign| reign.ending.is_none())?;
        Some(nanos(reign.deadline.since_origin()))
    }
}

impl World {
    pub(crate) fn check_event(&mut self, seat: usize, event: &Event) {
        self.count_vacancy(seat, event);
        if let Err(why) = self.checks.orders[seat].take(event) {
            let name = self.name(seat);
            self.fail(RULE, format!("{name} told {event:?}: {why}"));
        }
    }

    /// Whether a candidate was told to lead and not to have lost that yet, hand-over included.
    pub(crate) fn holds_a_term(&self, seat: usize) -> bool {
        self.checks.orders[seat].reign.is_some()
    }

    /// Whether renewals were said to fail.
    pub(crate) fn in_jeopardy(&self, seat: usize) -> bool {
        self.checks.orders[seat].reign.as_ref().is_some_and(|reign| reign.jeopardy)
    }

    /// Why the present reign hands over, if it does.
    pub(crate) fn ending(&self, seat: usize) -> Option<LostReason> {
        self.checks.orders[seat].reign.as_ref()?.ending
    }

    /// What a leadership says of its end is what the events told, or what its deadline says that they will.
    pub(crate) fn check_lost(&mut self, seat: usize, slot: Option<u16>, lost: &Lost) {
        let state = &self.seats[seat];
        if state.row != self.plan.row(state.key, slot) || state.term != lost.term.get() {
            return;
        }
        let told = state.lost.or_else(|| self.ending(seat));
        let by_time = state.lost.is_none() && lost.remaining.is_zero() && lost.reason == LostReason::Expired;
        if Some(lost.reason) != told && !by_time {
            let name = self.name(seat);
            self.fail(RULE, format!("{name}: a leadership says {lost:?}, the events told {told:?}"));
        }
    }

    /// What a candidate answers is what its events told.
    pub(crate) fn check_state(&mut self, seat: usize, leads: bool) {
        if self.plan.protocol != crate::plan::Protocol::Lessor {
            return;
        }
        let now = self.clock_of(seat);
        let told = self.checks.orders[seat].leads_until();
        if leads == told.is_some_and(|until| now < until) || (leads && told.is_some()) {
            return;
        }
        let name = self.name(seat);
        self.fail(RULE, format!("{name} answers {leads}, but its events tell {told:?} at {now}"));
    }
}
