//! Where the storage connects, and how.

use core::fmt;
use core::sync::atomic::{AtomicBool, Ordering};
use core::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgConnection, PgPool};
use sqlx::{Connection, Error};

/// Where a storage opens its connections: options of its own, or those of a pool that your program has.
///
/// ```no_run
/// use lessor_postgres::PostgresStorage;
/// use lessor_postgres::sqlx::postgres::{PgConnectOptions, PgPool};
///
/// # fn example(pool: &PgPool) -> Result<(), Box<dyn std::error::Error>> {
/// let options: PgConnectOptions = "postgres://app@db.example.com/app".parse()?;
/// let storage = PostgresStorage::new(options);
/// let beside_a_pool = PostgresStorage::new(pool);
/// # Ok(())
/// # }
/// ```
///
/// sqlx passes over what it does not know of a URL's parameters: with a slip in `sslmode` it connects without TLS. `lessor-any` refuses
/// them.
///
/// Of a pool only its [options](PgPool::connect_options) are used, as they are when a connection is opened: a password
/// that is rotated with [`set_connect_options`](PgPool::set_connect_options) counts from the next one on. Its
/// connections are not touched, whatever your program does with them, nor are its hooks (`after_connect`) run.
#[derive(Clone)]
pub struct Address(Source);

#[derive(Clone)]
enum Source {
    Options(Box<PgConnectOptions>),
    Pool(PgPool),
}

impl Address {
    /// Without what sqlx asks for by itself: no float is read, and a stock pooler refuses it.
    pub(crate) fn options(&self) -> PgConnectOptions {
        let options = match &self.0 {
            Source::Options(options) => (**options).clone(),
            Source::Pool(pool) => (*pool.connect_options()).clone(),
        };
        options.extra_float_digits(None)
    }
}

impl From<PgConnectOptions> for Address {
    fn from(options: PgConnectOptions) -> Self {
        Self(Source::Options(Box::new(options)))
    }
}

impl From<PgPool> for Address {
    fn from(pool: PgPool) -> Self {
        Self(Source::Pool(pool))
    }
}

impl From<&PgPool> for Address {
    fn from(pool: &PgPool) -> Self {
        pool.clone().into()
    }
}

/// Not the options: they have the password.
impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Address").finish_non_exhaustive()
    }
}

/// Every row is looked up by its key, and written by its place. PostgreSQL would plan by how large the table is when a
/// statement is first used, and keep the plan: one made for three keys reads the whole table for each key of a flight
/// when there are ten thousand, until the statistics are new.
const BY_KEY: [(&str, &str); 4] =
    [("enable_seqscan", "off"), ("enable_hashjoin", "off"), ("enable_mergejoin", "off"), ("enable_material", "off")];

/// Opens connections whose waits for locks have a limit, and whose plans are the same whatever the table was like.
#[derive(Debug)]
pub(crate) struct Door {
    address: Address,
    lock_timeout: Duration,
    /// A pooler stands in between, which refuses settings.
    is_pooled: AtomicBool,
}

/// What PgBouncer says of a parameter that it does not know.
pub(crate) const PROTOCOL_VIOLATION: &str = "08P01";

/// A pooler stands in between, which takes no settings.
pub(crate) fn is_pooled(error: &Error) -> bool {
    error.as_database_error().is_some_and(|said| said.code().is_some_and(|code| code == PROTOCOL_VIOLATION))
}

impl Door {
    pub(crate) const fn new(address: Address, lock_timeout: Duration) -> Self {
        Self { address, lock_timeout, is_pooled: AtomicBool::new(false) }
    }

    /// The limit is the session's: it also goes for a lock on the table, which a statement waits for before it begins,
    /// and to set any limit of its own.
    pub(crate) async fn open(&self) -> sqlx::Result<PgConnection> {
        let options = self.address.options();
        if self.is_pooled.load(Ordering::Relaxed) {
            return PgConnection::connect_with(&options).await;
        }
        let limit = self.lock_timeout.as_millis().to_string();
        let settings = options.clone().options(BY_KEY).options([("lock_timeout", limit)]);
        match PgConnection::connect_with(&settings).await {
            Err(error) if is_pooled(&error) => {
                let connection = PgConnection::connect_with(&options).await?;
                self.is_pooled.store(true, Ordering::Relaxed);
                Ok(connection)
            }
            opened => opened,
        }
    }
}
