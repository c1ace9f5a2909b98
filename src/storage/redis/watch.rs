use alloc::string::String;

use ::redis::{Client, RedisError, Value};
use async_io::Timer;
use futures::StreamExt;
use futures::future::{Either, select};

use super::layout::Layout;
use crate::storage::Topics;
use crate::storage::listener::{Channel, HEARTBEAT, patiently};

/// Pub/sub: the scripts publish the record's name.
pub(super) struct PubSub {
    pub(super) client: Client,
    pub(super) layout: Layout,
}

impl Channel for PubSub {
    type Error = RedisError;
    const THREAD: &'static str = "lessor-redis";

    async fn listen(&self, topics: &Topics) -> Result<(), RedisError> {
        let (mut sink, mut messages) = patiently(self.client.get_async_pubsub()).await?.split();
        patiently(sink.subscribe(self.layout.channel())).await?;
        topics.wake_all();
        loop {
            match select(messages.next(), Timer::after(HEARTBEAT)).await {
                Either::Left((Some(message), _)) => {
                    let record: String = message.get_payload().unwrap_or_default();
                    if let Some(key) = self.layout.key(&record) {
                        topics.wake(&key);
                    }
                }
                Either::Left((None, _)) => return Ok(()),
                Either::Right(_) => {
                    patiently(sink.ping::<Value>()).await?;
                }
            }
        }
    }
}
