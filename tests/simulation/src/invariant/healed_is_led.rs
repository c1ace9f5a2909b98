//! R12: from some time after the last fault on somebody leads, and goes on leading.

use std::sync::Arc;
use std::time::Duration;

use lessor::Config;

use crate::clock::Nanos;
use crate::plan::{Gone, Participant, nanos};
use crate::seat::Seat;
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
        self.bring_back();
        let mut world = self.world();
        world.begin_calm();
        world.forget_renewals();
        drop(world);
        let (elections, moved) = {
            let mut world = self.world();
            world.check_shares();
            (world.unmoved_elections(), world.moved())
        };
        self.run_until(calm_at + bound + tail);
        self.each_key_is_led("long after");
        let mut world = self.world();
        world.check_shares();
        world.check_unmoved(moved);
        if world.unmoved_elections() != elections {
            let more = world.unmoved_elections() - elections;
            world.fail(RULE, format!("{more} elections though nothing was wrong any more"));
        }
        let campaigns = |seat: &Seat| world.plan.has_key(seat.process, seat.key);
        let seats: Vec<_> = (0..world.seats.len()).filter(|seat| campaigns(&world.seats[*seat])).collect();
        for seat in seats {
            if !world.has_moved_since(seat, calm_at + bound) {
                world.check_calm(seat, Duration::from_nanos(tail));
            }
            world.check_answers(seat);
            world.check_pairs(seat);
            world.check_given_up(seat);
        }
        world.check_shared_time(calm_at + bound);
    }

    /// Who was away all the time is there again.
    fn bring_back(self: &Arc<Self>) {
        let gone = self.world().plan.gone;
        if let Some(Gone { process, .. }) = gone {
            self.world().processes[process].gone = false;
            self.start(process);
        }
    }

    fn each_key_is_led(&self, when: &str) {
        let mut world = self.world();
        for key in 0..world.plan.keys {
            let slots = world.plan.slots.max(1);
            let led = (0..slots).filter(|slot| world.tally.is_led(key * slots + slot)).count();
            let due = slots.min(world.campaigners(key));
            if led < due && !world.is_under_way(key) {
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
        // A watch of a register that could not be made while things were wrong is tried again after a pause.
        let watched = self.plan.heal_at + (self.plan.watch_pause() as f64 * self.pace()) as Nanos;
        healed.max(self.network.settled_at).max(watched) + self.plan.ttl / 100
    }

    /// How long it may take from there.
    fn bound(&self) -> Nanos {
        let delay = self.longest_delay();
        let longest = self.longest(|participant| {
            let config = &participant.config;
            // While nobody leads nobody waits for the rest of a long retry interval.
            config.ttl
                + config.retry_interval.min(config.ttl / 5).max(delay).mul_f64(1.1)
                + config.request_timeout * 2
                + config.takeover_delay
        });
        // Others go first; then each slot is asked for, and what one was faster at another has to look at.
        let rounds = nanos(delay) + self.round();
        let longest = longest + rounds;
        // A version has to be seen unchanged for so long where the storage's clock is not to be trusted.
        let watched = self.longest(|participant| participant.config.ttl + participant.config.margin);
        let stepped = self.plan.guarded() || self.plan.faults.storage_steps_back > 0.0;
        let frozen = if self.plan.faults.storage_forgets > 0.0 { nanos(self.plan.freeze()) } else { 0 };
        let seen = self.is_seen_within();
        longest + if stepped { watched } else { 0 } + frozen + seen + self.plan.ttl / 20 + self.sharing_takes()
    }

    /// How much longer it takes over registers until it is certain that a leader is gone. Nobody says when a lease ends: whoever
    /// takes it over has to see its last write for a whole ttl, and may first hear of that when the one before would
    /// be over, and by a clock that shows whole ticks.
    fn is_seen_within(&self) -> Nanos {
        let Some(registers) = self.plan.registers else { return 0 };
        let again = self.longest(|participant| {
            let config = &participant.config;
            config.ttl + config.retry_interval.min(config.ttl / 5).mul_f64(1.1) + config.request_timeout
        });
        again + 2 * registers.resolution
    }

    /// How long it takes from there until those who share the keys have come, or have gone, and each has what it asks for.
    fn sharing_takes(&self) -> Nanos {
        let Some(spread) = &self.plan.spread else { return 0 };
        let config = Config::with_ttl(spread.ttl);
        // A place is had again, and those of earlier lives run out; then it takes part; then it asks for one key after the
        // other. The work under the last of them ends late, and it is asked for again where that came too late.
        let joins = config.ttl + config.retry_interval.mul_f64(1.1) + config.request_timeout * 4 + config.cool_off;
        let asks = spread.interval() * (5 + 2 * self.plan.keys as u32);
        let claims = self.longest(|participant| {
            let config = &participant.config;
            config.min_hold + config.retry_interval * 2 + config.cool_off * 2
        });
        let rests = (0..self.processes.len()).map(|process| self.plan.longest_rest(process));
        let rest = nanos(rests.max().unwrap_or_default().mul_f64(self.pace()));
        // Over registers the places of earlier lives have to be seen for their whole ttl.
        let seen = if self.plan.registers.is_some() { config.ttl + spread.interval() } else { Duration::ZERO };
        nanos((joins + seen + asks).mul_f64(self.pace())) + (claims + rest) * 2
    }

    /// For how long anybody lets others go first, at the longest.
    pub(super) fn longest_delay(&self) -> Duration {
        let delays = (0..self.processes.len()).map(|process| self.plan.longest_delay(process));
        delays.max().unwrap_or_default().mul_f64(self.pace())
    }

    /// How many campaign for a key.
    pub(super) fn campaigners(&self, key: usize) -> usize {
        (0..self.processes.len()).filter(|process| self.plan.has_key(*process, key)).count()
    }

    /// How long it takes to ask for each slot.
    pub(super) fn round(&self) -> Nanos {
        self.plan.ttl / 50 * self.plan.slots as u64
    }

    pub(super) fn longest(&self, of: impl Fn(&Participant) -> Duration) -> Nanos {
        nanos(self.plan.participants.iter().map(of).max().unwrap_or_default().mul_f64(self.pace()))
    }

    /// By how much any clock may be too slow.
    fn pace(&self) -> f64 {
        let rate = self.plan.participants.iter().map(|participant| participant.rate).max().unwrap_or(0);
        1.0 + 2.0 * rate as f64 / 1e9
    }
}
