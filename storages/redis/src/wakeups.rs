//! Wake-ups by pub/sub: the scripts publish the names of the records that they hand over.

use futures::StreamExt;
use lessor::StorageError;
use lessor::storage::Subscribers;
use lessor_kit::listener::{Channel, HEARTBEAT, patiently};
use lessor_kit::timeout::within;
use redis::{Client, RedisError, Value};

use crate::error::explain;
use crate::layout::Layout;

/// A subscription to the storage's one channel.
#[derive(Clone)]
pub(crate) struct PubSub {
    pub(crate) client: Client,
    pub(crate) layout: Layout,
}

impl PubSub {
    /// Whether the server lets this user listen.
    pub(crate) async fn check(&self) -> Result<(), RedisError> {
        let (mut sink, _messages) = patiently(self.client.get_async_pubsub()).await?.split();
        patiently(sink.subscribe(self.layout.channel())).await
    }

    async fn follow(&self, subscribers: &Subscribers) -> Result<(), RedisError> {
        let (mut sink, mut messages) = patiently(self.client.get_async_pubsub()).await?.split();
        patiently(sink.subscribe(self.layout.channel())).await?;
        subscribers.wake_all();
        loop {
            match within(HEARTBEAT, messages.next()).await {
                Ok(Some(message)) => {
                    let record: String = message.get_payload().unwrap_or_default();
                    if let Some(key) = self.layout.key(&record) {
                        subscribers.wake(&key);
                    }
                }
                Ok(None) => return Ok(()),
                // A silence: a connection that is dead shows no other sign. A refusal is one of life.
                Err(_) => {
                    patiently(sink.ping::<Value>()).await?;
                }
            }
        }
    }
}

impl Channel for PubSub {
    type Error = StorageError;
    const THREAD: &'static str = "lessor-redis";

    async fn listen(&self, subscribers: &Subscribers) -> Result<(), StorageError> {
        self.follow(subscribers).await.map_err(explain)
    }
}
