//! R12: from some time after the last fault on somebody leads, and goes on leading.

use std::sync::Arc;
use std::time::Duration;

use crate::clock::Nanos;
use crate::plan::{Participant, nanos};
use crate::sim::{Sim, World};

const RULE: &str = "healed is led";

impl Sim {
    /// Runs on from the healing: checks that each key is led in time, and that it stays so.
    pub(crate) fn check_healed(self: &Arc<Self>) {
        let (calm_at, bound, tail) = {
            let world = self.world();
            (world.calm_at(), world.bound(), world.plan.ttl * 6)
        };
        self.run_until(calm_at + bound);
        self.each_key_is_led("after");
        let mut world = self.world();
        world.begin_calm();
        world.forget_renewals();
        drop(world);
        let elections = self.world().tally.counts.elections;
        self.run_until(calm_at + bound + tail);
        self.each_key_is_led("long after");
        let mut world = self.world();
        if world.tally.counts.elections != elections {
            let more = world.tally.counts.elections - elections;
            world.fail(RULE, format!("{more} elections though nothing was wrong any more"));
        }
        for seat in 0..world.seats.len() {
            world.check_calm(seat, Duration::from_nanos(tail));
            world.check_answers(seat);
            world.check_pairs(seat);
            world.check_given_up(seat);
        }
        world.check_shared_time(calm_at + bound);
    }

    fn each_key_is_led(&self, when: &str) {
        let mut world = self.world();
        for key in 0..world.plan.keys {
            let slots = world.plan.slots.max(1);
            let led = (0..slots).filter(|slot| world.tally.is_led(key * slots + slot)).count();
            let due = slots.min(world.processes.len());
            if led < due {
                world.fail(RULE, format!("{led} lead k{key} {when} everything has been well, of {due}"));
            }
        }
    }
}

impl World {
    /// When the last fault is over: the last message has arrived, hand-overs that were under way have ended, those
    /// who resigned campaign again.
    fn calm_at(&self) -> Nanos {
        let transfers = self.plan.faults.transfers > 0.0;
        let hand_over = self.longest(|participant| {
            let config = &participant.config;
            // A patient hand-over waits for work that takes half as long again.
            let drain = config.drain_timeout.mul_f64(if transfers { 1.5 } else { 1.0 }).max(config.min_hold);
            drain + config.cool_off * if transfers { 2 } else { 1 } + config.request_timeout * 4
        });
        let faults = &self.plan.faults;
        let hands_over = faults.resigns > 0.0 || faults.shutdowns > 0.0 || self.plan.has_groups();
        let healed = self.plan.heal_at + if hands_over { hand_over } else { 0 };
        healed.max(self.network.settled_at) + self.plan.ttl / 100
    }

    /// How long it may take from there.
    fn bound(&self) -> Nanos {
        let longest = self.longest(|participant| {
            let config = &participant.config;
            config.ttl
                + config.retry_interval.max(config.claim_delay).mul_f64(1.1)
                + config.request_timeout * 2
                + config.takeover_delay
        });
        // Others go first; then each slot is asked for, and what one was faster at another has to look at.
        let rounds = self.longest(|participant| participant.config.claim_delay) + self.round();
        let longest = longest + rounds;
        // A version has to be seen unchanged for so long where the storage's clock is not to be trusted.
        let watched = self.longest(|participant| participant.config.ttl + participant.config.margin);
        let stepped = self.plan.guarded() || self.plan.faults.storage_steps_back > 0.0;
        let frozen = if self.plan.faults.storage_forgets > 0.0 { nanos(self.plan.freeze()) } else { 0 };
        longest + if stepped { watched } else { 0 } + frozen + self.plan.ttl / 20
    }

    /// How long it takes to ask for each slot.
    pub(super) fn round(&self) -> Nanos {
        self.plan.ttl / 50 * self.plan.slots as u64
    }

    pub(super) fn longest(&self, of: impl Fn(&Participant) -> Duration) -> Nanos {
        let rate = self.plan.participants.iter().map(|participant| participant.rate).max().unwrap_or(0);
        let longest = self.plan.participants.iter().map(of).max().unwrap_or_default();
        nanos(longest.mul_f64(1.0 + 2.0 * rate as f64 / 1e9))
    }
}
