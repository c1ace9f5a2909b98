//! What goes into an election and what comes out of it.

use core::fmt;
use core::time::Duration;

use crate::lease::Lease;
use crate::storage::{Operation, Reply, Request, Session, StorageError};
use crate::term::Term;
use crate::text::{Id, Value};
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
        /// What came of it. An error leaves open whether it was applied.
        reply: Result<Reply, StorageError>,
    },
    /// The storage hints that asking now is worth it.
    Wakeup,
    /// A new session, as [`Output::DrawSession`] asked for.
    Session(Session),
    /// Publish this with the lease from now on.
    SetValue {
        /// What to publish.
        value: Option<Value>,
        /// Its number, higher than that of the value before. [`Election::serial_stored`](super::Election::serial_stored)
        /// answers it once the storage has the value.
        serial: u64,
    },
    /// Go by this [claim delay](crate::Config::claim_delay) from now on, instead of the one that was configured. More than
    /// [`Config::MAX_DURATION`](crate::Config::MAX_DURATION) counts as that.
    SetClaimDelay(Duration),
    /// Renew now if it leads and waits for no answer: to travel with others. An early renewal is always harmless.
    Renew,
    /// All work of the ending term has ended.
    Drained(Term),
    /// Somebody has seen this term end: it is over, even if a renewal came through after that.
    Expired(Term),
    /// Hand over: end the term, release it, and do not campaign for the cool-off. Does nothing if not leading.
    Resign,
    /// As [`Resign`](Self::Resign), and the release reserves the key for another candidate, for the cool-off: for the one that was named last,
    /// if several are. This one campaigns again a cool-off after that.
    Transfer {
        /// For whom.
        to: Id,
        /// Wait for the work of the term as long as it takes, and not only for the drain timeout. A later `Resign`, `Stop` or
        /// impatient `Transfer` bounds it again, from then on.
        is_patient: bool,
    },
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
    #[non_exhaustive]
    Request {
        /// The number that the reply has to carry.
        id: RequestId,
        /// What to send.
        request: Request,
    },
    /// Nothing to do before this instant, unless something happens: hand in [`Input::Timeout`] then. (The word is that of
    /// other libraries without I/O. A *request* that takes too long is another matter, and the election's own.)
    Timeout(Instant),
    /// Stopped; there will be nothing more to do.
    Done,
}

/// The number of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub(super) u64);

/// Something happened to a candidate. In order: `Elected`, any number of `Renewed` and `Jeopardy`, perhaps `Ending` and
/// more of them (the lease is renewed while work ends), `Lost`. Before a loss by [expiry](LostReason::Expired) there always
/// is a `Jeopardy`.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// The leader, its term or its value is another than before; `None`: nobody leads that is known of.
    LeaderChanged(Option<Lease>),
    /// This candidate leads.
    #[non_exhaustive]
    Elected {
        /// The term of the reign.
        term: Term,
        /// Until when, unless renewed; by the timer of the candidate.
        deadline: Instant,
        /// In which [slot](crate::Builder::slots) of the key; `None` if it has none.
        slot: Option<u16>,
    },
    /// It goes on leading.
    #[non_exhaustive]
    Renewed {
        /// The term of the reign.
        term: Term,
        /// Until when, unless renewed again.
        deadline: Instant,
    },
    /// A renewal failed, or the end has come without one. Work that cannot be broken off should not be begun now.
    #[non_exhaustive]
    Jeopardy {
        /// The term of the reign.
        term: Term,
        /// When it ends unless a renewal gets through.
        deadline: Instant,
    },
    /// The candidate hands over: work has to end, the lease is held meanwhile.
    #[non_exhaustive]
    Ending {
        /// The term that ends.
        term: Term,
        /// Why: [`Resigned`](LostReason::Resigned) or [`Stopped`](LostReason::Stopped).
        reason: LostReason,
    },
    /// The reign is over.
    #[non_exhaustive]
    Lost {
        /// The term that ended.
        term: Term,
        /// Why.
        reason: LostReason,
    },
    /// The storage failed or did not answer in time. It is tried again.
    #[non_exhaustive]
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

/// Declares the reasons, and with them each table of reasons: none can be forgotten in one.
macro_rules! reasons {
    ($($(#[$doc:meta])* $reason:ident, $label:literal, $text:literal;)*) => {
        /// Why a reign ended.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum LostReason {
            $($(#[$doc])* $reason,)*
        }

        impl LostReason {
            /// All of them, in the order of their declaration.
            pub(crate) const ALL: &[Self] = &[$(Self::$reason),*];

            /// One word for it, as logs and metrics have it.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$reason => $label,)*
                }
            }
        }

        impl fmt::Display for LostReason {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(match self {
                    $(Self::$reason => $text,)*
                })
            }
        }
    };
}

reasons! {
    /// Its deadline passed without a renewal.
    Expired, "expired", "its deadline passed without a renewal";
    /// The storage says that the lease is not this reign's any more, or has expired there. Who leads instead is told as
    /// [`Event::LeaderChanged`].
    Superseded, "superseded", "the storage says that the lease is over or another's";
    /// As many renewals in a row failed as [`Config::fall_back_after`](crate::Config::fall_back_after) allows.
    Failures, "failures", "too many renewals in a row failed";
    /// It was asked to hand over.
    Resigned, "resigned", "the candidate resigned";
    /// The candidate was stopped.
    Stopped, "stopped", "the candidate stopped";
    /// The candidate's [clock](crate::Timer) went back, so that nobody can tell how long it has led. A clock may not.
    ClockWentBack, "clock_went_back", "the candidate's clock went back";
    /// The driver was dropped.
    DriverDropped, "driver_dropped", "the driver was dropped";
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::collections::BTreeSet;
    use alloc::string::ToString;

    /// Each reason has a word and a text of its own: metrics and logs tell them apart.
    #[test]
    fn reasons_are_told_apart() {
        let labels: BTreeSet<_> = LostReason::ALL.iter().map(|reason| reason.as_str()).collect();
        let texts: BTreeSet<_> = LostReason::ALL.iter().map(ToString::to_string).collect();
        assert_eq!((labels.len(), texts.len()), (LostReason::ALL.len(), LostReason::ALL.len()));
        let is_label = |label: &str| label.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
        assert!(labels.iter().all(|label| is_label(label)), "{labels:?}");
    }
}
