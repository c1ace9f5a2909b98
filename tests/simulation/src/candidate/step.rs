//! `Driver::step`, from one alarm to the next: instances come and go, and leave a ticket.

use std::time::Duration;

use lessor::Ticket;

use super::{Place, program};
use crate::handle::Handle;
use crate::plan::Misuse;
use crate::reached::Situation;

pub(super) async fn take_part(place: Place) {
    while !place.is_dead() {
        let (candidate, mut driver) = place.build(take_ticket(&place));
        place.install(Handle::candidate(candidate.clone()));
        program::start(&place, candidate);
        let ttl = place.ttl();
        let mut pause = place.draw(|random| random.duration(Duration::ZERO, ttl * 2));
        loop {
            let Some(wake_in) = driver.step().await.wake_in else { break };
            let evictions = place.sim.world().plan.faults.evictions;
            let healed = place.healed();
            if place.draw(|random| !healed && random.chance(evictions)) {
                // Demoted first: the ticket is written by an instance that does not lead any more.
                place.asks(|asked| asked.drop = true);
                let ticket = driver.into_ticket();
                leave_ticket(&place, ticket);
                pause = place.draw(|random| random.scale(ttl / 1000, ttl));
                break;
            }
            place.sleep(wake_in).await;
        }
        place.sim.look(place.seat);
        place.sleep_at_most(pause).await;
    }
}

/// Whoever takes the ticket is the only one to have it.
fn take_ticket(place: &Place) -> Option<Ticket> {
    let key = place.key();
    let mut world = place.sim.world();
    if world.plan.misuse == Some(Misuse::TicketKept) {
        return world
            .seats
            .iter()
            .filter(|seat| seat.key == key)
            .find_map(|seat| seat.ticket.as_deref())
            .and_then(Ticket::from_bytes);
    }
    let ticket = Ticket::from_bytes(&world.seats[place.seat].ticket.take()?)?;
    let row = world.plan.row_of(ticket.key());
    world.seats[place.seat].resumed = Some(row);
    world.reach(Situation::TicketTaken);
    Some(ticket)
}

fn leave_ticket(place: &Place, ticket: Option<Ticket>) {
    if !place.is_dead() {
        place.sim.world().seats[place.seat].ticket = ticket.map(|ticket| ticket.into_bytes());
    }
}
