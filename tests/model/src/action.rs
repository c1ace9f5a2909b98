//! What may happen next.

/// What may happen next. Seats and messages by their place in the state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// True time goes on.
    Tick,
    /// The storage's clock steps.
    StepClock,
    /// A candidate sends the request that is due, or that a wake-up or a new value makes due.
    Send(u8),
    /// A candidate is polled: it notices a time-out, or the end of the drain timeout.
    Poll(u8),
    /// A candidate hears that the request in flight failed; it may be applied before or after that all the same.
    Fail(u8),
    /// A leader is asked to hand over.
    Resign(u8),
    /// A leader is asked to hand over to the other candidate.
    Transfer(u8),
    /// A candidate is asked to end.
    Stop(u8),
    /// The work of an ending term has ended.
    Drained(u8),
    /// The storage applies a request, or the register what is asked of it.
    Apply {
        /// Which message.
        message: u8,
        /// Whether it is going to arrive once more.
        keep: bool,
    },
    /// The answer to a read of the register arrives.
    Read {
        /// Which message.
        message: u8,
        /// It shows what was in the register so many writes ago.
        back: u8,
    },
    /// A reply arrives, or the answer of the register.
    Deliver {
        /// Which message.
        message: u8,
    },
    /// An instance vanishes, the next one begins with a new session.
    Crash(u8),
    /// An instance goes to sleep and leaves a ticket.
    Sleep(u8),
    /// The next instance takes the ticket.
    Resume(u8),
    /// The same, and goes on with the reign of the last one in its term.
    Continue(u8),
}
