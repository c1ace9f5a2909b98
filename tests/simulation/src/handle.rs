//! What a user holds of a participant, whichever protocol it runs.

use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use futures::{FutureExt, Stream};
use lessor::election::Election;
use lessor::{Candidate, Event, Events, Id, Timer};

use crate::maybe_send::BoxAnswer;
use crate::reference::Clocks;
use crate::sim::lock;
use crate::timer::SimTimer;

/// Whether a candidate is to resign, and in whose favour.
pub(crate) type Resigns = Arc<Mutex<Option<Option<Id>>>>;

pub(crate) enum Handle {
    Candidate {
        candidate: Candidate,
        events: Events,
    },
    /// One of several elections in a loop of its own.
    Election {
        elections: Arc<Mutex<Vec<Election>>>,
        place: usize,
        timer: SimTimer,
        resign: Resigns,
    },
    Reference(BoxAnswer<Clocks, bool>, SimTimer),
}

impl Handle {
    pub(crate) fn candidate(candidate: Candidate) -> Self {
        let events = candidate.events();
        Self::Candidate { candidate, events }
    }

    pub(crate) fn is_leader(&self) -> bool {
        match self {
            Self::Candidate { candidate, .. } => candidate.is_leader(),
            Self::Election { elections, place, timer, .. } => {
                let now = timer.now();
                lock(elections).get(*place).is_some_and(|election| election.is_leader(now))
            }
            Self::Reference(is_leader, timer) => is_leader(timer.clocks()),
        }
    }

    /// The term it holds, hand-over included.
    pub(crate) fn term(&self) -> Option<u64> {
        match self {
            Self::Candidate { candidate, .. } => candidate.status().term.map(|term| term.get()),
            Self::Election { elections, place, timer, .. } => {
                let now = timer.now();
                let status = lock(elections).get(*place)?.status();
                status.deadline.filter(|deadline| now < *deadline).and(status.term).map(|term| term.get())
            }
            Self::Reference(..) => None,
        }
    }

    /// The slot it leads in.
    pub(crate) fn slot(&self) -> Option<u16> {
        match self {
            Self::Candidate { candidate, .. } => candidate.status().slot,
            Self::Election { elections, place, .. } => lock(elections).get(*place)?.status().slot,
            Self::Reference(..) => None,
        }
    }

    /// Lets it resign. Answers nothing: what comes of it is told by events.
    pub(crate) fn resign(&self, successor: Option<Id>) {
        match self {
            // Once polled, the hand-over goes on even if the future is dropped.
            Self::Candidate { candidate, .. } => match successor {
                Some(successor) => drop(candidate.resign_to(successor).now_or_never()),
                None => drop(candidate.resign().now_or_never()),
            },
            // The loop sees to it when it goes round next.
            Self::Election { resign, .. } => *lock(resign) = Some(successor),
            Self::Reference(..) => {}
        }
    }

    /// What has happened since this was last asked.
    pub(crate) fn events(&mut self) -> Vec<Event> {
        let mut all = Vec::new();
        if let Self::Candidate { events, .. } = self {
            let mut cx = Context::from_waker(Waker::noop());
            while let Poll::Ready(Some(event)) = Pin::new(&mut *events).poll_next(&mut cx) {
                all.push(event);
            }
        }
        all
    }
}
