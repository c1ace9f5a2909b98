//! R20: what a group gives up where the storage cannot keep up is half of what is in danger, newest terms first, each by a
//! hand-over; and nothing is given up where nothing gets through.

use lessor::Term;

use crate::clock::Nanos;
use crate::plan::nanos;
use crate::reached::Situation;
use crate::sim::World;

const RULE: &str = "given up is handed over";

/// What a group said of an overload, until it is seen what it gave up.
#[derive(Debug, Default)]
pub(crate) struct Overload {
    told: Vec<(usize, usize)>,
    /// The seats that began to hand over since then.
    given_up: Vec<usize>,
    /// One of them may as well have been asked for by whom it belongs to.
    is_unclear: bool,
    /// When the last renewal was told, in true time.
    renewed_at: Option<Nanos>,
    /// What the group handed over, seat and term, while a thread stood still that was to bring the candidate to its seat: it is seen later.
    unseen: Vec<(usize, u64)>,
}

impl World {
    pub(crate) fn group_overloaded(&mut self, process: usize, in_danger: usize, held: usize) {
        self.checks.overloads[process].told.push((in_danger, held));
    }

    /// A group said that a candidate hands over.
    pub(crate) fn group_hands_over(&mut self, seat: usize, term: Term) {
        let stalled = self.plan.faults.stalled > 0.0;
        let overload = &mut self.checks.overloads[self.seats[seat].process];
        if stalled && !overload.told.is_empty() {
            overload.unseen.push((seat, term.get()));
        }
    }

    /// A candidate of a group was renewed.
    pub(crate) fn count_renewed(&mut self, seat: usize) {
        let process = self.seats[seat].process;
        self.checks.overloads[process].renewed_at = Some(self.now);
    }

    /// A candidate hands over though nobody asked it to. Whether its group gave it up.
    pub(super) fn is_given_up(&mut self, seat: usize) -> bool {
        let overload = &mut self.checks.overloads[self.seats[seat].process];
        if overload.told.is_empty() && !overload.unseen.contains(&(seat, self.seats[seat].term)) {
            return false;
        }
        if !overload.given_up.contains(&seat) {
            overload.given_up.push(seat);
        }
        let state = &mut self.seats[seat];
        (state.given_up, state.gave_up) = (Some(state.term), Some(state.term));
        self.reach(Situation::GivenUp);
        true
    }

    /// A candidate hands over what another process has asked for: perhaps its group gave it up, too.
    pub(super) fn forgive_overload(&mut self, seat: usize) {
        self.checks.overloads[self.seats[seat].process].is_unclear = true;
    }

    /// A group did something, and all that it told has been taken in.
    pub(crate) fn check_overload(&mut self, process: usize) {
        let overload = &mut self.checks.overloads[process];
        let (told, given_up) = (std::mem::take(&mut overload.told), std::mem::take(&mut overload.given_up));
        let (renewed_at, is_unclear) = (overload.renewed_at, std::mem::take(&mut overload.is_unclear));
        // Where a thread stands still in between, more has happened since.
        let ([(in_danger, held)], 0.0) = (told.as_slice(), self.plan.faults.stalled) else { return };
        if !self.processes[process].up || is_unclear {
            return;
        }
        let members: Vec<_> = (0..self.seats.len()).filter(|seat| self.seats[*seat].process == process).collect();
        if members.iter().any(|seat| self.seats[*seat].asked.resign || self.seats[*seat].asked.stop) {
            return;
        }
        let began = |seat: usize| self.seats[seat].elected_at;
        let may_be = |seat: &usize| {
            let state = &self.seats[*seat];
            let left = state.deadline.saturating_sub(self.clock_of(*seat));
            let leads = self.holds_a_term(*seat) && self.ending(*seat).is_none();
            leads && self.in_jeopardy(*seat) && left > 0 && left < state.ttl() / 3
        };
        // What has failed at this instant may have done so only after the group looked.
        let (just_now, before): (Vec<_>, Vec<_>) =
            members.iter().copied().filter(may_be).partition(|seat| self.seats[*seat].jeopardy_at == self.now);
        // So may what has ended at this instant.
        let ended = |seat: &&usize| self.seats[**seat].lost_at == self.now && !given_up.contains(seat);
        let unknown = just_now.len() + members.iter().filter(ended).count();
        let endangered = before.len() + given_up.len()..=before.len() + given_up.len() + unknown;
        let newest_kept = before.iter().map(|seat| began(*seat)).max();
        let oldest_given_up = given_up.iter().map(|seat| began(*seat)).min();
        let interval = self.longest(|participant| participant.config.renew_interval.mul_f64(1.1));
        let runs = self.plan.faults.programs_run();
        let away = runs && renewed_at.is_none_or(|at| self.now > at + interval + self.plan.ttl / 20);
        let text = if !endangered.contains(in_danger) || given_up.len() != in_danger.div_ceil(2) {
            format!("{in_danger} of {held} are said to be in danger, {given_up:?} given up, {before:?} kept")
        } else if newest_kept > oldest_given_up {
            format!("{given_up:?} are given up, and of {before:?} newer terms kept")
        } else if away {
            format!("{given_up:?} are given up, and nothing has got through since {renewed_at:?}")
        } else {
            return;
        };
        self.fail(RULE, format!("p{process}: {text}"));
    }

    /// A candidate sends a release of its own: nothing is owed for what it was given up for.
    pub(super) fn count_handed_over(&mut self, seat: usize) {
        self.seats[seat].given_up = None;
    }

    /// All has been well for a while: everything given up has been released.
    pub(super) fn check_given_up(&mut self, seat: usize) {
        if let Some(term) = self.seats[seat].given_up {
            let (name, patience) = (self.name(seat), nanos(self.seats[seat].participant.config.ttl));
            self.fail(RULE, format!("{name} was to give term {term} up within {patience}, and has not released it"));
        }
    }
}
