//! What the last transition showed.

use std::ops::BitOrAssign;

/// What the last transition showed: what must never be, and what has to be possible.
///
/// Part of the state, so that the properties see it; only of the last transition, so that states do not multiply.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct News(u32);

impl News {
    /// A reign began in a term that is not newer than those of all before it.
    pub(crate) const REIGN_NOT_NEWER: Self = Self(1);
    /// A grant whose term is not beyond all before it, nor the repeated grant of the newest.
    pub(crate) const GRANT_NOT_NEWER: Self = Self(1 << 1);
    /// A release was sent while its candidate led.
    pub(crate) const RELEASED_WHILE_LEADING: Self = Self(1 << 2);
    /// A session whose release was sent asked for the key.
    pub(crate) const CLAIMED_AFTER_RELEASE: Self = Self(1 << 3);
    /// A renewal extended an expired lease.
    pub(crate) const REVIVED: Self = Self(1 << 4);
    /// A renewal extended a lease of another session or term.
    pub(crate) const RENEWED_ANOTHER: Self = Self(1 << 13);
    /// A lease that was live became shorter or another's, not by its release.
    pub(crate) const SHORTENED: Self = Self(1 << 5);
    /// A late reply changed the candidate.
    pub(crate) const LATE_REPLY_COUNTED: Self = Self(1 << 6);

    /// A late reply changed nothing.
    pub(crate) const LATE_REPLY_DROPPED: Self = Self(1 << 7);
    /// Elected by a claim on a released key.
    pub(crate) const HANDED_OVER: Self = Self(1 << 8);
    /// Elected by a claim on another's expired lease.
    pub(crate) const TOOK_OVER: Self = Self(1 << 9);
    /// Elected by the second grant of one term.
    pub(crate) const HEALED: Self = Self(1 << 10);
    /// A release that had timed out was applied while another led.
    pub(crate) const LATE_RELEASE: Self = Self(1 << 11);
    /// Elected with the session of an instance that went to sleep.
    pub(crate) const RESUMED: Self = Self(1 << 12);

    /// A key that was reserved was granted to another than it was for.
    pub(crate) const RESERVED_FOR_ANOTHER: Self = Self(1 << 14);
    /// Elected by a claim on a key that was reserved for it.
    pub(crate) const TRANSFERRED: Self = Self(1 << 15);
    /// A claim was refused since the key was reserved for another.
    pub(crate) const KEPT_FOR_ANOTHER: Self = Self(1 << 16);
    /// Elected by a claim on a key whose reservation had run out.
    pub(crate) const RESERVATION_OVER: Self = Self(1 << 17);

    /// A candidate was told that it has lost what it holds.
    pub(crate) const TOLD_LOST_IN_VAIN: Self = Self(1 << 18);
    /// An end that somebody has seen was written.
    pub(crate) const MARKED: Self = Self(1 << 19);
    /// Another's write was there before a swap.
    pub(crate) const MOVED: Self = Self(1 << 20);
    /// A swap got through that nobody waited for.
    pub(crate) const LATE_SWAP: Self = Self(1 << 21);
    /// A swap that had arrived before was refused.
    pub(crate) const COPY_REFUSED: Self = Self(1 << 22);
    /// A read showed what was.
    pub(crate) const STALE: Self = Self(1 << 23);
    /// A renewal got through after the end of its lease, which nobody had written.
    pub(crate) const RENEWED_LATE: Self = Self(1 << 24);

    pub(crate) const fn has(self, what: Self) -> bool {
        self.0 & what.0 != 0
    }
}

impl BitOrAssign for News {
    fn bitor_assign(&mut self, other: Self) {
        self.0 |= other.0;
    }
}
