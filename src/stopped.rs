//! Why there is nothing more to wait for.

use core::fmt;

use crate::debug::debug_as_displayed;

/// The candidate or observer has stopped: what was waited for does not come any more.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Stopped {
    /// It was asked to: by `shutdown`, by `run_until`, or since its last handle is gone.
    Shutdown,
    /// Its driver was dropped, say since the task that ran it was aborted or panicked.
    DriverDropped,
}

impl fmt::Display for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Shutdown => "the candidate or observer was shut down",
            Self::DriverDropped => {
                "the driver was dropped: it was never spawned, its task was aborted or panicked, the task's handle was dropped \
                 (smol: detach it, or keep it), or its runtime ended"
            },
        })
    }
}

impl core::error::Error for Stopped {}

debug_as_displayed!(Stopped);

/// The driver was dropped before it had handed over: a lease that it held runs out by itself.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Abandoned;

impl fmt::Display for Abandoned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the driver was dropped before it had handed over: a lease that it held has to run out")
    }
}

impl core::error::Error for Abandoned {}

debug_as_displayed!(Abandoned);
