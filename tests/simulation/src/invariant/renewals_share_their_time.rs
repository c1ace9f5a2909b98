//! Many keys: where all is well the leases of a group are renewed at the same instants, and none of them later than a single
//! driver would. And a step of a group comes to its end.

use std::collections::BTreeSet;

use crate::clock::{MILLISECOND, Nanos};
use crate::plan::{Kind, nanos};
use crate::sim::World;

const RULE: &str = "renewals share their time";

impl World {
    /// A candidate sends a renewal.
    pub(crate) fn count_renewal(&mut self, seat: usize) {
        if self.healed {
            self.checks.renewals[seat].push(self.now);
        }
    }

    pub(super) fn forget_renewals(&mut self) {
        self.checks.renewals.iter_mut().for_each(Vec::clear);
    }

    /// All has been well since then.
    pub(super) fn check_shared_time(&mut self, since: Nanos) {
        for process in 0..self.processes.len() {
            if self.processes[process].participant.kind.is_group() {
                self.check_group_time(process, since);
            }
        }
    }

    fn check_group_time(&mut self, process: usize, since: Nanos) {
        let leaders: Vec<_> = (0..self.seats.len())
            .filter(|seat| self.seats[*seat].process == process && self.seats[*seat].leads)
            // Where keys move on, those that come have not been renewed for as long.
            .filter(|seat| self.plan.spread.is_none() || self.seats[*seat].elected_at < since)
            .collect();
        let config = &self.processes[process].participant.config;
        let rate = 1.0 + 2.0 * self.processes[process].participant.rate as f64 / 1e9;
        let stepped = self.processes[process].participant.kind == Kind::GroupStep;
        // Nobody is told to come back within less than a millisecond.
        let late = self.plan.ttl / 1000 + if stepped { MILLISECOND } else { 0 };
        let longest = nanos(config.renew_interval.mul_f64(1.1 * rate)) + late;
        // Those that were elected last come in line at the next renewal.
        let from = since + longest;
        let times = |seat: &usize| -> BTreeSet<Nanos> {
            self.checks.renewals[*seat].iter().copied().filter(|at| *at >= from).collect()
        };
        let all: Vec<_> = leaders.iter().map(times).collect();
        if let Some(place) = all.iter().position(|times| *times != all[0]) {
            let (first, other) = (self.seats[leaders[0]].key, self.seats[leaders[place]].key);
            let text = format!("p{process} renews k{first} at {:?}, k{other} at {:?}", all[0], all[place]);
            return self.fail(RULE, text);
        }
        let last = self.now;
        for times in &all {
            let mut before = since;
            for at in times.iter().copied().chain([last]) {
                // The first of these may be the second since then.
                let most = if before == since { from + longest } else { before + longest };
                if at > most {
                    let text = format!("p{process} renews at {times:?}, {at} is more than {longest} later than due");
                    return self.fail(RULE, text);
                }
                before = at;
            }
        }
        let stepped_at = self.teams[process].stepped_at.filter(|_| stepped);
        if stepped_at.is_some_and(|at| at + self.plan.ttl * 2 < last) {
            self.fail(RULE, format!("p{process} is stepped since {stepped_at:?}, and that does not end"));
        }
    }
}
