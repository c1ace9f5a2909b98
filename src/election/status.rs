use crate::lease::{Lease, Term};
use crate::storage::StorageError;
use crate::time::Instant;

/// What a candidate is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Role {
    /// It watches and never claims.
    Observer,
    /// It waits for its turn.
    Follower,
    /// It leads.
    Leader,
    /// It still holds the lease, and waits for the work of its term to end.
    Ending,
    /// It resigned and lets others lead for a while.
    CoolingOff,
    /// It is done.
    Stopped,
}

/// How a candidate is: for health checks and dashboards.
///
/// A process is alive while `driver_alive`; it is ready as long as it has heard from the storage lately
/// (`last_success`), whoever leads.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Status {
    /// What it is doing.
    pub role: Role,
    /// The term of the present reign.
    pub term: Option<Term>,
    /// When the present reign ends unless it is renewed, by the candidate's timer.
    pub deadline: Option<Instant>,
    /// Whether renewals of the present reign are failing.
    pub jeopardy: bool,
    /// Who leads, as far as is known.
    pub leader: Option<Lease>,
    /// When the storage last gave a clear answer, by the candidate's timer.
    pub last_success: Option<Instant>,
    /// How many requests in a row have failed.
    pub failures: u32,
    /// How the newest of them failed.
    pub last_error: Option<StorageError>,
    /// Whether the driver still exists.
    pub driver_alive: bool,
}

/// Who leads, as it was seen, and until when that is believed; by the candidate's timer.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Leader {
    pub(crate) lease: Lease,
    pub(crate) seen: Instant,
    pub(crate) until: Instant,
}

impl Leader {
    /// What is left of it.
    pub(crate) fn at(&self, now: Instant) -> Option<Lease> {
        let elapsed = now.saturating_duration_since(self.seen);
        let time_left = self.lease.time_left.saturating_sub(elapsed);
        (now < self.until).then(|| Lease { time_left, ..self.lease.clone() })
    }
}
