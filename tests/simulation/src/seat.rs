//! A participant in one election, across all its starts.

use std::collections::BTreeMap;
use std::sync::Arc;

use lessor::storage::{Acquired, Renewed, Reply};
use lessor::{Event, LostReason, Term};

use crate::clock::Nanos;
use crate::handle::Handle;
use crate::hint::Hint;
use crate::invariant::Desk;
use crate::message::Told;
use crate::plan::{Kind, Participant, Plan, Protocol, nanos};
use crate::random::Random;
use crate::reached::Situation;
use crate::sim::{Sim, World, lock};
use crate::trace::{Lane, What};

/// What a user asked of an instance.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Asked {
    pub(crate) resign: bool,
    pub(crate) stop: bool,
    /// Its driver was dropped.
    pub(crate) drop: bool,
}

pub(crate) struct Seat {
    pub(crate) process: usize,
    pub(crate) key: usize,
    /// The record of its key, or of the slot in which it led last.
    pub(crate) row: usize,
    pub(crate) participant: Participant,
    pub(crate) hint: Hint,
    /// What a session drawn here begins with: for all starts.
    pub(crate) entropy: Random,
    pub(crate) program: Random,
    /// What an instance left for the next one.
    pub(crate) ticket: Option<Vec<u8>>,
    /// Where an instance with a ticket goes on.
    pub(crate) resumed: Option<usize>,
    /// Counts those who took the seat.
    pub(crate) instance: u32,
    /// Somebody asked it to resign, or to stop, since the present instance began.
    pub(crate) asked: Asked,
    /// When it was last asked to resign where all was well, in true time.
    pub(crate) asked_at: Nanos,
    pub(crate) desk: Desk,
    /// What it answered when it was last looked at.
    pub(crate) leads: bool,
    /// The newest term it was elected in.
    pub(crate) term: u64,
    /// Of each record, the newest term that it led in.
    pub(crate) reigns: BTreeMap<usize, u64>,
    /// When the present reign ends, by its clock.
    pub(crate) deadline: Nanos,
    /// The record by which it answers that it leads, and can be asked.
    pub(crate) answering: Option<usize>,
    /// Its clock stood still: what it was granted before says nothing.
    pub(crate) exempt: Option<Nanos>,
    /// Work that is running, by term.
    pub(crate) busy: Vec<u64>,
    /// Since when it hands over, by its clock.
    pub(crate) ending_since: Option<Nanos>,
    pub(crate) lost: Option<LostReason>,
    /// The term that it heard last that it was granted.
    heard: Option<Term>,
    /// The storage said that the lease is lost.
    pub(crate) told_lost: bool,
    /// Of this term it said so last.
    pub(crate) lost_term: Option<Term>,
    /// When it was elected last, in true time.
    pub(crate) elected_at: Nanos,
    /// When renewals were last said to fail, in true time.
    pub(crate) jeopardy_at: Nanos,
    /// When it lost a term last, in true time.
    pub(crate) lost_at: Nanos,
    /// The term that its group gave up and that is not released yet.
    pub(crate) given_up: Option<u64>,
    /// The term that its group gave up last, released or not.
    pub(crate) gave_up: Option<u64>,
    /// The term that it hands over to a process that asked for it.
    pub(crate) moving: Option<u64>,
    /// The term in which it has a key that was moved to it, until it knows.
    pub(crate) moved_in: Option<u64>,
    pub(crate) reference_id: u64,
    /// Of a reference protocol, the reign in which the storage gave it the key last.
    pub(crate) granted: u64,
}

impl Seat {
    pub(crate) fn new(plan: &Plan, process: usize, key: usize) -> Self {
        let number = process * 10 + key;
        let same = plan.misuse == Some(crate::plan::Misuse::TwoProcessesOneSession);
        Self {
            process,
            key,
            row: plan.row(key, None),
            participant: plan.participants[process].clone(),
            hint: Hint::default(),
            entropy: Random::stream(plan.seed, "entropy", if same { key } else { number }),
            program: Random::stream(plan.seed, "program", number),
            ticket: None,
            resumed: None,
            instance: 0,
            asked: Asked::default(),
            asked_at: 0,
            desk: Desk::default(),
            leads: false,
            term: 0,
            reigns: BTreeMap::new(),
            deadline: Nanos::MAX,
            answering: None,
            exempt: None,
            busy: Vec::new(),
            ending_since: None,
            lost: None,
            heard: None,
            told_lost: false,
            lost_term: None,
            elected_at: 0,
            jeopardy_at: 0,
            lost_at: 0,
            given_up: None,
            gave_up: None,
            moving: None,
            moved_in: None,
            reference_id: 0,
            granted: 0,
        }
    }

    pub(crate) fn lane(&self, protocol: Protocol) -> Lane {
        let kind = match self.participant.kind {
            _ if protocol != Protocol::Lessor => "",
            Kind::Run => " (run)",
            Kind::Step => " (step)",
            Kind::Batch => " (batch)",
            Kind::Group => " (group)",
            Kind::GroupStep => " (group, step)",
        };
        Lane { name: format!("p{}{kind}", self.process), key: self.key }
    }

    /// Whether this is the newest term in which it led, where it leads.
    pub(crate) fn led_in(&self, term: u64) -> bool {
        self.reigns.get(&self.row) == Some(&term)
    }

    pub(crate) fn ttl(&self) -> Nanos {
        nanos(self.participant.config.ttl)
    }
}

impl World {
    /// What this process was granted before, or is granted by a request that is under way, is not held against it.
    pub(crate) fn exempt(&mut self, process: usize) {
        let now = self.now;
        self.seats.iter_mut().filter(|seat| seat.process == process).for_each(|seat| seat.exempt = Some(now));
    }

    /// An answer to a request sent at this time gets to its candidates.
    pub(crate) fn answered(&mut self, seats: &[usize], sent_at: Nanos, told: &Told) {
        for (place, seat) in seats.iter().enumerate() {
            let bound = !self.processes[self.seats[*seat].process].frozen && !self.holds_a_term(*seat);
            let state = &mut self.seats[*seat];
            if bound {
                state.exempt.take_if(|since| sent_at >= *since);
            }
            // A loop of elections looks itself whether a part of a batch is still waited for.
            if let Told::Lessor(replies) = told
                && let Some(Ok(reply)) = replies.get(place)
                && state.participant.kind != Kind::Batch
            {
                self.hears(*seat, reply);
            }
        }
    }

    /// A candidate is told this, and waits for it.
    pub(crate) fn hears(&mut self, seat: usize, reply: &Reply) {
        self.count_heard(seat, reply);
        match reply {
            Reply::Renewed(Renewed::Lost { .. }) => {
                let state = &mut self.seats[seat];
                (state.told_lost, state.lost_term) = (true, state.heard);
            }
            // Here, not where the event is seen: whoever stood still is looked at late, and may have heard of the loss of
            // that very term by then, and of the next one's grant.
            Reply::Acquired(Acquired::Granted { term, .. }) => {
                let state = &mut self.seats[seat];
                (state.told_lost, state.heard) = (false, Some(*term));
            }
            _ => {}
        }
    }

    /// A candidate said this.
    pub(crate) fn saw(&mut self, seat: usize, event: &Event) {
        let clock = self.clock_of(seat);
        self.check_end(seat, event, clock);
        self.check_untouched(seat, event);
        self.count_owed(seat, event, clock);
        let state = &mut self.seats[seat];
        match event {
            Event::Elected { term, deadline, slot, .. } => {
                state.row = self.plan.row(state.key, *slot);
                state.deadline = nanos(deadline.since_origin());
                (state.term, state.ending_since, state.lost) = (term.get(), None, None);
                state.elected_at = self.now;
                self.tally.counts.elections += 1;
                self.count_moved_in(seat, term.get());
                self.log_began(seat, *term);
                self.check_begun_by_model(seat, *term);
            }
            Event::Renewed { deadline, .. } => {
                state.deadline = nanos(deadline.since_origin());
                self.count_renewed(seat);
            }
            Event::Jeopardy { .. } => state.jeopardy_at = self.now,
            Event::Ending { .. } => state.ending_since = Some(clock),
            Event::Lost { reason, .. } => {
                (state.lost, state.lost_at) = (Some(*reason), self.now);
                // What the storage has given to another cannot be handed over.
                state.given_up.take_if(|_| *reason == LostReason::Superseded);
            }
            _ => {}
        }
        self.reach_by_event(seat, event);
        self.check_event(seat, event);
        self.candidate_told(seat, event);
    }

    fn reach_by_event(&mut self, seat: usize, event: &Event) {
        let situation = match event {
            Event::Renewed { .. } if self.in_jeopardy(seat) => Situation::Recovered,
            Event::StorageFailed { .. } => Situation::RequestFailed,
            Event::Lost { reason, .. } => match reason {
                LostReason::Superseded => Situation::LostSuperseded,
                LostReason::Failures => Situation::LostByFailures,
                LostReason::Resigned => Situation::LostResigned,
                LostReason::Stopped => Situation::LostStopped,
                LostReason::DriverDropped => Situation::LostDriver,
                _ => Situation::LostByTime,
            },
            _ => return,
        };
        self.reach(situation);
    }

    /// What a candidate was found to answer. Answers what it was before.
    pub(crate) fn set_leads(&mut self, seat: usize, leads: bool) -> bool {
        if leads && !self.seats[seat].leads && self.plan.protocol != Protocol::Lessor {
            // It has no terms: those that the storage gave it the key in are counted for it. A late reply makes nobody the newest.
            self.seats[seat].term = self.seats[seat].granted;
            self.tally.counts.elections += 1;
        }
        let state = &mut self.seats[seat];
        let before = std::mem::replace(&mut state.leads, leads);
        let (term, deadline, process) = (state.term, state.deadline, state.process);
        if leads && !before {
            self.note(|| What::Leads { candidate: seat, term }, [8, seat as u64, term]);
        } else if before && !leads {
            // It ended by itself when its clock said so, whenever that is found.
            let ended = self.processes[process].clock.when(deadline).min(self.now);
            self.note_at(ended, || What::Follows { candidate: seat }, [9, seat as u64, term]);
        }
        before
    }

    /// Work of a term begins or ends.
    pub(crate) fn begin_work(&mut self, seat: usize, term: u64) {
        self.seats[seat].busy.push(term);
    }

    /// A reign is over: so is its work.
    pub(crate) fn end_lost_work(&mut self, seat: usize, term: u64) {
        self.seats[seat].busy.retain(|busy| *busy != term);
    }

    /// What a candidate's clock says.
    pub(crate) fn clock_of(&self, seat: usize) -> Nanos {
        self.processes[self.seats[seat].process].clock.at(self.now)
    }

    pub(crate) fn end_work(&mut self, seat: usize, term: u64) {
        let busy = &mut self.seats[seat].busy;
        if let Some(place) = busy.iter().position(|busy| *busy == term) {
            busy.swap_remove(place);
        }
    }
}

impl Sim {
    /// Looks at a candidate after something of it ran.
    pub(crate) fn look(self: &Arc<Self>, seat: usize) {
        let process = self.world().seats[seat].process;
        self.hear_group(process);
        let (events, leads) = self.ask_handle(seat, |handle| {
            let events = handle.events();
            (events, handle.is_leader())
        });
        let mut world = self.world();
        for event in &events {
            world.saw(seat, event);
        }
        let before = world.set_leads(seat, leads);
        let (term, process) = (world.seats[seat].term, world.seats[seat].process);
        // Elected and over at once, where a thread stood still in between, is no reign.
        if leads && !before && world.plan.protocol == Protocol::Lessor {
            world.check_return(seat, term);
        }
        let led_before = world.seats[seat].led_in(term);
        if leads && world.plan.protocol == Protocol::Lessor && !led_before && !world.is_busy(seat) {
            let state = &mut world.seats[seat];
            state.reigns.insert(state.row, term);
            world.check_reign(seat, term);
        }
        // In the middle of a poll the events of what has just come are still to be told.
        if !world.is_busy(seat) {
            world.check_state(seat, leads);
            if leads {
                world.check_told(seat, term);
            }
        }
        // Not only where it answers otherwise than before: while nobody looked, or in the middle of a look at another, it may have
        // lost one slot and got another.
        let is_counted = world.seats[seat].answering == leads.then_some(world.seats[seat].row);
        drop(world);
        if leads && !before {
            self.check_alone(seat);
        }
        if !is_counted {
            self.count_answering(process);
        }
    }

    /// Looks at all candidates of a process that shares its keys: which of them are there decides whose they are.
    pub(crate) fn look_at_sharers(self: &Arc<Self>, process: usize) {
        let world = self.world();
        if world.plan.member(process).is_none() {
            return;
        }
        let seats: Vec<_> = (0..world.seats.len()).filter(|seat| world.seats[*seat].process == process).collect();
        drop(world);
        seats.into_iter().for_each(|seat| self.look(seat));
    }

    /// Asks the handle of a seat. While that is asked no time passes.
    pub(crate) fn ask_handle<A: Default>(&self, seat: usize, ask: impl FnOnce(&mut Handle) -> A) -> A {
        self.observe(|| lock(&self.handles)[seat].as_mut().map(ask).unwrap_or_default())
    }

    /// Asks something of which nobody is to know. Meanwhile no time passes.
    pub(crate) fn observe<A>(&self, ask: impl FnOnce() -> A) -> A {
        self.world().observing = true;
        let answer = ask();
        self.world().observing = false;
        answer
    }

    /// Who answers that it leads has perhaps changed: takes the time of it.
    pub(crate) fn count_answering(&self, number: usize) {
        let mut world = self.world();
        let world = &mut *world;
        let process = &world.processes[number];
        let answers = process.answers(world.now);
        let mut changes = Vec::new();
        for (candidate, state) in world.seats.iter_mut().enumerate().filter(|(_, seat)| seat.process == number) {
            let after = (answers && state.leads).then_some(state.row);
            let before = std::mem::replace(&mut state.answering, after);
            if before == after {
                continue;
            }
            if let Some(row) = before {
                // A reign ends by itself when its clock says so, whenever that is found.
                let ended = if after.is_some() { world.now } else { process.clock.when(state.deadline).min(world.now) };
                changes.push((world.tally.count(ended, row, false), candidate, false));
            }
            if let Some(row) = after {
                changes.push((world.tally.count(world.now, row, true), candidate, true));
            }
        }
        for (at, candidate, leads) in changes {
            world.record(at, What::Answers { candidate, leads });
        }
    }
}
