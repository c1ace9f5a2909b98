use std::time::{Duration, Instant};

use async_nats::jetstream::kv::{Config, Store, Watch};
use async_nats::jetstream::stream::{StorageType, Stream};
use async_nats::{connect, jetstream};
use futures::{StreamExt, join};
use lessor::Storage;
use lessor_nats::NatsStorage;
use lessor_servers::nats::{Cluster, Server};
use tokio::runtime::{Builder, Runtime};

use crate::hand_over::idle;
use crate::{Bare, RECORD, all, within};

struct Hand<'r> {
    runtime: &'r Runtime,
    store: Store,
    /// The same, by the leader's own interface.
    stream: Stream,
    revision: u64,
    told: Watch,
    hand_over: u64,
}

/// Writes the key if it is still at this revision; the answer is the new one.
async fn swap(store: &Store, key: &str, revision: u64) -> u64 {
    store.update(key, RECORD.into(), revision).await.expect("nobody else writes it")
}

impl<'r> Hand<'r> {
    async fn new(runtime: &'r Runtime, address: String, replicas: usize) -> Self {
        let begin = async {
            let context = jetstream::new(connect(address).await.expect("a client"));
            let config = Config {
                bucket: "hand".into(),
                history: 1,
                num_replicas: replicas,
                storage: StorageType::File,
                ..Config::default()
            };
            let store = context.create_key_value(config).await.expect("a bucket");
            let stream = context.get_stream("KV_hand").await.expect("its stream");
            let hand_over = swap(&store, "over", 0).await;
            let told = store.watch("over").await.expect("a watch");
            Self { runtime, store, stream, revision: 0, told, hand_over }
        };
        within(runtime, begin).await
    }
}

impl Bare for Hand<'_> {
    async fn acquire(&mut self) {
        self.revision = within(self.runtime, swap(&self.store, "k", self.revision)).await;
    }

    async fn renew(&mut self) {
        self.acquire().await;
    }

    /// Of the leader: any other server may answer with what was.
    async fn look(&mut self) {
        let found = within(self.runtime, self.stream.get_last_raw_message_by_subject("$KV.hand.k")).await;
        assert_eq!(found.expect("an answer").sequence, self.revision);
    }

    async fn hand_over(&mut self) -> Duration {
        let Self { runtime, store, told, hand_over, .. } = self;
        idle().await;
        let began = Instant::now();
        let give_up = swap(store, "over", *hand_over);
        let take = async {
            let told = told.next().await.expect("it is told").expect("of the release");
            let taken = swap(store, "over", told.revision).await;
            (taken, began.elapsed())
        };
        let (_, (taken, took)) = within(runtime, async { join!(give_up, take) }).await;
        *hand_over = taken;
        let own = within(runtime, told.next()).await;
        own.expect("it is told").expect("of the grant");
        took
    }
}

pub(crate) async fn measure() {
    let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
    let server = Server::start();
    let cluster = Cluster::start();
    for (name, address, replicas) in
        [("nats", server.address(), 1), ("nats, 3 servers", cluster.addresses().swap_remove(0), 3)]
    {
        let builder = || NatsStorage::builder().replicas(replicas).expect("a number");
        let storages = [(); 2].map(|()| builder().build([address.clone()]).expect("an address"));
        storages[0].migrate().await.expect("a bucket");
        storages[0].check().await.expect("it is ready");
        all(name, storages, &mut Hand::new(&runtime, address, replicas).await).await;
    }
    runtime.shutdown_background();
}
