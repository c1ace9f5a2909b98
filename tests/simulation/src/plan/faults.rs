//! Which faults there are in a run, and how often.

use crate::random::Random;

/// How often each fault happens, as probabilities, and as mean pauses in ttls; 0 = never.
#[derive(Clone, Debug, Default)]
pub(crate) struct Faults {
    pub(crate) slow: bool,
    pub(crate) very_late: f64,
    pub(crate) lost: f64,
    pub(crate) doubled: f64,
    pub(crate) refused: f64,
    pub(crate) cut: f64,
    pub(crate) paused: f64,
    /// A thread or a process that stands still right where it read the clock.
    pub(crate) stalled: f64,
    pub(crate) starved: f64,
    pub(crate) suspended: f64,
    /// A virtual machine that stands still with all its clocks.
    pub(crate) frozen: f64,
    pub(crate) crashed: f64,
    pub(crate) clock_rates: bool,
    pub(crate) clock_steps: f64,
    pub(crate) storage_down: f64,
    pub(crate) storage_steps_back: f64,
    pub(crate) storage_steps_forward: f64,
    pub(crate) storage_forgets: f64,
    pub(crate) wakes: bool,
    pub(crate) wakes_lost: f64,
    pub(crate) resigns: f64,
    /// Of these, how many are in favour of a named candidate.
    pub(crate) transfers: f64,
    pub(crate) values: f64,
    pub(crate) shutdowns: f64,
    pub(crate) evictions: f64,
    pub(crate) batches_in_part: f64,
    /// Operators who take a lease from its holder, and who look at all leases.
    pub(crate) revokes: f64,
    pub(crate) lists: f64,
    /// What one follower hears answers others.
    pub(crate) shared: bool,
    /// The requests for one key fail, and no others.
    pub(crate) key_fails: f64,
    /// The storage lets only so many renewals through, and no claims.
    pub(crate) busy: f64,
}

impl Faults {
    pub(super) fn draw(seed: u64) -> Self {
        let mut random = Random::stream(seed, "faults", 0);
        let mut on = |low: f64, high: f64| {
            let (drawn, value) = (random.chance(0.4), low + (high - low) * random.fraction());
            if drawn { value } else { 0.0 }
        };
        let mut faults = Self {
            slow: on(1.0, 1.0) > 0.0,
            very_late: on(0.005, 0.05),
            lost: on(0.01, 0.15),
            doubled: on(0.01, 0.15),
            refused: on(0.01, 0.15),
            cut: on(6.0, 30.0),
            paused: on(6.0, 30.0),
            stalled: on(0.0005, 0.01),
            starved: on(6.0, 30.0),
            suspended: on(10.0, 40.0),
            frozen: on(20.0, 60.0),
            crashed: on(10.0, 40.0),
            clock_rates: on(1.0, 1.0) > 0.0,
            clock_steps: on(10.0, 40.0),
            storage_down: on(10.0, 40.0),
            storage_steps_back: on(10.0, 40.0),
            storage_steps_forward: on(10.0, 40.0),
            storage_forgets: on(15.0, 40.0),
            wakes: on(1.0, 1.0) > 0.0,
            wakes_lost: on(0.05, 0.5),
            resigns: on(4.0, 20.0),
            values: on(4.0, 20.0),
            shutdowns: on(10.0, 40.0),
            evictions: on(0.01, 0.1),
            batches_in_part: on(0.01, 0.1),
            revokes: on(6.0, 30.0),
            lists: on(4.0, 20.0),
            // After all others: what they draw stays as it was.
            transfers: on(0.3, 1.0),
            // Drawn apart, as it came later.
            shared: Random::stream(seed, "shared", 0).chance(0.3),
            // Drawn apart, for runs with groups.
            key_fails: 0.0,
            busy: 0.0,
        };
        // Not promised together: a freeze is as long as the storage's clock says, the guard as long as one's own.
        if faults.storage_forgets > 0.0 {
            faults.storage_steps_back = 0.0;
            faults.storage_steps_forward = 0.0;
        }
        // Where the storage's clock steps, one's own has to tell how long a version was seen.
        if faults.storage_steps_forward > 0.0 || faults.storage_steps_back > 0.0 {
            faults.clock_steps = 0.0;
        }
        // Frozen clocks break the promise of one leader for a while; most runs are to hold it all the time.
        if faults.frozen > 0.0 && !seed.is_multiple_of(4) {
            faults.frozen = 0.0;
        }
        faults
    }

    pub(super) fn without_operators(&mut self) {
        (self.revokes, self.lists) = (0.0, 0.0);
    }

    /// What is on, by its name.
    pub(super) fn named(&self) -> [(&'static str, bool); 30] {
        let mut faults = self.clone();
        // Of those who do not resign, none does in favour of another.
        faults.transfers *= f64::from(u8::from(self.resigns > 0.0));
        let mut names = Self::NAMES.into_iter();
        faults.switches().map(|switch| (names.next().unwrap_or_default(), switch.is_on()))
    }

    /// Leaves one out. What befalls all others is drawn apart from it, and stays as it was.
    pub(super) fn turn_off(&mut self, name: &str) {
        let named = Self::NAMES.into_iter().zip(self.switches());
        named.filter(|(known, _)| *known == name).for_each(|(_, switch)| switch.turn_off());
    }

    /// As they are named to people.
    pub(super) const NAMES: [&'static str; 30] = [
        "slow",
        "very late",
        "lost",
        "doubled",
        "refused",
        "cut off",
        "paused",
        "stalled",
        "starved",
        "suspended",
        "frozen",
        "crashed",
        "clock rates",
        "clock steps",
        "storage down",
        "storage steps back",
        "storage steps forward",
        "storage forgets",
        "wake-ups",
        "resigns",
        "transfers",
        "values",
        "shutdowns",
        "evictions",
        "batches in part",
        "revokes",
        "lists",
        "shared answers",
        "one key fails",
        "busy",
    ];

    /// In the order of their names.
    fn switches(&mut self) -> [Switch<'_>; 30] {
        [
            Switch::Is(&mut self.slow),
            Switch::Often(&mut self.very_late),
            Switch::Often(&mut self.lost),
            Switch::Often(&mut self.doubled),
            Switch::Often(&mut self.refused),
            Switch::Often(&mut self.cut),
            Switch::Often(&mut self.paused),
            Switch::Often(&mut self.stalled),
            Switch::Often(&mut self.starved),
            Switch::Often(&mut self.suspended),
            Switch::Often(&mut self.frozen),
            Switch::Often(&mut self.crashed),
            Switch::Is(&mut self.clock_rates),
            Switch::Often(&mut self.clock_steps),
            Switch::Often(&mut self.storage_down),
            Switch::Often(&mut self.storage_steps_back),
            Switch::Often(&mut self.storage_steps_forward),
            Switch::Often(&mut self.storage_forgets),
            Switch::Is(&mut self.wakes),
            Switch::Often(&mut self.resigns),
            Switch::Often(&mut self.transfers),
            Switch::Often(&mut self.values),
            Switch::Often(&mut self.shutdowns),
            Switch::Often(&mut self.evictions),
            Switch::Often(&mut self.batches_in_part),
            Switch::Often(&mut self.revokes),
            Switch::Often(&mut self.lists),
            Switch::Is(&mut self.shared),
            Switch::Often(&mut self.key_fails),
            Switch::Often(&mut self.busy),
        ]
    }
}

/// A fault that can be left out.
enum Switch<'a> {
    Is(&'a mut bool),
    Often(&'a mut f64),
}

impl Switch<'_> {
    fn is_on(&self) -> bool {
        match self {
            Self::Is(on) => **on,
            Self::Often(often) => **often > 0.0,
        }
    }

    fn turn_off(self) {
        match self {
            Self::Is(on) => *on = false,
            Self::Often(often) => *often = 0.0,
        }
    }
}
