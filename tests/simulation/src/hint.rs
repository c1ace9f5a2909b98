//! A kept wake-up: several are one, and none is lost while nobody looks.

use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use futures::Stream;

use crate::sim::lock;

#[derive(Clone, Default)]
pub(crate) struct Hint(Arc<Mutex<(bool, Option<Waker>)>>);

impl Hint {
    pub(crate) fn give(&self) {
        let waker = {
            let mut state = lock(&self.0);
            state.0 = true;
            state.1.take()
        };
        waker.into_iter().for_each(Waker::wake);
    }
}

impl Stream for Hint {
    type Item = ();

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<()>> {
        let mut state = lock(&self.0);
        if std::mem::take(&mut state.0) {
            return Poll::Ready(Some(()));
        }
        state.1 = Some(cx.waker().clone());
        Poll::Pending
    }
}
