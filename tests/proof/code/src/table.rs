//! The verdict of `Record::judge` on every small record, request, time and seed.
//!
//! The numbers are few, and enough to tell all cases apart: two ids, two sessions, nobody's and none; terms, versions and times below, at and
//! above each other.

use std::io::{Error, Result, Write};
use std::iter::once;

use core::time::Duration;

use lessor::Term;
use lessor::storage::{
    Claim, Record, Release, Renewal, Request, Revoke, Session, Successor, Takeover, Verdict, Version,
};
use lessor_simulation::model::{Answer, Clause, Kept, judge};

use crate::words;

const ME: u128 = 1;

/// One line of the table.
struct Case<'a> {
    before: Option<&'a Record>,
    request: &'a Request,
    now_ms: u64,
    seed: u64,
    verdict: Verdict,
}

impl Case<'_> {
    fn tell(&self) -> String {
        let Self { before, request, now_ms, seed, verdict } = self;
        let after = verdict.write.as_ref().map_or_else(|| "=".into(), |after| words::record(Some(after)));
        let (before, request, reply) = (words::record(*before), words::request(request), words::reply(&verdict.reply));
        format!("{before}|{request}|{now_ms} {seed}|{reply}|{after}")
    }

    /// Whether the model that the simulator has says the same.
    fn is_as_modelled(&self, without: Option<Clause>) -> bool {
        let before = self.before.map(Kept::from);
        let (answer, after) = judge(before, self.request, self.now_ms.into(), self.seed.into(), without);
        let written = self.verdict.write.as_ref().map(Kept::from);
        (answer, after) == (Answer::from(&self.verdict.reply), written.or(before))
    }
}

pub(crate) fn write(out: &mut impl Write) -> Result<()> {
    let mut differs = None;
    each(|case| {
        if differs.is_none() && !case.is_as_modelled(None) {
            differs = Some(case.tell());
        }
        writeln!(out, "{}", case.tell())
    })?;
    differs.map_or(Ok(()), |case| Err(Error::other(format!("the simulator's model says something else than {case}"))))
}

fn each(mut tell: impl FnMut(&Case<'_>) -> Result<()>) -> Result<()> {
    let requests: Vec<Request> = claims().chain(renewals()).chain(releases()).chain(revokes()).collect();
    for record in records() {
        for now_ms in [0, 3] {
            for request in &requests {
                let seeds: &[u64] = if matches!(request, Request::Acquire(_)) { &[1, 3] } else { &[1] };
                for &seed in seeds {
                    let before = record.as_ref();
                    let verdict = Record::judge(before, request, now_ms, Term::new(seed).expect("a term"));
                    tell(&Case { before, request, now_ms, seed, verdict })?;
                }
            }
        }
    }
    Ok(())
}

fn records() -> impl Iterator<Item = Option<Record>> {
    let mut records = vec![None];
    for holder in -1..=2 {
        for who in [1, 2] {
            for term in 1..=3 {
                for (version, ttl_ms) in [(1, 2), (2, 1), (2, 3)] {
                    for expires_ms in [0, 1, 2, 3, 4, 5, 6, 7] {
                        records.push(Some(words::restored(holder, who, term, version, ttl_ms, expires_ms)));
                    }
                }
            }
        }
    }
    records.into_iter()
}

fn ms(number: u64) -> Duration {
    Duration::from_millis(number)
}

fn claims() -> impl Iterator<Item = Request> {
    let unchanged = |version| Takeover::Unchanged(Version::new(version));
    let takeovers = [Takeover::Expired, Takeover::ReleasedOnly, unchanged(1), unchanged(2)];
    takeovers.into_iter().flat_map(|takeover| {
        (0..=4).flat_map(move |after| {
            [1, 3].map(|ttl| {
                let claim = Claim::new(words::key(), words::id(1), Session::from_bits(ME), ms(ttl));
                claim.after(Term::new(after)).takeover(takeover).into()
            })
        })
    })
}

fn renewals() -> impl Iterator<Item = Request> {
    (1..=3).flat_map(|term| {
        let term = Term::new(term).expect("a term");
        [1, 3].map(|ttl| Renewal::new(words::key(), words::id(1), Session::from_bits(ME), term, ms(ttl)).into())
    })
}

fn releases() -> impl Iterator<Item = Request> {
    let release = || Release::new(words::key(), Session::from_bits(ME));
    let successors = [0, 2].map(|within| Successor::new(words::id(2), ms(within)));
    once(release().into()).chain(successors.map(|next| release().successor(Some(next)).into()))
}

fn revokes() -> impl Iterator<Item = Request> {
    let of = |term| Revoke::new(words::key()).term(Term::new(term));
    (0..=3).flat_map(move |term| [of(term).into(), of(term).now(true).into()])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The simulator's model says what the code says; and without any of its clauses it does not.
    #[test]
    fn each_clause_of_the_simulators_model_is_needed() {
        let mut missed = Clause::ALL.to_vec();
        each(|case| {
            assert!(case.is_as_modelled(None), "{}", case.tell());
            missed.retain(|clause| case.is_as_modelled(Some(*clause)));
            Ok(())
        })
        .expect("nothing is written");
        assert_eq!(missed, [], "the model without these says the same as the code");
    }
}
