//! The two numbers of a record: its newest term, and the version that moves with every write.

use core::fmt;
use core::num::NonZeroU64;

use crate::debug::debug_as_displayed;

/// The number of a reign, and the fencing token of everything done in it.
///
/// It grows with every grant and every revoke for a key, and outlives release, expiry and restart. (Nobody leads in the
/// term of a revoke.) Send it along with each write:
/// a resource that remembers the newest term it has seen can refuse the writes of an older one
/// (see [`Fence`](crate::Fence) and Kleppmann, "How to do distributed locking", 2016).
///
/// From 1 to 2^53 - 1, so that JavaScript and JSON carry it exactly.
///
/// ```
/// use lessor::Term;
///
/// let term = Term::new(7).unwrap();
/// assert!(term.next().unwrap() > term && term > Term::FIRST);
/// assert_eq!((term.to_string(), i64::from(term)), ("7".to_owned(), 7));
/// assert_eq!(Term::new(0), None);
/// assert_eq!(Term::try_from(-3_i64).unwrap_err().to_string(), "-3 is no term: a term is from 1 to 9007199254740991");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Term(NonZeroU64);

impl Term {
    /// The lowest term: the first of a key, unless its storage seeds terms from its clock (as Redis does).
    pub const FIRST: Self = Self(NonZeroU64::MIN);

    /// The last term there is; after it a key is never granted again.
    pub const LAST: Self = match NonZeroU64::new((1 << 53) - 1) {
        Some(last) => Self(last),
        None => Self::FIRST,
    };

    /// The term of this number, if it is from 1 to 2^53 - 1.
    #[must_use]
    pub const fn new(number: u64) -> Option<Self> {
        match NonZeroU64::new(number) {
            Some(number) if number.get() <= Self::LAST.0.get() => Some(Self(number)),
            _ => None,
        }
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0.get()
    }

    /// The term before this one; none before the [first](Self::FIRST).
    pub(crate) const fn previous(self) -> Option<Self> {
        Self::new(self.get() - 1)
    }

    /// The term after this one; none after the [last](Self::LAST).
    #[must_use]
    pub const fn next(self) -> Option<Self> {
        Self::new(self.get() + 1)
    }
}

impl From<Term> for u64 {
    fn from(term: Term) -> Self {
        term.get()
    }
}

/// Without loss: terms stay below 2^53. For databases, whose integers are signed.
impl From<Term> for i64 {
    fn from(term: Term) -> Self {
        term.get().cast_signed()
    }
}

impl TryFrom<u64> for Term {
    type Error = InvalidTerm;

    fn try_from(number: u64) -> Result<Self, InvalidTerm> {
        Self::new(number).ok_or_else(|| InvalidTerm { given: number.into() })
    }
}

/// From where databases keep it.
impl TryFrom<i64> for Term {
    type Error = InvalidTerm;

    fn try_from(number: i64) -> Result<Self, InvalidTerm> {
        u64::try_from(number).ok().and_then(Self::new).ok_or_else(|| InvalidTerm { given: number.into() })
    }
}

/// A number that is no term.
#[derive(Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct InvalidTerm {
    /// The number.
    pub given: i128,
}

impl fmt::Display for InvalidTerm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is no term: a term is from 1 to {}", self.given, Term::LAST)
    }
}

impl core::error::Error for InvalidTerm {}

debug_as_displayed!(InvalidTerm);

impl fmt::Display for Term {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Moves at every write (grant, renewal, release, revoke), so that a follower sees that a leader is alive without comparing clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version(u64);

impl Version {
    /// The version of a record that was just created.
    pub const FIRST: Self = Self(1);

    /// The version of this number.
    #[must_use]
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The version after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Terms stay below 2^53.
    #[test]
    fn terms_end() {
        assert_eq!(Term::new(0), None);
        assert_eq!(Term::LAST.get(), 9_007_199_254_740_991);
        assert_eq!(Term::new(Term::LAST.get() + 1), None);
        assert_eq!(Term::LAST.next(), None);
        assert_eq!(Term::FIRST.next().map(Term::get), Some(2));
    }
}
