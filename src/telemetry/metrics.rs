//! The metrics: what is told becomes gauges, counters and histograms.

use alloc::sync::Arc;
use core::time::Duration;

use ::metrics::{SharedString, Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};

use super::observed::{Ended, NOT_SENT, Outcome};
use crate::election::{Election, Event, LostReason};
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

pub(super) struct Metrics {
    key: SharedString,
    /// Not an observer.
    campaigns: bool,
    /// For how long a grant or renewal counts, from when it was asked for.
    lasts: Duration,
    begun: bool,
    leading: bool,
    /// Of the present reign.
    deadline: Option<Instant>,
    /// The newest term that was seen to lead.
    seen: Option<Term>,
}

impl Metrics {
    pub(super) fn new(election: &Election) -> Self {
        let key: Arc<str> = Arc::from(election.key().as_str());
        let config = election.config();
        Self {
            key: key.into(),
            campaigns: election.id().is_some(),
            lasts: config.ttl.saturating_sub(config.margin),
            begun: false,
            leading: false,
            deadline: None,
            seen: None,
        }
    }

    fn key(&self) -> SharedString {
        self.key.clone()
    }

    /// At first: what a figure means, and the zero from which it is seen to grow.
    pub(super) fn begin(&mut self) {
        if self.begun {
            return;
        }
        self.begun = true;
        describe();
        counter!(LEADER_CHANGES, "key" => self.key()).increment(0);
        for kind in ErrorKind::ALL.map(ErrorKind::as_str).into_iter().chain([NOT_SENT]) {
            counter!(FAILURES, "key" => self.key(), "kind" => kind).increment(0);
        }
        if !self.campaigns {
            return;
        }
        // Not set to zero: another candidate of this process may lead.
        gauge!(LEADING, "key" => self.key()).increment(0.0);
        counter!(TERMS_STARTED, "key" => self.key()).increment(0);
        for reason in LostReason::ALL {
            counter!(TERMS_ENDED, "key" => self.key(), "reason" => reason.as_str()).increment(0);
        }
    }

    pub(super) fn ended(&self, ended: &Ended) {
        let Ended { operation, outcome, elapsed } = ended;
        histogram!(REQUEST, "key" => self.key(), "operation" => *operation, "outcome" => outcome.label())
            .record(*elapsed);
        if let (Outcome::Granted | Outcome::Extended, Some(late)) = (outcome, elapsed.checked_sub(self.lasts)) {
            histogram!(LATE_REPLY, "key" => self.key()).record(late);
        }
    }

    pub(super) fn event(&mut self, event: &Event, now: Instant) {
        match event {
            Event::Elected { deadline, .. } => {
                self.deadline = Some(*deadline);
                self.leading = true;
                self.push_leading();
                counter!(TERMS_STARTED, "key" => self.key()).increment(1);
            }
            Event::Renewed { deadline, .. } => {
                if let Some(before) = self.deadline.replace(*deadline) {
                    let left = before.saturating_duration_since(now);
                    histogram!(RENEWAL_TIME_LEFT, "key" => self.key()).record(left);
                }
                // Again: the recorder may have forgotten it, or another candidate of this process taken it back late.
                if self.leading {
                    self.push_leading();
                }
            }
            Event::Ending { .. } => {
                self.leading = false;
                self.push_leading();
            }
            Event::Lost { reason, .. } => {
                self.deadline = None;
                self.leading = false;
                self.push_leading();
                counter!(TERMS_ENDED, "key" => self.key(), "reason" => reason.as_str()).increment(1);
            }
            Event::LeaderChanged(Some(lease)) => {
                gauge!(TERM, "key" => self.key()).set(lease.term.get() as f64);
                if self.seen.replace(lease.term).is_some_and(|seen| seen != lease.term) {
                    counter!(LEADER_CHANGES, "key" => self.key()).increment(1);
                }
            }
            Event::StorageFailed { error, .. } => {
                let kind = if error.is_not_sent() { NOT_SENT } else { error.kind().as_str() };
                counter!(FAILURES, "key" => self.key(), "kind" => kind).increment(1);
            }
            _ => {}
        }
    }

    fn push_leading(&self) {
        gauge!(LEADING, "key" => self.key()).set(u8::from(self.leading));
    }
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
