//! Writes that only the newest leader can do, within the database's own transactions.

use core::error::Error;
use core::fmt;

use lessor::{Fence, Stale, StorageError, Term};

use crate::error::AdapterError;

/// The table that remembers the newest term of each resource. The statements of [`Fence`] name it.
pub const TABLE: &str = "lessor_fences";

/// Why a write has to be rolled back: the error of an adapter's `admit`.
///
/// ```
/// use lessor::Term;
/// use lessor_kit::fence::NotAdmitted;
///
/// let error = NotAdmitted::stale(Term::FIRST, 7);
/// assert_eq!(error.to_string(), "term 1 is outdated: term 7 has been seen; never send it again");
/// ```
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum NotAdmitted {
    /// A newer term was admitted before.
    Stale(Stale),
    /// The fence could not be asked.
    Failed(StorageError),
}

impl NotAdmitted {
    /// A write of `term` was not admitted, since the table has a newer one, `newest`. A number that is no term counts
    /// as the last term. One that is not newer than `term` makes a [failure](Self::Failed) of it.
    #[must_use]
    pub fn stale(term: Term, newest: i64) -> Self {
        let newest = u64::try_from(newest).ok().and_then(Term::new).unwrap_or(Term::LAST);
        let fence = Fence::new();
        match fence.admit(newest).and_then(|()| fence.admit(term)) {
            Err(stale) => Self::Stale(stale),
            Ok(()) => Self::Failed(AdapterError::Unfit.into()),
        }
    }
}

impl From<Stale> for NotAdmitted {
    fn from(stale: Stale) -> Self {
        Self::Stale(stale)
    }
}

impl From<StorageError> for NotAdmitted {
    fn from(error: StorageError) -> Self {
        Self::Failed(error)
    }
}

impl fmt::Display for NotAdmitted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stale(stale) => stale.fmt(f),
            Self::Failed(error) => error.fmt(f),
        }
    }
}

impl fmt::Debug for NotAdmitted {
    /// As it is displayed: a program whose `main` answers it shows nothing else.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stale(stale) => fmt::Debug::fmt(stale, f),
            Self::Failed(error) => fmt::Debug::fmt(error, f),
        }
    }
}

impl Error for NotAdmitted {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Stale(_) => None,
            Self::Failed(error) => error.source(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn newest(number: i64) -> Term {
        match NotAdmitted::stale(Term::FIRST, number) {
            NotAdmitted::Stale(stale) => {
                assert_eq!(stale.term, Term::FIRST);
                stale.newest
            }
            NotAdmitted::Failed(error) => panic!("{error}"),
        }
    }

    #[test]
    fn what_is_no_term_is_newer_than_any() {
        assert_eq!(newest(7).get(), 7);
        assert_eq!(newest(-1), Term::LAST);
        assert_eq!(newest(0), Term::LAST);
        assert_eq!(newest(i64::MAX), Term::LAST);
    }

    #[test]
    fn a_refusal_for_an_older_term_is_a_failure() {
        for newest in [6, 7] {
            let failed = NotAdmitted::stale(Term::new(7).unwrap(), newest);
            assert_eq!(failed, NotAdmitted::Failed(AdapterError::Unfit.into()), "{newest}");
        }
    }

    #[test]
    fn a_failure_tells_its_cause() {
        let failed = NotAdmitted::from(StorageError::transient("connection reset"));
        assert!(failed.to_string().ends_with("connection reset"), "{failed}");
        assert!(format!("{failed:?}").contains(&failed.to_string()), "{failed:?}");
        let stale = NotAdmitted::stale(Term::FIRST, 7);
        assert!(format!("{stale:?}").contains(&stale.to_string()), "{stale:?}");
        assert!(Fence::ADMIT.contains(TABLE) && Fence::MYSQL_ADMIT.contains(TABLE));
    }
}
