//! One election, and what its handles see of it: the part of a driver that does not wait.

use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::election::{Event, Output, RequestId};
use crate::entropy::Entropy;
use crate::shared::{Advanced, News, Shared};
use crate::storage::{Request, Session};
use crate::telemetry::Report;
use crate::text::Key;
use crate::ticket::Ticket;
use crate::time::{Instant, Timer};

/// Dropped, it ends: nobody believes in its leadership any more, all who wait get an answer.
pub(crate) struct Candidacy<T: Timer> {
    pub(crate) shared: Arc<Shared<T>>,
    report: Report,
}

/// When to look at it again, unless something happens.
pub(crate) enum Next {
    At {
        at: Instant,
        /// The reading of the clock from which that follows.
        now: Instant,
        in_flight: Option<RequestId>,
        /// Whether it holds a lease that has to be renewed.
        holds: bool,
        /// Whether it hands that over.
        is_ending: bool,
        /// Whether its last renewal failed.
        in_jeopardy: bool,
    },
    /// It has stopped.
    Done,
}

impl<T: Timer> Candidacy<T> {
    pub(crate) fn new(shared: Arc<Shared<T>>) -> Self {
        Self { shared, report: Report::new() }
    }

    /// As one of very many.
    pub(crate) fn in_group(mut self) -> Self {
        self.report.in_group();
        self
    }

    pub(crate) fn now(&self) -> Instant {
        self.shared.timer.now()
    }

    /// Takes the news in, and carries out what the election asks for, until it has to wait. Requests go to `send`, and `told`
    /// hears what the handles were told. `events` is room for that, empty before and after.
    ///
    /// `now` is a reading of the clock, if there is one that nothing has come after: a request counts from it.
    pub(crate) fn settle(
        &mut self,
        mut now: Option<Instant>,
        mut news: News,
        entropy: &mut Entropy,
        events: &mut Vec<Event>,
        mut send: impl FnMut(RequestId, Request, &Report),
        mut told: impl FnMut(&Key, &[Event]),
    ) -> Next {
        if let Some((_, reply)) = &news.reply {
            self.report.answered(reply);
        }
        loop {
            let now = now.take().unwrap_or_else(|| self.now());
            let Advanced { output, due: at, in_flight, holds, is_ending, in_jeopardy, was_heard } =
                self.shared.advance(now, &mut news, events);
            self.report.told(&self.shared.subject(), events, in_flight, now);
            if !events.is_empty() {
                told(&self.shared.key, events);
                events.clear();
            }
            match output {
                Output::Event(_) => {}
                Output::DrawSession => news.session = Some(Session::draw(&mut **entropy)),
                Output::Request { id, request } => {
                    self.report.requested(&self.shared.subject(), id, &request, now);
                    send(id, request, &self.report);
                    // Where the thread stood still it may be overdue already, before anybody has begun it.
                    let now = self.now();
                    if !was_heard && now < at {
                        return Next::At { at, now, in_flight, holds, is_ending, in_jeopardy };
                    }
                }
                // Handles may react at once to what they were told: their wishes are looked at before waiting.
                Output::Timeout(_) if was_heard => {}
                Output::Timeout(at) => return Next::At { at, now, in_flight, holds, is_ending, in_jeopardy },
                Output::Done => return Next::Done,
            }
        }
    }

    /// What is left for the next instance.
    pub(crate) fn ticket(&mut self) -> Option<Ticket> {
        let state = self.shared.state.lock();
        let is_to_end = state.is_to_end();
        let election = state.election.clone();
        drop(state);
        let ticket = election.into_ticket().filter(|_| !is_to_end);
        if ticket.is_some() {
            self.report.ticket_taken();
        }
        ticket
    }
}

impl<T: Timer> Drop for Candidacy<T> {
    fn drop(&mut self) {
        let events = self.shared.abandon();
        self.report.dropped(&self.shared.subject(), &events);
    }
}
