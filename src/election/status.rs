//! What is shown of a candidate.

use alloc::boxed::Box;
use core::fmt;
use core::time::Duration;

use crate::lease::Lease;
use crate::storage::StorageError;
use crate::term::Term;
use crate::text::Value;
use crate::time::Instant;

/// What a candidate does, as it is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Role {
    /// It watches and never claims.
    Observer,
    /// It waits for its turn; or it leads no more, and its release is under way.
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

impl Role {
    /// One word for it, as logs and dashboards have it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Observer => "observer",
            Self::Follower => "follower",
            Self::Leader => "leader",
            Self::Ending => "ending",
            Self::CoolingOff => "cooling_off",
            Self::Stopped => "stopped",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How a candidate is: for health checks and dashboards.
///
/// # Probes
///
/// * **Liveness** (restart the process): [`is_live`](Self::is_live). The driver is there, and steps when it is due. A
///   failing storage does not count, since a restart does not heal it; nor does it matter who leads.
/// * **Readiness** (send it requests): [`is_ready`](Self::is_ready). The driver lives, and the storage answers. Who leads
///   does not matter either: a follower that answers, or forwards to the [leader](Self::leader), is ready. Only where
///   the leader alone may be reached, ask [`Candidate::is_leader`](crate::Candidate::is_leader) instead, and then not
///   for a rolling update, which would wait for followers that never get ready. All replicas share the storage: while it is
///   away none is ready. Where they can serve without it, ask `is_live` for both.
///
/// For both the ttl is a good patience: a driver that is late by a ttl has lost whatever it led.
///
/// ```
/// use core::time::Duration;
/// use lessor::{Builder, ManualTimer, MemoryStorage};
///
/// let timer = ManualTimer::new();
/// let storage = MemoryStorage::with_timer(timer.clone());
/// let (candidate, mut driver) = Builder::new("k").id("node-a").build_on(storage, timer.clone())?;
/// let ttl = driver.config().ttl;
/// assert!(candidate.status().is_live(ttl) && !candidate.status().is_ready(ttl), "nothing was heard yet");
///
/// timer.block_on(driver.step());
/// assert!(candidate.status().is_live(ttl) && candidate.status().is_ready(ttl));
///
/// timer.advance(Duration::from_secs(60)); // nobody steps
/// assert!(!candidate.status().is_live(ttl) && !candidate.status().is_ready(ttl));
/// # Ok::<(), lessor::BuildError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Status {
    /// When this was so, by the candidate's timer: what the other instants compare with.
    pub at: Instant,
    /// What it is doing.
    pub role: Role,
    /// The term of the present reign.
    pub term: Option<Term>,
    /// The [slot](crate::Builder::slots) of the present reign; `None` too if the key has none.
    pub slot: Option<u16>,
    /// When the present reign ends unless it is renewed, by the candidate's timer.
    pub deadline: Option<Instant>,
    /// Whether renewals of the present reign are failing.
    pub jeopardy: bool,
    /// Who leads, as far as is known; as [`Candidate::leader`](crate::Candidate::leader) answers it.
    pub leader: Option<Lease>,
    /// When the storage last gave a clear answer, by the candidate's timer.
    pub last_success: Option<Instant>,
    /// How many requests in a row have failed.
    pub failures: u32,
    /// How the newest of them failed.
    pub last_error: Option<StorageError>,
    /// Whether the driver still exists.
    pub driver_alive: bool,
    /// When the driver is to step next, at the latest; by the candidate's timer.
    pub due: Instant,
}

impl Status {
    /// Whether the driver exists and is late by no more than `patience`: for liveness probes.
    ///
    /// False for a candidate that was stopped. Of a driver that never ran the first step was due when it was built.
    #[must_use]
    pub fn is_live(&self, patience: Duration) -> bool {
        self.driver_alive && self.overdue() <= patience
    }

    /// Whether the driver [is live](Self::is_live), the storage has answered at least once, and, if requests are failing
    /// now, its last answer is no older than `patience`: for readiness probes.
    #[must_use]
    pub fn is_ready(&self, patience: Duration) -> bool {
        let answers = |last| self.failures == 0 || self.at.saturating_duration_since(last) <= patience;
        self.is_live(patience) && self.last_success.is_some_and(answers)
    }

    /// By how much the driver is late with its next step. Zero: it is in time.
    #[must_use]
    pub fn overdue(&self) -> Duration {
        self.at.saturating_duration_since(self.due)
    }
}

/// Who leads, as far as is known.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Known {
    Nobody,
    /// This candidate, with this value. All else follows from its reign.
    Own(Option<Box<Value>>),
    /// In a place of its own: who leads has none.
    Other(Box<Leader>),
}

impl Known {
    /// Until when that is believed, where nothing else ends it.
    pub(super) fn until(&self) -> Option<Instant> {
        if let Self::Other(leader) = self { Some(leader.until) } else { None }
    }
}

/// Another who leads, as it was seen, and until when that is believed; by the candidate's timer.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Leader {
    pub(super) lease: Lease,
    pub(super) seen: Instant,
    pub(super) until: Instant,
}

impl Leader {
    /// The lease as it is by now.
    pub(super) fn at(&self, now: Instant) -> Option<Lease> {
        let elapsed = now.saturating_duration_since(self.seen);
        let time_left = self.lease.time_left.saturating_sub(elapsed);
        let age = self.lease.age.map(|age| age.saturating_add(elapsed));
        (now < self.until).then(|| Lease { time_left, age, ..self.lease.clone() })
    }
}
