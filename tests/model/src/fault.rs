//! Faults planted between the model and the shipped code: each takes one rule of the protocol away.

use std::fmt;
use std::str::FromStr;

use crate::scope::Scope;

/// A rule of the protocol taken away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// After a release the old session is handed in where a new one was to be drawn.
    SessionKept,
    /// The storage ignores `after`: its own session gets the same term again, everybody else whatever is free.
    AfterIgnored,
    /// The storage judges a renewal as if the lease had not run out.
    RenewRevives,
    /// The deadline counts from when the reply came, not from when the request was sent.
    DeadlineFromReply,
    /// A ticket is used while the instance that wrote it still runs.
    TicketCopied,
    /// A late reply is taken for one to the request now in flight.
    LateReplyTrusted,
    /// Nothing is set aside for clocks that run at different rates.
    NoMargin,
    /// A release deletes the record.
    RecordDeleted,
    /// A key that is reserved is granted to whoever asks.
    ReservationIgnored,
    /// An expired lease is taken over on the word of a clock that stepped forward.
    NoGuard,
    /// A handle of the register has seen a write since it asked for it.
    SeenSinceAsked,
    /// A handle has seen a renewed lease since it saw it first.
    SightOutlivesRenewal,
    /// A handle takes its clock for one that shows what time it is.
    ResolutionIgnored,
    /// The clock by which a handle observes goes forward by itself.
    ObserverStepsForward,
    /// A handle takes the lease of another for shorter than its ttl.
    TtlCutShort,
    /// A handle swaps what is there when it sends, not what stood still.
    NewestSwapped,
    /// A handle takes a swap that failed for one that got through.
    DoubtIsAnswer,
    /// A handle judges a renewal as if nobody had written the end of its lease.
    EndIgnored,
    /// The register is written whatever its revision is.
    SwapUnconditional,
    /// Two writes of the register have one revision.
    RevisionReused,
    /// A read shows what was, with the revision of what is.
    TornRead,
    /// A read may show what was there before a write that its handle was told of.
    OwnWriteMissed,
    /// The register is deleted when nobody has written to it for a while.
    RegisterRunsOut,
}

impl Fault {
    /// All of them.
    pub const ALL: [Self; 23] = [
        Self::SessionKept,
        Self::AfterIgnored,
        Self::RenewRevives,
        Self::DeadlineFromReply,
        Self::TicketCopied,
        Self::LateReplyTrusted,
        Self::NoMargin,
        Self::RecordDeleted,
        Self::ReservationIgnored,
        Self::NoGuard,
        Self::SeenSinceAsked,
        Self::SightOutlivesRenewal,
        Self::ResolutionIgnored,
        Self::ObserverStepsForward,
        Self::TtlCutShort,
        Self::NewestSwapped,
        Self::DoubtIsAnswer,
        Self::EndIgnored,
        Self::SwapUnconditional,
        Self::RevisionReused,
        Self::TornRead,
        Self::OwnWriteMissed,
        Self::RegisterRunsOut,
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::SessionKept => "session-kept",
            Self::AfterIgnored => "after-ignored",
            Self::RenewRevives => "renew-revives",
            Self::DeadlineFromReply => "deadline-from-reply",
            Self::TicketCopied => "ticket-copied",
            Self::LateReplyTrusted => "late-reply-trusted",
            Self::NoMargin => "no-margin",
            Self::RecordDeleted => "record-deleted",
            Self::ReservationIgnored => "reservation-ignored",
            Self::NoGuard => "no-guard",
            Self::SeenSinceAsked => "seen-since-asked",
            Self::SightOutlivesRenewal => "sight-outlives-renewal",
            Self::ResolutionIgnored => "resolution-ignored",
            Self::ObserverStepsForward => "observer-steps-forward",
            Self::TtlCutShort => "ttl-cut-short",
            Self::NewestSwapped => "newest-swapped",
            Self::DoubtIsAnswer => "doubt-is-answer",
            Self::EndIgnored => "end-ignored",
            Self::SwapUnconditional => "swap-unconditional",
            Self::RevisionReused => "revision-reused",
            Self::TornRead => "torn-read",
            Self::OwnWriteMissed => "own-write-missed",
            Self::RegisterRunsOut => "register-runs-out",
        }
    }

    /// A scope in which it is found.
    #[must_use]
    pub fn scope(self) -> Scope {
        match self {
            Self::NoGuard => Scope::forward(),
            Self::ReservationIgnored => Scope::transfer(),
            Self::EndIgnored => Scope::too_late(),
            Self::ResolutionIgnored => Scope::coarse(),
            Self::TornRead | Self::OwnWriteMissed => Scope::reads(),
            Self::DoubtIsAnswer => Scope::registers(),
            Self::SeenSinceAsked
            | Self::SightOutlivesRenewal
            | Self::ObserverStepsForward
            | Self::TtlCutShort
            | Self::NewestSwapped
            | Self::SwapUnconditional
            | Self::RevisionReused
            | Self::RegisterRunsOut => Scope::looks(),
            _ => Scope::small(),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Fault {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|fault| fault.name() == name).ok_or_else(|| {
            let names: Vec<_> = Self::ALL.map(Self::name).into();
            format!("no fault '{name}', only {}", names.join(", "))
        })
    }
}
