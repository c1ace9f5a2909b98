//! Who calls, and how a call goes until it is answered or dropped.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use lessor::storage::registers::RegisterStorage;
use lessor::storage::{Reply, Request};
use lessor::{Storage, StorageError};

use super::Call;
use crate::cells::Handle;
use crate::maybe_send::{BoxFuture, MaybeSend};
use crate::message::{Ask, Told};
use crate::sim::Sim;

impl Sim {
    /// Sends a request when it is first polled. Dropping it changes nothing about the request.
    pub(crate) fn call(
        self: &Arc<Self>,
        process: usize,
        incarnation: u32,
        seats: Vec<usize>,
        ask: Ask,
    ) -> impl Future<Output = Told> + MaybeSend + 'static {
        let by = By::Process;
        Calling { sim: self.clone(), process, incarnation, by, begin: Some((seats, ask)), call: None, registers: None }
    }

    /// Carries out the errands that operators have, each through a handle that has seen nothing before: over registers.
    pub(crate) fn run_errands(self: &Arc<Self>) {
        loop {
            let mut world = self.world();
            let Some((process, request, errand)) = world.errands.pop() else { return };
            let incarnation = world.processes[process].incarnation;
            drop(world);
            let by = By::Operator(self.open_registers(process, incarnation));
            let begin = Some((Vec::new(), Ask::Lessor(vec![request])));
            let sim = self.clone();
            let calling = Calling { sim, process, incarnation, by, begin, call: None, registers: None };
            let sim = self.clone();
            self.spawn(process, Vec::new(), async move {
                let told = calling.await;
                sim.world().hear(process, errand, &told);
                sim.run_errands();
            });
        }
    }
}

/// Who calls.
enum By {
    Process,
    /// An operator on its machine, with a handle of its own.
    Operator(RegisterStorage<Handle>),
}

struct Calling {
    sim: Arc<Sim>,
    process: usize,
    incarnation: u32,
    by: By,
    begin: Option<(Vec<usize>, Ask)>,
    call: Option<usize>,
    /// Over registers: what goes on until there is an answer.
    registers: Option<BoxFuture<Told>>,
}

impl Calling {
    /// Checks what is about to be sent.
    fn check_requests(&self) {
        let Some((seats, Ask::Lessor(requests))) = &self.begin else { return };
        if self.sim.world().processes[self.process].incarnation != self.incarnation {
            return;
        }
        for (seat, request) in seats.iter().zip(requests) {
            if matches!(request, Request::Acquire(_)) {
                self.sim.look_at_sharers(self.process);
            }
            if matches!(request, Request::Release(_)) {
                self.sim.check_release(*seat);
            }
            self.sim.world().check_owed(*seat, request);
            self.sim.world().check_successor_asked(*seat, request);
            self.sim.world().check_place(*seat, request);
        }
    }
}

impl Future for Calling {
    type Output = Told;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Told> {
        let this = &mut *self;
        this.check_requests();
        let mut world = this.sim.world();
        if let Some((seats, ask)) = this.begin.take() {
            // The dead send nothing, even where a poll of theirs is not over yet.
            if world.processes[this.process].incarnation != this.incarnation {
                return Poll::Pending;
            }
            for (place, seat) in seats.iter().enumerate() {
                let key = match &ask {
                    Ask::Lessor(requests) => requests.get(place).and_then(Request::key),
                    _ => None,
                };
                let row = key.map_or(0, |key| world.plan.row_of(key));
                world.count_request(*seat, row);
            }
            if seats.is_empty() && matches!(this.by, By::Process) {
                world.asks_of_others(this.process, &ask);
            }
            if let Ask::Lessor(requests) = &ask {
                let renewals = seats.iter().zip(requests).filter(|(_, request)| matches!(request, Request::Renew(_)));
                renewals.for_each(|(seat, _)| world.count_renewal(*seat));
            }
            let call = world.calls.len();
            let new = Call::new(seats, this.process, world.now);
            world.calls.push(new);
            this.call = Some(call);
            if let Ask::Lessor(requests) = &ask {
                let seats = world.calls[call].seats.clone();
                for (seat, request) in seats.into_iter().zip(requests) {
                    world.check_patience(seat, call, request);
                }
            }
            let storage = match &this.by {
                By::Process => this.sim.registers_of(this.process),
                By::Operator(storage) => Some(storage.clone()),
            };
            match (storage, ask) {
                (Some(storage), Ask::Lessor(requests)) => {
                    world.begin_costs(call, &storage, &requests);
                    world.calls[call].requests.clone_from(&requests);
                    this.registers = Some(Box::pin(async move { Told::Lessor(call_each(&storage, requests).await) }));
                }
                (_, ask) if world.answer_by_what_was_heard(call, &ask) => {}
                (_, ask) => world.send(call, ask),
            }
        }
        let Some(call) = this.call else { return Poll::Pending };
        if let Some(registers) = &mut this.registers {
            // A poll that stands still lets others go on inside of it, and they ask for their own sake.
            let outer = world.cells.asking.replace(call);
            drop(world);
            let told = registers.as_mut().poll(cx);
            world = this.sim.world();
            world.cells.asking = outer;
            let Poll::Ready(told) = told else { return Poll::Pending };
            this.registers = None;
            world.check_costs(call, &told);
            world.excuse_refused(call, &told);
            if let Some(state) = world.calls.get_mut(call) {
                state.told = Some(told);
            }
        }
        let Some(state) = world.calls.get_mut(call) else { return Poll::Pending };
        if state.dropped {
            return Poll::Pending;
        }
        if let Some(told) = state.told.clone() {
            state.taken = true;
            let (seats, sent_at) = (state.seats.clone(), state.sent_at);
            world.answered(&seats, sent_at, &told);
            if seats.is_empty() && matches!(this.by, By::Process) {
                world.told_of_others(this.process, &told);
            }
            return Poll::Ready(told);
        }
        state.waker = Some(cx.waker().clone());
        Poll::Pending
    }
}

impl Drop for Calling {
    fn drop(&mut self) {
        // What it is waiting for is told that by itself.
        drop(self.registers.take());
        if let Some(call) = self.call {
            self.sim.world().give_up(call);
        }
    }
}

async fn call_each(storage: &RegisterStorage<Handle>, requests: Vec<Request>) -> Vec<Result<Reply, StorageError>> {
    match <[Request; 1]>::try_from(requests) {
        Ok([request]) => vec![storage.call(request).await],
        Err(requests) => storage.call_all(requests).await,
    }
}
