//! `GroupDriver`: all keys of a process under one driver, which runs or is stepped. Groups end in each of their ways, and
//! candidates come and go within one.

use std::future::pending;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::StreamExt;
use futures::future::{Either, select};
use lessor::{BuildError, Candidate, Group, GroupDriver};

use super::{Place, program};
use crate::handle::Handle;
use crate::hint::Hint;
use crate::plan::Kind;
use crate::port::Port;
use crate::seat::Asked;
use crate::sim::lock;

/// A group as long as somebody keeps it, and a bell that rings when it has a new candidate: then it is stepped.
#[derive(Clone)]
struct Kept {
    group: Arc<Mutex<Option<Group>>>,
    bell: Hint,
}

impl Kept {
    fn get(&self) -> Option<Group> {
        lock(&self.group).clone()
    }

    fn take(&self) -> Option<Group> {
        lock(&self.group).take()
    }
}

/// How a group ends.
#[derive(Clone, Copy, Debug)]
enum End {
    DriverDropped,
    Stopped,
    Shutdown,
    LastHandle,
}

pub(super) fn start(place: &Place, keys: usize, kind: Kind) {
    let places: Vec<_> = (0..keys).map(|key| Place { seat: place.seat + key, ..place.clone() }).collect();
    let seats = places.iter().map(|place| place.seat).collect();
    place.spawn(seats, take_part(places, kind));
}

async fn take_part(places: Vec<Place>, kind: Kind) {
    let first = &places[0];
    while !first.is_dead() {
        let (group, driver) = first
            .group_builder()
            .build_with(first.port(), first.timer(), first.entropy())
            .expect("the plan draws valid spreads");
        first.begin_group(group.events());
        let kept = Kept { group: Arc::new(Mutex::new(Some(group))), bell: Hint::default() };
        for place in places.iter().filter(|place| place.has_key()) {
            place.spawn(Vec::new(), belong(place.clone(), kept.clone()));
        }
        let end =
            first.draw(|random| random.choose(&[End::DriverDropped, End::Stopped, End::Shutdown, End::LastHandle]));
        match kind {
            Kind::GroupStep => step(&places, driver, &kept, end).await,
            _ => run(&places, driver, &kept, end).await,
        }
        drop(kept.take());
        places.iter().for_each(|place| place.sim.look(place.seat));
        let ttl = first.ttl();
        let pause = first.draw(|random| random.duration(Duration::ZERO, ttl * 2));
        first.sleep_at_most(pause).await;
    }
}

async fn run(places: &[Place], driver: GroupDriver<Port>, kept: &Kept, end: End) {
    let place = places[0].clone();
    match end {
        End::DriverDropped => {
            let driver = pin!(driver.run());
            if let Either::Right(_) = select(driver, pin!(its_end(place.clone()))).await {
                // What is pinned is dropped at the end of this block.
                place.end_group(Asked { drop: true, ..Asked::default() });
            }
        }
        End::Stopped => {
            let stop = async {
                its_end(place.clone()).await;
                place.end_group(Asked { stop: true, ..Asked::default() });
            };
            driver.run_until(stop).await;
        }
        End::Shutdown | End::LastHandle => {
            let kept = kept.clone();
            place.spawn(Vec::new(), close(place.clone(), kept, end));
            driver.run().await;
        }
    }
}

async fn close(place: Place, kept: Kept, end: End) {
    its_end(place.clone()).await;
    place.end_group(Asked { stop: true, ..Asked::default() });
    let group = kept.take();
    kept.bell.give();
    if let (End::Shutdown, Some(group)) = (end, group) {
        let _ = group.shutdown().await;
    }
}

/// When somebody ends it, if anybody does.
async fn its_end(place: Place) {
    let ttl = place.ttl();
    let mean = place.sim.world().plan.faults.shutdowns;
    if mean == 0.0 {
        return pending().await;
    }
    let life = place.draw(|random| random.exponential(ttl.mul_f64(mean)));
    place.sleep(life).await;
    if place.healed() {
        pending().await
    }
}

async fn step(places: &[Place], mut driver: GroupDriver<Port>, kept: &Kept, end: End) {
    let place = &places[0];
    if let End::Shutdown | End::LastHandle = end {
        place.spawn(Vec::new(), close(place.clone(), kept.clone(), end));
    }
    let mut bell = kept.bell.clone();
    loop {
        let wake_in = driver.step().await.wake_in;
        place.count_step();
        let Some(wake_in) = wake_in else { return };
        let evictions = place.sim.world().plan.faults.evictions;
        let healed = place.healed();
        if place.draw(|random| !healed && random.chance(evictions)) {
            place.end_group(Asked { drop: true, ..Asked::default() });
            return;
        }
        let _ = select(place.sleep(wake_in), bell.next()).await;
    }
}

/// One candidate after the other for a key of the group.
async fn belong(place: Place, kept: Kept) {
    while let Some(mut candidate) = join(&place, &kept) {
        program::start(&place, candidate.clone());
        program::stopped(&mut candidate).await;
        let Some(group) = kept.get() else { return };
        // It is told of its end before the group forgets it.
        let _ = group.remove(candidate.key().as_str()).await;
        drop(group);
        place.sim.look(place.seat);
        let ttl = place.ttl();
        let pause = place
            .draw(|random| if random.chance(0.3) { Duration::ZERO } else { random.duration(Duration::ZERO, ttl * 2) });
        if !pause.is_zero() {
            place.sleep_at_most(pause).await;
        }
    }
}

fn join(place: &Place, kept: &Kept) -> Option<Candidate> {
    let group = kept.get()?;
    match group.add(place.builder()) {
        Ok(candidate) => {
            let handle = Handle::candidate(candidate.clone());
            // Where a thread stood still meanwhile the group may be gone, and another have the seat.
            kept.get()?;
            place.install(handle);
            kept.bell.give();
            Some(candidate)
        }
        Err(BuildError::InGroup { .. }) => {
            place.sim.world().fail_removal(place.seat);
            None
        }
        Err(_) => None,
    }
}
