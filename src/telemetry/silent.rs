//! Without `tracing` and `metrics`: nothing, and nothing is left of it.

use crate::election::{Event, RequestId};
use crate::maybe_send::BoxFuture;
use crate::shared::Subject;
use crate::storage::{Answer, Request};
use crate::time::Instant;

pub(crate) struct Report;

const _: () = assert!(size_of::<Report>() == 0);

impl Report {
    pub(crate) fn new() -> Self {
        Self
    }

    pub(crate) fn requested(&mut self, _: &Subject<'_>, _: RequestId, _: &Request, _: Instant) {}

    pub(crate) fn within(&self, call: BoxFuture<Answer>) -> BoxFuture<Answer> {
        call
    }

    pub(crate) fn answered(&mut self, _: &Answer) {}

    pub(crate) fn told(&mut self, _: &Subject<'_>, _: &[Event], _: Option<RequestId>, _: Instant) {}

    pub(crate) fn in_group(&mut self) {}

    pub(crate) fn ticket_taken(&mut self) {}

    pub(crate) fn dropped(&mut self, _: &Subject<'_>, _: &[Event]) {}
}
