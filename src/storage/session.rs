//! The secret of a candidate.

use core::fmt;

/// What proves that a candidate holds a lease: 128 unpredictable bits, drawn at its start, and drawn
/// anew before each release after which it goes on, and before it asks for another slot than the one that it held.
///
/// Only a storage sees it. It never travels in a [`Lease`](crate::Lease), and its `Debug` form does not show it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Session {
    // Two words, since one of 128 bits is aligned to twice as much, and so is whatever has it.
    high: u64,
    low: u64,
}

impl Session {
    /// All bits zero: no candidate's. A lease has it that was taken from its holder and has not ended yet, so that nobody renews or releases it.
    ///
    /// A candidate draws it once in 2^128 times; a storage that takes sessions from strangers refuses it.
    pub const NOBODY: Self = Self { high: 0, low: 0 };

    /// Makes a session of 128 bits. They have to be unpredictable, and never the same twice: whoever has them holds
    /// the lease.
    #[must_use]
    pub const fn from_bits(bits: u128) -> Self {
        Self { high: (bits >> 64) as u64, low: bits as u64 }
    }

    /// A new session from a source of unpredictable words.
    pub(crate) fn draw(entropy: &mut dyn FnMut() -> u64) -> Self {
        Self { high: entropy(), low: entropy() }
    }

    /// The bits, for a storage to keep.
    #[must_use]
    pub const fn to_bits(self) -> u128 {
        (self.high as u128) << 64 | self.low as u128
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Session(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;

    /// A session is a secret: nothing prints it.
    #[test]
    fn a_session_is_not_printed() {
        assert_eq!(format!("{:?}", Session::from_bits(42)), "Session(..)");
    }
}
