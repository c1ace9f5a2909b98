//! The world of a run: true time, what happens next, and everybody in it.
//!
//! A run is a function of its plan. Nothing in here asks the machine for time, randomness or an order.

use std::collections::{BinaryHeap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::time::Duration;

use lessor::GroupEvents;
use lessor::storage::Request;
use lessor::storage::registers::RegisterStorage;

use crate::cells::{self, Cells};
use crate::clock::Nanos;
use crate::handle::Handle;
use crate::invariant::Checks;
use crate::log::Logged;
use crate::network::{Call, Network};
use crate::operator::Errand;
use crate::outcome::Tally;
use crate::plan::Plan;
use crate::process::Process;
use crate::random::Random;
use crate::reached::Situation;
use crate::seat::Seat;
use crate::store::Store;
use crate::team::Team;
use crate::trace::{Entry, Trace, What};
use crate::trouble::Trouble;
use crate::view::View;

mod agenda;
mod sleeps;
mod tasks;

pub(crate) use agenda::Event;
use agenda::Scheduled;
use sleeps::Sleep;
use tasks::Task;

pub(crate) struct World {
    pub(crate) plan: Plan,
    pub(crate) now: Nanos,
    scheduled: BinaryHeap<Scheduled>,
    next_number: u64,
    sleeps: Vec<Sleep>,
    free_sleeps: Vec<usize>,
    tasks: Vec<Task>,
    depth: usize,
    /// The checks are asking: no time passes meanwhile.
    pub(crate) observing: bool,
    stall: Random,
    pub(crate) healed: bool,
    pub(crate) processes: Vec<Process>,
    pub(crate) seats: Vec<Seat>,
    /// Of each process, its group.
    pub(crate) teams: Vec<Team>,
    /// Of each process, what it knows of those with which it shares its keys.
    pub(crate) views: Vec<View>,
    pub(crate) calls: Vec<Call>,
    pub(crate) network: Network,
    pub(crate) store: Store,
    pub(crate) cells: Cells,
    /// What operators have still to ask.
    pub(crate) errands: Vec<(usize, Request, Errand)>,
    pub(crate) trouble: Trouble,
    pub(crate) checks: Checks,
    pub(crate) tally: Tally,
    pub(crate) faults: Vec<crate::fault::Fault>,
    tracing: bool,
    pub(crate) trace: Trace,
    /// What the model of `tests/proof` is held to, where that is asked for.
    pub(crate) log: Option<Vec<Logged>>,
}

pub(crate) struct Sim {
    world: Mutex<World>,
    pub(crate) handles: Mutex<Vec<Option<Handle>>>,
    /// Of each process, what its group tells.
    pub(crate) groups: Mutex<Vec<Option<GroupEvents>>>,
    /// Of each process, its storage, where that is over registers.
    pub(crate) registers: Mutex<Vec<Option<RegisterStorage<cells::Handle>>>>,
    ready: Arc<Mutex<VecDeque<usize>>>,
    /// Whether threads stand still in this run. Each look at a clock asks that.
    stalls: bool,
}

pub(crate) fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Sim {
    pub(crate) fn new(plan: Plan, tracing: bool) -> Arc<Self> {
        let processes: Vec<_> = (0..plan.participants.len()).map(|number| Process::new(&plan, number)).collect();
        let seats: Vec<_> = (0..processes.len())
            .flat_map(|process| (0..plan.keys).map(move |key| (process, key)))
            .map(|(process, key)| Seat::new(&plan, process, key))
            .collect();
        let trace = Trace {
            title: plan.title(),
            candidates: seats.iter().map(|seat| seat.lane(plan.protocol)).collect(),
            entries: Vec::new(),
        };
        let world = World {
            now: 0,
            scheduled: BinaryHeap::new(),
            next_number: 0,
            sleeps: Vec::new(),
            free_sleeps: Vec::new(),
            tasks: Vec::new(),
            depth: 0,
            observing: false,
            stall: Random::stream(plan.seed, "stall", 0),
            healed: false,
            calls: Vec::new(),
            network: Network::new(&plan),
            store: Store::new(&plan),
            cells: Cells::new(&plan),
            errands: Vec::new(),
            trouble: Trouble::default(),
            checks: Checks::new(&plan),
            tally: Tally::new(&plan),
            faults: Vec::new(),
            teams: processes.iter().map(|_| Team::default()).collect(),
            views: processes.iter().map(|_| View::default()).collect(),
            tracing,
            trace,
            log: None,
            processes,
            seats,
            plan,
        };
        let handles = Mutex::new((0..world.seats.len()).map(|_| None).collect());
        let groups = Mutex::new((0..world.processes.len()).map(|_| None).collect());
        let registers = Mutex::new((0..world.processes.len()).map(|_| None).collect());
        let stalls = world.plan.faults.stalled > 0.0;
        Arc::new(Self { world: Mutex::new(world), handles, groups, registers, ready: Arc::default(), stalls })
    }

    /// The storage of a process that is there, where that is over registers.
    pub(crate) fn registers_of(&self, process: usize) -> Option<RegisterStorage<cells::Handle>> {
        lock(&self.registers)[process].clone()
    }

    pub(crate) fn world(&self) -> MutexGuard<'_, World> {
        lock(&self.world)
    }

    /// Lets everything happen that happens before `until`.
    pub(crate) fn run_until(self: &Arc<Self>, until: Nanos) {
        loop {
            self.poll_ready();
            let mut world = self.world();
            world.check_heard_by_now();
            if world.checks.broken.is_some() {
                return;
            }
            let event = match world.scheduled.peek() {
                Some(next) if next.at <= until => world.scheduled.pop(),
                _ => None,
            };
            let Some(Scheduled { at, event, .. }) = event else {
                world.now = world.now.max(until);
                return;
            };
            world.now = world.now.max(at);
            world.tally.counts.events += 1;
            drop(world);
            self.happen(event);
        }
    }

    fn happen(self: &Arc<Self>, event: Event) {
        match event {
            Event::Wake { sleep, number } => {
                let waker = self.world().end_sleep(sleep, number);
                waker.into_iter().for_each(Waker::wake);
            }
            Event::Poll(task) => {
                self.world().tasks[task].put_off = true;
                lock(&self.ready).push_back(task);
            }
            Event::Arrive { call, ask } => self.arrive(call, *ask),
            Event::Put { call, told, rows } => self.put(call, *told, *rows),
            Event::Reply { call, told } => {
                let waker = self.world().reply(call, *told);
                waker.into_iter().for_each(Waker::wake);
            }
            Event::Watch { watch } => self.world().open_watch(watch),
            Event::Speak { watch } => self.world().tell_watch(watch),
            Event::Tell { watch, item } => {
                let waker = self.world().hear_watch(watch, *item);
                waker.into_iter().for_each(Waker::wake);
            }
            Event::Write { seat, row, term } => self.world().write(seat, row, term),
            Event::Hint { seat } => {
                let hint = {
                    let mut world = self.world();
                    world.allow(seat, 1);
                    world.seats[seat].hint.clone()
                };
                hint.give();
            }
            Event::Fault(number) => self.fault(number),
            Event::Resume(process) => self.resume(process),
            Event::Start(process) => self.start(process),
            Event::Resign(seat) => self.resign(seat),
            Event::Heal => self.heal(),
        }
    }

    /// Breaks the circle: tasks hold the simulation, which holds the tasks.
    pub(crate) fn dismantle(&self) {
        let mut world = self.world();
        let tasks = std::mem::take(&mut world.tasks);
        let calls = std::mem::take(&mut world.calls);
        let sleeps = std::mem::take(&mut world.sleeps);
        let handles = std::mem::take(&mut *lock(&self.handles));
        let groups = std::mem::take(&mut *lock(&self.groups));
        let registers = std::mem::take(&mut *lock(&self.registers));
        drop(world);
        drop((tasks, calls, sleeps, handles, groups, registers));
    }
}

impl World {
    pub(crate) fn schedule(&mut self, at: Nanos, event: Event) {
        self.next_number += 1;
        self.scheduled.push(Scheduled { at: at.max(self.now), number: self.next_number, event });
    }

    /// Unless somebody stands still in the middle of something.
    fn check_heard_by_now(&mut self) {
        if self.depth == 0 {
            self.check_heard();
        }
    }

    /// A run got into this.
    pub(crate) fn reach(&mut self, situation: Situation) {
        self.tally.counts.reached.count(situation);
    }

    /// As `reach`, if somebody leads of this process, or at all if `None`.
    pub(crate) fn reach_if_led(&mut self, process: Option<usize>, situation: Situation) {
        let concerned = |seat: &&Seat| seat.leads && process.is_none_or(|process| seat.process == process);
        if self.seats.iter().any(|seat| concerned(&seat)) {
            self.reach(situation);
        }
    }

    /// Takes down what happened, for people and for the comparison of two runs.
    pub(crate) fn note(&mut self, what: impl FnOnce() -> What, fingerprint: [u64; 3]) {
        self.note_at(self.now, what, fingerprint);
    }

    /// As `note`, of what happened a while ago.
    pub(crate) fn note_at(&mut self, at: Nanos, what: impl FnOnce() -> What, fingerprint: [u64; 3]) {
        self.tally.mix(self.now, fingerprint);
        if self.tracing {
            self.record(at, what());
        }
    }

    /// Takes down for people what follows from the rest.
    pub(crate) fn record(&mut self, at: Nanos, what: What) {
        if self.tracing {
            self.trace.entries.push(Entry { at: Duration::from_nanos(at), what });
        }
    }

    /// Nothing of this process runs until then.
    pub(crate) fn pause(&mut self, process: usize, until: Nanos, why: &'static str) {
        if until > self.processes[process].paused_until {
            self.processes[process].paused_until = until;
            self.schedule(until, Event::Resume(process));
        }
        self.fault_noted(Some(process), why, until);
    }
}
