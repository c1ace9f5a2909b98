//! Without `tracing` and `metrics`: nothing, and nothing is left of it.

use crate::election::{Election, Event, Reply, Request, RequestId};
use crate::send::BoxFuture;
use crate::time::Instant;

pub(crate) struct Report;

const _: () = assert!(size_of::<Report>() == 0);

impl Report {
    pub(crate) fn new(_: &Election) -> Self {
        Self
    }

    pub(crate) fn requested(&mut self, _: &Request) {}

    pub(crate) fn within(&self, call: BoxFuture<Reply>) -> BoxFuture<Reply> {
        call
    }

    pub(crate) fn answered(&mut self, _: &Reply) {}

    pub(crate) fn published(&mut self, _: &[Event], _: Option<RequestId>, _: Instant) {}

    pub(crate) fn ticket_taken(&mut self) {}

    pub(crate) fn dropped(&mut self, _: &[Event]) {}
}
