//! Storages that tell what they are asked, refuse it, or answer when a test does.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use lessor::storage::{Operation, Reply, Request, one_by_one};
use lessor::{
    Builder, Group, GroupDriver, Instant, Key, ManualTimer, MemoryStorage, Storage, StorageError, Timer, Wakeups,
    async_trait,
};

use crate::faulty::entropy;

pub(crate) type Refusal = Box<dyn FnMut(&Request) -> bool + Send>;

/// Tells when what was asked, and refuses what a test says.
#[derive(Clone)]
pub(crate) struct Watched {
    inner: MemoryStorage,
    pub(crate) timer: ManualTimer,
    pub(crate) asked: Arc<Mutex<Vec<(Instant, Operation)>>>,
    pub(crate) refuse: Arc<Mutex<Refusal>>,
}

#[async_trait]
impl Storage for Watched {
    async fn call(&self, request: Request) -> Result<Reply, StorageError> {
        self.asked.lock().unwrap().push((self.timer.now(), request.operation()));
        if (self.refuse.lock().unwrap())(&request) {
            return Err(StorageError::not_sent(Duration::ZERO, StorageError::transient("others were before it")));
        }
        self.inner.call(request).await
    }

    async fn call_all(&self, requests: Vec<Request>) -> Vec<Result<Reply, StorageError>> {
        one_by_one(self, requests).await
    }

    fn subscribe(&self, key: &Key) -> Wakeups {
        self.inner.subscribe(key)
    }

    async fn check(&self) -> Result<(), StorageError> {
        Ok(())
    }
}

impl Watched {
    pub(crate) fn new(timer: &ManualTimer) -> Self {
        let inner = MemoryStorage::with_timer(timer.clone());
        let refuse: Refusal = Box::new(|_| false);
        Self { inner, timer: timer.clone(), asked: Arc::default(), refuse: Arc::new(Mutex::new(refuse)) }
    }

    pub(crate) fn take(&self) -> Vec<(Instant, Operation)> {
        std::mem::take(&mut *self.asked.lock().unwrap())
    }
}

pub(crate) type Withholding = (Request, futures::channel::oneshot::Sender<Result<Reply, StorageError>>);

/// Answers when the test does.
pub(crate) struct Withheld(pub(crate) futures::channel::mpsc::UnboundedSender<Withholding>);

#[async_trait]
impl Storage for Withheld {
    async fn call(&self, request: Request) -> Result<Reply, StorageError> {
        let (answer, answered) = futures::channel::oneshot::channel();
        let _ = self.0.unbounded_send((request, answer));
        match answered.await {
            Ok(reply) => reply,
            Err(_) => std::future::pending().await,
        }
    }

    async fn call_all(&self, requests: Vec<Request>) -> Vec<Result<Reply, StorageError>> {
        one_by_one(self, requests).await
    }

    fn subscribe(&self, _: &Key) -> Wakeups {
        Wakeups::never()
    }

    async fn check(&self) -> Result<(), StorageError> {
        Ok(())
    }
}

pub(crate) fn group(id: &str, storage: &Watched) -> (Group, GroupDriver<Watched>) {
    let seed = id.bytes().map(u64::from).sum();
    Group::builder().id(id).build_with(storage.clone(), storage.timer.clone(), entropy(seed)).unwrap()
}

pub(crate) fn running(id: &str, storage: &Watched, keys: usize) -> Group {
    let (group, driver) = group(id, storage);
    storage.timer.spawn(driver.run());
    for number in 0..keys {
        group.add(Builder::new(number.to_string())).unwrap();
    }
    group
}

pub(crate) fn pass(timer: &ManualTimer, time: Duration) {
    timer.block_on(timer.sleep(time)).unwrap();
}
