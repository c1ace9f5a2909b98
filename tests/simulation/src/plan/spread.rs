//! In which runs the groups share their keys.
//!
//! Drawn apart from the rest: a seed without a spread means what it always meant.

use std::time::Duration;

use lessor::Config;

use super::{Kind, Participant, Plan};
use crate::random::Random;

/// So many moves a minute are no limit here: in no run are that many asked for.
const SWIFT: u32 = 600;

/// How the groups of a run share their keys.
#[derive(Clone, Debug)]
pub(crate) struct Spread {
    /// How long a process counts as there after it was heard of last.
    pub(crate) ttl: Duration,
    /// Of each process, if it takes part.
    pub(crate) members: Vec<Option<Member>>,
}

/// A process that takes part.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Member {
    pub(crate) weight: u32,
    pub(crate) moves_per_minute: u32,
    /// It has the first of the keys only.
    pub(crate) keys: usize,
}

impl Spread {
    /// What the spread is called.
    pub(crate) const NAME: &str = "s";
    /// So many places may be asked for in a run.
    pub(crate) const PLACES: usize = 64;

    /// From one look at the others to the next.
    pub(crate) fn interval(&self) -> Duration {
        self.ttl / 5
    }
}

impl Plan {
    /// In some of the runs with groups.
    pub(super) fn spread_some(&mut self) {
        let mut random = Random::stream(self.seed, "spread", 0);
        if !self.has_groups() || !random.chance(0.5) {
            return;
        }
        // Mostly nobody else has anything to do with the keys.
        if random.chance(0.8) {
            for participant in &mut self.participants {
                participant.kind = if participant.kind.is_stepped() { Kind::GroupStep } else { Kind::Group };
            }
        }
        self.slots = 0;
        // Here the spread says who goes first: a candidate that lets others go first anyway misses what is handed over to it.
        for participant in &mut self.participants {
            participant.config.claim_delay = Duration::ZERO;
        }
        let ttl = Duration::from_nanos(self.ttl);
        let ttl = ttl.mul_f64(random.choose(&[1.0, 1.0, 1.0, 0.6, 1.5]));
        let ttl = if Config::with_ttl(ttl).validate().is_ok() { ttl } else { Duration::from_nanos(self.ttl) };
        let moves = random.choose(&[0, 1, 2, 60, SWIFT, SWIFT, 10 * SWIFT]);
        let (even, whole) = (random.chance(0.6), random.chance(0.7));
        let mut member = |number: usize, participant: &Participant| {
            let member = Member {
                weight: if even { 1 } else { random.choose(&[0, 1, 1, 2, 3, 7]) },
                moves_per_minute: if random.chance(0.2) { random.choose(&[0, 1, SWIFT]) } else { moves },
                // Somebody has each of them.
                keys: if whole || number == 0 { self.keys } else { random.between(0, self.keys as u64 + 1) as usize },
            };
            participant.kind.is_group().then_some(member)
        };
        let members = self.participants.iter().enumerate().map(|(number, one)| member(number, one)).collect();
        self.spread = Some(Spread { ttl, members });
    }

    /// The part of a process, if it shares its keys.
    pub(crate) fn member(&self, process: usize) -> Option<&Member> {
        self.spread.as_ref()?.members.get(process)?.as_ref()
    }

    /// Whether a process campaigns for a key.
    pub(crate) fn has_key(&self, process: usize, key: usize) -> bool {
        self.member(process).is_none_or(|member| key < member.keys)
    }

    /// For how long a participant lets others go first, at the longest.
    pub(crate) fn longest_delay(&self, process: usize) -> Duration {
        let config = &self.participants[process].config;
        config.claim_delay + if self.member(process).is_some() { config.ttl } else { Duration::ZERO }
    }

    /// How long the work of a user who holds a guard goes on after it is to end, at the longest. It may always be longer than a
    /// hand-over to anybody waits for; a process that asks for the key waits for as long as it takes.
    pub(crate) fn longest_rest(&self, process: usize) -> Duration {
        let config = &self.participants[process].config;
        let rest = config.drain_timeout.mul_f64(1.5);
        if self.member(process).is_some() { rest.max(config.ttl * 2) } else { rest }
    }

    /// Whether each key comes to whom it belongs before long, where all is well: nobody counts moves, and nobody is faster than
    /// the one that asks.
    pub(crate) fn shares_swiftly(&self) -> bool {
        let Some(spread) = &self.spread else { return false };
        let swift = |member: &Member| member.moves_per_minute >= SWIFT;
        let longest = self.participants.iter().map(|participant| participant.config.retry_interval.mul_f64(1.2)).max();
        let slack = Duration::from_nanos(self.ttl / 10);
        let all = (0..self.participants.len()).zip(&spread.members);
        let shortest =
            all.clone().filter(|(_, member)| member.is_some()).map(|(process, _)| self.longest_delay(process));
        all.clone().all(|(_, member)| member.as_ref().is_none_or(swift))
            && longest.unwrap_or_default() + slack < shortest.min().unwrap_or_default()
    }

    /// Whether keys may come to somebody long after all is well.
    pub(crate) fn shares_slowly(&self) -> bool {
        let members = self.spread.iter().flat_map(|spread| spread.members.iter().flatten());
        !self.shares_swiftly() && members.into_iter().any(|member| member.moves_per_minute > 0)
    }
}
