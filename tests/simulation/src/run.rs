//! A whole run.

use crate::log::Logged;
use crate::outcome::Outcome;
use crate::plan::{Plan, Protocol};
use crate::random::Random;
use crate::sim::{Event, Sim};

/// Runs a plan to its end, or to the first broken promise. `record` keeps what happened, for a picture.
pub fn run(plan: Plan, record: bool) -> Outcome {
    to_its_end(plan, record, None).0
}

/// As [`run`], and what the storage judged, in order.
pub fn logged(plan: Plan) -> (Outcome, Vec<Logged>) {
    let (outcome, log) = to_its_end(plan, false, Some(Vec::new()));
    (outcome, log.unwrap_or_default())
}

fn to_its_end(plan: Plan, record: bool, log: Option<Vec<Logged>>) -> (Outcome, Option<Vec<Logged>>) {
    let (seed, protocol, heal_at, ttl) = (plan.seed, plan.protocol, plan.heal_at, plan.ttl);
    let sim = Sim::new(plan, record);
    sim.schedule_faults();
    let mut starts = Random::stream(seed, "starts", 0);
    let mut world = sim.world();
    world.log = log;
    for process in 0..world.processes.len() {
        let at = if starts.chance(0.5) { 0 } else { starts.between(0, ttl * 2) };
        world.schedule(at, Event::Start(process));
    }
    drop(world);
    sim.run_until(heal_at);
    if protocol == Protocol::Lessor {
        sim.check_healed();
        sim.check_hand_over();
    } else {
        sim.run_until(heal_at + ttl * 12);
    }
    let mut guard = sim.world();
    let world = &mut *guard;
    let tally = std::mem::replace(&mut world.tally, crate::outcome::Tally::new(&world.plan));
    let (now, deviation) = (world.now, world.checks.deviation.take());
    let broken = world.checks.broken.take().or(deviation);
    let log = world.log.take();
    let mut trace = std::mem::take(&mut world.trace);
    trace.entries.sort_by_key(|entry| entry.at);
    let outcome = tally.outcome(seed, now, broken, trace);
    drop(guard);
    sim.dismantle();
    (outcome, log)
}
