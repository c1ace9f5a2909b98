//! What the driver tells: each request with its end, and the events that were published.

use core::time::Duration;

#[cfg(feature = "metrics")]
use super::metrics::Metrics;
#[cfg(feature = "tracing")]
use super::trace::Trace;
use crate::election::{Event, RequestId};
use crate::maybe_send::BoxFuture;
use crate::shared::Subject;
use crate::storage::{Acquired, Answer, ErrorKind, Operation, Renewed, Reply, Request};
use crate::time::Instant;

pub(crate) struct Report {
    #[cfg(feature = "tracing")]
    trace: Trace,
    #[cfg(feature = "metrics")]
    metrics: Metrics,
    call: Option<Call>,
}

/// What metrics call a request whose turn did not come in time.
pub(super) const NOT_SENT: &str = "not_sent";

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
    Refused,
    Extended,
    Lost,
    Released,
    Got,
    Other(Operation),
    Failed(ErrorKind),
    /// Its turn did not come in time.
    NotSent,
    /// It was not waited for any more.
    Unanswered,
}

impl Outcome {
    fn of(reply: &Answer) -> Self {
        match reply {
            Ok(Reply::Acquired(Acquired::Granted { .. })) => Self::Granted,
            Ok(Reply::Acquired(Acquired::Refused { .. })) => Self::Refused,
            Ok(Reply::Renewed(Renewed::Extended { .. })) => Self::Extended,
            Ok(Reply::Renewed(Renewed::Lost { .. })) => Self::Lost,
            Ok(Reply::Released) => Self::Released,
            Ok(Reply::Got(_)) => Self::Got,
            // No election asks for these.
            Ok(Reply::Revoked(_)) => Self::Other(Operation::Revoke),
            Ok(Reply::Listed(_)) => Self::Other(Operation::List),
            Err(error) if error.is_not_sent() => Self::NotSent,
            Err(error) => Self::Failed(error.kind()),
        }
    }

    /// Whether the storage answered.
    #[cfg(feature = "tracing")]
    pub(super) const fn is_answer(self) -> bool {
        !matches!(self, Self::Failed(_) | Self::NotSent | Self::Unanswered)
    }

    pub(super) const fn label(self) -> &'static str {
        match self {
            Self::Granted => "granted",
            Self::Refused => "refused",
            Self::Extended => "extended",
            Self::Lost => "lost",
            Self::Released => "released",
            Self::Got => "got",
            Self::Other(operation) => operation.as_str(),
            Self::Failed(kind) => kind.as_str(),
            Self::NotSent => NOT_SENT,
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
    pub(crate) fn new() -> Self {
        Self {
            #[cfg(feature = "tracing")]
            trace: Trace::new(),
            #[cfg(feature = "metrics")]
            metrics: Metrics::new(),
            call: None,
        }
    }

    /// This request is about to be sent.
    pub(crate) fn requested(&mut self, subject: &Subject<'_>, id: RequestId, request: &Request, now: Instant) {
        self.call = Some(Call { id, operation: request.operation(), sent: now, answer: None });
        #[cfg(feature = "tracing")]
        self.trace.requested(subject, request);
        #[cfg(not(feature = "tracing"))]
        let _ = subject;
    }

    /// The call of that request, within its span.
    pub(crate) fn within(&self, call: BoxFuture<Answer>) -> BoxFuture<Answer> {
        #[cfg(feature = "tracing")]
        let call = self.trace.within(call);
        call
    }

    /// The call was answered. It is told when what follows from it is published.
    pub(crate) fn answered(&mut self, reply: &Answer) {
        if let Some(call) = &mut self.call {
            call.answer = Some(Outcome::of(reply));
            #[cfg(feature = "tracing")]
            self.trace.answered(reply);
        }
    }

    /// These events were published; this request is in flight now.
    pub(crate) fn told(&mut self, subject: &Subject<'_>, events: &[Event], in_flight: Option<RequestId>, now: Instant) {
        #[cfg(feature = "metrics")]
        self.metrics.begin(subject);
        if let Some(call) = self.call.take_if(|call| call.answer.is_some() || in_flight != Some(call.id)) {
            let ended = Self::ended(&call, now);
            #[cfg(feature = "tracing")]
            self.trace.ended(subject, &ended);
            #[cfg(feature = "tracing")]
            self.trace.greet(subject, events);
            #[cfg(feature = "tracing")]
            if call.operation == Operation::Release {
                self.trace.release_ended(ended.outcome == Outcome::Released);
            }
            #[cfg(feature = "metrics")]
            self.metrics.ended(subject, &ended);
            // An answer may still count as none: it came too late, or does not fit.
            #[cfg(feature = "tracing")]
            if ended.outcome.is_answer() && !events.iter().any(|event| matches!(event, Event::StorageFailed { .. })) {
                self.trace.answered_well(subject, now);
            }
        }
        self.tell(subject, events, now);
    }

    fn ended(call: &Call, now: Instant) -> Ended {
        Ended {
            operation: call.operation.as_str(),
            outcome: call.answer.unwrap_or(Outcome::Unanswered),
            elapsed: now.saturating_duration_since(call.sent),
        }
    }

    fn tell(&mut self, subject: &Subject<'_>, events: &[Event], now: Instant) {
        for event in events {
            #[cfg(feature = "tracing")]
            self.trace.event(subject, event, now);
            #[cfg(feature = "metrics")]
            self.metrics.event(subject, event, now);
        }
    }

    /// It is one of very many: what each of them finds at its start is not told.
    pub(crate) fn in_group(&mut self) {
        #[cfg(feature = "tracing")]
        self.trace.in_group();
    }

    /// The driver is about to be dropped on purpose: its session went into a ticket.
    pub(crate) fn ticket_taken(&mut self) {
        #[cfg(feature = "tracing")]
        self.trace.ticket_taken();
    }

    /// The driver was dropped, and these events were published for it.
    pub(crate) fn dropped(&mut self, subject: &Subject<'_>, events: &[Event]) {
        #[cfg(feature = "tracing")]
        self.trace.dropped(self.call.as_ref().is_some_and(|call| call.operation == Operation::Release), events);
        // None of these is told with a time.
        self.tell(subject, events, Instant::default());
    }
}
