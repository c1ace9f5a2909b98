//! The transitions of the register and of its handles: each plays the shipped handle once.

use std::sync::Arc;
use std::time::Duration;

use lessor::Instant;
use lessor::election::RequestId;
use lessor::storage::registers::Swap;
use lessor::storage::{Acquired, Renewed, Reply, Request};

use super::{Answer, Ask, Deed, Handle, Next, Reading, Revision};
use crate::fault::Fault;
use crate::memo;
use crate::model::ElectionModel;
use crate::network::{Grant, Letter, Message};
use crate::news::News;
use crate::state::State;
use crate::transition::waits_for;

impl ElectionModel {
    /// A handle begins a call, or an answer comes to it: it asks on, or the candidate has its reply.
    pub(crate) fn go_on(
        &self,
        state: &mut State,
        index: u8,
        id: RequestId,
        deed: &Deed,
        grant: Option<Grant>,
    ) -> Option<()> {
        let seat = state.seats.get(usize::from(index))?;
        let reading = self.reading(state, self.moment(state.tick, seat).now);
        let handle = state.handles.get_mut(usize::from(index))?;
        let done = self.memo.go_on(handle, id, deed, reading, self.fault)?;
        *handle = done.handle.clone();
        if matches!(deed, Deed::Hear(Answer::Swapped(None))) {
            state.news |= News::MOVED;
        }
        match &done.next {
            Next::Ask(ask) => {
                let (request, ask) = (done.request.clone(), self.as_sent(state, ask));
                state.bag.put(Message::Ask { from: Some(index), id, request, ask, copy: false });
            }
            Next::Reply(Ok(reply)) => {
                self.note_reply(state, &done.request, reply);
                let grant = grant.filter(|_| matches!(**reply, Reply::Acquired(Acquired::Granted { .. })));
                let letter = Letter::new(Message::Reply { to: index, id, reply: Reply::clone(reply), grant });
                // (Where it changes nothing the handle is another than before all the same.)
                self.drive(state, index, memo::Deed::Hear(&letter));
            }
            Next::Reply(Err(_)) if waits_for(state, Some(index), id) => {
                self.drive(state, index, memo::Deed::Fail);
            }
            Next::Reply(Err(_)) => {}
        }
        Some(())
    }

    /// What the clock shows by which a handle observes.
    fn reading(&self, state: &State, now: Instant) -> Reading {
        let stepped = if self.fault == Some(Fault::ObserverStepsForward) { state.stepped.into() } else { 0 };
        let now = now.saturating_add(Duration::from_millis(300 * stepped)).since_origin();
        let resolution = Duration::from_millis(self.scope.resolution_ms);
        let begun = now.as_nanos().checked_rem(resolution.as_nanos()).unwrap_or(0);
        let begun = Duration::from_nanos(u64::try_from(begun).unwrap_or(0));
        let is_ignored = self.fault == Some(Fault::ResolutionIgnored);
        Reading {
            now: Instant::from_origin(now.saturating_sub(begun)),
            resolution: if is_ignored { Duration::ZERO } else { resolution },
        }
    }

    /// What is asked of the register, as it is sent.
    fn as_sent(&self, state: &State, ask: &Ask) -> Ask {
        match ask {
            Ask::Swap(swap) if self.fault == Some(Fault::NewestSwapped) => {
                let newest = state.store.register.current.as_ref().map(|stored| stored.revision);
                Ask::Swap(Arc::new(Swap::new(swap.key.clone(), newest, swap.bytes.clone())))
            }
            Ask::Swap(_) => ask.clone(),
            Ask::Read(_) => Ask::Read(state.store.register.count),
        }
    }

    fn note_reply(&self, state: &mut State, request: &Request, reply: &Reply) {
        let store = &state.store;
        match (request, reply) {
            (Request::Renew(renewal), Reply::Renewed(Renewed::Lost { .. })) if store.is_held_by(renewal) => {
                state.news |= News::TOLD_LOST_IN_VAIN;
            }
            (Request::Acquire(claim), Reply::Acquired(Acquired::Refused { .. }))
                if store.is_kept_from(claim, self.storage_clock(state).steady_ms) =>
            {
                state.news |= News::KEPT_FOR_ANOTHER;
            }
            _ => {}
        }
    }

    /// The answer to a read arrives: what was in the register so many writes ago.
    pub(crate) fn read(&self, state: &mut State, message: u8, back: u8) -> Option<()> {
        let letter = state.bag.take(message, false)?;
        let Message::Ask { from: Some(to), id, ask: Ask::Read(sent), .. } = &letter.message else { return None };
        if back > state.store.register.age_of(*sent) {
            state.left.stale -= 1;
            state.news |= News::STALE;
        }
        let answer = Answer::Read(state.store.register.read(back, self.fault)?);
        self.go_on(state, *to, *id, &Deed::Hear(answer), None)
    }

    /// A swap gets to the register.
    pub(crate) fn swap(&self, state: &mut State, message: u8, keep: bool) -> Option<()> {
        let letter = state.bag.take(message, false)?;
        let Message::Ask { from, id, request, ask, copy } = &letter.message else { return None };
        let Ask::Swap(swap) = ask else { return None };
        let is_waited_for = waits_for(state, *from, *id);
        if matches!(**request, Request::Release(_)) && !is_waited_for && self.leaders(state).next().is_some() {
            state.news |= News::LATE_RELEASE;
        }
        let swapped = state.store.swap(request, swap, self.storage_clock(state), self.fault);
        state.news |= swapped.news;
        match &swapped.revision {
            Some(_) if !is_waited_for => state.news |= News::LATE_SWAP,
            None if *copy => state.news |= News::COPY_REFUSED,
            _ => {}
        }
        if keep {
            let (request, ask) = (request.clone(), ask.clone());
            state.bag.put(Message::Ask { from: None, id: *id, request, ask, copy: true });
        }
        if let Some(to) = *from {
            let (answer, grant) = (Answer::Swapped(swapped.revision), swapped.grant);
            state.bag.put(Message::Told { to, id: *id, answer, grant });
        }
        Some(())
    }

    /// What the handle of a candidate has asked for fails, whether it is done or not.
    pub(crate) fn fail(&self, state: &mut State, index: u8) -> Option<()> {
        let id = state.seats.get(usize::from(index))?.awake()?.election.in_flight()?;
        let asks = state.handles.get(usize::from(index))?.asks(id)?;
        let answer = match (self.fault, asks) {
            (Some(Fault::DoubtIsAnswer), Ask::Swap(_)) => Answer::Swapped(Some(Revision { name: u8::MAX, count: 0 })),
            _ => Answer::Failed,
        };
        state.bag.forget_those(index, |gone| gone == id);
        self.go_on(state, index, id, &Deed::Hear(answer), None)
    }

    /// Calls that nobody waits for are dropped beyond the bound, and what can change nothing any more is forgotten.
    pub(crate) fn drop_calls(&self, state: &mut State) {
        if !self.scope.registers {
            return;
        }
        let State { seats, handles, bag, store, left, .. } = state;
        for (index, (seat, handle)) in (0..).zip(seats.iter().zip(handles.iter_mut())) {
            let in_flight = seat.awake().and_then(|awake| awake.election.in_flight());
            let lingering = left.lingering.get(usize::from(seat.place)).copied().unwrap_or(0);
            if handle.drop_late(in_flight, lingering.into()) {
                bag.forget_those(index, |id| handle.asks(id).is_none());
            }
            if left.stale == 0 {
                handle.own = 0;
            }
        }
        if left.stale == 0 {
            store.register.forget_before(bag.oldest_read());
        }
        let comes_back =
            matches!(self.fault, Some(Fault::SwapUnconditional | Fault::RevisionReused | Fault::RegisterRunsOut));
        // Its revision never comes back.
        bag.lose_those(|message| match message {
            Message::Ask { from: None, ask: Ask::Swap(swap), copy: false, .. } => {
                !comes_back && !store.register.is_current(swap.expected.as_ref())
            }
            _ => false,
        });
    }

    /// A process has a handle of its own, which has seen nothing when it begins.
    pub(crate) fn open_handle(&self, state: &mut State, index: u8) {
        if let Some(handle) = state.handles.get_mut(usize::from(index)) {
            *handle = Handle::default();
        }
    }
}
