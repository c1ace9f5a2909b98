//! What [`Candidate::lead`](crate::Candidate::lead) tells of the work: to the log alone.

use crate::term::Term;
use crate::text::{Id, Key};

#[cfg(feature = "tracing")]
macro_rules! tell {
    ($key:ident, $id:ident, $term:ident, $($field:tt)+) => {
        tracing::warn!(target: "lessor", key = $key.as_str(), id = $id.as_str(), term = $term.get(), $($field)+)
    };
}

#[cfg(not(feature = "tracing"))]
macro_rules! tell {
    ($key:ident, $id:ident, $term:ident, $($error:ident,)? $text:literal) => {
        let _ = ($key, $id, $term, $($error,)? $text);
    };
}

/// Work answered with an error.
pub(crate) fn work_failed(key: &Key, id: &Id, term: Term, error: &str) {
    tell!(key, id, term, error, "the work failed");
}

/// Work was polled for so long that its term had ended by then.
pub(crate) fn work_outlived(key: &Key, id: &Id, term: Term) {
    tell!(key, id, term, "the work ended after its term");
}

/// Work panicked, or was dropped by whoever waited for it.
pub(crate) fn work_dropped(key: &Key, id: &Id, term: Term) {
    tell!(key, id, term, "the work panicked or was dropped: the candidate hands over and stops");
}
