//! One election, and what its handles see of it: the part of a driver that does not wait.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::mem;

use crate::election::{Election, Event, Input, Output, RequestId};
use crate::entropy::Entropy;
use crate::shared::Shared;
use crate::storage::{Answer, Request, Session};
use crate::telemetry::Report;
use crate::ticket::Ticket;
use crate::time::{Instant, Timer};

/// Dropped, it ends: nobody believes in its leadership any more, all who wait get an answer.
pub(crate) struct Candidacy<T: Timer> {
    pub(crate) shared: Arc<Shared<T>>,
    election: Election,
    report: Report,
}

/// When to look at it again, unless something happens.
pub(crate) enum Next {
    At(Instant),
    /// It has stopped.
    Done,
}

impl<T: Timer> Candidacy<T> {
    pub(crate) fn new(shared: Arc<Shared<T>>, election: Election) -> Self {
        let report = Report::new(&election);
        Self { shared, election, report }
    }

    pub(crate) const fn election(&self) -> &Election {
        &self.election
    }

    pub(crate) fn now(&self) -> Instant {
        self.shared.timer.now()
    }

    /// Carries out what the election asks for, until it has to wait. Requests go to `send`, and `told` hears what the
    /// handles were told.
    pub(crate) fn settle(
        &mut self,
        entropy: &mut Entropy,
        mut send: impl FnMut(RequestId, Request, &Report),
        mut told: impl FnMut(&[Event]),
    ) -> Next {
        let mut events = Vec::new();
        loop {
            for wish in self.shared.take_wishes() {
                self.input(wish);
            }
            let now = self.now();
            let output = self.election.poll_output(now);
            if let Output::Event(event) = output {
                events.push(event);
                continue;
            }
            // Handles may react at once to what they are told now (an ending term without guards is drained already): their
            // wishes are looked at again before waiting.
            let told_something = !events.is_empty();
            told(&self.tell(mem::take(&mut events), now));
            match output {
                Output::Event(_) => {}
                Output::DrawSession => {
                    let session = Session::draw(&mut **entropy);
                    self.input(Input::Session(session));
                }
                Output::Request { id, request } => {
                    self.report.requested(id, &request, now);
                    send(id, request, &self.report);
                }
                Output::Timeout(_) if told_something => {}
                Output::Timeout(at) => return Next::At(at),
                Output::Done => return Next::Done,
            }
        }
    }

    pub(crate) fn input(&mut self, input: Input) {
        self.election.handle_input(self.shared.timer.now(), input);
    }

    /// The storage has answered this request.
    pub(crate) fn answered(&mut self, id: RequestId, reply: Answer) {
        self.report.answered(&reply);
        self.input(Input::Reply { id, reply });
    }

    fn tell(&mut self, events: Vec<Event>, now: Instant) -> Vec<Event> {
        let told = self.shared.tell(events, &self.election);
        self.report.told(&told.events, self.election.in_flight(), now);
        if let Some(term) = told.over {
            self.input(Input::Expired(term));
        }
        told.events
    }

    /// What is left for the next instance.
    pub(crate) fn ticket(&mut self) -> Option<Ticket> {
        let ticket = self.election.clone().into_ticket();
        if ticket.is_some() {
            self.report.ticket_taken();
        }
        ticket
    }
}

impl<T: Timer> Drop for Candidacy<T> {
    fn drop(&mut self) {
        let events = self.shared.abandon();
        self.report.dropped(&events);
    }
}
