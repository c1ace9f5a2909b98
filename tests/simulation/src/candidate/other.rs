//! A participant in a reference protocol.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::Poll;

use super::Place;
use crate::handle::Handle;
use crate::message::Travels;
use crate::reference::{Failed, Todo};
use crate::sim::lock;

pub(super) async fn take_part<R: Travels>(place: Place) {
    let timer = place.timer();
    let random = place.draw(|random| {
        random.draw();
        random.clone()
    });
    let id = {
        let mut world = place.sim.world();
        let start = u64::from(world.processes[place.process].incarnation);
        let id = start << 32 | (place.seat as u64 + 1);
        let seat = &mut world.seats[place.seat];
        (seat.reference_id, seat.granted) = (id, 0);
        id
    };
    let participant = Arc::new(Mutex::new(R::start(id, random, timer.clocks())));
    let asked = participant.clone();
    place.install(Handle::Reference(Box::new(move |clocks| lock(&asked).is_leader(clocks)), timer.clone()));
    place.spawn(Vec::new(), work(place.clone(), participant.clone()));
    loop {
        let clocks = timer.clocks();
        let todo = lock(&participant).next(clocks);
        match todo {
            Todo::Wait { until } => timer.sleep_awake_until(until).await,
            Todo::Call { request, timeout } => {
                let mut call = pin!(place.call(vec![place.seat], R::ask(request)));
                let mut late = pin!(timer.sleep_awake_until(timer.clocks().monotonic + timeout));
                let answer = poll_fn(|cx| match call.as_mut().poll(cx) {
                    Poll::Ready(told) => Poll::Ready(R::told(told)),
                    Poll::Pending => late.as_mut().poll(cx).map(|()| Err(Failed)),
                })
                .await;
                let clocks = timer.clocks();
                lock(&participant).answered(clocks, answer);
            }
        }
    }
}

/// The same work that is done under a leadership, with the one question that there is.
async fn work<R: Travels>(place: Place, participant: Arc<Mutex<R>>) {
    let ttl = place.ttl();
    loop {
        let pause = place.draw(|random| random.exponential(ttl));
        place.sleep(pause).await;
        let clocks = place.timer().clocks();
        if !lock(&participant).is_leader(clocks) {
            continue;
        }
        let reign = place.sim.world().seats[place.seat].term;
        if place.draw(|random| random.chance(0.3)) {
            let between = place.draw(|random| random.scale(ttl / 1000, ttl));
            place.sleep(between).await;
        }
        place.write(None, reign);
    }
}
