//! `Election` in a plain loop, without any async code of the library: all keys of a process together, in batches.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use futures::Stream;
use lessor::election::{Election, Input, Output, RequestId};
use lessor::storage::{Request, Session};
use lessor::{Event, Id, Instant, Key, Storage, StorageError, Term, Timer, Value, Wakeups};

use super::{Place, at};
use crate::clock::Nanos;
use crate::handle::{Handle, Resigns};
use crate::maybe_send::BoxFuture;
use crate::message::{Ask, Told};
use crate::plan::{Faults, nanos};
use crate::sim::lock;
use crate::timer::SimSleep;

type Elections = Arc<Mutex<Vec<Election>>>;

pub(super) fn start(place: &Place, keys: usize) {
    let places: Vec<_> = (0..keys).map(|key| Place { seat: place.seat + key, ..place.clone() }).collect();
    let seats = places.iter().map(|place| place.seat).collect();
    place.spawn(seats, take_part(places));
}

async fn take_part(places: Vec<Place>) {
    let elections: Elections = Arc::default();
    let mut desks = Vec::new();
    for (number, place) in places.iter().enumerate() {
        let timer = place.timer();
        let now = timer.now();
        lock(&elections).push(begin(place, now));
        let desk = Desk::new(place);
        let (elections, resign) = (elections.clone(), desk.resign.clone());
        place.install(Handle::Election { elections, place: number, timer, resign });
        desks.push(desk);
    }
    for (number, place) in places.iter().enumerate() {
        place.spawn(Vec::new(), work(place.clone(), elections.clone(), number));
    }
    let faults = places[0].sim.world().plan.faults.clone();
    Loop { desks, faults, places, elections, batches: Vec::new(), sleep: None }.await;
}

fn begin(place: &Place, now: Instant) -> Election {
    let mut world = place.sim.world();
    let slots = world.plan.slots;
    let seat = &mut world.seats[place.seat];
    let key = Key::new(format!("k{}", seat.key)).expect("a valid key");
    let id = Id::new(format!("p{}", place.process)).expect("a valid id");
    let config = seat.participant.config.clone();
    let session = Session::from_bits(u128::from(seat.entropy.draw()) << 64 | u128::from(seat.entropy.draw()));
    let jitter = seat.entropy.draw();
    let election = Election::new(key, id, config, session, jitter, now).expect("the plan draws valid configurations");
    match slots {
        0 => election,
        slots => election.with_slots(slots as u16).expect("a few slots"),
    }
}

/// What goes on beside an election.
struct Desk {
    wakeups: Vec<Wakeups>,
    /// The work of this term ends by itself then.
    ends: Option<(Term, Nanos)>,
    next_wish: Nanos,
    back: Option<Nanos>,
    /// How many values were published.
    values: u64,
    /// It is to resign.
    resign: Resigns,
}

impl Desk {
    fn new(place: &Place) -> Self {
        let (key, port) = (place.key(), place.port());
        let plan = place.sim.world().plan.clone();
        // Registers know nothing of what belongs together.
        let keys = if plan.registers.is_some() && plan.slots > 0 {
            (0..plan.slots).map(|slot| plan.name_of(plan.row(key, Some(slot as u16)))).collect()
        } else {
            vec![Key::new(format!("k{key}")).expect("a valid key")]
        };
        let wakeups = keys.iter().map(|key| port.subscribe(key)).collect();
        Self { wakeups, ends: None, next_wish: 0, back: None, values: 0, resign: Arc::default() }
    }
}

struct Batch {
    parts: Vec<(usize, RequestId)>,
    call: BoxFuture<Told>,
}

struct Loop {
    places: Vec<Place>,
    elections: Elections,
    desks: Vec<Desk>,
    faults: Faults,
    batches: Vec<Batch>,
    sleep: Option<Pin<Box<SimSleep>>>,
}

impl Loop {
    fn now(&self) -> Instant {
        self.places[0].timer().now()
    }

    fn input(&self, number: usize, input: Input) {
        let now = self.now();
        lock(&self.elections)[number].handle_input(now, input);
    }

    fn resign(&self, number: usize, successor: Option<Id>, is_patient: bool) {
        self.input(number, successor.map_or(Input::Resign, |to| Input::Transfer { to, is_patient }));
    }

    /// Everything that has come; true if anything has.
    fn take_in(&mut self, cx: &mut Context<'_>) -> bool {
        // What a storage is told of changes is what it answers by.
        let over_registers = self.is_over_registers();
        let woken = over_registers && self.hear_wakeups(cx);
        let mut came = Vec::new();
        self.batches.retain_mut(|batch| match batch.call.as_mut().poll(cx) {
            Poll::Ready(told) => {
                came.push((std::mem::take(&mut batch.parts), told));
                false
            }
            Poll::Pending => true,
        });
        let any = woken || !came.is_empty();
        for (parts, told) in came {
            let mut replies = match told {
                Told::Lessor(replies) => replies.into_iter(),
                _ => Vec::new().into_iter(),
            };
            for (number, id) in parts {
                let failed = || Err(StorageError::transient("connection reset"));
                let reply = replies.next().unwrap_or_else(failed);
                let waits = lock(&self.elections)[number].in_flight() == Some(id);
                let place = &self.places[number];
                // A poll that stood still while its process crashed hears nothing for the one that came after.
                if let (Ok(reply), true) = (&reply, waits && !place.is_dead()) {
                    place.sim.world().hears(place.seat, reply);
                }
                // Twice is harmless: what is not in flight any more is dropped.
                self.input(number, Input::Reply { id, reply: reply.clone() });
                self.input(number, Input::Reply { id, reply });
            }
        }
        any | (!over_registers && self.hear_wakeups(cx))
    }

    fn hear_wakeups(&mut self, cx: &mut Context<'_>) -> bool {
        let over_registers = self.is_over_registers();
        let mut any = false;
        for number in 0..self.desks.len() {
            for place in 0..self.desks[number].wakeups.len() {
                while Pin::new(&mut self.desks[number].wakeups[place]).poll_next(cx).is_ready() {
                    self.input(number, Input::Wakeup);
                    any = true;
                    // A watch is to be asked until it has no more to say; a hint is kept.
                    if !over_registers {
                        break;
                    }
                }
            }
        }
        any
    }

    fn is_over_registers(&self) -> bool {
        self.places[0].sim.world().plan.registers.is_some()
    }

    /// What the user does meanwhile. Answers when to look again.
    fn wish(&mut self, number: usize, now: Nanos) -> Nanos {
        let place = self.places[number].clone();
        let ttl = place.ttl();
        let desk = &mut self.desks[number];
        if let Some((term, ends)) = desk.ends
            && ends <= now
        {
            desk.ends = None;
            place.sim.world().end_work(place.seat, term.get());
            self.input(number, Input::Drained(term));
        }
        let resigns = lock(&self.desks[number].resign).take();
        if let Some(successor) = resigns {
            self.resign(number, successor, false);
        }
        let means = [self.faults.resigns, self.faults.values, self.faults.shutdowns];
        let often: f64 = means.iter().filter(|mean| **mean > 0.0).map(|mean| 1.0 / mean).sum();
        if often > 0.0 && !place.healed() && self.desks[number].next_wish <= now {
            let first = self.desks[number].next_wish == 0;
            let pause = place.draw(|random| random.exponential(ttl.mul_f64(1.0 / often)));
            self.desks[number].next_wish = now + nanos(pause) + 1;
            if !first {
                let which = place.draw(|random| random.between(0, 3));
                match which {
                    0 if self.faults.resigns > 0.0 => {
                        place.asks(|asked| asked.resign = true);
                        let successor = place.successor();
                        let is_patient = successor.is_some() && place.draw(|random| random.chance(0.5));
                        self.resign(number, successor, is_patient);
                    }
                    1 if self.faults.values > 0.0 => {
                        let value = place.draw(|random| Value::new(format!("{:x}", random.draw())).ok());
                        place.allow_request();
                        place.at_desk(|desk| desk.publish(value.clone()));
                        self.desks[number].values += 1;
                        let serial = self.desks[number].values;
                        self.input(number, Input::SetValue { value, serial });
                    }
                    2 if self.faults.shutdowns > 0.0 => {
                        place.asks(|asked| asked.stop = true);
                        self.input(number, Input::Stop);
                    }
                    _ => {}
                }
            }
        }
        let desk = &self.desks[number];
        let wish = if often > 0.0 && !place.healed() { desk.next_wish } else { Nanos::MAX };
        [desk.ends.map(|(_, at)| at), desk.back].into_iter().flatten().fold(wish, Nanos::min)
    }

    /// What an election wants: its request, if any, and when to look again.
    fn settle(&mut self, number: usize) -> (Option<(RequestId, Request)>, Nanos) {
        let place = self.places[number].clone();
        let mut sends = None;
        loop {
            let now = self.now();
            let output = lock(&self.elections)[number].poll_output(now);
            match output {
                Output::Event(event) => self.told(number, &event, at(now)),
                Output::DrawSession => {
                    let mut world = place.sim.world();
                    let entropy = &mut world.seats[place.seat].entropy;
                    let bits = u128::from(entropy.draw()) << 64 | u128::from(entropy.draw());
                    drop(world);
                    self.input(number, Input::Session(Session::from_bits(bits)));
                }
                Output::Request { id, request, .. } => {
                    // What was in flight before is not waited for any more.
                    sends = Some((id, request));
                }
                Output::Timeout(until) => return (sends, at(until)),
                Output::Done => return (sends, self.stopped(number, at(now))),
                _ => return (sends, Nanos::MAX),
            }
        }
    }

    fn told(&mut self, number: usize, event: &Event, now: Nanos) {
        let place = &self.places[number];
        // A poll that stood still while its process crashed goes on for nobody.
        if place.is_dead() {
            return;
        }
        place.sim.world().saw(place.seat, event);
        match event {
            Event::Elected { term, .. } => place.sim.world().begin_work(place.seat, term.get()),
            Event::Ending { term, .. } => {
                let longest = place.sim.world().seats[place.seat].participant.config.drain_timeout.mul_f64(1.5);
                let rest = place.draw(|random| random.duration(Duration::ZERO, longest));
                self.desks[number].ends = Some((*term, now + nanos(rest)));
            }
            Event::Lost { term, .. } => {
                self.desks[number].ends = None;
                place.sim.world().end_lost_work(place.seat, term.get());
            }
            _ => {}
        }
    }

    /// It was stopped: after a while a new one begins.
    fn stopped(&mut self, number: usize, now: Nanos) -> Nanos {
        let place = self.places[number].clone();
        let ttl = place.ttl();
        let back = *self.desks[number]
            .back
            .get_or_insert_with(|| now + nanos(place.draw(|random| random.duration(Duration::ZERO, ttl * 2))));
        if back > now && !place.healed() {
            return back;
        }
        self.desks[number].back = None;
        if place.is_dead() {
            return Nanos::MAX;
        }
        let election = begin(&place, Instant::from_origin(Duration::from_nanos(now)));
        place.sim.look(place.seat);
        lock(&self.elections)[number] = election;
        place.sim.world().begin_instance(place.seat);
        now
    }
}

impl Future for Loop {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        loop {
            this.take_in(cx);
            let mut wake_at = Nanos::MAX;
            let (mut parts, mut seats, mut requests) = (Vec::new(), Vec::new(), Vec::new());
            for number in 0..this.places.len() {
                let now = at(this.now());
                let wish = this.wish(number, now);
                let (sends, at) = this.settle(number);
                // What was done in between may have moved it.
                let wish = wish.min(this.desks[number].ends.map_or(Nanos::MAX, |(_, at)| at));
                wake_at = wake_at.min(wish).min(at);
                if let Some((id, request)) = sends {
                    parts.push((number, id));
                    seats.push(this.places[number].seat);
                    requests.push(request);
                }
            }
            if !requests.is_empty() {
                let call = Box::pin(this.places[0].call(seats, Ask::Lessor(requests)));
                this.batches.push(Batch { parts, call });
                continue;
            }
            // Nobody waits for what no election waits for.
            let elections = this.elections.clone();
            this.batches.retain(|batch| {
                let elections = lock(&elections);
                batch.parts.iter().any(|(number, id)| elections[*number].in_flight() == Some(*id))
            });
            let timer = this.places[0].timer();
            let mut sleep = Box::pin(timer.sleep_until(wake_at));
            if sleep.as_mut().poll(cx).is_pending() {
                this.sleep = Some(sleep);
                return Poll::Pending;
            }
        }
    }
}

/// Writes to the resource from time to time, each after asking.
async fn work(place: Place, elections: Elections, number: usize) {
    let ttl = place.ttl();
    loop {
        let pause = place.draw(|random| random.exponential(ttl));
        place.sleep(pause).await;
        let now = place.timer().now();
        let (term, slot) = {
            let elections = lock(&elections);
            let status = elections[number].status();
            (status.term.filter(|_| elections[number].is_leader(now)), status.slot)
        };
        let Some(term) = term else { continue };
        if place.draw(|random| random.chance(0.3)) {
            let between = place.draw(|random| random.scale(ttl / 1000, ttl));
            place.sleep(between).await;
        }
        place.write(slot, term.get());
    }
}
