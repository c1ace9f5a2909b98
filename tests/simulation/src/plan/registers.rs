//! Which runs are over registers that can only be compared and swapped, and what befalls these.
//!
//! Drawn apart from the rest: a seed without registers means what it always meant.

use std::time::Duration;

use lessor::Config;

use super::{Misuse, Plan, nanos, rate_bound};
use crate::clock::{MILLISECOND, Nanos};
use crate::random::Random;

/// What goes wrong with registers, beside what goes wrong with every storage.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Registers {
    /// What the clocks of those who observe show whole multiples of. 0: they are as fine as any.
    pub(crate) resolution: Nanos,
    /// A read shows an older state.
    pub(crate) stale: f64,
    /// A swap lingers on its way, for longer than anybody waits for it.
    pub(crate) lingers: f64,
    /// A watch ends when something is written.
    pub(crate) watches_lost: f64,
    /// A watch says nothing for a while, and nobody knows.
    pub(crate) watches_silent: f64,
}

impl Registers {
    fn draw(random: &mut Random) -> Self {
        let mut on = |low: f64, high: f64| {
            let (drawn, value) = (random.chance(0.5), low + (high - low) * random.fraction());
            if drawn { value } else { 0.0 }
        };
        Self {
            resolution: 0,
            stale: on(0.02, 0.3),
            lingers: on(0.01, 0.1),
            watches_lost: on(0.02, 0.2),
            watches_silent: on(0.01, 0.1),
        }
    }

    /// Those that are on.
    pub(super) fn named(&self) -> impl Iterator<Item = (&'static str, bool)> {
        [
            ("registers", true),
            ("coarse clocks", self.resolution > 0),
            ("stale reads", self.stale > 0.0),
            ("lingering swaps", self.lingers > 0.0),
            ("watches lost", self.watches_lost > 0.0),
            ("silent watches", self.watches_silent > 0.0),
        ]
        .into_iter()
    }
}

impl Plan {
    /// In some runs; in all with a misuse of registers.
    pub(super) fn register_some(&mut self) {
        let mut random = Random::stream(self.seed, "register runs", 0);
        if random.chance(0.25) || self.misuse.is_some_and(Misuse::is_of_registers) {
            self.register(&mut random);
        }
    }

    fn register(&mut self, random: &mut Random) {
        let mut registers = Registers::draw(random);
        let coarse = random.choose(&[0, 0, MILLISECOND, 16 * MILLISECOND]);
        registers.resolution = coarse.min(self.ttl / 100);
        if self.only_some_requests_fail() {
            // Nothing else is to go wrong in these.
            registers = Registers::default();
        }
        let faults = &mut self.faults;
        // Registers that lose data are not promised. There is no clock but those of who observes, and these must not go
        // forward by themselves.
        (faults.storage_forgets, faults.storage_steps_back, faults.storage_steps_forward) = (0.0, 0.0, 0.0);
        faults.clock_steps = 0.0;
        // The handle of each process does that itself.
        faults.shared = false;
        match self.misuse {
            Some(Misuse::ObserverStepsForward) => faults.clock_steps = 10.0,
            Some(Misuse::ReadsMissOwnWrites | Misuse::TornReads) => registers.stale = 0.2,
            Some(Misuse::SwapsUnconditionally | Misuse::SwapsInTwoSteps) => registers.lingers = 0.05,
            _ => {}
        }
        // Here everybody judges everybody: the margins have to cover the clocks of all. Who has a place in a spread has one of
        // its own.
        let place = self.spread.as_ref().map(|spread| rate_bound(&Config::with_ttl(spread.ttl)));
        let rates = self.participants.iter().map(|participant| participant.rate);
        let widest = rates.chain(place).min().unwrap_or(0);
        self.participants.iter_mut().for_each(|participant| participant.rate = widest);
        self.storage_rate = 0;
        self.registers = Some(registers);
    }

    /// Whether it is to be seen what comes of a storage to which nothing happens but that some requests fail.
    fn only_some_requests_fail(&self) -> bool {
        let faults = &self.faults;
        let alone = |(name, on): &(&str, bool)| *on && !["wake-ups", "one key fails", "busy"].contains(name);
        (faults.key_fails > 0.0 || faults.busy > 0.0) && !faults.named().iter().any(alone)
    }

    /// How long it takes until a watch that could not be made is tried again, at the longest.
    pub(crate) fn watch_pause(&self) -> Nanos {
        if self.registers.is_some() && self.faults.wakes { nanos(Duration::from_millis(5_500)) } else { 0 }
    }
}
