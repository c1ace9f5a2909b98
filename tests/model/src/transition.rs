//! The transitions: each drives the shipped code once.

use std::sync::Arc;

use lessor::Ticket;
use lessor::election::RequestId;
use lessor::storage::{Claim, Release, Renewal, Request};

use crate::fault::Fault;
use crate::memo::Deed;
use crate::model::ElectionModel;
use crate::network::{Grant, Letter, Message};
use crate::news::News;
use crate::registers::{self, Handle};
use crate::seat::{Instance, Seat, Start};
use crate::state::State;

impl ElectionModel {
    /// `None`: that cannot happen, or changes nothing.
    pub(crate) fn drive(&self, state: &mut State, index: u8, deed: Deed<'_>) -> Option<()> {
        let seat = state.seats.get_mut(usize::from(index))?;
        let moment = self.moment(state.tick, seat);
        let done = self.memo.drive(seat, deed, moment, self.fault)?;
        match done.late {
            Some(true) => state.news |= News::LATE_REPLY_COUNTED,
            Some(false) => state.news |= News::LATE_REPLY_DROPPED,
            None if !done.changed => return None,
            None => {}
        }
        *seat = done.seat.clone();
        if let Some(term) = done.outcome.elected {
            // The reign of the last instance may go on, in its term, and before its deadline.
            let now = self.moment(state.tick, seat).now;
            let goes_on = seat.continued.is_some_and(|(continued, until)| continued == term && now < until);
            if state.elected >= Some(term) && !(goes_on && state.elected == Some(term)) {
                state.news |= News::REIGN_NOT_NEWER;
            }
            state.elected = state.elected.max(Some(term));
            if let Deed::Hear(Letter { message: Message::Reply { grant: Some(grant), .. }, .. }) = deed {
                match grant {
                    Grant::Released => state.news |= News::HANDED_OVER,
                    Grant::Reserved => state.news |= News::TRANSFERRED,
                    Grant::ReservedInVain => state.news |= News::RESERVATION_OVER,
                    Grant::Expired => state.news |= News::TOOK_OVER,
                    Grant::Repeated => state.news |= News::HEALED,
                    Grant::First | Grant::Anew => {}
                }
            }
            if seat.resumed {
                state.news |= News::RESUMED;
            }
        }
        if let Some((id, request)) = &done.outcome.request {
            match request {
                Request::Release(Release { session, .. }) => {
                    if seat.awake()?.term.is_some() {
                        state.news |= News::RELEASED_WHILE_LEADING;
                    }
                    state.released.insert(*session);
                }
                Request::Acquire(Claim { session, .. }) | Request::Renew(Renewal { session, .. })
                    if state.released.has(*session) =>
                {
                    state.news |= News::CLAIMED_AFTER_RELEASE;
                }
                _ => {}
            }
            if self.scope.registers {
                let deed = registers::Deed::Begin(Arc::new(request.clone()));
                self.go_on(state, index, *id, &deed, None)?;
            } else {
                state.bag.put(Message::Request { from: Some(index), id: *id, request: request.clone() });
            }
        }
        Some(())
    }

    pub(crate) fn tick(&self, state: &mut State) -> Option<()> {
        state.tick += 1;
        if self.fault == Some(Fault::RegisterRunsOut) {
            let now_ms = self.storage_clock(state).steady_ms;
            state.store.run_out(now_ms);
        }
        for index in 0..u8::try_from(state.seats.len()).ok()? {
            // What happens next to a candidate happens after its deadline: to see that at once changes nothing.
            let seat = state.seats.get(usize::from(index))?;
            let now = self.moment(state.tick, seat).now;
            if seat.awake().and_then(|awake| awake.term).is_some_and(|(_, deadline)| now >= deadline) {
                self.drive(state, index, Deed::Poll);
            }
        }
        Some(())
    }

    pub(crate) fn apply(&self, state: &mut State, message: u8, keep: bool) -> Option<()> {
        if self.scope.registers {
            return self.swap(state, message, keep);
        }
        let letter = state.bag.take(message, keep)?;
        let Message::Request { from, id, request } = &letter.message else { return None };
        if matches!(request, Request::Release(_))
            && !waits_for(state, *from, *id)
            && self.leaders(state).next().is_some()
        {
            state.news |= News::LATE_RELEASE;
        }
        let applied = state.store.apply(request, self.storage_clock(state), self.fault);
        state.news |= applied.news;
        if let Some(to) = *from {
            state.bag.put(Message::Reply { to, id: *id, reply: applied.reply, grant: applied.grant });
        }
        Some(())
    }

    pub(crate) fn deliver(&self, state: &mut State, message: u8) -> Option<()> {
        let letter = state.bag.take(message, false)?;
        match &letter.message {
            Message::Reply { to, .. } => self.drive(state, *to, Deed::Hear(&letter)),
            Message::Told { to, id, answer, grant } => {
                self.go_on(state, *to, *id, &registers::Deed::Hear(answer.clone()), *grant)
            }
            _ => None,
        }
    }

    /// Late replies beyond the bound are lost.
    pub(crate) fn lose(&self, state: &mut State) {
        let mut bag = std::mem::take(&mut state.bag);
        bag.lose(self.scope.late, |letter| match &letter.message {
            Message::Reply { to, id, .. } => !waits_for(state, Some(*to), *id),
            _ => false,
        });
        state.bag = bag;
    }

    pub(crate) fn crash(&self, state: &mut State, index: u8) -> Option<()> {
        state.bag.forget(index);
        self.open_handle(state, index);
        let seat = state.seats.get(usize::from(index))?;
        let start = Start::New(seat.session + 1);
        let next = Seat::new(index, seat.place, &self.config, start, self.moment(state.tick, seat)).ok()?;
        *state.seats.get_mut(usize::from(index))? = next;
        Some(())
    }

    pub(crate) fn sleep(&self, state: &mut State, index: u8) -> Option<()> {
        let seat = state.seats.get_mut(usize::from(index))?;
        let ticket = seat.awake()?.election.clone().into_ticket()?.into_bytes();
        if self.fault == Some(Fault::TicketCopied) {
            let copy = Seat { instance: Instance::Asleep(ticket), ..seat.clone() };
            state.seats.push(copy);
            if self.scope.registers {
                state.handles.push(Handle::default());
            }
        } else {
            seat.instance = Instance::Asleep(ticket);
            state.bag.forget(index);
            self.open_handle(state, index);
        }
        Some(())
    }

    pub(crate) fn resume(&self, state: &mut State, index: u8, continuing: bool) -> Option<()> {
        let seat = state.seats.get(usize::from(index))?;
        let Instance::Asleep(ticket) = &seat.instance else { return None };
        let start = Start::Resume(seat.session, Ticket::from_bytes(ticket)?, continuing);
        let next = Seat::new(index, seat.place, &self.config, start, self.moment(state.tick, seat)).ok()?;
        *state.seats.get_mut(usize::from(index))? = next;
        Some(())
    }
}

pub(crate) fn waits_for(state: &State, seat: Option<u8>, id: RequestId) -> bool {
    let seat = seat.and_then(|seat| state.seats.get(usize::from(seat)));
    seat.and_then(Seat::awake).is_some_and(|awake| awake.election.in_flight() == Some(id))
}
