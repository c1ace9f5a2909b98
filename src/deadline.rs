//! A deadline that passes by itself: one atomic number between the driver, which moves it, and the handles.
//!
//! Atomics only, and checked by loom: `RUSTFLAGS="--cfg lessor_loom" cargo test --lib loom` explores every
//! interleaving.

use core::time::Duration;

#[cfg(all(not(all(test, lessor_loom)), target_has_atomic = "64"))]
use core::sync::atomic::AtomicU64;
#[cfg(not(all(test, lessor_loom)))]
use core::sync::atomic::Ordering;
#[cfg(all(test, lessor_loom))]
use loom::sync::atomic::{AtomicU64, Ordering};
#[cfg(all(not(all(test, lessor_loom)), not(target_has_atomic = "64")))]
use portable_atomic::AtomicU64;

use crate::time::{Instant, SET_BACK};

/// Until when something is so.
#[derive(Debug)]
pub(crate) struct Deadline {
    /// The bits of an [`Instant`]; 0: it is not.
    at: AtomicU64,
    /// It never lies farther ahead than this, in ns: if it seems to, the clock went back.
    farthest: u64,
}

impl Deadline {
    /// One that lies this far ahead when it is set or moved, at most.
    pub(crate) fn none(farthest: Duration) -> Self {
        let farthest = u64::try_from(farthest.saturating_add(SET_BACK).as_nanos()).unwrap_or(u64::MAX);
        Self { at: AtomicU64::new(0), farthest }
    }

    pub(crate) fn set(&self, at: Instant) {
        self.at.store(at.to_bits().get(), Ordering::Release);
    }

    /// Moves it on, unless somebody has seen it pass: what was seen to end does not come back.
    pub(crate) fn extend(&self, at: Instant) -> bool {
        let at = at.to_bits().get();
        self.at.fetch_update(Ordering::AcqRel, Ordering::Acquire, |old| (old != 0).then_some(old.max(at))).is_ok()
    }

    pub(crate) fn clear(&self) {
        self.at.store(0, Ordering::Release);
    }

    /// Whether the deadline lies ahead. It is loaded before the clock is read: it was so when it was loaded, and by that
    /// reading the deadline that was loaded had not passed. A demotion may lie in between. A no is final for this reign:
    /// `extend` fails from then on, and only `set` begins another.
    pub(crate) fn is_ahead(&self, now: impl Fn() -> Instant) -> bool {
        !self.remaining(now).is_zero()
    }

    /// How far ahead it lies. Zero is final for this reign.
    ///
    /// Not a plain getter: whoever first finds it passed makes that final, so that no renewal revives it. `now` may be
    /// called more than once. It has to read the clock when it is called: a reading from before the deadline was set looks
    /// like a clock that went back, and ends the reign.
    pub(crate) fn remaining(&self, now: impl Fn() -> Instant) -> Duration {
        self.look(now, self.farthest)
    }

    /// Whether it lies ahead of a reading that may be older than it. A no is true all the same, since time has only gone on; a
    /// yes may be out of date: who acts on it asks once more with a fresh reading.
    pub(crate) fn was_ahead_of(&self, now: Instant) -> bool {
        !self.look(|| now, u64::MAX).is_zero()
    }

    fn look(&self, now: impl Fn() -> Instant, farthest: u64) -> Duration {
        let mut deadline = self.at.load(Ordering::Acquire);
        while deadline != 0 {
            let left = deadline.saturating_sub(now().to_bits().get());
            if left > 0 && left <= farthest {
                return Duration::from_nanos(left);
            }
            match self.at.compare_exchange(deadline, 0, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => break,
                Err(newer) => deadline = newer,
            }
        }
        Duration::ZERO
    }
}

#[cfg(all(test, not(lessor_loom)))]
mod tests {
    use super::*;

    const fn secs(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    const fn at(seconds: u64) -> Instant {
        Instant::from_origin(secs(seconds))
    }

    /// R3: an answer compares with the clock at the call.
    #[test]
    fn a_deadline_passes_by_itself() {
        let deadline = Deadline::none(secs(1000));
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

    /// R3: an end that was seen is final; one that nobody saw can still be moved.
    #[test]
    fn what_was_seen_to_end_does_not_come_back() {
        let deadline = Deadline::none(secs(1000));
        assert!(!deadline.extend(at(10)));
        deadline.set(at(10));
        assert!(deadline.extend(at(20)) && deadline.extend(at(15)));
        assert_eq!(deadline.remaining(|| at(19)), Duration::from_secs(1));
        assert!(!deadline.is_ahead(|| at(20)));
        assert!(!deadline.extend(at(30)) && !deadline.is_ahead(|| at(0)));
    }

    /// A reading from before the deadline was set: the clock went back, and how far nobody knows.
    #[test]
    fn a_clock_that_went_back_ends_it() {
        let deadline = Deadline::none(secs(9));
        deadline.set(at(100));
        assert!(deadline.is_ahead(|| at(91)) && deadline.was_ahead_of(at(10)), "an older reading says nothing");
        let slewed = at(91).saturating_sub(SET_BACK);
        assert!(deadline.is_ahead(|| slewed));
        assert!(!deadline.is_ahead(|| slewed.saturating_sub(Duration::from_nanos(1))));
        assert!(!deadline.is_ahead(|| at(95)) && !deadline.extend(at(110)), "final");
    }

    /// R16: the farthest instants do not overflow.
    #[test]
    fn far_instants_saturate() {
        let deadline = Deadline::none(Duration::MAX);
        deadline.set(Instant::from_origin(Duration::MAX));
        assert!(deadline.is_ahead(|| at(u64::MAX / 2_000_000_000)));
        deadline.set(Instant::from_origin(Duration::MAX));
        assert!(!deadline.is_ahead(|| Instant::from_origin(Duration::MAX)));
        deadline.set(at(0));
        assert!(deadline.extend(at(1)) && deadline.is_ahead(|| at(0)), "a deadline at the origin is not `none`");
    }
}

#[cfg(all(test, lessor_loom))]
mod loom_tests {
    use super::*;
    use alloc::sync::Arc as StdArc;
    use loom::sync::atomic::AtomicU64;
    use loom::thread;

    const fn secs(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    const fn at(seconds: u64) -> Instant {
        Instant::from_origin(secs(seconds))
    }

    /// R3: of a renewal and somebody who sees the end, one comes first: either the renewal moves the deadline and
    /// nobody saw it pass, or it fails.
    #[test]
    fn an_end_that_was_seen_is_final() {
        loom::model(|| {
            let leading = loom::sync::Arc::new(Deadline::none(secs(1000)));
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
            let leading = loom::sync::Arc::new(Deadline::none(secs(1000)));
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
