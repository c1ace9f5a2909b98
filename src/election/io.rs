//! What goes into an election and what comes out of it.

use core::fmt;

use crate::lease::{Key, Lease, Session, Term, Value};
use crate::record::{Acquired, Claim, Renewed};
use crate::storage::StorageError;
use crate::time::Instant;

/// What an [`Election`](super::Election) is told.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Input {
    /// Time has passed. Early, late or twice is harmless.
    Timeout,
    /// A request was answered. A reply to any request but the one now in flight is dropped.
    Reply {
        /// Which request.
        id: RequestId,
        /// What came of it.
        reply: Reply,
    },
    /// The storage hints that asking now is worth it.
    Wakeup,
    /// A new session, as [`Output::DrawSession`] asked for.
    Session(Session),
    /// Publish this with the lease from now on.
    SetValue(Option<Value>),
    /// All work of the ending term has ended.
    Drained(Term),
    /// Somebody has seen this term end: it is over, even if a renewal came through after that.
    Expired(Term),
    /// Hand over: end the term, release it, and do not campaign for the cool-off. Does nothing if not leading.
    Resign,
    /// End the term, release it, and be done.
    Stop,
}

/// What an [`Election`](super::Election) asks for.
#[derive(Clone, Debug, PartialEq)]
#[must_use]
#[non_exhaustive]
pub enum Output {
    /// Tell whoever listens. A loss comes before the release that follows it: publish it first.
    Event(Event),
    /// Draw an unpredictable session and hand it in as [`Input::Session`].
    DrawSession,
    /// Send this to the storage. It counts as sent now; what was in flight before is not waited for any more.
    Request {
        /// The number that the reply has to carry.
        id: RequestId,
        /// What to send.
        request: Request,
    },
    /// Nothing to do before this instant, unless something happens.
    Timeout(Instant),
    /// Stopped; there will be nothing more to do.
    Done,
}

/// The number of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub(super) u64);

/// An operation of [`Storage`](crate::Storage) with its arguments.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Request {
    /// [`Storage::acquire`](crate::Storage::acquire).
    Acquire(Claim),
    /// [`Storage::renew`](crate::Storage::renew).
    Renew(Claim, Term),
    /// [`Storage::release`](crate::Storage::release).
    Release(Key, Session),
    /// [`Storage::get`](crate::Storage::get), for observers.
    Get(Key),
}

/// What came of a [`Request`].
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Reply {
    /// To an acquire.
    Acquired(Acquired),
    /// To a renewal.
    Renewed(Renewed),
    /// To a release.
    Released,
    /// To a get.
    Got(Option<Lease>),
    /// It failed; whether it was applied is open.
    Failed(StorageError),
}

/// The operations of a storage, by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Operation {
    /// Ask for the key.
    Acquire,
    /// Extend the lease.
    Renew,
    /// Give it up.
    Release,
    /// Look at it.
    Get,
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Acquire => "acquire",
            Self::Renew => "renew",
            Self::Release => "release",
            Self::Get => "get",
        })
    }
}

/// Something happened to a candidate. In order: `Elected`, any number of `Renewed` and `Jeopardy`, perhaps `Ending` and
/// more of them (the lease is renewed while work ends), `Lost`.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// Somebody else leads, or this candidate, or nobody that is known of.
    LeaderChanged(Option<Lease>),
    /// This candidate leads.
    Elected {
        /// The term of the reign.
        term: Term,
        /// Until when, unless renewed; by the timer of the candidate.
        deadline: Instant,
    },
    /// It goes on leading.
    Renewed {
        /// The term of the reign.
        term: Term,
        /// Until when, unless renewed again.
        deadline: Instant,
    },
    /// A renewal failed, or the end came without one. Work that cannot be broken off should not be begun now.
    Jeopardy {
        /// The term of the reign.
        term: Term,
        /// When it ends unless a renewal gets through.
        deadline: Instant,
    },
    /// The candidate hands over: work has to end, the lease is held meanwhile.
    Ending {
        /// The term that ends.
        term: Term,
    },
    /// The reign is over.
    Lost {
        /// The term that ended.
        term: Term,
        /// Why.
        reason: LostReason,
    },
    /// The storage failed or did not answer in time. It is tried again.
    StorageFailed {
        /// What was tried.
        operation: Operation,
        /// What came of it.
        error: StorageError,
    },
    /// This many older events were dropped because nobody took them.
    Missed(u64),
    /// The candidate stopped, or its driver was dropped. The last event.
    Stopped,
}

/// Why a reign ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LostReason {
    /// Its deadline passed without a renewal.
    Expired,
    /// The storage says that the lease is not this reign's any more, or has expired there. Who leads instead is told as
    /// [`Event::LeaderChanged`].
    Superseded,
    /// As many renewals in a row failed as [`Config::fall_back_after`](crate::Config::fall_back_after) allows.
    Failures,
    /// It was asked to hand over.
    Resigned,
    /// The candidate was stopped.
    Stopped,
    /// The driver was dropped.
    DriverDropped,
}

impl fmt::Display for LostReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Expired => "its deadline passed without a renewal",
            Self::Superseded => "the storage shows another state",
            Self::Failures => "too many renewals in a row failed",
            Self::Resigned => "the candidate resigned",
            Self::Stopped => "the candidate stopped",
            Self::DriverDropped => "the driver was dropped",
        })
    }
}
