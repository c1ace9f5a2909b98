//! A kept wake-up: several are one, and none is lost while nobody looks. Whoever has a clone hears each.

use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use futures::Stream;

use crate::sim::lock;

#[derive(Default)]
pub(crate) struct Hint {
    given: Arc<Mutex<Given>>,
    /// How many this one has heard.
    heard: u64,
}

#[derive(Default)]
struct Given {
    count: u64,
    wakers: Vec<Waker>,
}

impl Hint {
    pub(crate) fn give(&self) {
        let wakers = {
            let mut given = lock(&self.given);
            given.count += 1;
            std::mem::take(&mut given.wakers)
        };
        wakers.into_iter().for_each(Waker::wake);
    }
}

/// Hears what comes from now on.
impl Clone for Hint {
    fn clone(&self) -> Self {
        let heard = lock(&self.given).count;
        Self { given: self.given.clone(), heard }
    }
}

impl Stream for Hint {
    type Item = ();

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<()>> {
        let this = &mut *self;
        let mut given = lock(&this.given);
        if given.count != this.heard {
            this.heard = given.count;
            return Poll::Ready(Some(()));
        }
        if !given.wakers.iter().any(|waker| waker.will_wake(cx.waker())) {
            given.wakers.push(cx.waker().clone());
        }
        Poll::Pending
    }
}
