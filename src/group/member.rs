//! One candidate of a group, as the driver has it.

use core::pin::Pin;
use core::task::{Context, Poll, Waker};

use event_listener::EventListener;
use futures::Stream;

use super::Newcomer;
use crate::candidacy::{Candidacy, Next};
use crate::election::{Event, Input, RequestId};
use crate::entropy::Entropy;
use crate::maybe_send::BoxFuture;
use crate::storage::{Answer, Request, Wakeups};
use crate::telemetry::Report;
use crate::time::{Instant, Timer};

pub(super) struct Member<T: Timer> {
    pub(super) candidacy: Candidacy<T>,
    wakeups: Wakeups,
    asked: Option<EventListener>,
    waker: Waker,
    /// Its own, so that it goes with the member, and with the request that it is for.
    call: Option<(RequestId, BoxFuture<Answer>)>,
    /// When it is to be looked at, as the driver's timetable has it.
    pub(super) due: Option<Instant>,
    /// It waits to be settled.
    pub(super) is_unsettled: bool,
}

impl<T: Timer> Member<T> {
    pub(super) fn new(newcomer: Newcomer<T>, waker: Waker) -> Self {
        let Newcomer { shared, election, wakeups } = newcomer;
        let candidacy = Candidacy::new(shared, election);
        Self { candidacy, wakeups, asked: None, waker, call: None, due: None, is_unsettled: false }
    }

    /// Whether it waits for the storage.
    pub(super) const fn is_calling(&self) -> bool {
        self.call.is_some()
    }

    /// Carries out what its election asks for, until it has to wait.
    pub(super) fn settle(
        &mut self,
        entropy: &mut Entropy,
        mut call: impl FnMut(Request, &Report) -> BoxFuture<Answer>,
        mut told: impl FnMut(&[Event]),
    ) -> Next {
        loop {
            let send = |id, request, report: &Report| self.call = Some((id, call(request, report)));
            let next = self.candidacy.settle(entropy, send, &mut told);
            let in_flight = self.candidacy.election().in_flight();
            self.call.take_if(|(id, _)| matches!(next, Next::Done) || Some(*id) != in_flight);
            if !self.poll_call() {
                return next;
            }
        }
    }

    /// Whether an answer has come.
    fn poll_call(&mut self) -> bool {
        let Some((id, call)) = &mut self.call else { return false };
        let Poll::Ready(reply) = call.as_mut().poll(&mut Context::from_waker(&self.waker)) else { return false };
        let id = *id;
        self.call = None;
        self.candidacy.answered(id, reply);
        true
    }

    /// Takes in what it was woken for, and sees to it that it is woken the next time.
    pub(super) fn look(&mut self) {
        self.poll_call();
        let Self { candidacy, wakeups, asked, waker, .. } = self;
        let mut cx = Context::from_waker(waker);
        while let Poll::Ready(Some(())) = Pin::new(&mut *wakeups).poll_next(&mut cx) {
            candidacy.input(Input::Wakeup);
        }
        loop {
            let listener = asked.get_or_insert_with(|| candidacy.shared.asked.listen());
            if Pin::new(listener).poll(&mut cx).is_pending() {
                return;
            }
            *asked = None;
        }
    }

    /// Whether it holds a lease that has to be renewed.
    pub(super) fn holds(&self) -> bool {
        self.candidacy.election().holds()
    }
}
