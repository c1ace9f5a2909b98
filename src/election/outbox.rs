//! What happened and was not told yet.

use alloc::boxed::Box;
use alloc::collections::VecDeque;

use super::Event;
use crate::term::Term;
use crate::time::Instant;

/// Events in their order.
///
/// Most of the time there are none, and nearly all that ever come are renewals, one at a time: those take no allocation.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Outbox {
    /// The oldest of them, if that is a renewal.
    renewed: Option<(Term, Instant)>,
    #[expect(clippy::box_collection, reason = "one word where there is none, instead of three")]
    rest: Option<Box<VecDeque<Event>>>,
}

impl Outbox {
    pub(super) fn push_back(&mut self, event: Event) {
        match event {
            Event::Renewed { term, deadline } if self.renewed.is_none() && self.rest.is_none() => {
                self.renewed = Some((term, deadline));
            }
            event => self.rest.get_or_insert_default().push_back(event),
        }
    }

    pub(super) fn pop_front(&mut self) -> Option<Event> {
        if let Some((term, deadline)) = self.renewed.take() {
            return Some(Event::Renewed { term, deadline });
        }
        let rest = self.rest.as_mut()?;
        let event = rest.pop_front();
        if rest.is_empty() {
            self.rest = None;
        }
        event
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::election::LostReason;
    use alloc::vec::Vec;
    use core::iter;

    /// Whatever is pushed and popped in between.
    #[test]
    fn first_in_first_out() {
        let event = |number: u64| {
            let term = Term::new(number).unwrap();
            if number.is_multiple_of(3) {
                Event::Lost { term, reason: LostReason::Expired }
            } else {
                Event::Renewed { term, deadline: Instant::default() }
            }
        };
        let (mut outbox, mut pushed, mut popped) = (Outbox::default(), 0, Vec::new());
        for (pushes, pops) in [(1, 1), (2, 1), (3, 2), (0, 9), (7, 3), (0, 4), (1, 2)] {
            for _ in 0..pushes {
                pushed += 1;
                outbox.push_back(event(pushed));
            }
            popped.extend(iter::from_fn(|| outbox.pop_front()).take(pops));
        }
        assert_eq!(popped, (1..=pushed).map(event).collect::<Vec<_>>());
        assert_eq!(outbox, Outbox::default(), "it takes no room any more");
    }
}
