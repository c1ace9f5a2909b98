//! The log: what is told becomes events, and each request a span.

use alloc::boxed::Box;
use core::time::Duration;

use tracing::{Instrument, Level, Span, event, field};

use super::observed::Ended;
use crate::election::{Event, LostReason};
use crate::lease::Lease;
use crate::maybe_send::BoxFuture;
use crate::shared::Subject;
use crate::storage::{Acquired, Answer, ErrorKind, Renewal, Reply, Request};
use crate::term::Term;
use crate::text::Id;
use crate::time::Instant;

pub(super) struct Trace {
    /// There rarely is anything: it is in a place of its own.
    rare: Option<Box<Rare>>,
    parting: Parting,
    /// Whether it was told what the candidate found when it began.
    greeted: bool,
    /// Whether its last release did not get through.
    unreleased: bool,
}

#[derive(Default)]
struct Rare {
    /// Of the request under way, if somebody wants it.
    span: Option<Span>,
    outage: Option<Outage>,
    /// What its first request found, and after how long to ask again.
    found: Option<(Option<Lease>, Duration)>,
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

impl Outage {
    const fn new(now: Instant) -> Self {
        Self { began: now, newest: now, failures: 0, permanent_told: false, jeopardy_told: None }
    }
}

/// How the driver came to its end.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Parting {
    Stopped,
    Dropped,
    /// With a lease that it has not released.
    Unreleased,
    Ticket,
}

/// The levels are constants to `tracing`, so this has to be a macro.
macro_rules! tell {
    ($subject:ident, $level:ident, $($field:tt)+) => {
        event!(
            target: "lessor",
            Level::$level,
            key = $subject.key.as_str(),
            id = $subject.id.map(Id::as_str),
            $($field)+
        )
    };
}

impl Trace {
    pub(super) const fn new() -> Self {
        Self { rare: None, parting: Parting::Stopped, greeted: false, unreleased: false }
    }

    pub(super) fn requested(&mut self, subject: &Subject<'_>, request: &Request) {
        macro_rules! span {
            ($name:literal, $term:expr) => {
                tracing::span!(
                    target: "lessor",
                    Level::DEBUG,
                    $name,
                    key = subject.key.as_str(),
                    id = subject.id.map(Id::as_str),
                    term = $term,
                    outcome = field::Empty,
                )
            };
        }
        let span = match request {
            Request::Acquire(_) => span!("lessor.acquire", field::Empty),
            Request::Renew(Renewal { term, .. }) => span!("lessor.renew", term.get()),
            Request::Release(_) => span!("lessor.release", field::Empty),
            Request::Get(_) => span!("lessor.get", field::Empty),
            // No election asks for these.
            Request::Revoke(_) => span!("lessor.revoke", field::Empty),
            Request::List(_) => span!("lessor.list", field::Empty),
        };
        if !span.is_none() {
            self.rare.get_or_insert_default().span = Some(span);
        }
    }

    /// Enters the span at each poll. Where nobody wants it the call is left as it is.
    pub(super) fn within(&self, call: BoxFuture<Answer>) -> BoxFuture<Answer> {
        match self.rare.as_ref().and_then(|rare| rare.span.as_ref()) {
            None => call,
            Some(span) => Box::pin(call.instrument(span.clone())),
        }
    }

    pub(super) fn ended(&mut self, subject: &Subject<'_>, ended: &Ended) {
        let Ended { operation, outcome, elapsed } = ended;
        let outcome = outcome.label();
        let span = self.rare.as_mut().and_then(|rare| rare.span.take()).unwrap_or_else(Span::none);
        span.record("outcome", outcome);
        span.in_scope(|| tell!(subject, TRACE, operation, outcome, ?elapsed, "request"));
    }

    /// Once: what a candidate found says why there is nothing to be seen of it yet.
    pub(super) fn answered(&mut self, reply: &Answer) {
        let found = match reply {
            _ if self.greeted => return,
            Ok(Reply::Acquired(Acquired::Refused { lease, retry_after })) => (lease.clone(), *retry_after),
            Ok(Reply::Got(lease)) => (lease.clone(), Duration::ZERO),
            _ => return,
        };
        self.rare.get_or_insert_default().found = Some(found);
    }

    /// Whom it waits for, and for how long at most if that one is gone.
    pub(super) fn greet(&mut self, subject: &Subject<'_>, events: &[Event]) {
        let found = self.rare.as_mut().and_then(|rare| rare.found.take());
        self.greeted |= subject.id.is_none() || events.iter().any(|event| matches!(event, Event::Elected { .. }));
        let Some((lease, retry_after)) = found.filter(|_| !self.greeted) else { return };
        self.greeted = true;
        match lease {
            Some(lease) if lease.is_live() => {
                let Lease { id, term, time_left, .. } = lease;
                let leader = id.as_ref().map(Id::as_str);
                tell!(subject, INFO, term = term.get(), leader, ?time_left, "waits for the leader");
            }
            _ if !retry_after.is_zero() => tell!(subject, INFO, ?retry_after, "waits until the storage grants the key"),
            // It asks again soon.
            _ => self.greeted = false,
        }
    }

    pub(super) fn in_group(&mut self) {
        self.greeted = true;
    }

    /// A release was answered, or failed: then it is tried again, or given up.
    pub(super) fn release_ended(&mut self, is_done: bool) {
        self.unreleased = !is_done;
    }

    /// An outage is over once the storage has answered for a ttl.
    pub(super) fn answered_well(&mut self, subject: &Subject<'_>, now: Instant) {
        let ttl = subject.config.ttl;
        let over = |outage: &mut Outage| now >= outage.newest.saturating_add(ttl);
        let Some(rare) = &mut self.rare else { return };
        if let Some(Outage { began, newest, failures, .. }) = rare.outage.take_if(over) {
            let lasted = newest.saturating_duration_since(began);
            tell!(subject, INFO, failures, ?lasted, "the storage answers again");
        }
        self.rare.take_if(|rare| rare.span.is_none() && rare.outage.is_none() && rare.found.is_none());
    }

    pub(super) fn event(&mut self, subject: &Subject<'_>, event: &Event, now: Instant) {
        match event {
            Event::Elected { term, deadline, .. } => {
                let time_left = deadline.saturating_duration_since(now);
                tell!(subject, INFO, term = term.get(), ?time_left, "elected");
            }
            Event::Jeopardy { term, deadline } => {
                let time_left = deadline.saturating_duration_since(now);
                let told = self
                    .rare
                    .as_mut()
                    .and_then(|rare| rare.outage.as_mut())
                    .and_then(|outage| outage.jeopardy_told.replace(*term));
                // With no time left its loss follows.
                if told == Some(*term) || time_left.is_zero() {
                    tell!(subject, DEBUG, term = term.get(), ?time_left, "renewals fail");
                } else {
                    tell!(subject, WARN, term = term.get(), ?time_left, "renewals fail");
                }
            }
            Event::Ending { term, .. } => tell!(subject, INFO, term = term.get(), "handing over"),
            Event::Lost { term, reason } => self.lost(subject, *term, *reason),
            Event::LeaderChanged(Some(lease)) => {
                let leader = lease.id.as_ref().map(Id::as_str);
                tell!(subject, DEBUG, term = lease.term.get(), leader, "leader changed");
            }
            Event::LeaderChanged(None) => tell!(subject, DEBUG, "leader changed"),
            Event::StorageFailed { operation, error } => {
                let operation = operation.as_str();
                let rare = self.rare.get_or_insert_default();
                let fresh = rare.outage.is_none();
                let outage = rare.outage.get_or_insert_with(|| Outage::new(now));
                outage.newest = now;
                outage.failures = outage.failures.saturating_add(1);
                let failures = outage.failures;
                if error.kind() == ErrorKind::Permanent && !outage.permanent_told {
                    outage.permanent_told = true;
                    tell!(subject, ERROR, operation, %error, "the storage fails");
                } else if fresh {
                    tell!(subject, WARN, operation, %error, "the storage fails");
                } else {
                    tell!(subject, DEBUG, operation, %error, failures, "the storage still fails");
                }
            }
            Event::Stopped => match self.parting {
                Parting::Stopped if self.unreleased => {
                    tell!(subject, WARN, "stopped before its lease was released: it has to run out");
                }
                Parting::Stopped if subject.is_unused && !self.greeted => {
                    tell!(subject, WARN, "stopped: its last handle was dropped");
                }
                Parting::Stopped if subject.is_unused => tell!(subject, INFO, "stopped: its last handle was dropped"),
                Parting::Stopped => tell!(subject, INFO, "stopped"),
                Parting::Dropped => tell!(subject, INFO, "the driver was dropped"),
                Parting::Unreleased => {
                    tell!(subject, WARN, "the driver was dropped before its lease was released: it has to run out");
                }
                Parting::Ticket => tell!(subject, DEBUG, "the session is left as a ticket"),
            },
            Event::Renewed { .. } | Event::Missed(_) => {}
        }
    }

    fn lost(&self, subject: &Subject<'_>, term: Term, reason: LostReason) {
        let (term, label) = (term.get(), reason.as_str());
        match reason {
            LostReason::Resigned | LostReason::Stopped => {
                tell!(subject, INFO, term, reason = label, "the term has ended");
            }
            LostReason::DriverDropped if self.parting == Parting::Ticket => {
                tell!(subject, DEBUG, term, reason = label, "the term has ended");
            }
            LostReason::Expired
            | LostReason::Superseded
            | LostReason::Failures
            | LostReason::ClockWentBack
            | LostReason::DriverDropped => {
                tell!(subject, WARN, term, reason = label, "the term was lost");
            }
        }
    }

    pub(super) fn ticket_taken(&mut self) {
        self.parting = Parting::Ticket;
    }

    pub(super) fn dropped(&mut self, is_releasing: bool, events: &[Event]) {
        let leads = events.iter().any(|event| matches!(event, Event::Lost { .. }));
        if self.parting == Parting::Stopped {
            self.parting =
                if leads || is_releasing || self.unreleased { Parting::Unreleased } else { Parting::Dropped };
        }
    }
}
