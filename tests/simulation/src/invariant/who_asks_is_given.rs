//! R21: a key is handed over to a process that shares it only if that one asked for it, and only if both take it to be the one
//! that is to lead.

use lessor::storage::{Acquired, Reply, Request};

use super::Step;
use crate::reached::Situation;
use crate::seat::Asked;
use crate::sim::World;

const RULE: &str = "who asks is given";

/// `p3` is process 3.
fn process_of(id: &str) -> Option<usize> {
    id.strip_prefix('p')?.parse().ok()
}

impl World {
    /// Whether nobody but the spread could let this candidate hand over.
    pub(super) fn is_moved(&self, seat: usize) -> bool {
        let state = &self.seats[seat];
        let Asked { resign, stop, drop } = state.asked;
        let gave_up = state.given_up.is_some() || state.gave_up == Some(state.term);
        self.plan.member(state.process).is_some() && !resign && !stop && !drop && !gave_up
    }

    /// Whether somebody has asked for the key of a seat to whom it belongs, as far as its process knows.
    pub(super) fn is_asked_for(&self, seat: usize) -> bool {
        let (process, key) = (self.seats[seat].process, self.seats[seat].key);
        let view = &self.views[process];
        let shares = view.shares();
        let belongs = |to: usize| !self.is_clear(process) || shares.get(&key) == Some(&to);
        // Where a thread stands still after it read the clock, what it was told has less time left than it takes it to have.
        let asked = if self.plan.faults.stalled > 0.0 { &view.ever_asked } else { &view.asked };
        asked.iter().any(|(to, of)| *of == key && *to != process && belongs(*to))
    }

    /// A candidate sends this.
    pub(crate) fn check_successor_asked(&mut self, seat: usize, request: &Request) {
        let Request::Release(release) = request else { return };
        let Some(successor) = release.successor.as_ref().filter(|_| self.is_moved(seat)) else { return };
        let to = process_of(successor.id.as_str());
        let (process, key) = (self.seats[seat].process, self.seats[seat].key);
        if to.is_none_or(|to| !self.views[process].ever_asked.contains(&(to, key))) {
            let (name, id) = (self.name(seat), &successor.id);
            self.fail(RULE, format!("{name} hands k{key} over to {id}, which has not asked for it"));
        }
    }

    /// The storage did this to a key.
    pub(super) fn count_handed(&mut self, seat: Option<usize>, key: usize, step: &Step<'_>) {
        if step.before == step.after || self.plan.spread.is_none() {
            return;
        }
        let before = self.checks.handed[key].take();
        match (step.request, step.reply, seat) {
            (Request::Release(release), _, Some(seat)) if self.seats[seat].moving == Some(self.seats[seat].term) => {
                let to = release.successor.as_ref().and_then(|successor| process_of(successor.id.as_str()));
                self.checks.handed[key] = to;
                if to.is_some() {
                    self.reach(Situation::HandedToWhoAsked);
                }
            }
            (Request::Acquire(_), Reply::Acquired(Acquired::Granted { term, .. }), Some(seat)) => {
                let process = self.seats[seat].process;
                if before == Some(process) {
                    self.seats[seat].moved_in = Some(term.get());
                    self.reach(Situation::KeyMoved);
                }
            }
            _ => {}
        }
    }
}
