//! What the tests need of a server, the same for all of them.

use std::sync::Arc;
use std::time::Duration;

use futures::executor::block_on;
use lessor::Storage;
use lessor_etcd::EtcdStorage;
use lessor_mysql::MySqlStorage;
use lessor_mysql::sqlx::mysql::{MySql, MySqlPoolOptions};
use lessor_nats::NatsStorage;
use lessor_objects::ObjectStorage;
use lessor_objects::object_store::RetryConfig;
use lessor_objects::object_store::aws::AmazonS3Builder;
use lessor_postgres::PostgresStorage;
use lessor_postgres::sqlx::postgres::{PgPoolOptions, Postgres};
use lessor_postgres::sqlx::{self, AssertSqlSafe, Database, Pool};
use lessor_redis::RedisStorage;
use lessor_redis::redis::Client;
use lessor_servers::elections::now;
use lessor_servers::{etcd, mysql, nats, postgres, redis, seaweed};

/// Longer than any request of the elections may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// The user of programs, with the rights that they need and no others.
const APP: &str = "app";

/// That user's password.
const PASSWORD: &str = "app-s3cret";

/// A server of one's own that has what its storage needs.
pub(crate) trait Engine: Sized {
    fn start() -> Self;

    fn port(&self) -> u16;

    /// A storage that reaches it through this port, over a pool of so many connections where there are pools.
    fn storage(&self, port: u16, connections: u32) -> Arc<dyn Storage>;
}

/// One that speaks SQL. Programs reach it as a user of their own, and have a pool.
pub(crate) trait Sql: Engine {
    type Db: Database;

    fn pool(&self, port: u16, connections: u32) -> Pool<Self::Db>;

    /// With this table.
    fn storage_over(pool: Pool<Self::Db>, table: &str) -> Arc<dyn Storage>;

    /// Creates this table, as a user of programs who may do that.
    fn migrate(pool: Pool<Self::Db>, table: &str) -> impl Future<Output = Result<(), lessor::StorageError>>;

    /// Lets it do nothing, or go on.
    fn stand_still(&self, still: bool);

    fn stop(&self);

    /// Starts it again.
    fn restart(&self);

    /// Takes no writes any more, not even on connections that are open.
    fn refuse_writes(&self);

    /// Has the same leases.
    fn copy_to(&self, other: &Self);

    /// Takes no more connections of programs until the answer is called.
    fn fill(&self) -> impl FnOnce();

    /// Nobody else gets at the table until the answer is called.
    fn lock_table(&self) -> impl FnOnce();

    /// How many connections wait for a lock.
    fn waiting(&self) -> i64;
}

impl Engine for postgres::Server {
    fn start() -> Self {
        let server = Self::start();
        block_on(PostgresStorage::new(server.pool(1)).migrate()).expect("a table");
        let app = format!("CREATE ROLE {APP} LOGIN PASSWORD '{PASSWORD}'; GRANT CREATE ON DATABASE postgres TO {APP};");
        run_postgres(
            &server,
            &(app
                + &format!(
                    "GRANT CREATE ON SCHEMA public TO {APP}; GRANT SELECT, INSERT, UPDATE ON lessor_leases TO {APP}"
                )),
        );
        server
    }

    fn port(&self) -> u16 {
        self.port()
    }

    fn storage(&self, port: u16, connections: u32) -> Arc<dyn Storage> {
        Arc::new(PostgresStorage::new(Sql::pool(self, port, connections)))
    }
}

fn run_postgres(server: &postgres::Server, sql: &str) {
    block_on(sqlx::raw_sql(AssertSqlSafe(sql)).execute(&server.pool(1))).expect("it is done");
}

impl Sql for postgres::Server {
    type Db = Postgres;

    fn pool(&self, port: u16, connections: u32) -> Pool<Postgres> {
        let options = self.options().port(port).username(APP).password(PASSWORD);
        // As `storage::open` has it.
        let pool = PgPoolOptions::new().max_connections(connections).test_before_acquire(false);
        pool.acquire_timeout(PATIENCE).connect_lazy_with(options)
    }

    fn storage_over(pool: Pool<Postgres>, table: &str) -> Arc<dyn Storage> {
        Arc::new(PostgresStorage::builder().table(table).expect("a name").build(pool))
    }

    async fn migrate(pool: Pool<Postgres>, table: &str) -> Result<(), lessor::StorageError> {
        PostgresStorage::builder().table(table).expect("a name").build(pool).migrate().await
    }

    fn stand_still(&self, still: bool) {
        if still { self.pause() } else { self.resume() }
    }

    fn stop(&self) {
        self.stop();
    }

    fn restart(&self) {
        self.crash();
    }

    fn refuse_writes(&self) {
        run_postgres(self, "ALTER SYSTEM SET default_transaction_read_only = on");
        run_postgres(self, "SELECT pg_reload_conf()");
    }

    fn copy_to(&self, other: &Self) {
        let rows = "SELECT format('INSERT INTO lessor_leases VALUES (%L, %L, %L, %L, %L, %L, %L, %L, %L)', \
                    key, session, id, term, version, ttl, expires, since, value) FROM lessor_leases";
        let rows: Vec<String> = block_on(sqlx::query_scalar(rows).fetch_all(&self.pool(1))).expect("its leases");
        rows.iter().for_each(|row| run_postgres(other, row));
    }

    fn fill(&self) -> impl FnOnce() {
        run_postgres(self, &format!("ALTER ROLE {APP} CONNECTION LIMIT 0"));
        || run_postgres(self, &format!("ALTER ROLE {APP} CONNECTION LIMIT -1"))
    }

    fn lock_table(&self) -> impl FnOnce() {
        let mut other = block_on(self.pool(1).begin()).expect("a transaction");
        let lock = "LOCK TABLE lessor_leases IN ACCESS EXCLUSIVE MODE";
        block_on(sqlx::query(lock).execute(&mut *other)).expect("the table's lock");
        || block_on(other.rollback()).expect("it ends")
    }

    fn waiting(&self) -> i64 {
        let waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'";
        block_on(sqlx::query_scalar(waiting).fetch_one(&self.pool(1))).expect("a number")
    }
}

impl Engine for mysql::Server {
    fn start() -> Self {
        let server = Self::start();
        block_on(MySqlStorage::new(server.pool(1)).migrate()).expect("a table");
        let rights = "SELECT, INSERT, UPDATE, CREATE";
        run_mysql(
            &server,
            &format!("CREATE USER {APP} IDENTIFIED BY '{PASSWORD}'; GRANT {rights} ON lessor.* TO {APP}"),
        );
        server
    }

    fn port(&self) -> u16 {
        self.port()
    }

    fn storage(&self, port: u16, connections: u32) -> Arc<dyn Storage> {
        Arc::new(MySqlStorage::new(Sql::pool(self, port, connections)))
    }
}

fn run_mysql(server: &mysql::Server, sql: &str) {
    block_on(sqlx::raw_sql(AssertSqlSafe(sql)).execute(&server.pool(1))).expect("it is done");
}

impl Sql for mysql::Server {
    type Db = MySql;

    fn pool(&self, port: u16, connections: u32) -> Pool<MySql> {
        let options = self.options().port(port).username(APP).password(PASSWORD);
        let pool = MySqlPoolOptions::new().max_connections(connections).test_before_acquire(false);
        pool.acquire_timeout(PATIENCE).connect_lazy_with(options)
    }

    fn storage_over(pool: Pool<MySql>, table: &str) -> Arc<dyn Storage> {
        Arc::new(MySqlStorage::builder().table(table).expect("a name").build(pool))
    }

    async fn migrate(pool: Pool<MySql>, table: &str) -> Result<(), lessor::StorageError> {
        MySqlStorage::builder().table(table).expect("a name").build(pool).migrate().await
    }

    fn stand_still(&self, still: bool) {
        if still { self.pause() } else { self.resume() }
    }

    fn stop(&self) {
        self.stop();
    }

    fn restart(&self) {
        self.crash();
    }

    fn refuse_writes(&self) {
        run_mysql(self, "SET GLOBAL read_only = 1");
    }

    fn copy_to(&self, other: &Self) {
        let rows = "SELECT CONVERT(CONCAT('INSERT INTO lessor_leases VALUES (', CONCAT_WS(',', QUOTE(`key`), \
                    IFNULL(CONCAT('X''', HEX(session), ''''), 'NULL'), QUOTE(id), term, version, ttl, expires, since, \
                    QUOTE(value)), ')') USING utf8mb4) FROM lessor_leases";
        let rows: Vec<String> = block_on(sqlx::query_scalar(rows).fetch_all(&self.pool(1))).expect("its leases");
        rows.iter().for_each(|row| run_mysql(other, row));
    }

    fn fill(&self) -> impl FnOnce() {
        // The least that it can be set to.
        run_mysql(self, "SET GLOBAL max_connections = 10");
        // Those that are on their way out count as well: until they have left, some of these are refused.
        let pool = self.pool(11);
        let (mut all, began) = (Vec::new(), now());
        while all.len() < 10 {
            match block_on(pool.acquire()) {
                Ok(connection) => all.push(connection),
                Err(error) => {
                    let waited = now().saturating_duration_since(began);
                    assert!(waited < PATIENCE, "{} of 10: {error}", all.len());
                }
            }
        }
        move || drop(all)
    }

    fn lock_table(&self) -> impl FnOnce() {
        let mut other = block_on(self.pool(1).acquire()).expect("a connection");
        block_on(sqlx::raw_sql("LOCK TABLES lessor_leases WRITE").execute(&mut *other)).expect("the table's lock");
        move || {
            block_on(sqlx::raw_sql("UNLOCK TABLES").execute(&mut *other)).expect("it ends");
        }
    }

    fn waiting(&self) -> i64 {
        let waiting = "SELECT count(*) FROM information_schema.processlist WHERE state LIKE 'Waiting for%lock'";
        block_on(sqlx::query_scalar(waiting).fetch_one(&self.pool(1))).expect("a number")
    }
}

/// Redis, which has no pools.
pub(crate) struct Redis(pub(crate) redis::Server);

impl Engine for Redis {
    fn start() -> Self {
        let server = Self(redis::Server::start(redis::Keeps::Nothing));
        block_on(RedisStorage::new(server.0.client()).initialise()).expect("a server that answers");
        server
    }

    fn port(&self) -> u16 {
        self.0.port()
    }

    fn storage(&self, port: u16, _: u32) -> Arc<dyn Storage> {
        let url = self.0.url().replace(&format!(":{}/", self.port()), &format!(":{port}/"));
        Arc::new(RedisStorage::new(Client::open(url).expect("a URL")))
    }
}

impl Engine for etcd::Server {
    fn start() -> Self {
        Self::start()
    }

    fn port(&self) -> u16 {
        self.port()
    }

    fn storage(&self, port: u16, _: u32) -> Arc<dyn Storage> {
        Arc::new(EtcdStorage::new([format!("127.0.0.1:{port}")]).expect("an endpoint"))
    }
}

impl Engine for nats::Server {
    fn start() -> Self {
        let server = Self::start();
        block_on(NatsStorage::new([server.address()]).expect("an address").migrate()).expect("a bucket");
        server
    }

    fn port(&self) -> u16 {
        self.port()
    }

    fn storage(&self, port: u16, _: u32) -> Arc<dyn Storage> {
        Arc::new(NatsStorage::new([format!("127.0.0.1:{port}")]).expect("an address"))
    }
}

/// A bucket, to which everybody is let in.
pub(crate) struct Bucket(seaweed::Server);

impl Engine for Bucket {
    fn start() -> Self {
        // Whoever comes second finds it there.
        let _ = rustls::crypto::ring::default_provider().install_default();
        Self(seaweed::Server::start())
    }

    fn port(&self) -> u16 {
        self.0.port()
    }

    fn storage(&self, port: u16, _: u32) -> Arc<dyn Storage> {
        let store = AmazonS3Builder::new()
            .with_endpoint(format!("http://127.0.0.1:{port}"))
            .with_allow_http(true)
            .with_bucket_name("leases")
            .with_skip_signature(true)
            .with_retry(RetryConfig { max_retries: 0, ..RetryConfig::default() });
        Arc::new(ObjectStorage::new(Arc::new(store.build().expect("settings that fit"))))
    }
}
