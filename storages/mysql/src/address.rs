//! Where the storage connects, and how.

use core::fmt;
use core::time::Duration;

use sqlx::mysql::{MySqlConnectOptions, MySqlConnection, MySqlPool};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Row};

/// Where a storage opens its connections: options of its own, or those of a pool that your program has.
///
/// ```no_run
/// use lessor_mysql::MySqlStorage;
/// use lessor_mysql::sqlx::mysql::{MySqlConnectOptions, MySqlPool};
///
/// # fn example(pool: &MySqlPool) -> Result<(), Box<dyn std::error::Error>> {
/// let options: MySqlConnectOptions = "mysql://app@db.example.com/app".parse()?;
/// let storage = MySqlStorage::new(options);
/// let beside_a_pool = MySqlStorage::new(pool);
/// # Ok(())
/// # }
/// ```
///
/// sqlx passes over what it does not know of a URL's parameters: with a slip in `ssl-mode` it connects without TLS. `lessor-any` refuses
/// them.
///
/// Of a pool only its [options](MySqlPool::connect_options) are used, as they are when a connection is opened: a
/// password that is rotated with [`set_connect_options`](MySqlPool::set_connect_options) counts from the next one on.
/// Its connections are not touched, whatever your program does with them, nor are its hooks (`after_connect`) run.
///
/// Of the options, those that set up a session (time zone, `sql_mode`, character set) and those of sqlx's log do not
/// count: the storage's sessions have [settings of their own](crate#sessions).
#[derive(Clone)]
pub struct Address(Source);

#[derive(Clone)]
enum Source {
    Options(Box<MySqlConnectOptions>),
    Pool(MySqlPool),
}

impl Address {
    fn options(&self) -> MySqlConnectOptions {
        match &self.0 {
            Source::Options(options) => (**options).clone(),
            Source::Pool(pool) => (*pool.connect_options()).clone(),
        }
    }
}

impl From<MySqlConnectOptions> for Address {
    fn from(options: MySqlConnectOptions) -> Self {
        Self(Source::Options(Box::new(options)))
    }
}

impl From<MySqlPool> for Address {
    fn from(pool: MySqlPool) -> Self {
        Self(Source::Pool(pool))
    }
}

impl From<&MySqlPool> for Address {
    fn from(pool: &MySqlPool) -> Self {
        pool.clone().into()
    }
}

/// Not the options: they have the password.
impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Address").finish_non_exhaustive()
    }
}

/// What every session begins with. `{seconds}` is how long it waits for a lock on the table.
///
/// What stands between `/*M!` and `*/` is for MariaDB alone: it can do without waiting for a row's lock at all, where
/// MySQL's least is a second; and it would turn a list of more than 1,000 keys into a table, and read it without the
/// index.
pub(crate) const SET_UP: &str = "\
SET NAMES utf8mb4, autocommit = 1, sql_mode = 'STRICT_ALL_TABLES', time_zone = '+00:00', completion_type = 'NO_CHAIN',
    lock_wait_timeout = {seconds},
    innodb_lock_wait_timeout = 1 /*M!100300 - 1, in_predicate_conversion_threshold = 0 */;
SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED;
SELECT CAST(@@innodb_lock_wait_timeout AS SIGNED) AS lock_wait";

/// A connection whose session is set up.
pub(crate) struct Link {
    pub(crate) connection: MySqlConnection,
    /// A statement that needs another's row waits for it, for a second at most: the server knows no less.
    pub(crate) waits: bool,
}

/// Opens connections.
#[derive(Debug)]
pub(crate) struct Door {
    address: Address,
    set_up: String,
}

impl Door {
    pub(crate) fn new(address: Address, lock_timeout: Duration) -> Self {
        let seconds = lock_timeout.as_millis().div_ceil(1000).max(1);
        Self { address, set_up: SET_UP.replace("{seconds}", &seconds.to_string()) }
    }

    /// sqlx sets nothing up, which would cost another round trip, and logs nothing: sessions are secrets, and statements
    /// for many keys have them in their text.
    pub(crate) fn options(&self) -> MySqlConnectOptions {
        let options = self.address.options().disable_statement_logging();
        options.timezone(None).set_names(false).pipes_as_concat(false).no_engine_substitution(false)
    }

    pub(crate) async fn open(&self) -> sqlx::Result<Link> {
        let mut connection = MySqlConnection::connect_with(&self.options()).await?;
        let found = sqlx::raw_sql(AssertSqlSafe(self.set_up.clone())).fetch_one(&mut connection).await?;
        let waits = found.try_get_unchecked::<i64, _>("lock_wait")? > 0;
        Ok(Link { connection, waits })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Door {
        /// As on MySQL, which knows nothing of what is MariaDB's.
        pub(crate) fn without_mariadbs(mut self) -> Self {
            let (before, rest) = self.set_up.split_once("/*M!").unwrap();
            let (_, after) = rest.split_once("*/").unwrap();
            self.set_up = format!("{before}{after}");
            self
        }
    }

    #[test]
    fn nothing_is_logged() {
        let options = MySqlConnectOptions::new();
        let logged = format!("{options:?}");
        assert!(logged.contains("slow_statements_level: Warn"), "{logged}");
        let logged = format!("{:?}", Door::new(options.into(), Duration::ZERO).options());
        assert!(logged.contains("statements_level: Off") && logged.contains("slow_statements_level: Off"), "{logged}");
    }
}
