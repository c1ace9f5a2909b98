//! Messages: delayed, lost, doubled, overtaken, and late beyond all reason.

mod calling;

use std::task::Waker;
use std::time::Duration;

use lessor::Instant;
use lessor::storage::{Refusals, Request};

use crate::cells::{CellAsk, CellTold, CellWhat};
use crate::clock::Nanos;
use crate::invariant::Costs;
use crate::message::{Ask, Told};
use crate::operator::Errand;
use crate::plan::{Faults, Plan, nanos};
use crate::random::Random;
use crate::reached::Situation;
use crate::sim::{Event, World};
use crate::trace::What;

/// A request on its way, or what became of it.
pub(crate) struct Call {
    /// Whose it is; of a batch, whose each part is. Nobody's: an operator's.
    pub(crate) seats: Vec<usize>,
    pub(crate) process: usize,
    pub(crate) sent_at: Nanos,
    told: Option<Told>,
    waker: Option<Waker>,
    /// Nobody waits any more.
    dropped: bool,
    /// Whoever waited has the answer.
    taken: bool,
    /// What an operator wants to know.
    errand: Option<Errand>,
    /// What was asked, where others may hear what comes of it, or registers are asked for its sake.
    pub(crate) requests: Vec<Request>,
    /// It was carried out: a second copy of the message is not answered.
    pub(crate) is_carried_out: bool,
    /// The storage refused it, and carries out no second copy.
    pub(crate) is_refused: bool,
    /// What it has cost so far, over registers.
    pub(crate) costs: Costs,
}

impl Call {
    pub(crate) fn new(seats: Vec<usize>, process: usize, sent_at: Nanos) -> Self {
        Self {
            seats,
            process,
            sent_at,
            told: None,
            waker: None,
            dropped: false,
            taken: false,
            errand: None,
            requests: Vec::new(),
            is_carried_out: false,
            is_refused: false,
            costs: Costs::default(),
        }
    }

    /// Whether whoever asked has the answer.
    pub(crate) fn is_taken(&self) -> bool {
        self.taken
    }

    /// Whether somebody still waits for the answer.
    pub(crate) fn is_waited_for(&self) -> bool {
        !self.dropped && !self.taken
    }
}

pub(crate) struct Network {
    random: Random,
    /// When the last message that was sent before the healing arrives.
    pub(crate) settled_at: Nanos,
    /// What followers heard, for others: half of the processes share the one, as candidates of one process would, and half the
    /// other.
    fronts: [Refusals; 2],
}

impl Network {
    pub(crate) fn new(plan: &Plan) -> Self {
        let fronts = [Refusals::new(), Refusals::new()];
        Self { random: Random::stream(plan.seed, "network", 0), settled_at: 0, fronts }
    }

    /// How long a message takes.
    fn delay(&mut self, faults: &Faults, ttl: Nanos, healed: bool) -> Nanos {
        let ttl = Duration::from_nanos(ttl);
        if !healed && self.random.chance(faults.very_late) {
            return nanos(self.random.scale(ttl / 10, ttl * 20));
        }
        if !healed && faults.slow && self.random.chance(0.3) {
            return nanos(self.random.scale(ttl / 500, ttl / 2));
        }
        nanos(self.random.duration(ttl / 10_000, ttl / 500))
    }

    /// By how much longer a swap takes, in some runs: longer than anybody waits for it.
    fn linger(&mut self, plan: &Plan, asks: &[CellAsk], healed: bool) -> Nanos {
        let lingers = plan.registers.map_or(0.0, |registers| registers.lingers);
        let swaps = asks.iter().any(|ask| matches!(ask.what, CellWhat::Swap(..)));
        if healed || !swaps || !self.random.chance(lingers) {
            return 0;
        }
        let ttl = Duration::from_nanos(plan.ttl);
        nanos(self.random.scale(ttl / 10, ttl * 5))
    }
}

impl World {
    pub(crate) fn send(&mut self, call: usize, ask: Ask) {
        let Call { process, ref seats, .. } = self.calls[call];
        if let Some(seat) = seats.first().copied() {
            let operation = ask.operation();
            self.note(
                || What::Sent { call: call as u64, candidate: seat, operation },
                [1, seat as u64, operation.len() as u64],
            );
        } else {
            let operation = ask.operation();
            let text = || What::Asked { call: call as u64, process, operation };
            self.note(text, [13, process as u64, operation.len() as u64]);
        }
        let faults = &self.plan.faults;
        let (ttl, healed, now) = (self.plan.ttl, self.healed, self.now);
        let network = &mut self.network;
        let mut delay = network.delay(faults, ttl, healed);
        let mut lost = !healed && network.random.chance(faults.lost);
        let cut = self.processes[process].cut_until.0;
        if cut > now {
            // A packet may be sent again when the connection is back.
            if network.random.chance(0.3) {
                delay += cut - now;
            } else {
                lost = true;
            }
        }
        if let Ask::Cells(asks) = &ask {
            delay += network.linger(&self.plan, asks, healed);
        }
        let refused = !healed && network.random.chance(faults.refused);
        let again = (!healed && network.random.chance(faults.doubled))
            .then(|| delay + network.delay(faults, ttl, healed) + nanos(network.random.scale(ms(ttl), ms(ttl) * 2000)));
        if refused {
            // An error for the sender; whether the request got through is another matter.
            lost |= network.random.chance(0.5);
            let at = now + network.delay(faults, ttl, true);
            self.schedule(at, Event::Reply { call, told: Box::new(Told::Failed) });
        }
        for at in [(!lost).then_some(delay), again.filter(|_| !lost)].into_iter().flatten() {
            self.deliver(now + at, Event::Arrive { call, ask: Box::new(ask.clone()) });
        }
        if lost {
            self.note(|| What::Lost { call: call as u64, request: true }, [2, call as u64, 0]);
        }
    }

    /// A request of an operator: what comes of it is for its errand.
    pub(crate) fn send_errand(&mut self, process: usize, request: Request, errand: Errand) {
        if self.plan.registers.is_some() {
            self.errands.push((process, request, errand));
            return;
        }
        let call = self.calls.len();
        let new = Call::new(Vec::new(), process, self.now);
        self.calls.push(Call { errand: Some(errand), ..new });
        self.send(call, Ask::Lessor(vec![request]));
    }

    pub(crate) fn deliver(&mut self, at: Nanos, event: Event) {
        if !self.healed {
            self.network.settled_at = self.network.settled_at.max(at);
        }
        self.schedule(at, event);
    }

    /// A message waits until the storage works again.
    pub(crate) fn put_off(&mut self, until: Nanos, call: usize, ask: Ask) {
        let at = until + self.network.delay(&self.plan.faults, self.plan.ttl, true);
        self.deliver(at, Event::Arrive { call, ask: Box::new(ask) });
    }

    /// The storage answers.
    pub(crate) fn answer(&mut self, call: usize, told: Told) {
        let process = self.calls[call].process;
        let faults = &self.plan.faults;
        let (ttl, healed, now) = (self.plan.ttl, self.healed, self.now);
        let mut delay = self.network.delay(faults, ttl, healed);
        let cut = self.processes[process].cut_until.1;
        let mut lost = !healed && self.network.random.chance(faults.lost);
        if cut > now {
            if self.network.random.chance(0.3) {
                delay += cut - now;
            } else {
                lost = true;
            }
        }
        if lost {
            if let Told::Cells(answers) = &told
                && answers.iter().flatten().any(CellTold::is_written)
            {
                self.reach(Situation::SwapInDoubt);
            }
            self.note(|| What::Lost { call: call as u64, request: false }, [3, call as u64, 0]);
        } else {
            self.deliver(now + delay, Event::Reply { call, told: Box::new(told) });
        }
    }

    /// Whether another follower has heard what this one asks.
    fn answer_by_what_was_heard(&mut self, call: usize, ask: &Ask) -> bool {
        let Ask::Lessor(requests) = ask else { return false };
        // Where one asks and asks, and each time hears at once, the run would never end.
        if !self.plan.faults.shared || self.checks.broken.is_some() {
            return false;
        }
        let now = instant(self.now);
        let front = &self.network.fronts[self.calls[call].process % 2];
        let reply = if let [request] = &requests[..] { front.answer(request, now) } else { None };
        let Some(reply) = reply else {
            self.calls[call].requests.clone_from(requests);
            return false;
        };
        self.reach(Situation::RefusalShared);
        self.note(|| What::Replied { call: call as u64 }, [4, call as u64, 0]);
        self.calls[call].told = Some(Told::Lessor(vec![Ok(reply)]));
        true
    }

    fn hear_for_others(&self, call: usize, told: &Told) {
        let (call, now) = (&self.calls[call], instant(self.now));
        let Told::Lessor(replies) = told else { return };
        let front = &self.network.fronts[call.process % 2];
        for (request, reply) in call.requests.iter().zip(replies) {
            if let Ok(reply) = reply {
                front.note(request, reply, instant(call.sent_at), now);
            }
        }
    }

    /// A reply arrives.
    pub(crate) fn reply(&mut self, call: usize, told: Told) -> Option<Waker> {
        let state = self.calls.get_mut(call)?;
        if state.told.is_some() || state.dropped {
            return None;
        }
        let (process, errand, waker) = (state.process, state.errand.take(), state.waker.take());
        state.told = Some(told.clone());
        self.hear_for_others(call, &told);
        self.note(|| What::Replied { call: call as u64 }, [4, call as u64, 0]);
        self.expect_heard(call);
        if let Some(errand) = errand {
            self.hear(process, errand, &told);
        }
        waker
    }

    /// The answer to a call, when it is there; else this is woken when it is.
    pub(crate) fn take_answer(&mut self, call: usize, waker: &Waker) -> Option<Told> {
        let state = self.calls.get_mut(call).filter(|call| !call.dropped)?;
        if state.told.is_none() {
            state.waker = Some(waker.clone());
            return None;
        }
        state.taken = true;
        state.told.clone()
    }

    /// Nobody waits for the answer any more.
    pub(crate) fn give_up(&mut self, call: usize) {
        if let Some(state) = self.calls.get_mut(call) {
            state.dropped = true;
            state.waker = None;
        }
    }

    /// The dead hear nothing, even where a poll of theirs is not over yet: the next one in their seats would be taken for
    /// having heard it.
    pub(crate) fn forget_calls(&mut self, process: usize) {
        for call in self.calls.iter_mut().filter(|call| call.process == process && !call.taken) {
            call.dropped = true;
            call.waker = None;
        }
    }

    /// A wake-up is on its way to everybody who campaigns for this key.
    pub(crate) fn wake(&mut self, key: usize) {
        if !self.plan.faults.wakes {
            return;
        }
        for seat in 0..self.seats.len() {
            let state = &self.seats[seat];
            let (up, mine) = (self.processes[state.process].up, state.key == key);
            if !up || !mine {
                continue;
            }
            if !self.healed && self.network.random.chance(self.plan.faults.wakes_lost) {
                self.reach(Situation::WakeUpLost);
            } else {
                let at = self.now + self.network.delay(&self.plan.faults, self.plan.ttl, self.healed);
                self.schedule(at, Event::Hint { seat });
            }
        }
    }

    /// A write of a leader is on its way to the resource.
    pub(crate) fn send_write(&mut self, seat: usize, slot: Option<u16>, term: u64) {
        let row = self.plan.row(self.seats[seat].key, slot);
        let at = self.now + self.network.delay(&self.plan.faults, self.plan.ttl, self.healed);
        self.deliver(at, Event::Write { seat, row, term });
    }
}

fn instant(at: Nanos) -> Instant {
    Instant::from_origin(Duration::from_nanos(at))
}

/// A thousandth of a ttl.
fn ms(ttl: Nanos) -> Duration {
    Duration::from_nanos(ttl / 1000)
}
