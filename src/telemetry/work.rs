//! What [`Candidate::lead`](crate::Candidate::lead) tells of the work: to the log alone.

use core::time::Duration;

use crate::term::Term;
use crate::text::{Id, Key};

/// The work of one term.
pub(crate) struct Work<'a> {
    pub(crate) key: &'a Key,
    pub(crate) id: &'a Id,
    pub(crate) term: Term,
    pub(crate) slot: Option<u16>,
}

#[cfg(feature = "tracing")]
macro_rules! tell {
    ($work:ident, $level:ident, $($field:tt)+) => {
        tracing::event!(
            target: "lessor",
            tracing::Level::$level,
            key = $work.key.as_str(),
            id = $work.id.as_str(),
            term = $work.term.get(),
            slot = $work.slot,
            $($field)+
        )
    };
}

#[cfg(not(feature = "tracing"))]
macro_rules! tell {
    ($work:ident, $level:ident, $(error = $error:ident,)? $text:literal) => {
        let _ = ($work.key, $work.id, $work.term, $work.slot, $($error,)? $text);
    };
}

/// Nobody has polled the driver for so long.
pub(crate) fn driver_stands_still(key: &Key, id: &Id, overdue: Duration) {
    #[cfg(feature = "tracing")]
    tracing::warn!(target: "lessor", key = key.as_str(), id = id.as_str(), ?overdue, "nobody polls the driver: spawn its run()");
    #[cfg(not(feature = "tracing"))]
    let _ = (key, id, overdue);
}

impl Work<'_> {
    /// It ended, and is to begin again in the next term: the leader has nothing to do until then.
    pub(crate) fn done(&self) {
        tell!(self, INFO, "the work has ended: the candidate leads on without work until its next term");
    }

    /// It answered with an error; in an ending term that is what `?` says of it.
    #[cfg_attr(not(feature = "tracing"), expect(clippy::if_same_then_else, reason = "levels are for the log"))]
    pub(crate) fn failed(&self, why: &str, is_ending: bool) {
        if is_ending {
            tell!(self, DEBUG, error = why, "the work failed");
        } else {
            tell!(self, WARN, error = why, "the work failed");
        }
    }

    /// It kept its thread for so long that its term had ended by then.
    pub(crate) fn outlived(&self) {
        tell!(self, WARN, "the work ended after its term");
    }

    /// It was guarded, and was still not done at the end of its term.
    pub(crate) fn cut(&self) {
        tell!(self, WARN, "guarded work was dropped at the end of its term");
    }

    /// It panicked, or was dropped by whoever waited for it.
    pub(crate) fn dropped(&self) {
        tell!(self, WARN, "the work panicked or was dropped: the candidate hands over and stops");
    }
}
