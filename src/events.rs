//! What happened, in order, for as long as somebody listens.

use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::pin::Pin;
use core::task::{Context, Poll};

use event_listener::Event as Signal;
use futures::Stream;
use futures::future::poll_fn;

use crate::election::Event;
use crate::listening::Listening;
use crate::mutex::Mutex;
use crate::term::Term;

/// More than this are not kept for a listener that does not listen.
const KEPT: usize = 1024;

/// The stream of a candidate's or an observer's [`Event`]s. It does not keep the candidate alive.
///
/// It starts with the present state, keeps the order, and ends after [`Event::Stopped`]. Of renewals that follow each
/// other only the newest is kept; above 1,024 unread events the oldest become one [`Event::Missed`].
///
/// ```
/// use lessor::{Builder, Event, MemoryStorage, Term};
///
/// # smol::block_on(async {
/// let (candidate, driver) = Builder::new("nightly-report").build(MemoryStorage::new())?;
/// let mut events = candidate.events();
/// smol::spawn(driver.run()).detach();
/// while let Some(event) = events.next().await {
///     if let Event::Elected { term, .. } = event {
///         assert_eq!(term, Term::FIRST);
///         break;
///     }
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
#[must_use = "streams do nothing unless polled"]
pub struct Events {
    queue: Arc<Queue>,
    listening: Listening,
}

#[derive(Default)]
pub(crate) struct Queue {
    unread: Mutex<Unread>,
    pushed: Signal,
}

#[derive(Default)]
struct Unread {
    events: VecDeque<Event>,
    ended: bool,
    /// A reign that had run out before: there is nothing to say of it.
    over: Option<Term>,
}

impl Queue {
    /// For a listener who comes after the end of this reign, if it comes before that was told.
    pub(crate) fn without(over: Option<Term>) -> Self {
        Self { unread: Mutex::new(Unread { over, ..Unread::default() }), pushed: Signal::new() }
    }

    /// What makes room is added to `dropped`, for when no lock is held: an adapter's error may do anything at its end.
    pub(crate) fn push(&self, event: Event, dropped: &mut Vec<Event>) {
        let mut unread = self.unread.lock();
        if unread.over.is_none() || unread.over != term_of(&event) {
            push(&mut unread.events, event, dropped);
        } else if matches!(event, Event::Lost { .. }) {
            // That was the last of it. In another slot the next reign may be of the same term.
            unread.over = None;
        }
    }

    /// The oldest that nobody took. `None` in it: there will be no more.
    fn take(&self) -> Option<Option<Event>> {
        let mut unread = self.unread.lock();
        let event = unread.events.pop_front();
        let is_over = event.is_none() && unread.ended;
        unread.ended |= event == Some(Event::Stopped);
        if is_over { Some(None) } else { event.map(Some) }
    }

    /// Wakes the listener. Apart from `push`, since a waker may do anything.
    pub(crate) fn notify(&self) {
        self.pushed.notify(usize::MAX);
    }
}

/// The reign in which it happened, if it did in one.
const fn term_of(event: &Event) -> Option<Term> {
    match event {
        Event::Renewed { term, .. }
        | Event::Jeopardy { term, .. }
        | Event::Ending { term, .. }
        | Event::Lost { term, .. } => Some(*term),
        _ => None,
    }
}

fn push(events: &mut VecDeque<Event>, event: Event, dropped: &mut Vec<Event>) {
    if let (Some(Event::Renewed { term: last, deadline: kept }), Event::Renewed { term, deadline }) =
        (events.back_mut(), &event)
        && last == term
    {
        *kept = *deadline;
        return;
    }
    events.push_back(event);
    let mut missed = match events.front() {
        Some(Event::Missed(count)) => *count,
        _ => 0,
    };
    if events.len() > KEPT {
        if missed > 0 {
            events.pop_front();
        }
        while events.len() > KEPT - 1 {
            dropped.extend(events.pop_front());
            missed += 1;
        }
        events.push_front(Event::Missed(missed));
    }
}

impl Events {
    pub(crate) fn new(queue: Arc<Queue>) -> Self {
        Self { queue, listening: Listening::default() }
    }

    /// The next event. `None`: there will be no more.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing.
    pub async fn next(&mut self) -> Option<Event> {
        poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await
    }
}

impl Stream for Events {
    type Item = Event;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Event>> {
        let Self { queue, listening } = &mut *self;
        listening.poll(&queue.pushed, cx, || queue.take())
    }
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unread = self.queue.unread.lock().events.len();
        f.debug_struct("Events").field("unread", &unread).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::election::LostReason;
    use crate::time::Instant;
    use core::time::Duration;

    fn renewed(term: u64, seconds: u64) -> Event {
        let deadline = Instant::from_origin(Duration::from_secs(seconds));
        Event::Renewed { term: Term::new(term).unwrap(), deadline }
    }

    fn ending(term: u64) -> Event {
        Event::Ending { term: Term::new(term).unwrap(), reason: LostReason::Resigned }
    }

    /// R16: consecutive renewals merge, others do not.
    /// In two slots the terms may be the same: what is not told is one reign, not a term.
    #[test]
    fn a_reign_that_was_over_is_left_out() {
        let (term, deadline) = (Term::FIRST, Instant::default());
        let queue = Queue::without(Some(term));
        let elected = Event::Elected { term, deadline, slot: Some(1) };
        let reason = LostReason::Expired;
        let events = [Event::Jeopardy { term, deadline }, Event::Lost { term, reason }, elected.clone()];
        events.into_iter().for_each(|event| queue.push(event, &mut Vec::new()));
        queue.push(Event::Lost { term, reason }, &mut Vec::new());
        assert_eq!(
            [queue.take(), queue.take(), queue.take()],
            [Some(Some(elected)), Some(Some(Event::Lost { term, reason })), None]
        );
    }

    #[test]
    fn renewals_merge() {
        let mut events = VecDeque::new();
        for event in [renewed(1, 1), renewed(1, 2), renewed(2, 3), Event::LeaderChanged(None), renewed(2, 4)] {
            push(&mut events, event, &mut Vec::new());
        }
        assert_eq!(events, [renewed(1, 2), renewed(2, 3), Event::LeaderChanged(None), renewed(2, 4)]);
    }

    /// R16: above 1,024 the oldest become one `Missed(n)`.
    #[test]
    fn what_nobody_reads_is_counted() {
        let mut events = VecDeque::new();
        for number in 1..=2000 {
            push(&mut events, ending(number), &mut Vec::new());
        }
        assert_eq!(events.len(), KEPT);
        assert_eq!(events.front(), Some(&Event::Missed(2000 - 1023)));
        assert_eq!(events.get(1), Some(&ending(2000 - 1022)));
        assert_eq!(events.back(), Some(&ending(2000)));
    }
}
