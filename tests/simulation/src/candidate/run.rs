//! `Driver::run`, as a service does it.

use std::time::Duration;

use super::{Place, program};
use crate::handle::Handle;

pub(super) async fn take_part(place: Place) {
    while !place.is_dead() {
        let (candidate, driver) = place.build(None);
        place.install(Handle::candidate(candidate.clone()));
        program::start(&place, candidate);
        driver.run().await;
        // Somebody shut it down.
        place.sim.look(place.seat);
        let ttl = place.ttl();
        let pause = place.draw(|random| random.duration(Duration::ZERO, ttl * 2));
        place.sleep_at_most(pause).await;
    }
}
