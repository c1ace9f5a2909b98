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
}

impl Fault {
    /// All of them.
    pub const ALL: [Self; 10] = [
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
        }
    }

    /// A scope in which it is found.
    #[must_use]
    pub fn scope(self) -> Scope {
        match self {
            Self::NoGuard => Scope::forward(),
            Self::ReservationIgnored => Scope::transfer(),
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
