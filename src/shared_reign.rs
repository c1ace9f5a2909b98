//! One reign, between the driver, which begins and ends it, and its leaderships.
//!
//! Atomics only, and checked by loom: see `deadline`.

#[cfg(not(all(test, lessor_loom)))]
use core::sync::atomic::{AtomicU32, Ordering};
#[cfg(all(test, lessor_loom))]
use loom::sync::atomic::{AtomicU32, Ordering};

use core::time::Duration;

use crate::deadline::Deadline;
use crate::election::LostReason;
use crate::term::Term;
use crate::time::Instant;

/// One reign, as its leaderships see it.
#[derive(Debug)]
pub(crate) struct SharedReign {
    term: Term,
    deadline: Deadline,
    /// How many guards there are; `ENDING`; and why it ended or is ending, as the place in `LostReason::ALL`.
    state: AtomicU32,
}

/// No new guards. Set once, never taken back.
const ENDING: u32 = 1 << 31;
/// Where the reason begins.
const REASON: u32 = 28;
const GUARDS: u32 = (1 << REASON) - 1;

impl SharedReign {
    /// `farthest`: how far ahead its deadline lies when it is set or moved, at most.
    pub(crate) fn new(term: Term, deadline: Instant, farthest: Duration) -> Self {
        // What is so if nobody says otherwise: the deadline simply passed.
        let state = AtomicU32::new((LostReason::Expired as u32) << REASON);
        let reign = Self { term, deadline: Deadline::none(farthest), state };
        reign.deadline.set(deadline);
        reign
    }

    pub(crate) const fn term(&self) -> Term {
        self.term
    }

    pub(crate) const fn deadline(&self) -> &Deadline {
        &self.deadline
    }

    /// From here on there are no new guards.
    pub(crate) fn begin_ending(&self, reason: LostReason) {
        let end = |state: u32| Some(state & GUARDS | (reason as u32) << REASON | ENDING);
        let _ = self.state.fetch_update(Ordering::AcqRel, Ordering::Acquire, end);
    }

    pub(crate) fn is_ending(&self) -> bool {
        self.state.load(Ordering::Acquire) & ENDING != 0
    }

    /// Whether it is ending and there are no guards any more. Once true it stays so.
    pub(crate) fn is_drained(&self) -> bool {
        self.state.load(Ordering::Acquire) & (ENDING | GUARDS) == ENDING
    }

    /// Adds a guard, unless the term is ending.
    pub(crate) fn add_guard(&self) -> bool {
        let add = |state: u32| (state & ENDING == 0 && state & GUARDS < GUARDS).then_some(state + 1);
        self.state.fetch_update(Ordering::AcqRel, Ordering::Acquire, add).is_ok()
    }

    /// Removes one; true if it was the last of an ending term.
    pub(crate) fn remove_guard(&self) -> bool {
        self.state.fetch_sub(1, Ordering::AcqRel) & (ENDING | GUARDS) == ENDING + 1
    }

    pub(crate) fn lose(&self, reason: LostReason) {
        self.begin_ending(reason);
        self.deadline.clear();
    }

    /// Why it ended or is ending.
    pub(crate) fn reason(&self) -> LostReason {
        let place = (self.state.load(Ordering::Acquire) & !ENDING) >> REASON;
        LostReason::ALL.get(place as usize).copied().unwrap_or(LostReason::Expired)
    }
}

#[cfg(all(test, not(lessor_loom)))]
mod tests {
    use super::*;

    const fn at(seconds: u64) -> Instant {
        Instant::from_origin(Duration::from_secs(seconds))
    }

    /// R9: an ending term takes no new guards and is drained when the last one is gone.
    #[test]
    fn an_ending_term_drains() {
        let reign = SharedReign::new(Term::FIRST, at(10), Duration::from_secs(10));
        assert!(reign.add_guard() && reign.add_guard() && !reign.is_drained());
        assert!(!reign.remove_guard());
        reign.begin_ending(LostReason::Resigned);
        assert!(!reign.add_guard() && !reign.is_drained());
        assert!(reign.deadline().is_ahead(|| at(9)), "it is held until it is released");
        assert!(reign.remove_guard() && reign.is_drained());
        assert!(!reign.add_guard() && reign.is_drained(), "once drained it stays so");
    }

    /// A lost reign says why.
    #[test]
    fn a_lost_reign_says_why() {
        for &reason in LostReason::ALL {
            let reign = SharedReign::new(Term::FIRST, at(10), Duration::from_secs(10));
            reign.lose(reason);
            assert_eq!((reign.reason(), reign.is_ending()), (reason, true));
            assert!(!reign.deadline().is_ahead(|| at(0)));
        }
    }
}

#[cfg(all(test, lessor_loom))]
mod loom_tests {
    use super::*;
    use loom::sync::atomic::{AtomicBool, AtomicU64};
    use loom::thread;

    const fn at(seconds: u64) -> Instant {
        Instant::from_origin(Duration::from_secs(seconds))
    }

    /// R9: once a term is drained there are no guards, whenever one was added, and what its work did can be seen.
    #[test]
    fn no_guard_outlives_the_drain() {
        loom::model(|| {
            let work_done = loom::sync::Arc::new(AtomicU64::new(0));
            let reign = loom::sync::Arc::new(SharedReign::new(Term::FIRST, at(10), Duration::from_secs(10)));
            let released = loom::sync::Arc::new(AtomicBool::new(false));
            let work = {
                let (reign, released, work_done) = (reign.clone(), released.clone(), work_done.clone());
                thread::spawn(move || {
                    if reign.add_guard() {
                        assert!(!released.load(Ordering::Acquire), "released under a guard");
                        work_done.store(1, Ordering::Relaxed);
                        work_done.store(2, Ordering::Relaxed);
                        if reign.remove_guard() {
                            assert!(reign.is_drained());
                        }
                    }
                })
            };
            reign.begin_ending(LostReason::Resigned);
            if reign.is_drained() {
                assert_ne!(work_done.load(Ordering::Relaxed), 1, "half of the work");
                released.store(true, Ordering::Release);
                assert!(!reign.add_guard());
            }
            work.join().unwrap();
            assert!(reign.is_drained());
        });
    }

    /// R3: whoever has seen that the next one leads does not get a yes from the one before, which demoted first.
    #[test]
    fn a_demotion_is_seen_before_what_follows_it() {
        loom::model(|| {
            let leading = loom::sync::Arc::new(Deadline::none(Duration::from_secs(10)));
            let reign = loom::sync::Arc::new(SharedReign::new(Term::FIRST, at(10), Duration::from_secs(10)));
            leading.set(at(10));
            let next_leads = loom::sync::Arc::new(AtomicBool::new(false));
            let reader = {
                let (leading, reign, next_leads) = (leading.clone(), reign.clone(), next_leads.clone());
                thread::spawn(move || {
                    let next_leads = next_leads.load(Ordering::Acquire);
                    let believes = leading.is_ahead(|| at(5)) || reign.deadline().is_ahead(|| at(5));
                    assert!(!(next_leads && believes));
                    if next_leads {
                        assert_eq!(reign.reason(), LostReason::Resigned);
                    }
                })
            };
            leading.clear();
            reign.lose(LostReason::Resigned);
            next_leads.store(true, Ordering::Release);
            reader.join().unwrap();
        });
    }
}
