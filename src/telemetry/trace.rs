//! The log: what is told becomes events, and each request a span.

use alloc::boxed::Box;
use core::mem;
use core::time::Duration;

use tracing::{Instrument, Level, Span, event, field};

use super::observed::Ended;
use crate::election::{Election, Event, LostReason};
use crate::maybe_send::BoxFuture;
use crate::storage::{Answer, ErrorKind, Renewal, Request};
use crate::term::Term;
use crate::text::{Id, Key};
use crate::time::Instant;

pub(super) struct Trace {
    key: Key,
    id: Option<Id>,
    ttl: Duration,
    /// Of the request under way.
    span: Span,
    outage: Option<Outage>,
    parting: Parting,
}

/// From a first failure until the storage has answered for a ttl without another.
struct Outage {
    began: Instant,
    newest: Instant,
    failures: u64,
    permanent_told: bool,
    /// In which term it was told that renewals fail.
    jeopardy_told: Option<Term>,
}

/// How the driver came to its end.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Parting {
    Stopped,
    Dropped,
    Ticket,
}

/// The levels are constants to `tracing`, so this has to be a macro.
macro_rules! tell {
    ($trace:ident, $level:ident, $($field:tt)+) => {
        event!(
            target: "lessor",
            Level::$level,
            key = $trace.key.as_str(),
            id = $trace.id.as_ref().map(Id::as_str),
            $($field)+
        )
    };
}

impl Trace {
    pub(super) fn new(election: &Election) -> Self {
        Self {
            key: election.key().clone(),
            id: election.id().cloned(),
            ttl: election.config().ttl,
            span: Span::none(),
            outage: None,
            parting: Parting::Stopped,
        }
    }

    pub(super) fn requested(&mut self, request: &Request) {
        macro_rules! span {
            ($name:literal, $term:expr) => {
                tracing::span!(
                    target: "lessor",
                    Level::DEBUG,
                    $name,
                    key = self.key.as_str(),
                    id = self.id.as_ref().map(Id::as_str),
                    term = $term,
                    outcome = field::Empty,
                )
            };
        }
        self.span = match request {
            Request::Acquire(_) => span!("lessor.acquire", field::Empty),
            Request::Renew(Renewal { term, .. }) => span!("lessor.renew", term.get()),
            Request::Release(_) => span!("lessor.release", field::Empty),
            Request::Get(_) => span!("lessor.get", field::Empty),
            // No election asks for these.
            Request::Revoke(_) => span!("lessor.revoke", field::Empty),
            Request::List(_) => span!("lessor.list", field::Empty),
        };
    }

    /// Enters the span at each poll. Where nobody wants it the call is left as it is.
    pub(super) fn within(&self, call: BoxFuture<Answer>) -> BoxFuture<Answer> {
        if self.span.is_none() { call } else { Box::pin(call.instrument(self.span.clone())) }
    }

    pub(super) fn ended(&mut self, ended: &Ended) {
        let Ended { operation, outcome, elapsed } = ended;
        let outcome = outcome.label();
        let span = mem::replace(&mut self.span, Span::none());
        span.record("outcome", outcome);
        span.in_scope(|| tell!(self, TRACE, operation, outcome, ?elapsed, "request"));
    }

    /// An outage is over once the storage has answered for a ttl.
    pub(super) fn answered_well(&mut self, now: Instant) {
        let ttl = self.ttl;
        let over = |outage: &mut Outage| now >= outage.newest.saturating_add(ttl);
        if let Some(Outage { began, newest, failures, .. }) = self.outage.take_if(over) {
            let lasted = newest.saturating_duration_since(began);
            tell!(self, INFO, failures, ?lasted, "the storage answers again");
        }
    }

    pub(super) fn event(&mut self, event: &Event, now: Instant) {
        match event {
            Event::Elected { term, deadline, .. } => {
                let time_left = deadline.saturating_duration_since(now);
                tell!(self, INFO, term = term.get(), ?time_left, "elected");
            }
            Event::Jeopardy { term, deadline } => {
                let time_left = deadline.saturating_duration_since(now);
                let told = self.outage.as_mut().and_then(|outage| outage.jeopardy_told.replace(*term));
                // With no time left its loss follows.
                if told == Some(*term) || time_left.is_zero() {
                    tell!(self, DEBUG, term = term.get(), ?time_left, "renewals fail");
                } else {
                    tell!(self, WARN, term = term.get(), ?time_left, "renewals fail");
                }
            }
            Event::Ending { term, .. } => tell!(self, INFO, term = term.get(), "handing over"),
            Event::Lost { term, reason } => self.lost(*term, *reason),
            Event::LeaderChanged(Some(lease)) => {
                let leader = lease.id.as_ref().map(Id::as_str);
                tell!(self, DEBUG, term = lease.term.get(), leader, "leader changed");
            }
            Event::LeaderChanged(None) => tell!(self, DEBUG, "leader changed"),
            Event::StorageFailed { operation, error } => {
                let operation = operation.as_str();
                let fresh = self.outage.is_none();
                let outage = self.outage.get_or_insert(Outage {
                    began: now,
                    newest: now,
                    failures: 0,
                    permanent_told: false,
                    jeopardy_told: None,
                });
                outage.newest = now;
                outage.failures = outage.failures.saturating_add(1);
                let failures = outage.failures;
                if error.kind() == ErrorKind::Permanent && !outage.permanent_told {
                    outage.permanent_told = true;
                    tell!(self, ERROR, operation, %error, "the storage fails");
                } else if fresh {
                    tell!(self, WARN, operation, %error, "the storage fails");
                } else {
                    tell!(self, DEBUG, operation, %error, failures, "the storage still fails");
                }
            }
            Event::Stopped => match self.parting {
                Parting::Stopped => tell!(self, INFO, "stopped"),
                Parting::Dropped => tell!(self, INFO, "the driver was dropped"),
                Parting::Ticket => tell!(self, DEBUG, "the session is left as a ticket"),
            },
            Event::Renewed { .. } | Event::Missed(_) => {}
        }
    }

    fn lost(&self, term: Term, reason: LostReason) {
        let (term, label) = (term.get(), reason.as_str());
        match reason {
            LostReason::Resigned | LostReason::Stopped => {
                tell!(self, INFO, term, reason = label, "the term has ended");
            }
            LostReason::DriverDropped if self.parting == Parting::Ticket => {
                tell!(self, DEBUG, term, reason = label, "the term has ended");
            }
            LostReason::Expired | LostReason::Superseded | LostReason::Failures | LostReason::DriverDropped => {
                tell!(self, WARN, term, reason = label, "the term was lost");
            }
        }
    }

    pub(super) fn ticket_taken(&mut self) {
        self.parting = Parting::Ticket;
    }

    pub(super) fn dropped(&mut self) {
        if self.parting == Parting::Stopped {
            self.parting = Parting::Dropped;
        }
    }
}
