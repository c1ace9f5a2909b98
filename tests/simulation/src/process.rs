//! A process of some machine: its clocks, and what is wrong with it.

use crate::clock::{Clock, MILLISECOND, Nanos, SECOND};
use crate::plan::{Participant, Plan};
use crate::random::Random;
use crate::reference::Clocks;

pub(crate) struct Process {
    pub(crate) participant: Participant,
    /// What a timer shows: it goes on in suspend, and never back.
    pub(crate) clock: Clock,
    /// The time of day.
    pub(crate) wall: Clock,
    /// How long it slept, by its clock: what a clock that stops in suspend lacks.
    slept: Nanos,
    asleep_since: Option<Nanos>,
    /// Until when, in true time.
    asleep_until: Nanos,
    pub(crate) up: bool,
    /// It does not start again before it is told to.
    pub(crate) gone: bool,
    /// Counts its starts.
    pub(crate) incarnation: u32,
    pub(crate) paused_until: Nanos,
    pub(crate) starved_until: Nanos,
    starved_by: Nanos,
    /// Until when it may not have got to a task that was ready while it starved.
    late_until: Nanos,
    /// What goes to the storage, and what comes from it, is lost until then.
    pub(crate) cut_until: (Nanos, Nanos),
    pub(crate) frozen: bool,
    /// Tasks that were woken while it stood still.
    pub(crate) held: Vec<usize>,
    pub(crate) random: Random,
}

impl Process {
    pub(crate) fn new(plan: &Plan, number: usize) -> Self {
        let mut random = Random::stream(plan.seed, "process", number);
        let participant = plan.participants[number].clone();
        let mut rate = || if random.chance(0.5) { participant.rate } else { -participant.rate };
        let rate = rate();
        // The time of day agrees as well as it does where somebody sees to it, or not at all.
        let apart = if plan.faults.clock_steps > 0.0 { 2 * plan.ttl } else { 20 * MILLISECOND };
        Self {
            // Not zero, so that there is a past to compute with; no two agree.
            clock: Clock::new(random.between(SECOND, 10_000 * SECOND), rate),
            wall: Clock::new(1_000_000 * SECOND + random.between(0, apart), rate),
            participant,
            slept: 0,
            asleep_since: None,
            asleep_until: 0,
            up: false,
            gone: false,
            incarnation: 0,
            paused_until: 0,
            starved_until: 0,
            starved_by: 0,
            late_until: 0,
            cut_until: (0, 0),
            frozen: false,
            held: Vec::new(),
            random,
        }
    }

    /// A rate within its bound; at the bound more often than not.
    pub(crate) fn draw_rate(&mut self) -> i64 {
        let bound = self.participant.rate;
        match self.random.between(0, 3) {
            0 => bound,
            1 => -bound,
            _ => self.random.between(0, 2 * bound as u64 + 1) as i64 - bound,
        }
    }

    pub(crate) fn starve(&mut self, until: Nanos, by: Nanos) {
        self.starved_until = until;
        self.starved_by = by;
    }

    /// Whether its executor may still not have got to a task that was ready a while ago.
    pub(crate) fn is_late(&self, now: Nanos) -> bool {
        now < self.starved_until.max(self.late_until)
    }

    /// When its executor gets to a task that is ready now.
    pub(crate) fn late(&mut self, now: Nanos) -> Nanos {
        let at = now + self.random.between(0, self.starved_by);
        self.late_until = self.late_until.max(at + 1);
        at
    }

    pub(crate) fn fall_asleep(&mut self, now: Nanos, until: Nanos) {
        self.asleep_until = self.asleep_until.max(until);
        let reading = self.clock.at(now);
        self.asleep_since.get_or_insert(reading);
    }

    pub(crate) fn wake_up(&mut self, now: Nanos) {
        if let Some(since) = self.asleep_since.take_if(|_| now >= self.asleep_until) {
            self.slept += self.clock.at(now) - since;
        }
    }

    /// A clock that stands still in suspend.
    pub(crate) fn uptime(&self, now: Nanos) -> Nanos {
        let reading = self.clock.at(now);
        reading - self.slept - self.asleep_since.map_or(0, |since| reading - since)
    }

    pub(crate) fn clocks(&self, now: Nanos) -> Clocks {
        Clocks {
            wall_ms: (self.wall.at(now) / 1_000_000) as i64,
            monotonic: std::time::Duration::from_nanos(self.uptime(now)),
        }
    }

    /// Whether its programs could be asked something now.
    pub(crate) fn answers(&self, now: Nanos) -> bool {
        self.up && self.paused_until <= now
    }
}
