//! The cells between the driver and the handles: atomics only, and the one file that loom checks.
//!
//! `RUSTFLAGS="--cfg lessor_loom" cargo test --lib published` explores every interleaving.

use core::time::Duration;

#[cfg(all(not(all(test, lessor_loom)), target_has_atomic = "64"))]
use core::sync::atomic::AtomicU64;
#[cfg(not(all(test, lessor_loom)))]
use core::sync::atomic::{AtomicU8, AtomicU32, Ordering};
#[cfg(all(test, lessor_loom))]
use loom::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering};
#[cfg(all(not(all(test, lessor_loom)), not(target_has_atomic = "64")))]
use portable_atomic::AtomicU64;

use crate::election::LostReason;
use crate::lease::Term;
use crate::time::Instant;

/// Until when something holds, in nanoseconds of a timer; 0 = it does not.
#[derive(Debug)]
pub(crate) struct Deadline(AtomicU64);

impl Deadline {
    pub(crate) fn passed() -> Self {
        Self(AtomicU64::new(0))
    }

    pub(crate) fn set(&self, at: Instant) {
        self.0.store(nanoseconds(at).max(1), Ordering::Release);
    }

    /// Moves it on, unless somebody has seen it pass: what was seen to end does not come back.
    pub(crate) fn extend(&self, at: Instant) -> bool {
        let at = nanoseconds(at).max(1);
        self.0.fetch_update(Ordering::AcqRel, Ordering::Acquire, |old| (old != 0).then_some(old.max(at))).is_ok()
    }

    pub(crate) fn clear(&self) {
        self.0.store(0, Ordering::Release);
    }

    /// Whether the deadline lies ahead. It is loaded before the clock is read: the answer was true at that reading. A
    /// no is final.
    pub(crate) fn is_ahead(&self, now: impl Fn() -> Instant) -> bool {
        !self.remaining(now).is_zero()
    }

    /// How far ahead it lies. Zero is final.
    pub(crate) fn remaining(&self, now: impl Fn() -> Instant) -> Duration {
        let mut deadline = self.0.load(Ordering::Acquire);
        while deadline != 0 {
            let left = deadline.saturating_sub(nanoseconds(now()));
            if left > 0 {
                return Duration::from_nanos(left);
            }
            match self.0.compare_exchange(deadline, 0, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => break,
                Err(newer) => deadline = newer,
            }
        }
        Duration::ZERO
    }
}

fn nanoseconds(at: Instant) -> u64 {
    let since = at.since_origin();
    since.as_secs().saturating_mul(1_000_000_000).saturating_add(u64::from(since.subsec_nanos()))
}

/// One reign, as its leaderships see it.
#[derive(Debug)]
pub(crate) struct Grant {
    term: Term,
    began: Instant,
    deadline: Deadline,
    /// How many holds there are, and `ENDING`.
    holds: AtomicU32,
    /// Why it ended or is ending, as a place in `REASONS`.
    reason: AtomicU8,
}

const REASONS: [LostReason; 6] = [
    LostReason::Expired,
    LostReason::Superseded,
    LostReason::Failures,
    LostReason::Resigned,
    LostReason::Stopped,
    LostReason::DriverDropped,
];

/// No new holds. Set once, never taken back.
const ENDING: u32 = 1 << 31;

impl Grant {
    pub(crate) fn new(term: Term, began: Instant, deadline: Instant) -> Self {
        let (holds, reason) = (AtomicU32::new(0), AtomicU8::new(0));
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
        let place = REASONS.iter().position(|known| *known == reason);
        self.reason.store(place.and_then(|place| u8::try_from(place).ok()).unwrap_or(0), Ordering::Release);
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
        REASONS.get(place).copied().unwrap_or(LostReason::Expired)
    }
}

#[cfg(all(test, not(lessor_loom)))]
mod tests {
    use super::*;

    const fn at(seconds: u64) -> Instant {
        Instant::from_origin(Duration::from_secs(seconds))
    }

    /// R3: an answer compares with the clock at the call.
    #[test]
    fn a_deadline_passes_by_itself() {
        let deadline = Deadline::passed();
        assert!(!deadline.is_ahead(|| at(0)));
        deadline.set(at(10));
        assert!(deadline.is_ahead(|| at(9)));
        assert_eq!(deadline.remaining(|| at(7)), Duration::from_secs(3));
        assert!(!deadline.is_ahead(|| at(10)));
        deadline.set(at(10));
        assert_eq!(deadline.remaining(|| at(70)), Duration::ZERO);
        deadline.set(at(10));
        deadline.clear();
        assert!(!deadline.is_ahead(|| at(0)));
    }

    /// R6: an end that was seen is final; one that nobody saw can still be moved.
    #[test]
    fn what_was_seen_to_end_does_not_come_back() {
        let deadline = Deadline::passed();
        assert!(!deadline.extend(at(10)));
        deadline.set(at(10));
        assert!(deadline.extend(at(20)) && deadline.extend(at(15)));
        assert_eq!(deadline.remaining(|| at(19)), Duration::from_secs(1));
        assert!(!deadline.is_ahead(|| at(20)));
        assert!(!deadline.extend(at(30)) && !deadline.is_ahead(|| at(0)));
    }

    /// R16: the farthest instants do not overflow.
    #[test]
    fn far_instants_saturate() {
        let deadline = Deadline::passed();
        deadline.set(Instant::from_origin(Duration::MAX));
        assert!(deadline.is_ahead(|| at(u64::MAX / 2_000_000_000)));
        deadline.set(Instant::from_origin(Duration::MAX));
        assert!(!deadline.is_ahead(|| Instant::from_origin(Duration::MAX)));
        deadline.set(at(0));
        assert!(deadline.is_ahead(|| at(0)), "a deadline at the origin is not `none`");
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
        for reason in REASONS {
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
    use alloc::sync::Arc as StdArc;
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

    /// R6: of a renewal and somebody who sees the end, one comes first: either the renewal moves the deadline and
    /// nobody saw it pass, or it fails.
    #[test]
    fn an_end_that_was_seen_is_final() {
        loom::model(|| {
            let leading = loom::sync::Arc::new(Deadline::passed());
            leading.set(at(10));
            let reader = {
                let leading = leading.clone();
                thread::spawn(move || {
                    let first = leading.is_ahead(|| at(12));
                    let second = leading.is_ahead(|| at(12));
                    assert!(first || !second, "it came back");
                    first
                })
            };
            let extended = leading.extend(at(20));
            let seen = reader.join().unwrap();
            assert!(extended || !seen);
            assert_eq!(leading.is_ahead(|| at(12)), extended);
        });
    }

    /// R3: the deadline is loaded before the clock is read. Read the other way round, a reign that began and ended in
    /// between would be answered with an old reading of the clock.
    #[test]
    fn the_clock_is_read_last() {
        loom::model(|| {
            let leading = loom::sync::Arc::new(Deadline::passed());
            let clock = loom::sync::Arc::new(AtomicU64::new(5));
            let read = StdArc::new(std::sync::Mutex::new(None));
            let reader = {
                let (leading, clock, read) = (leading.clone(), clock.clone(), read.clone());
                thread::spawn(move || {
                    let yes = leading.is_ahead(|| {
                        let now = clock.load(Ordering::Acquire);
                        *read.lock().unwrap() = Some(now);
                        at(now)
                    });
                    // The reign lasts from 15 to 20. A yes with a reading before it is a yes for a time in which it
                    // did not lead.
                    assert!(!yes || *read.lock().unwrap() >= Some(15));
                })
            };
            clock.store(15, Ordering::Release);
            leading.set(at(20));
            clock.store(25, Ordering::Release);
            reader.join().unwrap();
        });
    }
}
