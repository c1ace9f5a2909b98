//! The participants: the shipped code in each of the ways in which it can be driven, and the reference protocols.

use std::sync::Arc;
use std::time::Duration;

use lessor::{Builder, Candidate, Driver, Group, GroupBuilder, Id, Instant, Spread, Ticket, Timer};

use crate::clock::Nanos;
use crate::handle::Handle;
use crate::maybe_send::MaybeSend;
use crate::message::{Ask, Told};
use crate::plan::{self, Kind, Protocol, nanos};
use crate::port::Port;
use crate::random::Random;
use crate::reference::client_go::ClientGo;
use crate::reference::less::Less;
use crate::sim::{Event, Sim, lock};
use crate::timer::{SimSleep, SimTimer};

mod batch;
mod group;
mod other;
mod program;
mod run;
mod step;

/// A seat in one life of its process: what everything that runs there holds on to.
#[derive(Clone)]
pub(crate) struct Place {
    pub(crate) sim: Arc<Sim>,
    pub(crate) process: usize,
    pub(crate) incarnation: u32,
    pub(crate) seat: usize,
    /// Whose program this is; `None`: not that of one instance.
    instance: Option<u32>,
}

impl Place {
    pub(crate) fn timer(&self) -> SimTimer {
        SimTimer { sim: self.sim.clone(), process: self.process, incarnation: self.incarnation }
    }

    pub(crate) fn sleep(&self, duration: Duration) -> SimSleep {
        self.timer().sleep(duration)
    }

    /// A pause that is over when all is well again, at the latest.
    fn sleep_at_most(&self, duration: Duration) -> SimSleep {
        let world = self.sim.world();
        let clock = &world.processes[self.process].clock;
        let (now, healed) = (clock.at(world.now), clock.at(world.plan.heal_at.max(world.now)));
        drop(world);
        self.timer().sleep_until((now + nanos(duration)).min(healed))
    }

    /// Draws from the stream of this seat's programs.
    pub(crate) fn draw<A>(&self, draw: impl FnOnce(&mut Random) -> A) -> A {
        draw(&mut self.sim.world().seats[self.seat].program)
    }

    /// In whose favour it resigns, if in anybody's: its own too, or that of one that does not exist.
    fn successor(&self) -> Option<Id> {
        let world = self.sim.world();
        let (transfers, others) = (world.plan.faults.transfers, world.plan.participants.len() as u64);
        drop(world);
        let named = transfers > 0.0 && self.draw(|random| random.chance(transfers));
        let number = named.then(|| self.draw(|random| random.between(0, others + 1)))?;
        Some(Id::new(format!("p{number}")).expect("a valid id"))
    }

    fn ttl(&self) -> Duration {
        Duration::from_nanos(self.sim.world().seats[self.seat].ttl())
    }

    fn key(&self) -> usize {
        self.sim.world().seats[self.seat].key
    }

    fn healed(&self) -> bool {
        self.sim.world().healed
    }

    /// Whether this life is over.
    pub(crate) fn is_dead(&self) -> bool {
        self.sim.world().processes[self.process].incarnation != self.incarnation
    }

    fn call(&self, seats: Vec<usize>, ask: Ask) -> impl Future<Output = Told> + MaybeSend + 'static {
        self.sim.call(self.process, self.incarnation, seats, ask)
    }

    /// A candidate as a user builds it.
    fn build(&self, ticket: Option<Ticket>) -> (Candidate, Driver<Port>) {
        let mut builder = self.builder().id(format!("p{}", self.process));
        if let Some(ticket) = ticket {
            builder = builder.resume(ticket);
        }
        builder.build_with(self.port(), self.timer(), self.entropy()).expect("the plan draws valid configurations")
    }

    fn builder(&self) -> Builder {
        let world = self.sim.world();
        let seat = &world.seats[self.seat];
        let builder = Builder::new(format!("k{}", seat.key)).config(seat.participant.config.clone());
        match world.plan.slots {
            0 => builder,
            slots => builder.slots(slots as u16),
        }
    }

    fn group_builder(&self) -> GroupBuilder {
        let builder = Group::builder().id(format!("p{}", self.process));
        let world = self.sim.world();
        match (&world.plan.spread, world.plan.member(self.process)) {
            (Some(plan::Spread { ttl, .. }), Some(member)) => {
                let spread = Spread::new(plan::Spread::NAME).ttl(*ttl).weight(member.weight);
                builder.spread(spread.moves_per_minute(member.moves_per_minute))
            }
            _ => builder,
        }
    }

    /// Whether this process campaigns for the key of this seat.
    fn has_key(&self) -> bool {
        let key = self.key();
        self.sim.world().plan.has_key(self.process, key)
    }

    fn port(&self) -> Port {
        Port { sim: self.sim.clone(), process: self.process, incarnation: self.incarnation }
    }

    fn entropy(&self) -> impl FnMut() -> u64 + MaybeSend + 'static {
        let (sim, number) = (self.sim.clone(), self.seat);
        move || sim.world().seats[number].entropy.draw()
    }

    /// A new instance takes the seat.
    fn install(&self, handle: Handle) {
        // A poll that stood still while its process crashed goes on for nobody.
        if self.is_dead() {
            return;
        }
        // What the last one still had to say.
        self.sim.look(self.seat);
        let old = lock(&self.sim.handles)[self.seat].replace(handle);
        drop(old);
        let mut world = self.sim.world();
        world.begin_instance(self.seat);
        world.count_key(self.seat, true);
        drop(world);
        self.sim.look(self.seat);
    }

    fn spawn(&self, seats: Vec<usize>, work: impl Future<Output = ()> + MaybeSend + 'static) {
        if !self.is_dead() {
            self.sim.spawn(self.process, seats, work);
        }
    }
}

fn at(instant: Instant) -> Nanos {
    nanos(instant.since_origin())
}

impl Sim {
    /// A process starts.
    pub(crate) fn start(self: &Arc<Self>, process: usize) {
        let mut world = self.world();
        let now = world.now;
        let state = &mut world.processes[process];
        if state.up || state.gone {
            return;
        }
        if state.paused_until > now {
            let at = state.paused_until;
            world.schedule(at, Event::Start(process));
            return;
        }
        state.up = true;
        let (incarnation, kind) = (state.incarnation, state.participant.kind);
        let (protocol, keys) = (world.plan.protocol, world.plan.keys);
        let over_registers = world.plan.registers.is_some();
        drop(world);
        if over_registers {
            let registers = self.open_registers(process, incarnation);
            lock(&self.registers)[process] = Some(registers);
        }
        let place =
            |key: usize| Place { sim: self.clone(), process, incarnation, seat: process * keys + key, instance: None };
        match (protocol, kind) {
            (Protocol::Lessor, Kind::Batch) => batch::start(&place(0), keys),
            (Protocol::Lessor, Kind::Group | Kind::GroupStep) => group::start(&place(0), keys, kind),
            _ => {
                for place in (0..keys).map(place) {
                    let seats = vec![place.seat];
                    match (protocol, kind) {
                        (Protocol::Less, _) => place.clone().spawn(seats, other::take_part::<Less>(place)),
                        (Protocol::ClientGo, _) => place.clone().spawn(seats, other::take_part::<ClientGo>(place)),
                        (_, Kind::Step) => place.clone().spawn(seats, step::take_part(place)),
                        _ => place.clone().spawn(seats, run::take_part(place)),
                    }
                }
            }
        }
    }

    /// A process is gone, without a word.
    pub(crate) fn crash(self: &Arc<Self>, process: usize) {
        let mut world = self.world();
        let state = &mut world.processes[process];
        if !state.up {
            return;
        }
        state.up = false;
        state.incarnation += 1;
        state.held.clear();
        let seats: Vec<_> = (0..world.seats.len()).filter(|seat| world.seats[*seat].process == process).collect();
        for seat in &seats {
            world.set_leads(*seat, false);
        }
        drop(world);
        let gone: Vec<_> = seats.iter().map(|seat| lock(&self.handles)[*seat].take()).collect();
        let group = lock(&self.groups)[process].take();
        let registers = lock(&self.registers)[process].take();
        drop((gone, group, registers));
        self.kill(process);
        let mut world = self.world();
        for seat in seats {
            world.begin_instance(seat);
        }
        world.forget_view(process);
        drop(world);
        self.count_answering(process);
    }

    /// A process goes on.
    pub(crate) fn resume(self: &Arc<Self>, process: usize) {
        let mut world = self.world();
        if world.processes[process].paused_until > world.now {
            return;
        }
        let held = std::mem::take(&mut world.processes[process].held);
        let seats: Vec<_> = (0..world.seats.len()).filter(|seat| world.seats[*seat].process == process).collect();
        drop(world);
        // What it would answer before any of its tasks gets to do something.
        seats.into_iter().for_each(|seat| self.look(seat));
        self.count_answering(process);
        self.requeue(held);
    }

    /// From here on nothing is wrong any more; what is on its way still arrives.
    pub(crate) fn heal(self: &Arc<Self>) {
        let mut world = self.world();
        world.healed = true;
        let processes = world.processes.len();
        drop(world);
        (0..processes).for_each(|process| self.start(process));
    }
}
