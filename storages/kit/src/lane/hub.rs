//! Where those who ask and the dispatcher meet: the queue, and an answer for each who waits, behind one lock.
//!
//! Under the lock nothing is called or dropped that is not the lane's own: no waker, no request, no answer.

#[cfg(all(test, lessor_loom))]
mod loom_tests;

use core::mem;
use core::pin::Pin;
use core::task::{Context, Poll, Waker};
use std::collections::HashMap;
use std::sync::Arc;
use std::thread;

use futures::future::poll_fn;
use lessor::storage::{Refusals, Reply, Request};
use lessor::{Instant, StorageError};

use super::queue::{Id, Member, Queue};
use super::sync::{Guard, Mutex};
use super::traffic::Traffic;

pub(super) type Answered = Result<Reply, StorageError>;

#[derive(Debug)]
pub(super) struct Hub {
    state: Mutex<State>,
    /// What answers followers that need not know how it is now.
    pub(super) refusals: Refusals,
}

#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) queue: Queue,
    pub(super) traffic: Traffic,
    /// Those who wait for an answer, or have not fetched it yet.
    askers: HashMap<Id, Hearing>,
    last: u64,
    bell: Bell,
    is_closed: bool,
}

#[derive(Debug)]
enum Hearing {
    Waits(Option<Waker>),
    Answered(Answered),
}

/// Tells the dispatcher that something has changed.
#[derive(Debug, Default)]
struct Bell {
    rung: bool,
    waker: Option<Waker>,
}

impl Bell {
    #[must_use]
    fn ring(&mut self) -> Option<Waker> {
        self.rung = true;
        self.waker.take()
    }
}

#[cfg(test)]
impl State {
    /// Nobody waits or has an answer to fetch, and nothing is left in the queue.
    pub(super) fn is_empty(&self) -> bool {
        self.askers.is_empty() && self.queue.is_empty()
    }
}

impl Hub {
    pub(super) fn new() -> Self {
        Self { state: Mutex::new(State::default()), refusals: Refusals::new() }
    }

    /// For the dispatcher: what it changes needs no bell.
    pub(super) fn lock(&self) -> Guard<'_, State> {
        self.state.lock()
    }

    /// They are asked in this order, at the same time.
    pub(super) fn ask(self: &Arc<Self>, requests: impl IntoIterator<Item = Request>, now: Instant) -> Vec<Asked> {
        let known = requests.into_iter().map(|request| (self.refusals.answer(&request, now), request));
        let (mut asked, mut not_sent, mut waker) = (Vec::new(), Vec::new(), None);
        let known: Vec<_> = known.collect();
        let mut state = self.lock();
        for (reply, request) in known {
            state.last += 1;
            let id = Id(state.last);
            if let Some(reply) = reply {
                state.traffic.shared += 1;
                state.askers.insert(id, Hearing::Answered(Ok(reply)));
                not_sent.push(request);
            } else {
                state.queue.push(id, request, now);
                state.askers.insert(id, Hearing::Waits(None));
                waker = waker.or_else(|| state.bell.ring());
            }
            asked.push(Asked { hub: self.clone(), id });
        }
        drop(state);
        wake(waker);
        asked
    }

    /// Each hears its answer, if it still waits.
    pub(super) fn answer(&self, answers: impl IntoIterator<Item = (Id, Answered)>) {
        let (mut wakers, mut unheard) = (Vec::new(), Vec::new());
        let mut state = self.lock();
        for (id, reply) in answers {
            match state.askers.get_mut(&id) {
                Some(hearing @ Hearing::Waits(_)) => {
                    if let Hearing::Waits(Some(waker)) = mem::replace(hearing, Hearing::Answered(reply)) {
                        wakers.push(waker);
                    }
                }
                _ => unheard.push(reply),
            }
        }
        drop(state);
        wake(wakers);
    }

    /// Everybody who waits hears this, and what waits is forgotten.
    pub(super) fn answer_all(&self, error: &StorageError) {
        let mut state = self.lock();
        let forgotten = state.queue.take_all();
        let waiting = state.askers.iter().filter(|(_, hearing)| matches!(hearing, Hearing::Waits(_)));
        let waiting: Vec<_> = waiting.map(|(id, _)| (*id, Err(error.clone()))).collect();
        drop(state);
        drop(forgotten);
        self.answer(waiting);
    }

    /// Back into the queue, if somebody still waits for it. Under one lock: dropped between a look and the push, its
    /// asker would leave it behind.
    pub(super) fn again(&self, member: Member, push: impl FnOnce(&mut Queue, Member)) {
        let mut state = self.lock();
        if matches!(state.askers.get(&member.asker.id), Some(Hearing::Waits(_))) {
            push(&mut state.queue, member);
            return;
        }
        drop(state);
        drop(member);
    }

    /// Until something is asked, or the lane is closed. What is given up changes nothing that the dispatcher would have to
    /// do.
    pub(super) async fn changed(&self) {
        poll_fn(|cx| self.poll_changed(cx)).await;
    }

    fn poll_changed(&self, cx: &Context<'_>) -> Poll<()> {
        let waker = cx.waker().clone();
        let mut state = self.lock();
        if mem::take(&mut state.bell.rung) {
            drop(state);
            return Poll::Ready(());
        }
        let former = state.bell.waker.replace(waker);
        drop(state);
        drop(former);
        Poll::Pending
    }

    /// The last who could ask is gone.
    pub(super) fn close(&self) {
        let mut state = self.lock();
        state.is_closed = true;
        let waker = state.bell.ring();
        drop(state);
        wake(waker);
    }

    pub(super) fn is_closed(&self) -> bool {
        self.lock().is_closed
    }

    fn poll_answer(&self, id: Id, cx: &Context<'_>) -> Poll<Option<Answered>> {
        let waker = cx.waker().clone();
        let mut state = self.lock();
        match state.askers.get_mut(&id) {
            Some(Hearing::Waits(waits)) => {
                let former = waits.replace(waker);
                drop(state);
                drop(former);
                Poll::Pending
            }
            Some(Hearing::Answered(_)) => {
                let answered = state.askers.remove(&id);
                drop(state);
                Poll::Ready(match answered {
                    Some(Hearing::Answered(reply)) => Some(reply),
                    _ => None,
                })
            }
            None => Poll::Ready(None),
        }
    }

    /// Nobody waits for it any more: it is not sent if it has not been.
    fn cancel(&self, id: Id) {
        let mut state = self.lock();
        let hearing = state.askers.remove(&id);
        let member = state.queue.remove(id);
        drop(state);
        drop((hearing, member));
    }
}

fn wake(wakers: impl IntoIterator<Item = Waker>) {
    wakers.into_iter().for_each(Waker::wake);
}

/// The answer to a request, once it comes.
///
/// # Cancel safety
/// Dropped, it takes its request out of the queue. One that is in flight may still be applied.
#[derive(Debug)]
#[must_use = "a request whose answer nobody waits for is not sent"]
pub(super) struct Asked {
    hub: Arc<Hub>,
    id: Id,
}

impl Future for Asked {
    type Output = Answered;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Answered> {
        // Asked again after its answer it would wait for ever: there is nothing to come.
        match self.hub.poll_answer(self.id, cx) {
            Poll::Ready(Some(reply)) => Poll::Ready(reply),
            Poll::Ready(None) | Poll::Pending => Poll::Pending,
        }
    }
}

impl Drop for Asked {
    fn drop(&mut self) {
        self.hub.cancel(self.id);
    }
}

/// Nobody is left waiting, whatever has ended the dispatcher.
pub(super) struct End(pub(super) Arc<Hub>);

impl Drop for End {
    fn drop(&mut self) {
        let problem = if thread::panicking() { "the storage's own thread has panicked" } else { "the storage is gone" };
        self.0.answer_all(&StorageError::transient(problem));
    }
}
