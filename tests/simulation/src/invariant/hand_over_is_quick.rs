//! R12: after a resignation one release, one wake-up and one claim make the next leader; where the storage wakes
//! nobody, one retry interval does.

use std::sync::Arc;
use std::time::Duration;

use lessor::Event as Said;

use crate::clock::Nanos;
use crate::plan::{Kind, Participant, nanos};
use crate::seat::Seat;
use crate::sim::{Event, Sim, World, lock};

const RULE: &str = "hand-over is quick";

impl Sim {
    /// All is well: each leader resigns.
    pub(crate) fn check_hand_over(self: &Arc<Self>) {
        let until = {
            let mut world = self.world();
            // Where everybody leads nobody follows.
            let follows = |key: &usize| world.plan.slots.max(1) < world.campaigners(*key);
            let vacancy = |key: usize| if follows(&key) { Vacancy::Expected } else { Vacancy::Filled };
            world.checks.vacant = Some((0..world.plan.keys).map(vacancy).collect());
            // It hears of it at its next renewal at the latest, and its work may take all of its time to end.
            let release = world.longest(|participant| {
                let config = &participant.config;
                config.renew_interval.mul_f64(1.2) + config.drain_timeout.max(config.min_hold) + config.request_timeout
            });
            let delay = nanos(world.longest_delay());
            world.now + release + delay + world.round() + world.longest_retry() * 2 + world.plan.ttl / 10
        };
        self.run_until(until);
        let mut world = self.world();
        for (key, vacancy) in world.checks.vacant.take().into_iter().flatten().enumerate() {
            if vacancy != Vacancy::Filled {
                world.fail(RULE, format!("{vacancy:?}: the leader of k{key} was to resign, and nobody follows"));
            }
        }
    }

    pub(crate) fn resign(&self, seat: usize) {
        let mut world = self.world();
        let now = world.now;
        let state = &mut world.seats[seat];
        (state.asked.resign, state.asked_at) = (true, now);
        let successor = world.successor_of(seat);
        drop(world);
        if let Some(handle) = lock(&self.handles)[seat].as_ref() {
            handle.resign(successor);
        }
    }
}

/// How far the hand-over of a key is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Vacancy {
    /// The leader is to resign as soon as a follower asks: a wake-up may then meet a question under way.
    Expected,
    /// The leader was asked to resign; in whose favour, if in anybody's.
    Asked(Option<usize>),
    /// It does not lead any more, and somebody should before long: since when, by when, and who.
    Since(Nanos, Nanos, Option<usize>),
    /// Somebody leads.
    Filled,
}

impl World {
    /// How long a key may be without a leader after this candidate led, or if it is the next. Who is stepped hears of wake-ups
    /// at its next step.
    fn quick(&self, seat: usize) -> Nanos {
        let Seat { key, process, .. } = self.seats[seat];
        let others = |other: &Seat| {
            let campaigns = self.plan.has_key(other.process, key);
            campaigns && other.key == key && other.process != process && !other.leads
        };
        let mut others = self.seats.iter().filter(|other| others(other));
        let woken = self.plan.faults.wakes && others.any(|other| !other.participant.kind.is_stepped());
        self.plan.ttl / 20 + self.round() + if woken { 0 } else { self.longest_retry() }
    }

    /// How long it takes until a follower that is driven like that has heard of a release and asked.
    pub(super) fn hears_within(&self, kind: Kind) -> Nanos {
        let woken = self.plan.faults.wakes && !kind.is_stepped();
        // What another has heard may answer its regular look; not that of all who follow. Over registers, what its process has.
        let is_shared = self.plan.faults.shared || self.plan.registers.is_some();
        let shared = if is_shared { self.longest_retry() / 4 } else { 0 };
        self.plan.ttl / 20 + self.round() + if woken { 0 } else { self.longest_retry() + shared }
    }

    fn longest_retry(&self) -> Nanos {
        let delay = self.longest_delay();
        self.longest(|Participant { config, .. }| config.retry_interval.max(delay).mul_f64(1.1))
    }

    /// A candidate sends a request.
    pub(super) fn resign_at(&mut self, seat: usize) {
        let key = self.seats[seat].key;
        // Of a key with slots, that of the first.
        let row = self.plan.row(key, None);
        let leads = |state: &Seat| state.key == key && state.row == row && state.leads;
        let Some(leader) = self.seats.iter().position(leads).filter(|leader| *leader != seat) else { return };
        let successor = Some(seat).filter(|seat| self.may_succeed(leader, *seat));
        let Some(vacancy) = self.checks.vacant.as_mut().and_then(|vacant| vacant.get_mut(key)) else { return };
        if *vacancy == Vacancy::Expected {
            *vacancy = Vacancy::Asked(successor);
            let at = self.now + self.seats[leader].program.between(0, self.plan.ttl / 250);
            self.schedule(at, Event::Resign(leader));
        }
    }

    pub(super) fn count_vacancy(&mut self, seat: usize, event: &Said) {
        let (key, now) = (self.seats[seat].key, self.now);
        let vacancy = self.checks.vacant.as_ref().and_then(|vacant| vacant.get(key));
        // Later it is another process that asks for it.
        let asked = self.plan.spread.is_none() || matches!(vacancy, Some(Vacancy::Asked(_)));
        let state = &self.seats[seat];
        // Who is stepped, or goes round a loop, hears of it when it comes round.
        let hears_at_once = matches!(state.participant.kind, Kind::Run | Kind::Group);
        if self.checks.vacant.is_some()
            && matches!(event, Said::Ending { .. })
            && hears_at_once
            && asked
            && state.asked_at > 0
            && now > state.asked_at
        {
            let (name, waited) = (self.name(seat), Duration::from_nanos(now - state.asked_at));
            return self.fail(RULE, format!("{name} heard {waited:?} late that it is to resign"));
        }
        if self.seats[seat].row != self.plan.row(key, None) {
            return;
        }
        let vacancy = self.checks.vacant.as_ref().and_then(|vacant| vacant.get(key));
        let quick = match vacancy {
            // It lets nobody else go first: the key is reserved for it.
            Some(Vacancy::Asked(Some(successor))) => self.hears_within(self.seats[*successor].participant.kind),
            _ => self.quick(seat) + nanos(self.longest_delay()),
        };
        let Some(vacancy) = self.checks.vacant.as_mut().and_then(|vacant| vacant.get_mut(key)) else { return };
        match (event, *vacancy) {
            (Said::Lost { .. }, Vacancy::Asked(successor)) => {
                *vacancy = Vacancy::Since(now, now + quick, successor);
            }
            (Said::Elected { .. }, Vacancy::Since(since, until, successor)) => {
                *vacancy = Vacancy::Filled;
                match successor {
                    Some(successor) => self.check_successor(seat, successor),
                    None => self.check_preferred(seat),
                }
                if now > until {
                    let [gap, most] = [now - since, until - since].map(Duration::from_nanos);
                    self.fail(
                        RULE,
                        format!("k{key} had no leader for {gap:?} after a resignation, at most {most:?} is due"),
                    );
                }
            }
            _ => {}
        }
    }
}
