//! What a reader may choose.

use std::ops::RangeInclusive;

use lessor_simulation::{Plan, Protocol};

/// With more the lanes would be too many to see.
const CANDIDATES: RangeInclusive<usize> = 2..=7;

/// A run.
#[derive(Clone, Debug)]
pub struct Choice {
    pub(crate) plan: Plan,
    /// The faults that the seed drew, and whether they are left in.
    pub(crate) faults: Vec<(&'static str, bool)>,
}

impl Choice {
    /// From texts, as an address has them. `candidates` and `without`, names with commas between them, may be empty: as many
    /// as the seed draws, and all of its faults.
    ///
    /// # Errors
    ///
    /// Says what is wrong, and what is allowed.
    pub fn parse(protocol: &str, seed: &str, candidates: &str, without: &str) -> Result<Self, String> {
        let protocol = match protocol {
            "lessor" => Protocol::Lessor,
            "less" => Protocol::Less,
            "client-go" => Protocol::ClientGo,
            other => return Err(format!("protocol is '{other}', allowed are lessor, less, client-go")),
        };
        let seed = seed.parse().map_err(|_| format!("seed is '{seed}', allowed are 0 to {}", u64::MAX))?;
        let mut plan = Plan::with_defaults(seed, protocol);
        if !candidates.is_empty() {
            let count = candidates.parse().ok().filter(|count| CANDIDATES.contains(count));
            let allowed = format!("allowed are {} to {}", CANDIDATES.start(), CANDIDATES.end());
            plan = plan.with_candidates(count.ok_or_else(|| format!("candidates is '{candidates}', {allowed}"))?);
        }
        let without: Vec<_> = without.split(',').filter(|name| !name.is_empty()).collect();
        // Of another seed, perhaps: its run has nothing of that kind.
        if let Some(unknown) = without.iter().find(|name| !Plan::FAULTS.contains(name)) {
            return Err(format!("without is '{unknown}', allowed are {}", Plan::FAULTS.join(", ")));
        }
        let faults = plan.faults().into_iter().map(|name| (name, !without.contains(&name))).collect();
        let plan = without.iter().fold(plan, |plan, name| plan.without(name));
        Ok(Self { plan, faults })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_what_is_allowed() {
        let error =
            |protocol, seed, candidates, without| Choice::parse(protocol, seed, candidates, without).unwrap_err();
        assert_eq!(error("paxos", "1", "", ""), "protocol is 'paxos', allowed are lessor, less, client-go");
        assert_eq!(error("less", "-1", "", ""), "seed is '-1', allowed are 0 to 18446744073709551615");
        assert_eq!(error("less", "1", "1", ""), "candidates is '1', allowed are 2 to 7");
        assert_eq!(error("less", "1", "many", ""), "candidates is 'many', allowed are 2 to 7");
        let without = error("less", "1", "", "paused,rain");
        assert!(without.starts_with("without is 'rain', allowed are slow, very late, lost, "), "{without}");
    }

    #[test]
    fn takes_what_there_is() {
        let choice = Choice::parse("less", "97", "5", "paused,busy").unwrap();
        assert_eq!(choice.plan.candidates(), 5);
        assert!(choice.faults.contains(&("paused", false)), "{:?}", choice.faults);
        assert!(!choice.plan.faults().contains(&"paused"));
        assert!(choice.faults.iter().all(|(name, _)| *name != "busy"), "it was not drawn");
        assert!(Choice::parse("lessor", &u64::MAX.to_string(), "", "").is_ok());
    }
}
