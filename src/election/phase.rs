//! What a candidate does, with all that belongs to it.

use alloc::boxed::Box;

use crate::storage::Session;
use crate::term::{Term, Version};
use crate::text::Id;
use crate::time::Instant;

/// What a candidate does. A [`Role`](super::Role) is what is shown of it.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Phase {
    /// It sees who leads, and never claims.
    Observing,
    /// It asks for the key and waits for its turn.
    Following,
    /// It resigned, and does not claim before `until`. After that it is as `Following`: nothing moves it on, what looks at it
    /// compares with `until`.
    CoolingOff { until: Instant },
    /// It leads.
    Leading(Reign),
    /// It holds the lease until the work of the reign has ended.
    // The rest of a hand-over is in a place of its own: it is rare.
    Ending { reign: Reign, ending: Box<Ending> },
    /// It leads no more, and gives the lease back.
    Releasing(Box<Releasing>),
    /// It is done.
    Stopped,
}

impl Phase {
    /// The reign that lasts, hand-over included.
    pub(super) const fn reign(&self) -> Option<&Reign> {
        match self {
            Self::Leading(reign) | Self::Ending { reign, .. } => Some(reign),
            _ => None,
        }
    }

    pub(super) const fn reign_mut(&mut self) -> Option<&mut Reign> {
        match self {
            Self::Leading(reign) | Self::Ending { reign, .. } => Some(reign),
            _ => None,
        }
    }

    /// Whether a wake-up may hasten its next request: that of a leader has its own time.
    pub(super) const fn heeds_wakeups(&self) -> bool {
        matches!(self, Self::Observing | Self::Following | Self::CoolingOff { .. })
    }
}

/// A reign, as the election knows it. What handles see of it is a `SharedReign`.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Reign {
    pub(super) term: Term,
    pub(super) version: Version,
    pub(super) began: Instant,
    pub(super) deadline: Instant,
    pub(super) jeopardy: bool,
}

/// How far a hand-over is.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Ending {
    /// `None`: for as long as it takes.
    pub(super) drain_until: Option<Instant>,
    pub(super) drained: bool,
    /// For whom the key is to be reserved.
    pub(super) successor: Option<Id>,
}

/// A release that is under way.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Releasing {
    pub(super) session: Session,
    pub(super) successor: Option<Id>,
    pub(super) attempts: u32,
    pub(super) then: AfterRelease,
}

/// What follows a release.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum AfterRelease {
    CoolOff,
    Stop,
}
