//! Opens the storage of [lessor] that a URL names: for programs that leave the choice of storage to their operators.
//!
//! [`open`] is what candidates need; [`connect`], [`migrate`] and [`migration_sql`] are for tools beside them. Features say what it can open, one for each engine; none is on by default:
//!
//! | feature | crate | |
//! |---|---|---|
//! | `sqlite` | `lessor-sqlite` | compiles SQLite in |
//! | `postgres`, `mysql` | `lessor-postgres`, `lessor-mysql` | need Rust 1.94, for sqlx |
//! | `redis` | `lessor-redis` | |
//! | `etcd` | `lessor-etcd` | needs `protoc` when it is built |
//! | `nats` | `lessor-nats` | always with TLS |
//! | `objects` | `lessor-objects` | always with TLS |
//! | `http` | `lessor-http` | always with TLS |
//! | `tls-rustls` | | TLS for those of `postgres`, `mysql`, `redis` and `etcd` that are on |
//! | `tokio` | | those of `postgres`, `mysql` and `redis` that are on use tokio's sockets within tokio, instead of smol's |
#![cfg_attr(docsrs, feature(doc_cfg))]
#![warn(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::sync::Arc;

use lessor::Storage;

mod error;
#[cfg(feature = "etcd")]
mod etcd;
#[cfg(feature = "sqlite")]
mod file;
#[cfg(feature = "http")]
mod http;
#[cfg(feature = "nats")]
mod nats;
#[cfg(feature = "objects")]
mod objects;
#[cfg(any(
    feature = "etcd",
    feature = "http",
    feature = "mysql",
    feature = "nats",
    feature = "objects",
    feature = "postgres",
    feature = "redis",
    feature = "sqlite"
))]
mod parameters;
#[cfg(feature = "redis")]
mod redis;
#[cfg(any(feature = "mysql", feature = "postgres", feature = "redis"))]
mod tls;
mod url;

pub use error::OpenError;

/// The README's code compiles.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}

/// Opens the storage that a URL names. Creates its table if it is missing, and [checks](Storage::check) it.
///
/// | URL | storage | feature |
/// |---|---|---|
/// | `leases.db`, `sqlite:leases.db`, `file:leases.db` | [`SqliteStorage`](lessor_sqlite::SqliteStorage): a file, created if it is missing | `sqlite` |
/// | `postgres://user:password@host/database` | [`PostgresStorage`](lessor_postgres::PostgresStorage) | `postgres` |
/// | `mysql://user:password@host/database` | [`MySqlStorage`](lessor_mysql::MySqlStorage) | `mysql` |
/// | `redis://user:password@host`, `unix:///run/redis.sock` | [`RedisStorage`](lessor_redis::RedisStorage): the first candidates wait for its `max_ttl` | `redis` |
/// | `etcd://user:password@host:2379,host2:2379/prefix` | [`EtcdStorage`](lessor_etcd::EtcdStorage): the members of a cluster | `etcd` |
/// | `nats://user:password@host:4222,host2:4222/bucket` | [`NatsStorage`](lessor_nats::NatsStorage): the servers of a cluster, and a bucket of theirs | `nats` |
/// | `s3://bucket/prefix`, `gs://bucket/prefix`, `az://container/prefix` | [`ObjectStorage`](lessor_objects::ObjectStorage): a bucket that is there | `objects` |
/// | `https://token@host`, `https://host?token_file=FILE`, `http://token@localhost:8787` | [`HttpStorage`](lessor_http::HttpStorage): a lease service | `http` |
///
/// Special characters in a URL are written as `%` and two hexadecimal digits. `postgresql:` is another name of
/// `postgres:`, `mariadb:` of `mysql:`, `valkey:` of `redis:`; `rediss:` (`valkeys:`) is Redis with TLS, `etcds:` is etcd with TLS. All
/// settings are the defaults where nothing else is said here.
///
/// Redis takes those of its storage: `?max_ttl=2m` for the longest ttl of any candidate (60 s; durations as `500ms`, `90`, `2m`, `1h`),
/// `&prefix=leases` for the beginning of its keys (`lessor`), and `&durable=true` for a server that forgets nothing when it
/// restarts. Give all processes the same. A socket, `unix:` (`redis+unix:`, `valkey+unix:`), takes `?db=..`, `&user=..` and `&pass=..` besides.
///
/// Of etcd name all members that clients reach; the port is 2379 unless it is said, and the prefix is `lessor/`. `etcds:` takes
/// files as `etcdctl` does: `?cacert=ca.crt`, instead of the root certificates of Mozilla, `&cert=client.crt&key=client.key`.
///
/// Of NATS name all servers that clients reach; the port is 4222 unless it is said, and the bucket is `lessor`. It is created
/// if it is missing: in a cluster with `?replicas=3`. Where JetStream is that of another domain, behind leaf nodes, say, it is named: `?domain=hub`. A token stands in the place of user and password. With `natss:` there is no connection without
/// TLS, and files are given as to NATS's own program: `?tlsca=ca.crt`, beside the system's root certificates,
/// `&tlscert=client.crt&tlskey=client.key`.
///
/// The keys of an object store are read from the environment (`AWS_ACCESS_KEY_ID`, `GOOGLE_SERVICE_ACCOUNT`,
/// `AZURE_STORAGE_ACCOUNT_KEY`, ..), or are those of the machine; so is the way there (`AWS_ENDPOINT_URL`, `AWS_PROXY_URL`,
/// ..). Files and profiles of Amazon's programs are **not** read: neither `~/.aws/credentials` nor what `AWS_PROFILE` names. The prefix is `lessor` unless it is said. What speaks the
/// protocol of S3 is named by `?endpoint=https://host`, with `&region=..`; `az:` takes `?account=..`. If the program has not said what
/// rustls computes with, it is ring from then on.
///
/// The token of a lease service stands before the host, or in a file that is read when it is asked for: `?token_file=/path`, for tokens that change.
/// `&cacert=ca.crt` has the certificates of the authorities to trust, instead of those of Mozilla; `&headers_file=FILE` has headers to send along,
/// one `Name: value` a line, for what stands before the service, such as Cloudflare Access. Each of these files has to be there when it is opened.
///
/// TLS to databases, Redis and etcd needs feature `tls-rustls`; its settings (`sslmode=verify-full`, say) are in the URL, in each
/// driver's words. Where it is asked for and the program has none, `open` fails; it never connects without. A parameter that
/// the engine does not know is refused, and certificates without a mode that uses them.
///
/// An SQLite file is named by its path, as it is; by `sqlite:` and a path, in which `%20` is a space and so on, and behind which
/// there may be `?mode=rw` (it has to be there), `cache` and `vfs`; or by a `file:` URI of SQLite with the same parameters.
/// `sqlite:` and `sqlite://` are the same: both take a relative path, and an absolute one begins with one more `/`. A database in
/// memory, and one without a name, would be this process's alone, and are refused.
///
/// Clones of the `Arc` are the same storage.
///
#[cfg_attr(feature = "sqlite", doc = "```")]
#[cfg_attr(not(feature = "sqlite"), doc = "```ignore")]
/// use lessor::Builder;
///
/// # futures::executor::block_on(async {
/// # let directory = tempfile::tempdir()?;
/// # let url = directory.path().join("leases.db").display().to_string();
/// let storage = lessor_any::open(&url).await?;
/// let (candidate, driver) = Builder::new("nightly-report").build(storage)?;
/// # let _ = (candidate, driver);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
///
/// # Errors
/// [`OpenError`]: the URL is wrong, its feature is off, or the storage cannot be reached or used. It shows no secret.
///
/// # Cancel safety
/// A dropped call may have created the SQLite file, or the table; it does nothing else.
#[cfg_attr(
    not(all(
        feature = "etcd",
        feature = "http",
        feature = "mysql",
        feature = "nats",
        feature = "objects",
        feature = "postgres",
        feature = "redis",
        feature = "sqlite"
    )),
    allow(rustdoc::broken_intra_doc_links, reason = "a storage that is not there is named without a link")
)]
pub async fn open(url: &str) -> Result<Arc<dyn Storage>, OpenError> {
    let storage = opened(url, true).await?;
    storage.check().await?;
    Ok(storage)
}

/// As [`open`], but nothing is created, and nothing is asked: whether the storage can be used shows at the first call. For programs
/// that only look.
///
/// # Errors
/// [`OpenError`]: the URL is wrong, its feature is off, or there is no such SQLite file.
///
/// # Cancel safety
/// A dropped call has done nothing.
pub async fn connect(url: &str) -> Result<Arc<dyn Storage>, OpenError> {
    opened(url, false).await
}

/// Creates what the storage needs before it can be used, if it is missing: a table, a bucket. [`open`] does it, too.
///
/// # Errors
/// [`OpenError`], as [`open`] has it.
///
/// # Cancel safety
/// A dropped call may have created it.
pub async fn migrate(url: &str) -> Result<(), OpenError> {
    opened(url, true).await.map(drop)
}

/// Says, to a storage that nobody has used yet, that nobody leads: Redis, where missing data may be lost data, does not let the first
/// candidates wait then. Other storages need no such word, and are [migrated](migrate) only.
///
/// Only while all candidates are stopped: leases that are there end by it, and two may lead.
///
/// # Errors
/// [`OpenError`], as [`open`] has it.
///
/// # Cancel safety
/// A dropped call may have said it.
pub async fn initialise(url: &str) -> Result<(), OpenError> {
    match url::feature(url)? {
        #[cfg(feature = "redis")]
        "redis" => Ok(redis::named(url)?.initialise().await?),
        _ => migrate(url).await,
    }
}

/// The SQL that [`migrate`] runs: for those who run it themselves, with rights that the program does not have. `None`: it is none, since
/// the storage has no tables.
///
/// ```
/// # #[cfg(feature = "postgres")] {
/// let sql = lessor_any::migration_sql("postgres://user@host/database")?.unwrap();
/// assert!(sql.contains("CREATE TABLE IF NOT EXISTS"));
/// # }
/// # Ok::<(), lessor_any::OpenError>(())
/// ```
///
/// # Errors
/// [`OpenError`]: the URL is wrong, or its feature is off.
pub fn migration_sql(url: &str) -> Result<Option<String>, OpenError> {
    match engine(url)? {
        #[cfg(feature = "sqlite")]
        "sqlite" => Ok(Some(lessor_sqlite::SqliteStorage::builder().migration_sql())),
        #[cfg(feature = "postgres")]
        "postgres" => Ok(Some(lessor_postgres::PostgresStorage::builder().migration_sql())),
        #[cfg(feature = "mysql")]
        "mysql" => Ok(Some(lessor_mysql::MySqlStorage::builder().migration_sql())),
        _ => Ok(None),
    }
}

/// The engine that a URL names, as the feature that has it is called: `"sqlite"`, `"postgres"`, and so on.
///
/// ```
/// assert_eq!(lessor_any::engine("mariadb://user@host/database"), Ok("mysql"));
/// ```
///
/// # Errors
/// [`OpenError`]: the URL is wrong. Whether the feature is on is not looked at.
pub fn engine(url: &str) -> Result<&'static str, OpenError> {
    url::feature(url)
}

/// The lease service that a URL names, for what other storages have not, such as a key's history. `None`: the URL is another storage's.
///
/// # Errors
/// [`OpenError`]: the URL is wrong, or names a file that cannot be read.
#[cfg(feature = "http")]
pub fn service(url: &str) -> Result<Option<lessor_http::HttpStorage>, OpenError> {
    if engine(url)? != "http" {
        return Ok(None);
    }
    http::named(url).map(Some)
}

#[allow(unused_variables, reason = "there may be no feature at all")]
async fn opened(url: &str, migrates: bool) -> Result<Arc<dyn Storage>, OpenError> {
    match url::feature(url)? {
        #[cfg(feature = "sqlite")]
        "sqlite" => {
            let name = file::named(url)?;
            let name = if migrates { name } else { file::there(name)? };
            let storage = lessor_sqlite::SqliteStorage::open(&*name).await?;
            if migrates {
                storage.migrate().await?;
            }
            Ok(Arc::new(storage))
        }
        #[cfg(feature = "postgres")]
        "postgres" => {
            use lessor_postgres::sqlx::postgres::{PgConnectOptions, PgSslMode};
            let parameters = parameters::of(url, &parameters::POSTGRES)?;
            let server: PgConnectOptions = url.parse().map_err(OpenError::invalid)?;
            let optional = matches!(server.get_ssl_mode(), PgSslMode::Allow | PgSslMode::Prefer);
            parameters::certificates_are_used(&parameters, optional, "sslmode=verify-full")?;
            let storage = lessor_postgres::PostgresStorage::new(server);
            if migrates {
                storage.migrate().await.map_err(tls::missing)?;
            }
            Ok(Arc::new(storage))
        }
        #[cfg(feature = "mysql")]
        "mysql" => {
            use lessor_mysql::sqlx::mysql::{MySqlConnectOptions, MySqlSslMode};
            let parameters = parameters::of(url, &parameters::MYSQL)?;
            let server: MySqlConnectOptions = url.parse().map_err(OpenError::invalid)?;
            let optional = matches!(server.get_ssl_mode(), MySqlSslMode::Preferred);
            parameters::certificates_are_used(&parameters, optional, "ssl-mode=VERIFY_IDENTITY")?;
            let storage = lessor_mysql::MySqlStorage::new(server);
            if migrates {
                storage.migrate().await.map_err(tls::missing)?;
            }
            Ok(Arc::new(storage))
        }
        #[cfg(feature = "redis")]
        "redis" => Ok(Arc::new(redis::named(url)?)),
        #[cfg(feature = "etcd")]
        "etcd" => Ok(Arc::new(etcd::named(url)?)),
        #[cfg(feature = "nats")]
        "nats" => {
            let storage = nats::named(url)?;
            if migrates {
                storage.migrate().await?;
            }
            Ok(Arc::new(storage))
        }
        #[cfg(feature = "objects")]
        "objects" => Ok(Arc::new(objects::named(url)?)),
        #[cfg(feature = "http")]
        "http" => match service(url)? {
            Some(storage) => Ok(Arc::new(storage)),
            None => Err(OpenError::MissingFeature { feature: "http" }),
        },
        feature => Err(OpenError::MissingFeature { feature }),
    }
}
