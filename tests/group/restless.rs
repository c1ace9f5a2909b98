//! Wake-ups that have no end: others get their turn all the same.

use std::future::{Future, ready};
use std::pin::{Pin, pin};
use std::task::{Context, Waker};

use futures::channel::oneshot;
use futures::stream;
use lessor::storage::{Acquired, Claim, Reply, Request, Session, one_by_one};
use lessor::{
    Builder, Group, Id, Key, ManualTimer, MemoryStorage, Storage, StorageError, StorageExt, Term, Wakeups, async_trait,
};

use crate::faulty::{entropy, ms, secs};

/// Has always one more wake-up for the key `restless`.
#[derive(Clone)]
struct Restless(MemoryStorage);

#[async_trait]
impl Storage for Restless {
    async fn call(&self, request: Request) -> Result<Reply, StorageError> {
        self.0.call(request).await
    }

    async fn call_all(&self, requests: Vec<Request>) -> Vec<Result<Reply, StorageError>> {
        one_by_one(self, requests).await
    }

    fn subscribe(&self, key: &Key) -> Wakeups {
        if key.as_str() == "restless" { Wakeups::new(stream::repeat(())) } else { self.0.subscribe(key) }
    }

    async fn check(&self) -> Result<(), StorageError> {
        Ok(())
    }
}

/// A storage whose restless key is free, or led by another for as long as the test may last.
fn storage(timer: &ManualTimer, is_free: bool) -> Restless {
    let storage = MemoryStorage::with_timer(timer.clone());
    if !is_free {
        let key = Key::new("restless").unwrap();
        let claim = Claim::new(key, Id::new("other").unwrap(), Session::from_bits(1), secs(86_400));
        let acquired = timer.block_on(storage.acquire(claim)).unwrap().unwrap();
        assert!(matches!(acquired, Acquired::Granted { .. }), "{acquired:?}");
    }
    Restless(storage)
}

/// Polls it for a minute, as an executor would: each poll has to come to its end.
fn for_a_minute(timer: &ManualTimer, mut driving: Pin<&mut impl Future<Output = ()>>) {
    for _ in 0..600 {
        assert!(driving.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        timer.advance(ms(100));
    }
}

/// The other keys of a group stay led, and it ends when it is to.
#[test]
fn a_group_goes_on() {
    for is_free in [true, false] {
        let timer = ManualTimer::new();
        let storage = storage(&timer, is_free);
        let begin = || Group::builder().id("a").build_with(storage.clone(), timer.clone(), entropy(7)).unwrap();
        let (group, driver) = begin();
        let [restless, calm] = ["restless", "calm"].map(|key| group.add(Builder::new(key)).unwrap());
        let (stop, stopped) = oneshot::channel::<()>();
        let mut driving = pin!(driver.run_until(stopped));
        for_a_minute(&timer, driving.as_mut());
        assert_eq!((restless.is_leader(), calm.is_leader()), (is_free, true));
        assert_eq!(calm.leadership().unwrap().term(), Term::FIRST);
        drop(stop);
        timer.block_on(driving).expect("it ends");
        drop(group);

        let (group, mut driver) = begin();
        let [restless, calm] = ["restless", "calm"].map(|key| group.add(Builder::new(key)).unwrap());
        let step = timer.block_on(driver.step()).unwrap();
        assert_eq!((restless.is_leader(), calm.is_leader()), (is_free, true));
        assert!(step.wake_in.is_some());
        timer.block_on(driver.run_until(ready(()))).expect("it ends");
    }
}

/// A candidate leads, or sees who does, and stops when it is to.
#[test]
fn a_candidate_goes_on() {
    for is_free in [true, false] {
        let timer = ManualTimer::new();
        let storage = storage(&timer, is_free);
        let (candidate, driver) =
            Builder::new("restless").id("a").build_with(storage, timer.clone(), entropy(7)).unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let mut driving = pin!(driver.run_until(stopped));
        for_a_minute(&timer, driving.as_mut());
        assert_eq!((candidate.is_leader(), candidate.leader().is_some()), (is_free, true));
        drop(stop);
        timer.block_on(driving).expect("it ends");
    }
}
