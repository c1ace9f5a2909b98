//! Wake-ups by pub/sub: the scripts publish the names of the records that they hand over.

use core::time::Duration;
use std::sync::Arc;

use futures::StreamExt;
use lessor::StorageError;
use lessor::storage::Subscribers;
use lessor_kit::listener::{Channel, patiently};
use lessor_kit::timeout::within;
use redis::{Client, RedisError, Value};

use crate::error::explain;
use crate::layout::Layout;
use crate::link::Link;

/// A subscription to the storage's one channel, where its requests go.
#[derive(Clone)]
pub(crate) struct PubSub {
    pub(crate) client: Client,
    pub(crate) layout: Layout,
    pub(crate) link: Arc<Link>,
    /// After how long a silence it is looked whether all is well.
    pub(crate) heartbeat: Duration,
}

impl PubSub {
    /// Whether the server lets this user listen.
    pub(crate) async fn check(&self) -> Result<(), RedisError> {
        let (mut sink, _messages) = patiently(self.client.get_async_pubsub()).await?.split();
        patiently(sink.subscribe(self.layout.channel())).await
    }

    async fn follow(&self, subscribers: &Subscribers) -> Result<(), StorageError> {
        let process = self.link.connection().await?.run_id().to_owned();
        let (mut sink, mut messages) = patiently(self.client.get_async_pubsub()).await.map_err(explain)?.split();
        patiently(sink.subscribe(self.layout.channel())).await.map_err(explain)?;
        subscribers.wake_all();
        loop {
            match within(self.heartbeat, messages.next()).await {
                Ok(Some(message)) => {
                    let record: String = message.get_payload().unwrap_or_default();
                    if let Some(key) = self.layout.key(&record) {
                        subscribers.wake(&key);
                    }
                }
                Ok(None) => return Ok(()),
                // A silence: a connection that is dead shows no other sign. A refusal is one of life.
                Err(_) => {
                    let now = self.link.current();
                    if now.is_some_and(|now| now.run_id() != process) {
                        return Err(StorageError::transient("the storage has gone on to another server process"));
                    }
                    patiently(sink.ping::<Value>()).await.map_err(explain)?;
                }
            }
        }
    }
}

impl Channel for PubSub {
    type Error = StorageError;
    const THREAD: &'static str = "lessor-redis";

    async fn listen(&self, subscribers: &Subscribers) -> Result<(), StorageError> {
        self.follow(subscribers).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use async_std::task::{block_on, sleep};
    use lessor_kit::listener::Listener;
    use lessor_servers::asking::{key, soon};
    use lessor_servers::proxy::Proxy;
    use lessor_servers::redis::{Keeps, PASSWORD, Server};
    use redis::cmd;

    /// The name leads to another server while the old one lives: who listens there comes after.
    #[test]
    fn it_goes_where_requests_go() {
        let (old, new) = (Server::start(Keeps::Nothing), Server::start(Keeps::Nothing));
        let proxy = Proxy::to(old.port());
        let client = Client::open(format!("redis://:{PASSWORD}@127.0.0.1:{}/", proxy.port())).unwrap();
        let link = Arc::new(Link::new(client.clone()));
        let channel =
            PubSub { client, layout: Layout::standard(), link: link.clone(), heartbeat: Duration::from_millis(100) };
        let listener = Listener::new(channel);
        let _wakeups = listener.subscribe(&key("k"));
        let listens = async |server: &Server| {
            let listens = async {
                while server.ask::<(String, i64)>(&["PUBSUB", "NUMSUB", "lessor"]).1 != 1 {
                    sleep(Duration::from_millis(10)).await;
                }
            };
            soon(listens).await
        };
        block_on(async {
            listens(&old).await.expect("it listens");
            proxy.point_to(new.port());
            old.tell(&["CLIENT", "KILL", "TYPE", "normal"]);
            let asked = async { while link.send(&cmd("PING")).await.is_err() {} };
            soon(asked).await.expect("requests go to the other one");
            listens(&new).await.expect("it goes there, too");
        });
    }
}
