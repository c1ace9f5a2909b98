use std::time::{Duration, Instant};

use futures::{StreamExt, join};
use lessor::Storage;
use lessor_redis::RedisStorage;
use lessor_redis::redis::aio::{MultiplexedConnection, PubSub};
use lessor_redis::redis::{AsyncCommands, Client, Script};
use lessor_servers::redis::{Keeps, Server};

use crate::hand_over::idle;
use crate::{Bare, all};

struct Hand {
    connection: MultiplexedConnection,
    told: PubSub,
    acquire: Script,
    renew: Script,
    release: Script,
}

impl Hand {
    async fn new(client: Client) -> Self {
        let mut told = client.get_async_pubsub().await.expect("a connection");
        told.subscribe("hand").await.expect("it listens");
        Self {
            connection: client.get_multiplexed_async_connection().await.expect("a connection"),
            told,
            acquire: Script::new(
                "local owner = redis.call('GET', KEYS[1])
                 if owner and owner ~= ARGV[1] then return 0 end
                 redis.call('SET', KEYS[1], ARGV[1], 'PX', 30000)
                 return redis.call('INCR', KEYS[2])",
            ),
            renew: Script::new(
                "return redis.call('GET', KEYS[1]) == ARGV[1] and redis.call('PEXPIRE', KEYS[1], 30000) or 0",
            ),
            release: Script::new(
                "if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
                 redis.call('DEL', KEYS[1])
                 redis.call('PUBLISH', 'hand', KEYS[1])
                 return 1",
            ),
        }
    }

    async fn run(script: &Script, connection: &MultiplexedConnection, key: &str, owner: &str) {
        let term = format!("{key}:term");
        let answer = script.key(key).key(term).arg(owner).invoke_async::<u64>(&mut connection.clone()).await;
        assert!(answer.is_ok_and(|answer| answer > 0));
    }
}

impl Bare for Hand {
    async fn acquire(&mut self) {
        Self::run(&self.acquire, &self.connection, "k", "me").await;
    }

    async fn renew(&mut self) {
        Self::run(&self.renew, &self.connection, "k", "me").await;
    }

    async fn look(&mut self) {
        let _: String = self.connection.get("k").await.expect("its own");
    }

    async fn hand_over(&mut self) -> Duration {
        let Self { connection, told, acquire, release, .. } = self;
        Self::run(acquire, connection, "hand-over", "one").await;
        idle().await;
        let began = Instant::now();
        let (_, took) = join!(Self::run(release, connection, "hand-over", "one"), async {
            told.on_message().next().await.expect("it is told");
            Self::run(acquire, connection, "hand-over", "other").await;
            began.elapsed()
        });
        Self::run(release, connection, "hand-over", "other").await;
        told.on_message().next().await.expect("it is told");
        took
    }
}

pub(crate) async fn measure() {
    for (name, keeps) in [("Redis", Keeps::Nothing), ("Redis, appendfsync always", Keeps::Everything)] {
        let server = Server::start(keeps);
        let storages = [RedisStorage::new(server.client()), RedisStorage::new(server.client())];
        storages[0].initialise().await.expect("markers");
        storages[0].check().await.expect("it is ready");
        all(name, storages, &mut Hand::new(server.client()).await).await;
    }
}
