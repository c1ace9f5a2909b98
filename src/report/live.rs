//! What the driver tells: each request with its end, and the events that were published.

use core::time::Duration;

#[cfg(feature = "metrics")]
use super::metrics::Metrics;
#[cfg(feature = "tracing")]
use super::trace::Trace;
use crate::election::{Election, Event, LostReason, Operation, Reply, Request, RequestId};
use crate::record::{Acquired, Renewed};
use crate::send::BoxFuture;
use crate::storage::ErrorKind;
use crate::time::Instant;

pub(crate) struct Report {
    #[cfg(feature = "tracing")]
    trace: Trace,
    #[cfg(feature = "metrics")]
    metrics: Metrics,
    call: Option<Call>,
    in_flight: Option<RequestId>,
    now: Instant,
}

/// A request under way.
struct Call {
    id: RequestId,
    operation: Operation,
    sent: Instant,
    answer: Option<Outcome>,
}

/// What came of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Granted,
    Held,
    Extended,
    Lost,
    Released,
    Got,
    Failed(ErrorKind),
    /// It was not waited for any more.
    Unanswered,
}

impl Outcome {
    fn of(reply: &Reply) -> Self {
        match reply {
            Reply::Acquired(Acquired::Granted { .. }) => Self::Granted,
            Reply::Acquired(Acquired::Held { .. }) => Self::Held,
            Reply::Renewed(Renewed::Extended { .. }) => Self::Extended,
            Reply::Renewed(Renewed::Lost(_)) => Self::Lost,
            Reply::Released => Self::Released,
            Reply::Got(_) => Self::Got,
            Reply::Failed(error) => Self::Failed(error.kind()),
        }
    }

    /// Whether the storage answered.
    #[cfg(feature = "tracing")]
    pub(super) const fn is_answer(self) -> bool {
        !matches!(self, Self::Failed(_) | Self::Unanswered)
    }

    pub(super) const fn label(self) -> &'static str {
        match self {
            Self::Granted => "granted",
            Self::Held => "held",
            Self::Extended => "extended",
            Self::Lost => "lost",
            Self::Released => "released",
            Self::Got => "got",
            Self::Failed(kind) => kind_label(kind),
            Self::Unanswered => "unanswered",
        }
    }
}

/// A request that is over.
pub(super) struct Ended {
    pub(super) operation: &'static str,
    pub(super) outcome: Outcome,
    pub(super) elapsed: Duration,
}

impl Report {
    pub(crate) fn new(election: &Election) -> Self {
        Self {
            #[cfg(feature = "tracing")]
            trace: Trace::new(election),
            #[cfg(feature = "metrics")]
            metrics: Metrics::new(election),
            call: None,
            in_flight: None,
            now: Instant::default(),
        }
    }

    /// The request in flight is about to be sent.
    pub(crate) fn requested(&mut self, request: &Request) {
        let operation = match request {
            Request::Acquire(_) => Operation::Acquire,
            Request::Renew(..) => Operation::Renew,
            Request::Release(..) => Operation::Release,
            Request::Get(_) => Operation::Get,
        };
        self.call = self.in_flight.map(|id| Call { id, operation, sent: self.now, answer: None });
        #[cfg(feature = "tracing")]
        self.trace.requested(request);
    }

    /// The call of that request, within its span.
    pub(crate) fn within(&self, call: BoxFuture<Reply>) -> BoxFuture<Reply> {
        #[cfg(feature = "tracing")]
        let call = self.trace.within(call);
        call
    }

    /// The call was answered. It is told when what follows from it is published.
    pub(crate) fn answered(&mut self, reply: &Reply) {
        if let Some(call) = &mut self.call {
            call.answer = Some(Outcome::of(reply));
        }
    }

    /// These events were published; this request is in flight now.
    pub(crate) fn published(&mut self, events: &[Event], in_flight: Option<RequestId>, now: Instant) {
        (self.in_flight, self.now) = (in_flight, now);
        #[cfg(feature = "metrics")]
        self.metrics.begin();
        if let Some(call) = self.call.take_if(|call| call.answer.is_some() || in_flight != Some(call.id)) {
            let ended = self.ended(&call);
            #[cfg(feature = "tracing")]
            self.trace.ended(&ended);
            #[cfg(feature = "metrics")]
            self.metrics.ended(&ended);
            // An answer may still count as none: it came too late, or does not fit.
            #[cfg(feature = "tracing")]
            if ended.outcome.is_answer() && !events.iter().any(|event| matches!(event, Event::StorageFailed { .. })) {
                self.trace.answered_well(now);
            }
        }
        self.tell(events);
    }

    fn ended(&self, call: &Call) -> Ended {
        Ended {
            operation: operation_label(call.operation),
            outcome: call.answer.unwrap_or(Outcome::Unanswered),
            elapsed: self.now.saturating_duration_since(call.sent),
        }
    }

    fn tell(&mut self, events: &[Event]) {
        for event in events {
            #[cfg(feature = "tracing")]
            self.trace.event(event, self.now);
            #[cfg(feature = "metrics")]
            self.metrics.event(event, self.now);
        }
    }

    /// The driver is about to be dropped on purpose: its session went into a ticket.
    pub(crate) fn ticket_taken(&mut self) {
        #[cfg(feature = "tracing")]
        self.trace.ticket_taken();
    }

    /// The driver was dropped, and these events were published for it.
    pub(crate) fn dropped(&mut self, events: &[Event]) {
        #[cfg(feature = "tracing")]
        self.trace.dropped();
        self.tell(events);
    }
}

pub(super) const fn kind_label(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::Transient => "transient",
        ErrorKind::Permanent => "permanent",
    }
}

pub(super) const fn operation_label(operation: Operation) -> &'static str {
    match operation {
        Operation::Acquire => "acquire",
        Operation::Renew => "renew",
        Operation::Release => "release",
        Operation::Get => "get",
    }
}

pub(super) const fn reason_label(reason: LostReason) -> &'static str {
    match reason {
        LostReason::Expired => "expired",
        LostReason::Superseded => "superseded",
        LostReason::Failures => "failures",
        LostReason::Resigned => "resigned",
        LostReason::Stopped => "stopped",
        LostReason::DriverDropped => "driver_dropped",
    }
}
