//! One candidate of a group, as the driver has it.

use core::pin::Pin;
use core::task::{Context, Poll, Waker};

use event_listener::EventListener;
use futures::Stream;

use super::Newcomer;
use crate::candidacy::Candidacy;
use crate::election::Input;
use crate::storage::Wakeups;
use crate::time::{Instant, Timer};

pub(super) struct Member<T: Timer> {
    pub(super) candidacy: Candidacy<T>,
    wakeups: Wakeups,
    asked: Option<EventListener>,
    waker: Waker,
    /// When it is to be looked at, as the driver's timetable has it.
    pub(super) due: Option<Instant>,
    /// It waits to be settled.
    pub(super) is_unsettled: bool,
}

impl<T: Timer> Member<T> {
    pub(super) fn new(newcomer: Newcomer<T>, waker: Waker) -> Self {
        let Newcomer { shared, election, wakeups } = newcomer;
        let candidacy = Candidacy::new(shared, election);
        Self { candidacy, wakeups, asked: None, waker, due: None, is_unsettled: false }
    }

    /// Takes in what it was woken for, and sees to it that it is woken the next time.
    pub(super) fn look(&mut self) {
        let Self { candidacy, wakeups, asked, waker, .. } = self;
        let mut cx = Context::from_waker(waker);
        while let Poll::Ready(Some(())) = Pin::new(&mut *wakeups).poll_next(&mut cx) {
            candidacy.input(Input::Wakeup);
        }
        loop {
            let listener = asked.get_or_insert_with(|| candidacy.shared.asked.listen());
            if Pin::new(listener).poll(&mut cx).is_pending() {
                return;
            }
            *asked = None;
        }
    }

    /// Whether it holds a lease that has to be renewed.
    pub(super) fn holds(&self) -> bool {
        self.candidacy.election().holds()
    }
}
