//! R13, R14: a candidate does not ask more often than its settings allow, whatever happens.

use std::collections::BTreeMap;
use std::time::Duration;

use lessor::Config;

use crate::clock::Nanos;
use crate::plan::{Participant, Protocol, nanos};
use crate::sim::World;

const RULE: &str = "operations bounded";

/// The shortest pause between two requests for a record, and how many may come sooner because something happened.
#[derive(Debug, Default)]
pub(crate) struct Budget {
    /// Of each record, when it was asked for last, and how often it may be asked for sooner: each slot has its own time.
    last: BTreeMap<usize, (Nanos, u32)>,
    /// When a group renewed it last together with the others, by its clock.
    tick: Nanos,
    /// Requests since all has been well.
    pub(super) calm: u64,
}

/// Credit is not saved up without end.
const MOST: u32 = 12;

/// The shortest pause before a failed request is repeated.
fn pause(participant: &Participant) -> Nanos {
    let Config { ttl, retry_interval, .. } = participant.config;
    nanos(Duration::from_millis(500).min(ttl / 20).min(retry_interval) / 2)
}

impl World {
    /// A request is sent.
    pub(crate) fn count_request(&mut self, seat: usize, row: usize) {
        self.tally.counts.requests += 1;
        if self.plan.protocol != Protocol::Lessor {
            return;
        }
        self.resign_at(seat);
        let now = self.clock_of(seat);
        let participant = &self.seats[seat].participant;
        let (pause, kind) = (pause(participant), participant.kind);
        let tick = nanos(participant.config.renew_interval.mul_f64(0.9));
        let budget = &mut self.checks.budgets[seat];
        budget.calm += 1;
        let (last, credit) = budget.last.get(&row).copied().map_or((None, 3), |(last, credit)| (Some(last), credit));
        budget.last.insert(row, (now, credit));
        let soon = last.is_some_and(|last| now < last + pause);
        // Where a thread stands still after it read the clock, what it sends late seems to be followed too soon.
        if !soon || self.plan.faults.stalled > 0.0 {
            return;
        }
        // A group renews all at once, those too that tried just before.
        if kind.is_group() && now >= budget.tick + tick {
            budget.tick = now;
            return;
        }
        if credit == 0 {
            let name = self.name(seat);
            self.fail(RULE, format!("{name} asks and asks"));
        } else {
            budget.last.insert(row, (now, credit - 1));
        }
    }

    /// Something happened after which a candidate may ask at once.
    pub(crate) fn allow(&mut self, seat: usize, requests: u32) {
        let budget = &mut self.checks.budgets[seat];
        for (_, credit) in budget.last.values_mut() {
            *credit = (*credit + requests).min(MOST);
        }
    }

    /// Something happened after which everybody of this key may.
    pub(crate) fn allow_all(&mut self, key: usize, requests: u32) {
        for seat in 0..self.seats.len() {
            if self.seats[seat].key == key {
                self.allow(seat, requests);
            }
        }
    }

    /// All has been well for this long: a leader renews, a follower asks once in a while.
    pub(super) fn check_calm(&mut self, seat: usize, lasted: Duration) {
        let config = &self.seats[seat].participant.config;
        let interval = if self.seats[seat].leads {
            config.renew_interval.mul_f64(0.9)
        } else {
            // It comes back when the lease that it saw would be over, which then has been renewed.
            let lease = |participant: &Participant| {
                let Config { ttl, renew_interval, .. } = participant.config;
                ttl.saturating_sub(renew_interval.mul_f64(1.2))
            };
            let shortest = self.plan.participants.iter().map(lease).min().unwrap_or_default();
            config.retry_interval.mul_f64(0.9).min(self.shared_sooner(config, shortest))
        };
        let rate = 1.0 + 2.0 * self.seats[seat].participant.rate as f64 / 1e9;
        let slots = if self.seats[seat].leads { 1 } else { self.plan.slots.max(1) as u64 };
        let most = ((lasted.as_secs_f64() * rate / interval.as_secs_f64()) as u64 + 3) * slots;
        let calm = self.checks.budgets[seat].calm;
        // It comes back at the latest after its interval, and waits for the answer.
        let longest = if self.seats[seat].leads {
            config.renew_interval
        } else {
            // Who lets others go first hurries as little.
            config.retry_interval.max(self.plan.longest_delay(self.seats[seat].process))
        };
        // A group looks together at those that are due within the same 2 ms.
        let grain = if self.seats[seat].participant.kind.is_group() { 0.002 } else { 0.0 };
        let longest =
            grain + longest.mul_f64(1.1).as_secs_f64() * rate + Duration::from_nanos(self.plan.ttl / 100).as_secs_f64();
        let least = ((lasted.as_secs_f64() / longest) as u64).saturating_sub(1);
        if calm < least {
            let name = self.name(seat);
            self.fail(RULE, format!("{name} sent {calm} requests within {lasted:?}, at least {least} are due"));
        }
        if calm > most {
            let name = self.name(seat);
            self.fail(RULE, format!("{name} sent {calm} requests within {lasted:?}, at most {most} are due"));
        }
    }

    /// What another one heard may be so old that the lease is over sooner; but each time it is something newer, which somebody
    /// asked for.
    fn shared_sooner(&self, config: &Config, shortest: Duration) -> Duration {
        if !self.plan.faults.shared {
            return shortest;
        }
        let others = self.plan.participants.iter().map(|participant| participant.config.retry_interval);
        let heard = others.min().unwrap_or_default().mul_f64(0.9) / self.seats.len().max(1) as u32;
        shortest.saturating_sub(config.retry_interval.min(config.ttl) / 4).max(heard).min(shortest)
    }

    pub(super) fn begin_calm(&mut self) {
        self.checks.budgets.iter_mut().for_each(|budget| budget.calm = 0);
    }
}
