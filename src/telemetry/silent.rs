//! Without `tracing` and `metrics`: nothing, and nothing is left of it.

use crate::election::{Election, Event, RequestId};
use crate::maybe_send::BoxFuture;
use crate::storage::{Answer, Request};
use crate::time::Instant;

pub(crate) struct Report;

const _: () = assert!(size_of::<Report>() == 0);

impl Report {
    pub(crate) fn new(_: &Election) -> Self {
        Self
    }

    pub(crate) fn requested(&mut self, _: RequestId, _: &Request, _: Instant) {}

    pub(crate) fn within(&self, call: BoxFuture<Answer>) -> BoxFuture<Answer> {
        call
    }

    pub(crate) fn answered(&mut self, _: &Answer) {}

    pub(crate) fn told(&mut self, _: &[Event], _: Option<RequestId>, _: Instant) {}

    pub(crate) fn ticket_taken(&mut self) {}

    pub(crate) fn dropped(&mut self, _: &[Event]) {}
}
