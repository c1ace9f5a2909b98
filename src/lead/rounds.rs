//! One piece of work after the other, with what comes in between.

use core::future::Future;
use core::mem;
use core::pin::pin;
use core::task::Poll;
use core::time::Duration;

use futures::future::poll_fn;

use super::Then;
use crate::candidate::Candidate;
use crate::leadership::Leadership;
use crate::stopped::{Abandoned, Stopped};
use crate::telemetry::{self, Work};
use crate::term::Term;
use crate::time::Timer;

/// Dropped before it is finished, it stops the candidate.
pub(super) struct Rounds<'a, T: Timer> {
    candidate: &'a Candidate<T>,
    /// It has not waited yet.
    is_new: bool,
    /// In which term the work is under way.
    working: Option<(Term, Option<u16>)>,
    ended: Option<(Leadership<T>, Then)>,
    stopped: Option<Stopped>,
}

impl<'a, T: Timer> Rounds<'a, T> {
    pub(super) const fn new(candidate: &'a Candidate<T>) -> Self {
        Self { candidate, is_new: true, working: None, ended: None, stopped: None }
    }

    /// Does what the work before has asked for, and waits for when it is to begin again. `None`: never.
    pub(super) async fn next(&mut self) -> Option<Leadership<T>> {
        self.working = None;
        let leadership = match self.ended.take() {
            Some((leadership, then)) => self.after(leadership, then).await,
            None => None,
        };
        let leadership = match leadership {
            Some(leadership) => leadership,
            None => match self.elected().await {
                Ok(leadership) => leadership,
                Err(stopped) => {
                    self.stopped = Some(stopped);
                    return None;
                }
            },
        };
        self.working = Some((leadership.term(), leadership.slot()));
        Some(leadership)
    }

    /// The first time it looks whether anybody polls the driver: who has forgotten to spawn it would wait for ever, and hear nothing.
    async fn elected(&mut self) -> Result<Leadership<T>, Stopped> {
        let mut elected = pin!(self.candidate.elected());
        if mem::take(&mut self.is_new) {
            let ttl = self.candidate.config().ttl;
            let mut patience = pin!(self.candidate.sleep(ttl));
            let at_once = poll_fn(|cx| match elected.as_mut().poll(cx) {
                Poll::Ready(answer) => Poll::Ready(Some(answer)),
                Poll::Pending => patience.as_mut().poll(cx).map(|_| None),
            });
            if let Some(answer) = at_once.await {
                return answer;
            }
            let overdue = self.candidate.status().overdue();
            if overdue >= ttl {
                telemetry::driver_stands_still(self.candidate.key(), self.candidate.id(), overdue);
            }
        }
        elected.await
    }

    /// Answers the leadership if the work begins again in the same term. What `resign` and `shutdown` answer is what `elected` says
    /// next.
    async fn after(&self, leadership: Leadership<T>, then: Then) -> Option<Leadership<T>> {
        match then {
            Then::NextTerm => leadership.ending().await,
            Then::Again(pause) => {
                self.pause(&leadership, pause.max(Duration::from_millis(1))).await;
                return Some(leadership).filter(|leadership| !leadership.is_ending());
            }
            Then::Resign | Then::Failed(_) => {
                // If its term has ended meanwhile there is nothing to hand over. (Should another one begin between these two steps,
                // that one is handed over: no harm, and the work was not begun in it.)
                if leadership.is_valid() {
                    let _ = self.candidate.resign().await;
                }
                let config = self.candidate.config();
                let pause = (config.ttl / 20).saturating_sub(config.cool_off);
                if !pause.is_zero() {
                    self.candidate.sleep(pause).await;
                }
            }
            Then::Stop => {
                let _ = self.candidate.shutdown().await;
            }
        }
        None
    }

    async fn pause(&self, leadership: &Leadership<T>, pause: Duration) {
        let mut pause = pin!(self.candidate.sleep(pause));
        let mut ending = pin!(leadership.ending());
        poll_fn(|cx| match ending.as_mut().poll(cx) {
            Poll::Ready(()) => Poll::Ready(()),
            Poll::Pending => pause.as_mut().poll(cx).map(drop),
        })
        .await;
    }

    /// The work has ended.
    pub(super) fn ended(&mut self, leadership: Leadership<T>, then: Then) {
        let work = self.work(leadership.term(), leadership.slot());
        match &then {
            _ if !leadership.is_valid() => work.outlived(),
            Then::Failed(why) => work.failed(why, leadership.is_ending()),
            Then::NextTerm if !leadership.is_ending() => work.done(),
            _ => {}
        }
        self.ended = Some((leadership, then));
    }

    /// The work was to end by itself, and was dropped at the end of its term.
    pub(super) fn cut(&self, leadership: &Leadership<T>) {
        self.work(leadership.term(), leadership.slot()).cut();
    }

    pub(super) fn finish(self) -> Result<(), Abandoned> {
        match self.stopped {
            Some(Stopped::DriverDropped) => Err(Abandoned),
            _ => Ok(()),
        }
    }

    fn work(&self, term: Term, slot: Option<u16>) -> Work<'_> {
        Work { key: self.candidate.key(), id: self.candidate.id(), term, slot }
    }
}

impl<T: Timer> Drop for Rounds<'_, T> {
    fn drop(&mut self) {
        // With its driver gone there is nothing to hand over, and that is told already.
        if self.stopped.is_some() || !self.candidate.status().driver_alive {
            return;
        }
        if let Some((term, slot)) = self.working {
            self.work(term, slot).dropped();
        }
        self.candidate.stop();
    }
}
