//! A server that can be made to fail, the same for all of them.

use std::sync::Arc;
use std::time::Duration;

use futures::executor::block_on;
use lessor::Storage;
use lessor::storage::Session;
use lessor_etcd::EtcdStorage;
use lessor_mysql::MySqlStorage;
use lessor_mysql::sqlx::{self, AssertSqlSafe};
use lessor_nats::NatsStorage;
use lessor_objects::ObjectStorage;
use lessor_objects::object_store::RetryConfig;
use lessor_objects::object_store::aws::AmazonS3Builder;
use lessor_postgres::PostgresStorage;
use lessor_postgres::sqlx::postgres::PgPoolOptions;
use lessor_redis::RedisStorage;
use lessor_redis::redis::Client;
use lessor_servers::{etcd, mysql, nats, postgres, redis, seaweed};

/// Longer than any request of the elections may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// A server of one's own that has what its storage needs.
pub(crate) trait Faulty: Sized + Send + Sync + 'static {
    /// What it is called.
    const NAME: &'static str;

    /// For how long nothing is granted after a crash.
    const FROZEN: Duration = Duration::ZERO;

    /// Starts one, with a table where one is needed.
    fn start() -> Self;

    /// Where it listens.
    fn port(&self) -> u16;

    /// A storage with connections of its own, to this port.
    fn storage_at(&self, port: u16) -> Arc<dyn Storage>;

    /// Kills it and starts it again.
    fn crash(&self);

    /// It stands still.
    fn pause(&self);

    /// It goes on.
    fn resume(&self);

    /// What a release has in it: of this session, in the name of this candidate.
    fn in_a_release(session: Session, _id: &str) -> Vec<Vec<u8>> {
        let bits = session.to_bits();
        vec![bits.to_be_bytes().to_vec(), format!("{bits:032x}").into_bytes()]
    }

    /// A storage that nothing disturbs but the server.
    fn storage(&self) -> Arc<dyn Storage> {
        self.storage_at(self.port())
    }
}

/// One whose leases have dates.
pub(crate) trait Dated: Faulty {
    /// Lets every lease end an hour later, as a step back of the clock does.
    fn push_expiries(&self);
}

impl Faulty for postgres::Server {
    const NAME: &'static str = "PostgreSQL";

    fn start() -> Self {
        let server = Self::start();
        block_on(PostgresStorage::new(server.pool(1)).migrate()).expect("a table");
        server
    }

    fn port(&self) -> u16 {
        self.port()
    }

    fn storage_at(&self, port: u16) -> Arc<dyn Storage> {
        let pool = PgPoolOptions::new().max_connections(4).acquire_timeout(PATIENCE);
        Arc::new(PostgresStorage::new(pool.connect_lazy_with(self.options().port(port))))
    }

    fn crash(&self) {
        self.crash();
    }

    fn pause(&self) {
        self.pause();
    }

    fn resume(&self) {
        self.resume();
    }
}

impl Dated for postgres::Server {
    fn push_expiries(&self) {
        let pool = self.pool(1);
        let push = sqlx::query("UPDATE lessor_leases SET expires = expires + 3600000").execute(&pool);
        block_on(push).expect("the table is there");
    }
}

impl Faulty for mysql::Server {
    const NAME: &'static str = "MariaDB";

    fn start() -> Self {
        let server = Self::start();
        block_on(MySqlStorage::new(server.pool(1)).migrate()).expect("a table");
        server
    }

    fn port(&self) -> u16 {
        self.port()
    }

    fn storage_at(&self, port: u16) -> Arc<dyn Storage> {
        Arc::new(MySqlStorage::new(self.options().port(port)))
    }

    fn crash(&self) {
        self.crash();
    }

    fn pause(&self) {
        self.pause();
    }

    fn resume(&self) {
        self.resume();
    }
}

impl Dated for mysql::Server {
    fn push_expiries(&self) {
        let pool = self.pool(1);
        let push = "UPDATE lessor_leases SET expires = expires + 3600000";
        block_on(sqlx::raw_sql(AssertSqlSafe(push)).execute(&pool)).expect("the table is there");
    }
}

/// Nobody leads after a crash until every lease has run out.
#[derive(Debug)]
pub(crate) struct Forgetful(redis::Server);

/// It keeps everything, and leases outlive a crash.
#[derive(Debug)]
pub(crate) struct Durable(redis::Server);

/// The longest ttl of the elections.
const MAX_TTL: Duration = Duration::from_secs(4);

fn redis_at(server: &redis::Server, port: u16, durable: bool) -> RedisStorage {
    let url = server.url().replace(&format!(":{}/", server.port()), &format!(":{port}/"));
    let builder = RedisStorage::builder().max_ttl(MAX_TTL).expect("a ttl that is allowed");
    builder.durable(durable).build(Client::open(url).expect("a URL"))
}

macro_rules! redis {
    ($server:ident, $name:literal, $keeps:ident, $durable:literal, $frozen:expr) => {
        impl Faulty for $server {
            const NAME: &'static str = $name;
            const FROZEN: Duration = $frozen;

            fn start() -> Self {
                let server = redis::Server::start(redis::Keeps::$keeps);
                block_on(redis_at(&server, server.port(), $durable).initialise()).expect("a server that answers");
                Self(server)
            }

            fn port(&self) -> u16 {
                self.0.port()
            }

            fn storage_at(&self, port: u16) -> Arc<dyn Storage> {
                Arc::new(redis_at(&self.0, port, $durable))
            }

            fn crash(&self) {
                self.0.crash();
            }

            fn pause(&self) {
                self.0.pause();
            }

            fn resume(&self) {
                self.0.resume();
            }
        }

        impl Dated for $server {
            fn push_expiries(&self) {
                self.0.push_expiries(Duration::from_secs(3600));
            }
        }
    };
}

redis!(Forgetful, "Redis", Nothing, false, MAX_TTL);
redis!(Durable, "durable Redis", Everything, true, Duration::ZERO);

impl Faulty for etcd::Server {
    const NAME: &'static str = "etcd";

    fn start() -> Self {
        Self::start()
    }

    fn port(&self) -> u16 {
        self.port()
    }

    fn storage_at(&self, port: u16) -> Arc<dyn Storage> {
        Arc::new(EtcdStorage::new([format!("127.0.0.1:{port}")]).expect("an endpoint"))
    }

    fn crash(&self) {
        self.crash();
    }

    fn pause(&self) {
        self.pause();
    }

    fn resume(&self) {
        self.resume();
    }

    /// What is written has no session any more.
    fn in_a_release(_: Session, id: &str) -> Vec<Vec<u8>> {
        vec![id.as_bytes().to_vec()]
    }
}

impl Faulty for nats::Server {
    const NAME: &'static str = "NATS";

    fn start() -> Self {
        let server = Self::start();
        block_on(NatsStorage::new([server.address()]).expect("an address").migrate()).expect("a bucket");
        server
    }

    fn port(&self) -> u16 {
        self.port()
    }

    fn storage_at(&self, port: u16) -> Arc<dyn Storage> {
        Arc::new(NatsStorage::new([format!("127.0.0.1:{port}")]).expect("an address"))
    }

    fn crash(&self) {
        self.crash();
    }

    fn pause(&self) {
        self.pause();
    }

    fn resume(&self) {
        self.resume();
    }

    /// As in etcd.
    fn in_a_release(_: Session, id: &str) -> Vec<Vec<u8>> {
        vec![id.as_bytes().to_vec()]
    }
}

/// A bucket, as a user of the server sees it, or as everybody does.
pub(crate) fn bucket(port: u16, user: Option<(&str, &str)>) -> ObjectStorage {
    // Whoever comes second finds it there.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let builder = AmazonS3Builder::new()
        .with_endpoint(format!("http://127.0.0.1:{port}"))
        .with_allow_http(true)
        .with_bucket_name("leases")
        .with_retry(RetryConfig { max_retries: 0, ..RetryConfig::default() });
    let builder = match user {
        Some((name, password)) => builder.with_access_key_id(name).with_secret_access_key(password),
        None => builder.with_skip_signature(true),
    };
    ObjectStorage::new(Arc::new(builder.build().expect("settings that fit")))
}

impl Faulty for seaweed::Server {
    const NAME: &'static str = "SeaweedFS";

    fn start() -> Self {
        Self::start()
    }

    fn port(&self) -> u16 {
        self.port()
    }

    fn storage_at(&self, port: u16) -> Arc<dyn Storage> {
        Arc::new(bucket(port, None))
    }

    fn crash(&self) {
        self.crash();
    }

    fn pause(&self) {
        self.pause();
    }

    fn resume(&self) {
        self.resume();
    }

    /// As in etcd.
    fn in_a_release(_: Session, id: &str) -> Vec<Vec<u8>> {
        vec![id.as_bytes().to_vec()]
    }
}
