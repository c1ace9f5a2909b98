//! Those who wait for wake-ups of one key.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use core::mem;
use core::pin::Pin;
use core::task::{Context, Poll, Waker};

use futures::Stream;

use crate::mutex::Mutex;

/// Those who wait for one key. There may be very many keys with one who waits each: that takes no allocation of its own.
#[derive(Debug, Default)]
pub(super) struct Topic(Mutex<Followers>);

#[derive(Debug, Default)]
struct Followers {
    /// How often it was woken.
    wakes: u32,
    /// How many subscriptions it has had.
    subscriptions: u32,
    waiting: Waiting,
}

/// Those who are to be woken, by the number of their subscription.
#[derive(Debug, Default)]
enum Waiting {
    #[default]
    Nobody,
    One(u32, Waker),
    #[expect(clippy::box_collection, reason = "rare, and each topic would else be a word longer")]
    Some(Box<BTreeMap<u32, Waker>>),
}

impl Topic {
    pub(super) fn wake(&self) {
        let woken = {
            let mut followers = self.0.lock();
            followers.wakes = followers.wakes.wrapping_add(1);
            mem::take(&mut followers.waiting)
        };
        match woken {
            Waiting::Nobody => {}
            Waiting::One(_, waker) => waker.wake(),
            Waiting::Some(wakers) => wakers.into_iter().for_each(|(_, waker)| waker.wake()),
        }
    }
}

impl Waiting {
    fn get(&self, number: u32) -> Option<&Waker> {
        match self {
            Self::One(one, waker) if *one == number => Some(waker),
            Self::Some(wakers) => wakers.get(&number),
            _ => None,
        }
    }

    /// Answers the one that it had for this number.
    fn set(&mut self, number: u32, waker: Waker) -> Option<Waker> {
        let former = self.remove(number);
        *self = match mem::take(self) {
            Self::Nobody => Self::One(number, waker),
            Self::One(other, others) => Self::Some(Box::new(BTreeMap::from([(other, others), (number, waker)]))),
            Self::Some(mut wakers) => {
                wakers.insert(number, waker);
                Self::Some(wakers)
            }
        };
        former
    }

    fn remove(&mut self, number: u32) -> Option<Waker> {
        match self {
            Self::One(one, _) if *one == number => match mem::take(self) {
                Self::One(_, waker) => Some(waker),
                _ => None,
            },
            Self::Some(wakers) => wakers.remove(&number),
            _ => None,
        }
    }
}

/// The wake-ups of a key from some time on.
pub(super) struct Subscription {
    topic: Arc<Topic>,
    number: u32,
    /// How often the topic was woken when this was last told.
    seen: u32,
}

impl Subscription {
    pub(super) fn new(topic: Arc<Topic>) -> Self {
        let mut followers = topic.0.lock();
        followers.subscriptions = followers.subscriptions.wrapping_add(1);
        let (number, seen) = (followers.subscriptions, followers.wakes);
        drop(followers);
        Self { topic, number, seen }
    }
}

impl Stream for Subscription {
    type Item = ();

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<()>> {
        let Self { topic, number, seen } = &mut *self;
        {
            let followers = topic.0.lock();
            if mem::replace(seen, followers.wakes) != followers.wakes {
                return Poll::Ready(Some(()));
            }
            if followers.waiting.get(*number).is_some_and(|waker| waker.will_wake(cx.waker())) {
                return Poll::Pending;
            }
        }
        // Not under the lock: to clone a waker and to drop one is foreign code, which may ask for the lock itself.
        let waker = cx.waker().clone();
        let mut followers = topic.0.lock();
        // It may have been woken in between.
        if mem::replace(seen, followers.wakes) != followers.wakes {
            drop(followers);
            return Poll::Ready(Some(()));
        }
        let former = followers.waiting.set(*number, waker);
        drop(followers);
        drop(former);
        Poll::Pending
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        let waker = self.topic.0.lock().waiting.remove(self.number);
        drop(waker);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;
    use core::sync::atomic::{AtomicUsize, Ordering};
    use futures::StreamExt;
    use futures::task::{ArcWake, waker};

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl ArcWake for Count {
        fn wake_by_ref(count: &Arc<Self>) {
            count.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Each is woken once, by the waker that it was polled with last, and one that is gone is not.
    #[test]
    fn each_is_woken_once() {
        let topic = Arc::new(Topic::default());
        let mut subscriptions: Vec<_> = (0..4).map(|_| Subscription::new(topic.clone())).collect();
        let counts: Vec<_> = (0..4).map(|_| Arc::new(Count::default())).collect();
        let former = Arc::new(Count::default());
        for (subscription, count) in subscriptions.iter_mut().zip(&counts) {
            for count in [&former, count, count] {
                assert!(subscription.poll_next_unpin(&mut Context::from_waker(&waker(count.clone()))).is_pending());
            }
        }
        subscriptions.remove(1);
        topic.wake();
        topic.wake();
        let woken: Vec<_> = counts.iter().map(|count| count.0.load(Ordering::Relaxed)).collect();
        assert_eq!((woken, former.0.load(Ordering::Relaxed)), ([1, 0, 1, 1].into(), 0));
        assert_eq!(Arc::strong_count(&former), 1, "it is kept nowhere");
        for subscription in &mut subscriptions {
            let mut cx = Context::from_waker(Waker::noop());
            assert!(subscription.poll_next_unpin(&mut cx).is_ready());
            assert!(subscription.poll_next_unpin(&mut cx).is_pending());
        }
    }
}
