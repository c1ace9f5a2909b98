//! A storage whose wake-ups begin when somebody has to wait.
//!
//! To watch the folder of a file costs little, and to end the watch much: Linux keeps a process that ends for 10 ms or so. Who leads at the
//! first try, as mostly, never needs it.

use std::sync::Arc;

use futures::stream::{StreamExt, iter, once};
use lessor::storage::{Acquired, Reply, Request};
use lessor::{Key, Storage, StorageError, Wakeups, async_trait};
use tokio::sync::watch;

pub(super) struct LateWakeups {
    storage: Arc<dyn Storage>,
    /// Whether a claim was refused because another leads.
    waits: watch::Sender<bool>,
}

/// For a file. The connections of other storages are there anyhow, and what they say of their wake-ups is needed at once.
pub(super) fn of(storage: Arc<dyn Storage>, url: &str) -> Arc<dyn Storage> {
    let is_file = url.split_once(':').is_none_or(|(scheme, _)| scheme == "sqlite" || scheme == "file");
    if is_file { Arc::new(LateWakeups { storage, waits: watch::Sender::new(false) }) } else { storage }
}

impl LateWakeups {
    fn heard(&self, reply: &Result<Reply, StorageError>) {
        if let Ok(Reply::Acquired(Acquired::Refused { lease: Some(lease), .. })) = reply
            && lease.is_live()
        {
            self.waits.send_if_modified(|waits| !std::mem::replace(waits, true));
        }
    }
}

#[async_trait]
impl Storage for LateWakeups {
    async fn call(&self, request: Request) -> Result<Reply, StorageError> {
        let reply = self.storage.call(request).await;
        self.heard(&reply);
        reply
    }

    async fn call_all(&self, requests: Vec<Request>) -> Vec<Result<Reply, StorageError>> {
        let replies = self.storage.call_all(requests).await;
        replies.iter().for_each(|reply| self.heard(reply));
        replies
    }

    fn subscribe(&self, key: &Key) -> Wakeups {
        let (storage, key, mut waits) = (Arc::downgrade(&self.storage), key.clone(), self.waits.subscribe());
        let begun = async move {
            let waited = waits.wait_for(|waits| *waits).await.is_ok();
            let wakeups = storage.upgrade().filter(|_| waited).map(|storage| storage.subscribe(&key));
            // What came before it is not to be missed: the first is for that.
            iter([()]).chain(wakeups.unwrap_or_else(Wakeups::never))
        };
        Wakeups::new(once(begun).flatten())
    }

    async fn check(&self) -> Result<(), StorageError> {
        self.storage.check().await
    }
}
