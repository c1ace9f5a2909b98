//! When which member is to be looked at.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::time::Duration;

use crate::time::Instant;

/// Members that are due within the same grain of time are looked at together, at its end.
const GRAIN: Duration = Duration::from_millis(2);

/// Places of members, by the grain of time in which they are due.
///
/// What is due mostly moves on and on (the next renewal, the deadline after it), so nothing is ever taken out before its
/// time: who comes up then says whether it is due, or enters itself anew.
#[derive(Debug, Default)]
pub(super) struct Timetable(BTreeMap<Instant, Vec<u32>>);

/// The end of the grain in which this instant lies.
pub(super) fn grain(at: Instant) -> Instant {
    let into = at.since_origin().as_nanos() % GRAIN.as_nanos();
    let rest = GRAIN.as_nanos() - into;
    if into == 0 { at } else { at.saturating_add(Duration::from_nanos(u64::try_from(rest).unwrap_or_default())) }
}

impl Timetable {
    /// Enters a place, at the end of a [grain].
    pub(super) fn enter(&mut self, at: Instant, place: u32) {
        self.0.entry(at).or_default().push(place);
    }

    /// The first time at which there is something to look at.
    pub(super) fn first(&self) -> Option<Instant> {
        self.0.first_key_value().map(|(at, _)| *at)
    }

    /// Takes out who comes up first, if that is by now.
    pub(super) fn pop(&mut self, now: Instant) -> Option<(Instant, Vec<u32>)> {
        if self.first()? > now {
            return None;
        }
        self.0.pop_first()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(microseconds: u64) -> Instant {
        Instant::from_origin(Duration::from_micros(microseconds))
    }

    #[test]
    fn nobody_comes_up_early_or_more_than_a_grain_late() {
        for (due, end) in [(0, 0), (1, 2_000), (1_999, 2_000), (2_000, 2_000), (2_001, 4_000)] {
            assert_eq!(grain(at(due)), at(end));
        }
        let last = Instant::default().saturating_add(Duration::MAX);
        assert_eq!(grain(last), last);
    }

    #[test]
    fn in_the_order_of_time() {
        let mut timetable = Timetable::default();
        for (due, place) in [(5_000, 1), (100, 2), (4_500, 3)] {
            timetable.enter(grain(at(due)), place);
        }
        assert_eq!(timetable.first(), Some(at(2_000)));
        assert_eq!(timetable.pop(at(1_999)), None);
        assert_eq!(timetable.pop(at(9_000)), Some((at(2_000), [2].into())));
        assert_eq!(timetable.pop(at(9_000)), Some((at(6_000), [1, 3].into())));
        assert_eq!(timetable.pop(at(9_000)), None);
    }
}
