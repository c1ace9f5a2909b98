//! What came of a run.

use std::time::Duration;

use crate::clock::Nanos;
use crate::counts::Counts;
use crate::plan::Plan;
use crate::trace::Trace;

/// A promise was broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    /// Which.
    pub rule: &'static str,
    /// How.
    pub text: String,
    /// When, in true time.
    pub at: Duration,
}

/// What came of a run.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Its seed.
    pub seed: u64,
    /// The promise that was broken first; the run ends there.
    pub broken: Option<Broken>,
    /// The same for every run of the same plan.
    pub fingerprint: u64,
    /// Whether clocks stood still for a while with their machines.
    pub freezes: bool,
    /// What was counted.
    pub counts: Counts,
    /// What happened, if it was recorded.
    pub trace: Trace,
}

/// Counts during a run.
pub(crate) struct Tally {
    pub(crate) counts: Counts,
    freezes: bool,
    fingerprint: u64,
    /// Of each record: how many answer, and since when.
    answering: Vec<(u32, Nanos)>,
}

impl Tally {
    pub(crate) fn new(plan: &Plan) -> Self {
        Self {
            counts: Counts::default(),
            freezes: plan.freezes(),
            fingerprint: 0,
            answering: vec![(0, 0); plan.rows()],
        }
    }

    pub(crate) fn mix(&mut self, now: Nanos, what: [u64; 3]) {
        for part in [now, what[0], what[1], what[2]] {
            self.fingerprint = (self.fingerprint.rotate_left(5) ^ part).wrapping_mul(0x517c_c1b7_2722_0a95);
        }
    }

    /// One more, or one less, answers that it leads. An end may be found a while after. Answers the time from which that counts.
    pub(crate) fn count(&mut self, now: Nanos, row: usize, more: bool) -> Nanos {
        let (answering, since) = self.answering[row];
        let now = now.max(since);
        let lasted = Duration::from_nanos(now - since);
        let counts = &mut self.counts;
        if answering > 0 {
            counts.led += lasted;
        }
        if answering > 1 && !lasted.is_zero() {
            counts.overlaps += 1;
            counts.overlapped += lasted;
            counts.longest = counts.longest.max(lasted);
        }
        let answering = if more { answering + 1 } else { answering.saturating_sub(1) };
        self.answering[row] = (answering, now);
        now
    }

    pub(crate) fn is_led(&self, row: usize) -> bool {
        self.answering[row].0 > 0
    }

    pub(crate) fn outcome(mut self, seed: u64, now: Nanos, broken: Option<Broken>, trace: Trace) -> Outcome {
        for key in 0..self.answering.len() {
            self.count(now, key, false);
        }
        let simulated = Duration::from_nanos(now);
        let key_time = simulated * self.answering.len() as u32;
        let counts = Counts { simulated, key_time, ..self.counts };
        Outcome { seed, broken, fingerprint: self.fingerprint, freezes: self.freezes, counts, trace }
    }
}
