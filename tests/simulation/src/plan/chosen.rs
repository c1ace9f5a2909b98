//! What a reader may choose of a run that its seed drew: how many take part, and which faults are left out.
//!
//! Each subject has a stream of its own: what is left out changes nothing else.

use std::time::Duration;

use super::{Faults, Participant, Plan};

impl Plan {
    /// The names of all faults.
    pub const FAULTS: [&'static str; 30] = Faults::NAMES;

    /// The names of the faults that there are in this run.
    pub fn faults(&self) -> Vec<&'static str> {
        self.faults.named().into_iter().filter(|(_, on)| *on).map(|(name, _)| name).collect()
    }

    /// This run without the fault of this name; as it is, if there is none.
    #[must_use]
    pub fn without(mut self, fault: &str) -> Self {
        self.faults.turn_off(fault);
        self
    }

    /// How many processes take part.
    pub fn candidates(&self) -> usize {
        self.participants.len()
    }

    /// This run with so many processes, at least one. Those who are more than its seed drew have the settings of the first.
    ///
    /// For [`with_defaults`](Self::with_defaults): groups that share their keys count on their number.
    #[must_use]
    pub fn with_candidates(mut self, count: usize) -> Self {
        self.participants.truncate(count.max(1));
        let Some(first) = self.participants.first().cloned() else { return self };
        let (ttl, guard) = (Duration::from_nanos(self.ttl), first.config.takeover_guard);
        for number in self.participants.len()..count {
            let drawn = Participant::draw(self.seed, number, ttl, guard, &self.faults, self.misuse);
            self.participants.push(Participant { config: first.config.clone(), rate: first.rate, ..drawn });
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Protocol, run};

    fn fingerprint(plan: Plan) -> u64 {
        run(plan, false).fingerprint
    }

    #[test]
    fn what_is_left_out_is_not_there() {
        for seed in 0..20 {
            let plan = Plan::with_defaults(seed, Protocol::Less);
            let faults = plan.faults();
            let bare = faults.iter().fold(plan.clone(), |plan, fault| plan.without(fault));
            assert_eq!(bare.faults(), Vec::<&str>::new(), "seed {seed}: {faults:?}");
            let trace = run(bare, true).trace;
            let faults = trace.entries.iter().filter(|entry| matches!(entry.what, crate::trace::What::Fault { .. }));
            assert_eq!(faults.count(), 0, "seed {seed}");
            assert_eq!(plan.clone().without("nothing").faults(), plan.faults());
        }
    }

    #[test]
    fn as_many_as_there_are_is_the_same_run() {
        for seed in 0..10 {
            let plan = Plan::with_defaults(seed, Protocol::ClientGo);
            let same = plan.clone().with_candidates(plan.candidates());
            assert_eq!(fingerprint(same), fingerprint(plan.clone()), "seed {seed}");
            // Those who are left out and come back are who they were.
            let again = plan.clone().with_candidates(1).with_candidates(plan.candidates());
            assert_eq!(fingerprint(again), fingerprint(plan), "seed {seed}");
        }
    }

    #[test]
    fn there_is_somebody() {
        let plan = Plan::with_defaults(1, Protocol::Lessor);
        assert_eq!([0, 1, 7].map(|count| plan.clone().with_candidates(count).candidates()), [1, 1, 7]);
    }
}
