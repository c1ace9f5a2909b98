//! One candidate of a group, as the driver has it.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::mem;
use core::pin::Pin;
use core::task::{Context, Poll, Waker};

use futures::Stream;

use super::Newcomer;
use crate::candidacy::{Candidacy, Next};
use crate::election::{Event, RequestId};
use crate::entropy::Entropy;
use crate::maybe_send::BoxFuture;
use crate::shared::News;
use crate::storage::{Answer, Request, StorageError, Wakeups};
use crate::telemetry::Report;
use crate::text::Key;
use crate::time::{Instant, Timer};

/// So many wake-ups are taken at once.
const HINTS: usize = 64;

pub(super) struct Member<T: Timer> {
    pub(super) candidacy: Candidacy<T>,
    wakeups: Wakeups,
    waker: Waker,
    /// Its own, so that it goes with the member, and with the request that it is for.
    // In a place of its own, since many storages answer at once.
    call: Option<Box<Call>>,
    /// The request whose answer is being polled for. Found afterwards: that panicked.
    polled: Option<RequestId>,
    /// When it is to be looked at.
    pub(super) due: Instant,
    /// When it comes up in the driver's timetable: at that time or before.
    pub(super) entered: Option<Instant>,
    /// How it was when it was settled last.
    pub(super) standing: Standing,
    /// It waits to be settled.
    pub(super) is_unsettled: bool,
    is_woken: bool,
    /// It may have more wake-ups, and is among those to be looked at again.
    pub(super) has_more: bool,
    /// It is time to renew.
    pub(super) renew: bool,
    /// Its key is given up.
    pub(super) resign: bool,
}

struct Call {
    id: RequestId,
    answer: BoxFuture<Answer>,
}

impl Call {
    fn poll(&mut self, waker: &Waker) -> Option<(RequestId, Answer)> {
        match self.answer.as_mut().poll(&mut Context::from_waker(waker)) {
            Poll::Ready(answer) => Some((self.id, answer)),
            Poll::Pending => None,
        }
    }
}

/// How a member is, as the group counts them.
#[derive(Clone, Copy, Default)]
pub(super) struct Standing {
    /// It waits for the storage.
    pub(super) is_calling: bool,
    /// It holds a lease that has to be renewed.
    pub(super) holds: bool,
    /// It hands that over.
    pub(super) is_ending: bool,
    /// Its last renewal failed.
    pub(super) in_jeopardy: bool,
}

impl<T: Timer> Member<T> {
    pub(super) fn new(newcomer: Newcomer<T>, waker: Waker) -> Self {
        let Newcomer { shared, wakeups } = newcomer;
        Self {
            candidacy: Candidacy::new(shared).in_group(),
            wakeups,
            waker,
            call: None,
            polled: None,
            due: Instant::default(),
            entered: None,
            standing: Standing::default(),
            is_unsettled: false,
            is_woken: false,
            has_more: false,
            renew: false,
            resign: false,
        }
    }

    /// Takes in what has come, and carries out what its election asks for, until it has to wait. Answers until when, and the
    /// reading of the clock from which that follows; `None`: it has stopped.
    ///
    /// `now` is a reading of the clock, if there is one.
    pub(super) fn settle(
        &mut self,
        mut now: Option<Instant>,
        entropy: &mut Entropy,
        events: &mut Vec<Event>,
        mut call: impl FnMut(Request, &Report) -> BoxFuture<Answer>,
        mut told: impl FnMut(&Key, &[Event]),
    ) -> Option<(Instant, Instant)> {
        let mut news = News {
            is_woken: mem::take(&mut self.is_woken),
            renew: mem::take(&mut self.renew),
            resign: mem::take(&mut self.resign),
            ..News::default()
        };
        news.reply = self.poll_call();
        if news.reply.is_some() {
            now = None;
        }
        loop {
            let mut sent = None;
            let send = |id, request, report: &Report| sent = Some(Call { id, answer: call(request, report) });
            match self.candidacy.settle(now, news, entropy, events, send, &mut told) {
                Next::At { at, now: read, in_flight, holds, is_ending, in_jeopardy } => {
                    self.call.take_if(|call| Some(call.id) != in_flight);
                    // Where the thread stood still, it may be overdue before it was begun.
                    let reply = match sent.filter(|sent: &Call| Some(sent.id) == in_flight) {
                        Some(sent) => self.begin(sent),
                        None => self.poll_call(),
                    };
                    news = News { reply, ..News::default() };
                    if news.reply.is_none() {
                        self.standing = Standing { is_calling: self.call.is_some(), holds, is_ending, in_jeopardy };
                        return Some((at, read));
                    }
                    now = None;
                }
                Next::Done => {
                    self.call = None;
                    self.standing = Standing::default();
                    return None;
                }
            }
        }
    }

    /// The answer, if it has come.
    fn poll_call(&mut self) -> Option<(RequestId, Answer)> {
        if let Some(id) = self.polled.take() {
            return Some((id, Err(StorageError::panicked())));
        }
        // Taken out, so that what panics is not polled again.
        let mut call = self.call.take()?;
        let answer = self.poll(&mut call);
        if answer.is_none() {
            self.call = Some(call);
        }
        answer
    }

    /// The answer, if it comes at once.
    fn begin(&mut self, mut call: Call) -> Option<(RequestId, Answer)> {
        let answer = self.poll(&mut call);
        self.call = answer.is_none().then(|| Box::new(call));
        answer
    }

    fn poll(&mut self, call: &mut Call) -> Option<(RequestId, Answer)> {
        self.polled = Some(call.id);
        let answer = call.poll(&self.waker);
        self.polled = None;
        answer
    }

    /// Takes in what it was woken for, and sees to it that it is woken the next time. All that has come: what a storage is told of
    /// changes it learns here, and answers by. Unless there is no end to it: then this says so, and it has to be looked at again.
    pub(super) fn look(&mut self) -> bool {
        let Self { candidacy, wakeups, waker, is_woken, .. } = self;
        let mut cx = Context::from_waker(waker);
        let mut poll = || Pin::new(&mut *wakeups).poll_next(&mut cx) == Poll::Ready(Some(()));
        let hints = (0..HINTS).take_while(|_| poll()).count();
        *is_woken |= hints > 0;
        while candidacy.shared.poll_asked(&cx) {}
        hints == HINTS
    }
}
