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

    pub(super) fn named(&self) -> [(&'static str, bool); 30] {
        [
            ("slow", self.slow),
            ("very late", self.very_late > 0.0),
            ("lost", self.lost > 0.0),
            ("doubled", self.doubled > 0.0),
            ("refused", self.refused > 0.0),
            ("cut off", self.cut > 0.0),
            ("paused", self.paused > 0.0),
            ("stalled", self.stalled > 0.0),
            ("starved", self.starved > 0.0),
            ("suspended", self.suspended > 0.0),
            ("frozen", self.frozen > 0.0),
            ("crashed", self.crashed > 0.0),
            ("clock rates", self.clock_rates),
            ("clock steps", self.clock_steps > 0.0),
            ("storage down", self.storage_down > 0.0),
            ("storage steps back", self.storage_steps_back > 0.0),
            ("storage steps forward", self.storage_steps_forward > 0.0),
            ("storage forgets", self.storage_forgets > 0.0),
            ("wake-ups", self.wakes),
            ("resigns", self.resigns > 0.0),
            ("transfers", self.resigns > 0.0 && self.transfers > 0.0),
            ("values", self.values > 0.0),
            ("shutdowns", self.shutdowns > 0.0),
            ("evictions", self.evictions > 0.0),
            ("batches in part", self.batches_in_part > 0.0),
            ("revokes", self.revokes > 0.0),
            ("lists", self.lists > 0.0),
            ("shared answers", self.shared),
            ("one key fails", self.key_fails > 0.0),
            ("busy", self.busy > 0.0),
        ]
    }
}
