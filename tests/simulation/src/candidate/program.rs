//! What a user's program does with a candidate: work, hand over, publish, shut down.

use std::pin::pin;
use std::time::Duration;

use futures::future::{Either, select};
use lessor::{Candidate, Leadership, Lost, Value};

use super::Place;
use crate::invariant::Desk;
use crate::plan::Style;
use crate::seat::Asked;

pub(super) fn start(place: &Place, candidate: Candidate) {
    let instance = place.sim.world().seats[place.seat].instance;
    let place = Place { instance: Some(instance), ..place.clone() };
    place.spawn(Vec::new(), lead(place.clone(), candidate.clone()));
    place.spawn(Vec::new(), disturb(place.clone(), candidate));
}

async fn lead(place: Place, candidate: Candidate) {
    let style = place.sim.world().seats[place.seat].participant.style;
    while let Ok(leadership) = candidate.elected().await {
        place.at_desk(|desk| desk.elected = leadership.term().get());
        match style {
            Style::Run => {
                if let Err(lost) = leadership.run(work(&place, &leadership, true)).await {
                    place.heard(&leadership, &lost);
                }
            }
            Style::Guard => guarded(&place, &leadership).await,
            Style::Ask => {
                let over = async { place.heard(&leadership, &leadership.lost().await) };
                let _ = select(pin!(work(&place, &leadership, false)), pin!(over)).await;
            }
        }
    }
}

/// Work that is told to end, and takes its time for that; sometimes more than it gets.
async fn guarded(place: &Place, leadership: &Leadership) {
    let guard = match leadership.guard() {
        Ok(guard) => guard,
        Err(lost) => return place.heard(leadership, &lost),
    };
    let busy = Busy::begin(place, leadership);
    let _ = select(pin!(work(place, leadership, false)), pin!(leadership.ending())).await;
    if let Err(lost) = place.sim.observe(|| leadership.guard().map(drop)) {
        place.heard(leadership, &lost);
    }
    let longest = place.sim.world().plan.longest_rest(place.process);
    let rest = place.draw(|random| random.duration(Duration::ZERO, longest));
    let _ = select(place.sleep(rest), pin!(leadership.lost())).await;
    drop(busy);
    drop(guard);
}

/// Writes to the resource from time to time, each after asking; what it sends may be long overtaken when it gets there.
async fn work(place: &Place, leadership: &Leadership, counts: bool) {
    let _busy = counts.then(|| Busy::begin(place, leadership));
    let ttl = place.ttl();
    loop {
        let pause = place.draw(|random| random.exponential(ttl));
        place.sleep(pause).await;
        let Ok(term) = leadership.check(ttl / 100) else { continue };
        if place.draw(|random| random.chance(0.3)) {
            let between = place.draw(|random| random.scale(ttl / 1000, ttl));
            place.sleep(between).await;
        }
        place.write(leadership.slot(), term.get());
    }
}

impl Place {
    /// Something is published: that may be said at once.
    pub(super) fn allow_request(&self) {
        self.sim.world().allow(self.seat, 1);
    }

    /// Whether the instance that this program belongs to still has the seat.
    fn is_present(&self) -> bool {
        let instance = self.sim.world().seats[self.seat].instance;
        !self.is_dead() && self.instance.is_none_or(|mine| mine == instance)
    }

    /// Notes what the user asks of the candidate.
    pub(super) fn asks(&self, note: impl FnOnce(&mut Asked)) {
        if self.is_present() {
            note(&mut self.sim.world().seats[self.seat].asked);
        }
    }

    /// Notes what its program is told.
    pub(super) fn at_desk(&self, note: impl FnOnce(&mut Desk)) {
        if self.is_present() {
            note(&mut self.sim.world().seats[self.seat].desk);
        }
    }

    /// Waits for an answer.
    async fn waits<A>(&self, what: &'static str, answer: impl Future<Output = A>) -> A {
        self.at_desk(|desk| desk.waits_for = Some(what));
        let answer = answer.await;
        self.at_desk(|desk| desk.waits_for = None);
        answer
    }

    /// Its leadership says this of its end.
    fn heard(&self, leadership: &Leadership, lost: &Lost) {
        if self.is_present() {
            // The driver may stand still in the middle of the poll in which it ended.
            self.sim.look(self.seat);
            self.sim.world().check_lost(self.seat, leadership.slot(), lost);
        }
    }

    /// Sends a write of this term to the resource.
    pub(super) fn write(&self, slot: Option<u16>, term: u64) {
        if !self.is_dead() {
            // The driver may stand still in the middle of the poll in which it was elected.
            self.sim.look(self.seat);
            self.sim.world().send_write(self.seat, slot, term);
        }
    }
}

/// Work is running as long as this lives.
pub(super) struct Busy {
    place: Place,
    term: u64,
}

impl Busy {
    fn begin(place: &Place, leadership: &Leadership) -> Self {
        let term = leadership.term().get();
        place.sim.world().begin_work(place.seat, term);
        Self { place: place.clone(), term }
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        if !self.place.is_dead() {
            self.place.sim.world().end_work(self.place.seat, self.term);
        }
    }
}

/// Resigns, publishes and shuts down when nobody expects it.
async fn disturb(place: Place, mut candidate: Candidate) {
    let ttl = place.ttl();
    loop {
        let faults = place.sim.world().plan.faults.clone();
        let next = |mean: f64| match mean {
            0.0 => Duration::MAX,
            mean => place.draw(|random| random.exponential(ttl.mul_f64(mean))),
        };
        let (resign, value, shutdown) = (next(faults.resigns), next(faults.values), next(faults.shutdowns));
        let first = resign.min(value).min(shutdown);
        if first == Duration::MAX {
            return;
        }
        if let Either::Right(_) = select(place.sleep(first), pin!(stopped(&mut candidate))).await {
            return;
        }
        if place.healed() {
            return;
        }
        if first == resign {
            place.asks(|asked| asked.resign = true);
            let hand_over = async {
                match place.successor() {
                    Some(successor) => candidate.resign_to(successor).await,
                    None => candidate.resign().await,
                }
            };
            let _ = place.waits("a hand-over", hand_over).await;
        } else if first == value {
            let number = place.draw(|random| random.draw());
            if let Ok(value) = Value::new(format!("{number:x}")) {
                place.allow_request();
                place.at_desk(|desk| desk.publish(Some(value.clone())));
                let answer = place.waits("a value to be published", candidate.set_value(Some(value))).await;
                if answer.is_ok() && place.is_present() {
                    place.sim.check_published(place.seat);
                }
            }
        } else {
            place.asks(|asked| asked.stop = true);
            let _ = place.waits("an end", candidate.shutdown()).await;
            return;
        }
    }
}

pub(super) async fn stopped(candidate: &mut Candidate) {
    while candidate.leader_changed().await.is_ok() {}
}
