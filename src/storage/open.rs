use alloc::string::{String, ToString};
use alloc::sync::Arc;
use core::error::Error;
use core::fmt;

use super::{Storage, StorageError};

/// The schemes there are, and the feature that each needs.
const SCHEMES: [(&str, &str); 10] = [
    ("sqlite", "sqlite"),
    ("file", "sqlite"),
    ("postgres", "postgres"),
    ("postgresql", "postgres"),
    ("mysql", "mysql"),
    ("mariadb", "mysql"),
    ("redis", "redis"),
    ("rediss", "redis"),
    ("http", "http"),
    ("https", "http"),
];

/// Opens the storage that a URL names, for programs that leave the choice to whoever runs them. Makes its table where it
/// is missing, and [checks](Storage::check) it.
///
/// | URL | storage | feature |
/// |---|---|---|
/// | `leases.db`, `sqlite:leases.db`, `file:leases.db?..` | [`SqliteStorage`](super::sqlite::SqliteStorage): a file, made if it is missing | `sqlite` |
/// | `postgres://user:password@host/database` | [`PostgresStorage`](super::postgres::PostgresStorage) | `postgres` |
/// | `mysql://user:password@host/database` | [`MySqlStorage`](super::mysql::MySqlStorage) | `mysql` |
/// | `redis://user:password@host` | [`RedisStorage`](super::redis::RedisStorage): the first candidates wait for its `max_ttl` | `redis` |
/// | `https://token@host`, `http://token@localhost:8787` | [`HttpStorage`](super::http::HttpStorage): a lease service | `http` |
///
/// What needs escapes in a URL is written as `%` and two hexadecimal digits. `postgresql:` and `mariadb:` are other names, `rediss:` is with TLS. All
/// settings are the defaults; pools have up to four connections. TLS to databases is a feature of their drivers.
///
/// ```
/// use lessor::Builder;
/// use lessor::storage::open;
///
/// # futures::executor::block_on(async {
/// # let directory = tempfile::tempdir()?;
/// # let url = directory.path().join("leases.db").display().to_string();
/// let storage = open(&url).await?;
/// let (candidate, driver) = Builder::new("nightly-report").build(storage)?;
/// # let _ = (candidate, driver);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
///
/// # Errors
/// [`OpenError`]; it shows no secret.
///
/// # Cancel safety
/// A dropped call may have made the table, nothing else.
#[cfg_attr(
    not(all(feature = "http", feature = "mysql", feature = "postgres", feature = "redis", feature = "sqlite")),
    allow(rustdoc::broken_intra_doc_links, reason = "a storage that is not there is named without a link")
)]
pub async fn open(url: &str) -> Result<Arc<dyn Storage>, OpenError> {
    match scheme(url)? {
        #[cfg(feature = "sqlite")]
        "sqlite" => {
            let storage = super::sqlite::SqliteStorage::open(path(url)).await?;
            storage.migrate().await?;
            ready(storage).await
        }
        #[cfg(feature = "postgres")]
        "postgres" => {
            use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
            let options = url.parse::<PgConnectOptions>().map_err(OpenError::invalid)?;
            let pool = PgPoolOptions::new().max_connections(CONNECTIONS).test_before_acquire(false);
            let storage = super::postgres::PostgresStorage::new(pool.connect_lazy_with(options));
            storage.migrate().await?;
            ready(storage).await
        }
        #[cfg(feature = "mysql")]
        "mysql" => {
            use sqlx::mysql::{MySqlConnectOptions, MySqlPoolOptions};
            let options = url.parse::<MySqlConnectOptions>().map_err(OpenError::invalid)?;
            let pool = MySqlPoolOptions::new().max_connections(CONNECTIONS).test_before_acquire(false);
            let storage = super::mysql::MySqlStorage::new(pool.connect_lazy_with(options));
            storage.migrate().await?;
            ready(storage).await
        }
        #[cfg(feature = "redis")]
        "redis" => {
            let client = ::redis::Client::open(url).map_err(OpenError::invalid)?;
            ready(super::redis::RedisStorage::new(client)).await
        }
        #[cfg(feature = "http")]
        "http" => {
            let (url, token) = token(url)?;
            let storage = super::http::HttpStorage::builder(url).token(token).build().map_err(OpenError::invalid)?;
            ready(storage).await
        }
        feature => Err(OpenError::MissingFeature { feature }),
    }
}

#[cfg(any(feature = "postgres", feature = "mysql"))]
const CONNECTIONS: u32 = 4;

#[cfg(any(feature = "sqlite", feature = "postgres", feature = "mysql", feature = "redis", feature = "http"))]
async fn ready(storage: impl Storage + 'static) -> Result<Arc<dyn Storage>, OpenError> {
    storage.check().await?;
    Ok(Arc::new(storage))
}

/// The feature that the URL's scheme needs. What has none is a path.
fn scheme(url: &str) -> Result<&'static str, OpenError> {
    if url.is_empty() {
        return Err(OpenError::invalid("it is empty"));
    }
    let known = url.split_once(':').and_then(|(scheme, _)| SCHEMES.iter().find(|(name, _)| *name == scheme));
    match (known, url.split_once("://")) {
        (Some((_, feature)), _) => Ok(feature),
        (None, Some((scheme, _)))
            if scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte)) =>
        {
            Err(OpenError::UnknownScheme { given: scheme.chars().take(20).collect() })
        }
        // Nothing of it is shown: it may be a URL without its scheme, and has a password then.
        (None, _) if url.contains('@') || url.contains("://") => {
            Err(OpenError::invalid("a path with an @ in it begins with sqlite:, and any other URL with its scheme"))
        }
        (None, _) => Ok("sqlite"),
    }
}

/// `file:` is SQLite's own.
#[cfg(any(feature = "sqlite", test))]
fn path(url: &str) -> &str {
    let path = url.strip_prefix("sqlite:").unwrap_or(url);
    if path.len() < url.len() { path.strip_prefix("//").unwrap_or(path) } else { path }
}

/// The URL without what stands before the host, and that.
#[cfg(feature = "http")]
fn token(url: &str) -> Result<(String, String), OpenError> {
    let missing = || OpenError::invalid("a lease service asks for a token: https://token@host");
    let (scheme, rest) = url.split_once("://").ok_or_else(missing)?;
    let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    let (token, host) = authority.rsplit_once('@').ok_or_else(missing)?;
    let token = percent_encoding::percent_decode_str(token.strip_prefix(':').unwrap_or(token)).decode_utf8();
    let token = token.map_err(|_| OpenError::invalid("its token is not UTF-8"))?.into_owned();
    Ok((alloc::format!("{scheme}://{host}{path}"), token))
}

/// Why [`open`] did not.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OpenError {
    /// No storage has URLs of this kind.
    #[non_exhaustive]
    UnknownScheme {
        /// What stands before `://`.
        given: String,
    },
    /// The storage is not part of this program: the library was built without it.
    #[non_exhaustive]
    MissingFeature {
        /// The feature of this library that has it.
        feature: &'static str,
    },
    /// The URL is not as it has to be.
    #[non_exhaustive]
    InvalidUrl {
        /// What is wrong with it.
        reason: String,
    },
    /// The storage cannot be reached, or is not ready.
    Storage(StorageError),
}

impl OpenError {
    fn invalid(reason: impl ToString) -> Self {
        Self::InvalidUrl { reason: reason.to_string() }
    }
}

impl From<StorageError> for OpenError {
    fn from(error: StorageError) -> Self {
        Self::Storage(error)
    }
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownScheme { given } => {
                write!(f, "no storage has URLs that begin with {given}://; there are")?;
                SCHEMES.iter().try_for_each(|(name, _)| write!(f, " {name}:"))
            }
            Self::MissingFeature { feature } => {
                write!(f, "this program was built without that storage: it needs lessor's feature {feature:?}")
            }
            Self::InvalidUrl { reason } => write!(f, "the storage's url is not allowed: {reason}"),
            Self::Storage(error) => error.fmt(f),
        }
    }
}

impl Error for OpenError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Storage(error) => error.source(),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::borrow::ToOwned;

    /// R15: what no storage understands is named, and no secret is shown.
    #[test]
    fn schemes() {
        for (url, feature) in [
            ("leases.db", "sqlite"),
            ("./a:b/leases.db", "sqlite"),
            ("sqlite:leases.db", "sqlite"),
            ("file:leases.db?mode=rw", "sqlite"),
            ("postgresql://h/d", "postgres"),
            ("mariadb://h/d", "mysql"),
            ("redis://h", "redis"),
            ("rediss://h", "redis"),
            ("https://t@h", "http"),
        ] {
            assert_eq!(scheme(url), Ok(feature), "{url}");
        }
        let error = scheme("etcd://user:s3cret@h").unwrap_err();
        assert_eq!(error, OpenError::UnknownScheme { given: "etcd".to_owned() });
        assert!(!error.to_string().contains("s3cret"));
        assert!(matches!(scheme(""), Err(OpenError::InvalidUrl { .. })));
        for url in ["app:s3cret@h/leases", "app:s3cret@h/x?to=http://y"] {
            let error = scheme(url).unwrap_err();
            assert!(matches!(error, OpenError::InvalidUrl { .. }) && !error.to_string().contains("s3cret"), "{error}");
        }
        for (url, expected) in [
            ("leases.db", "leases.db"),
            ("sqlite:leases.db", "leases.db"),
            ("sqlite:///var/leases.db", "/var/leases.db"),
            ("file:leases.db", "file:leases.db"),
        ] {
            assert_eq!(path(url), expected, "{url}");
        }
    }

    #[cfg(feature = "http")]
    #[test]
    fn tokens() {
        let split = |url: &str| token(url).unwrap();
        assert_eq!(split("https://t0ken@h/base"), ("https://h/base".to_owned(), "t0ken".to_owned()));
        assert_eq!(split("http://:a%2Fb@localhost:1"), ("http://localhost:1".to_owned(), "a/b".to_owned()));
        assert!(token("https://h/@x").is_err());
    }
}
