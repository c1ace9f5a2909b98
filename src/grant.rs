//! One reign, between the driver, which grants and ends it, and its leaderships.
//!
//! Atomics only, and checked by loom: see `deadline`.

#[cfg(not(all(test, lessor_loom)))]
use core::sync::atomic::{AtomicU8, AtomicU32, Ordering};
#[cfg(all(test, lessor_loom))]
use loom::sync::atomic::{AtomicU8, AtomicU32, Ordering};

use crate::deadline::Deadline;
use crate::election::LostReason;
use crate::term::Term;
use crate::time::Instant;

/// One reign, as its leaderships see it.
#[derive(Debug)]
pub(crate) struct Grant {
    term: Term,
    began: Instant,
    deadline: Deadline,
    /// How many holds there are, and `ENDING`.
    holds: AtomicU32,
    /// Why it ended or is ending, as its place in `LostReason::ALL`.
    reason: AtomicU8,
}

/// No new holds. Set once, never taken back.
const ENDING: u32 = 1 << 31;

impl Grant {
    pub(crate) fn new(term: Term, began: Instant, deadline: Instant) -> Self {
        // What holds if nobody says otherwise: the deadline simply passed.
        let reason = AtomicU8::new(LostReason::Expired as u8);
        let holds = AtomicU32::new(0);
        let grant = Self { term, began, deadline: Deadline::passed(), holds, reason };
        grant.deadline.set(deadline);
        grant
    }

    pub(crate) const fn term(&self) -> Term {
        self.term
    }

    pub(crate) const fn began(&self) -> Instant {
        self.began
    }

    pub(crate) const fn deadline(&self) -> &Deadline {
        &self.deadline
    }

    /// From here on there are no new holds.
    pub(crate) fn begin_ending(&self, reason: LostReason) {
        self.reason.store(reason as u8, Ordering::Release);
        self.holds.fetch_or(ENDING, Ordering::AcqRel);
    }

    pub(crate) fn is_ending(&self) -> bool {
        self.holds.load(Ordering::Acquire) & ENDING != 0
    }

    /// Whether it is ending and nothing holds it any more. Once true it stays so.
    pub(crate) fn is_drained(&self) -> bool {
        self.holds.load(Ordering::Acquire) == ENDING
    }

    /// Takes a hold, unless the term is ending.
    pub(crate) fn hold(&self) -> bool {
        let add = |holds: u32| holds.checked_add(1).filter(|more| more & ENDING == 0);
        self.holds.fetch_update(Ordering::AcqRel, Ordering::Acquire, add).is_ok()
    }

    /// Gives a hold back; true if it was the last of an ending term.
    pub(crate) fn unhold(&self) -> bool {
        self.holds.fetch_sub(1, Ordering::AcqRel) == ENDING + 1
    }

    pub(crate) fn lose(&self, reason: LostReason) {
        self.begin_ending(reason);
        self.deadline.clear();
    }

    /// Why it ended or is ending.
    pub(crate) fn reason(&self) -> LostReason {
        let place = usize::from(self.reason.load(Ordering::Acquire));
        LostReason::ALL.get(place).copied().unwrap_or(LostReason::Expired)
    }
}

#[cfg(all(test, not(lessor_loom)))]
mod tests {
    use super::*;
    use core::time::Duration;

    const fn at(seconds: u64) -> Instant {
        Instant::from_origin(Duration::from_secs(seconds))
    }

    /// R9: an ending term takes no new holds and is drained when the last one is gone.
    #[test]
    fn an_ending_term_drains() {
        let grant = Grant::new(Term::FIRST, at(1), at(10));
        assert!(grant.hold() && grant.hold() && !grant.is_drained());
        assert!(!grant.unhold());
        grant.begin_ending(LostReason::Resigned);
        assert!(!grant.hold() && !grant.is_drained());
        assert!(grant.deadline().is_ahead(|| at(9)), "it is held until it is released");
        assert!(grant.unhold() && grant.is_drained());
        assert!(!grant.hold() && grant.is_drained(), "once drained it stays so");
    }

    /// A lost grant says why.
    #[test]
    fn a_lost_grant_says_why() {
        for &reason in LostReason::ALL {
            let grant = Grant::new(Term::FIRST, at(1), at(10));
            grant.lose(reason);
            assert_eq!((grant.reason(), grant.is_ending()), (reason, true));
            assert!(!grant.deadline().is_ahead(|| at(0)));
        }
    }
}

#[cfg(all(test, lessor_loom))]
mod loom_tests {
    use super::*;
    use core::time::Duration;
    use loom::sync::atomic::{AtomicBool, AtomicU64};
    use loom::thread;

    const fn at(seconds: u64) -> Instant {
        Instant::from_origin(Duration::from_secs(seconds))
    }

    /// R9: once a term is drained nothing holds it, whenever a hold was taken, and what its work did can be seen.
    #[test]
    fn no_hold_outlives_the_drain() {
        loom::model(|| {
            let work_done = loom::sync::Arc::new(AtomicU64::new(0));
            let grant = loom::sync::Arc::new(Grant::new(Term::FIRST, at(1), at(10)));
            let released = loom::sync::Arc::new(AtomicBool::new(false));
            let work = {
                let (grant, released, work_done) = (grant.clone(), released.clone(), work_done.clone());
                thread::spawn(move || {
                    if grant.hold() {
                        assert!(!released.load(Ordering::Acquire), "released under a hold");
                        work_done.store(1, Ordering::Relaxed);
                        work_done.store(2, Ordering::Relaxed);
                        if grant.unhold() {
                            assert!(grant.is_drained());
                        }
                    }
                })
            };
            grant.begin_ending(LostReason::Resigned);
            if grant.is_drained() {
                assert_ne!(work_done.load(Ordering::Relaxed), 1, "half of the work");
                released.store(true, Ordering::Release);
                assert!(!grant.hold());
            }
            work.join().unwrap();
            assert!(grant.is_drained());
        });
    }

    /// R3: whoever has seen that the next one leads does not get a yes from the one before, which demoted first.
    #[test]
    fn a_demotion_is_seen_before_what_follows_it() {
        loom::model(|| {
            let leading = loom::sync::Arc::new(Deadline::passed());
            let grant = loom::sync::Arc::new(Grant::new(Term::FIRST, at(1), at(10)));
            leading.set(at(10));
            let next_leads = loom::sync::Arc::new(AtomicBool::new(false));
            let reader = {
                let (leading, grant, next_leads) = (leading.clone(), grant.clone(), next_leads.clone());
                thread::spawn(move || {
                    let next_leads = next_leads.load(Ordering::Acquire);
                    let believes = leading.is_ahead(|| at(5)) || grant.deadline().is_ahead(|| at(5));
                    assert!(!(next_leads && believes));
                    if next_leads {
                        assert_eq!(grant.reason(), LostReason::Resigned);
                    }
                })
            };
            leading.clear();
            grant.lose(LostReason::Resigned);
            next_leads.store(true, Ordering::Release);
            reader.join().unwrap();
        });
    }
}
