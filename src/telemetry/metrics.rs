//! The metrics: what is told becomes gauges, counters and histograms.

use ::metrics::{SharedString, Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};

use super::observed::{Ended, NOT_SENT, Outcome};
use crate::election::{Event, LostReason};
use crate::shared::Subject;
use crate::storage::ErrorKind;
use crate::term::Term;
use crate::time::Instant;

const LEADING: &str = "lessor_leading";
const TERM: &str = "lessor_term";
const LEADER_CHANGES: &str = "lessor_leader_changes_total";
const TERMS_STARTED: &str = "lessor_terms_started_total";
const TERMS_ENDED: &str = "lessor_terms_ended_total";
const REQUEST: &str = "lessor_request_seconds";
const RENEWAL_TIME_LEFT: &str = "lessor_renewal_time_left_seconds";
const LATE_REPLY: &str = "lessor_late_reply_seconds";
const FAILURES: &str = "lessor_failures_total";

/// After so many renewals it is told again that this process leads.
const GAUGED_EVERY: u8 = 4;

pub(super) struct Metrics {
    begun: bool,
    leading: bool,
    /// How many renewals there were since that was told.
    renewals: u8,
    /// Of the present reign.
    deadline: Option<Instant>,
    /// The newest term that was seen to lead.
    seen: Option<Term>,
}

impl Metrics {
    pub(super) const fn new() -> Self {
        Self { begun: false, leading: false, renewals: 0, deadline: None, seen: None }
    }

    /// At first: what a figure means, and the zero from which it is seen to grow.
    pub(super) fn begin(&mut self, subject: &Subject<'_>) {
        if self.begun {
            return;
        }
        self.begun = true;
        describe();
        counter!(LEADER_CHANGES, "key" => key(subject)).increment(0);
        for kind in ErrorKind::ALL.map(ErrorKind::as_str).into_iter().chain([NOT_SENT]) {
            counter!(FAILURES, "key" => key(subject), "kind" => kind).increment(0);
        }
        if subject.id.is_none() {
            return;
        }
        // Not set to zero: another candidate of this process may lead.
        gauge!(LEADING, "key" => key(subject)).increment(0.0);
        counter!(TERMS_STARTED, "key" => key(subject)).increment(0);
        for reason in LostReason::ALL {
            counter!(TERMS_ENDED, "key" => key(subject), "reason" => reason.as_str()).increment(0);
        }
    }

    pub(super) fn ended(&self, subject: &Subject<'_>, ended: &Ended) {
        let Ended { operation, outcome, elapsed } = ended;
        histogram!(REQUEST, "key" => key(subject), "operation" => *operation, "outcome" => outcome.label())
            .record(*elapsed);
        // For how long a grant or renewal counts, from when it was asked for.
        let lasts = subject.config.ttl.saturating_sub(subject.config.margin);
        if let (Outcome::Granted | Outcome::Extended, Some(late)) = (outcome, elapsed.checked_sub(lasts)) {
            histogram!(LATE_REPLY, "key" => key(subject)).record(late);
        }
    }

    pub(super) fn event(&mut self, subject: &Subject<'_>, event: &Event, now: Instant) {
        match event {
            Event::Elected { deadline, .. } => {
                self.deadline = Some(*deadline);
                self.leading = true;
                self.push_leading(subject);
                counter!(TERMS_STARTED, "key" => key(subject)).increment(1);
            }
            Event::Renewed { deadline, .. } => {
                if let Some(before) = self.deadline.replace(*deadline) {
                    let left = before.saturating_duration_since(now);
                    histogram!(RENEWAL_TIME_LEFT, "key" => key(subject)).record(left);
                }
                // Again, now and then: the recorder may have forgotten it, or another candidate of this process taken it back late.
                self.renewals = (self.renewals + 1) % GAUGED_EVERY;
                if self.leading && self.renewals == 0 {
                    self.push_leading(subject);
                }
            }
            Event::Ending { .. } => {
                self.leading = false;
                self.push_leading(subject);
            }
            Event::Lost { reason, .. } => {
                self.deadline = None;
                self.leading = false;
                self.push_leading(subject);
                counter!(TERMS_ENDED, "key" => key(subject), "reason" => reason.as_str()).increment(1);
            }
            Event::LeaderChanged(Some(lease)) => {
                gauge!(TERM, "key" => key(subject)).set(lease.term.get() as f64);
                if self.seen.replace(lease.term).is_some_and(|seen| seen != lease.term) {
                    counter!(LEADER_CHANGES, "key" => key(subject)).increment(1);
                }
            }
            Event::StorageFailed { error, .. } => {
                let kind = if error.is_not_sent() { NOT_SENT } else { error.kind().as_str() };
                counter!(FAILURES, "key" => key(subject), "kind" => kind).increment(1);
            }
            _ => {}
        }
    }

    fn push_leading(&self, subject: &Subject<'_>) {
        gauge!(LEADING, "key" => key(subject)).set(u8::from(self.leading));
    }
}

fn key(subject: &Subject<'_>) -> SharedString {
    subject.key.share().into()
}

fn describe() {
    describe_gauge!(LEADING, "1 while this process leads, else 0");
    describe_gauge!(TERM, "The newest term that was seen to lead");
    describe_counter!(LEADER_CHANGES, Unit::Count, "How often another term than before was seen to lead");
    describe_counter!(TERMS_STARTED, Unit::Count, "Terms that began here");
    describe_counter!(TERMS_ENDED, Unit::Count, "Terms that ended here, by reason");
    describe_histogram!(REQUEST, Unit::Seconds, "How long a request to the storage took, by operation and outcome");
    describe_histogram!(RENEWAL_TIME_LEFT, Unit::Seconds, "How far ahead the deadline was when a renewal got through");
    describe_histogram!(LATE_REPLY, Unit::Seconds, "By how much a grant or renewal came after what it gave had ended");
    describe_counter!(FAILURES, Unit::Count, "Requests to the storage that failed, by kind");
}
