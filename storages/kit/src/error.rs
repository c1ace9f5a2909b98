//! Why a setting or an operation failed: one type for all adapters.

use core::error::Error;
use core::fmt;
use core::time::Duration;

use lessor::StorageError;
use lessor::storage::{ErrorKind, Operation};

/// How much of what was given an error repeats, in characters.
const SHOWN: usize = 80;

/// What is wrong, for a program to match on and for a person to read.
///
/// Builders return it. Operations return it inside a [`StorageError`] of its [kind](Self::kind); `?` converts it:
///
/// ```
/// use lessor::StorageError;
/// use lessor_kit::error::AdapterError;
///
/// let error: StorageError = AdapterError::no_table("\"app\".\"leases\"", "call migrate() once to create it").into();
/// assert_eq!(
///     error.to_string(),
///     "permanent storage error: the database has no table \"app\".\"leases\": call migrate() once to create it"
/// );
/// let cause = error.get_ref().downcast_ref::<AdapterError>();
/// assert!(matches!(cause, Some(AdapterError::NoTable { table, .. }) if table.contains("leases")));
/// ```
///
/// What a driver says of itself (a connection, a timeout of its pool) is inside the [`StorageError`] as it came. No
/// variant shows a session, a password or the content of a row.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum AdapterError {
    /// A name, a URL or another setting of the storage breaks its limits.
    #[non_exhaustive]
    InvalidSetting {
        /// Which setting: `schema`, `table`, `prefix`, `max_ttl`, `url`, ..
        field: &'static str,
        /// The beginning of what was given. `None`: it is a secret.
        given: Option<String>,
        /// What may be given.
        allowed: &'static str,
    },
    /// A setting that the storage cannot do without was not given.
    #[non_exhaustive]
    MissingSetting {
        /// Which setting: `token`, ..
        field: &'static str,
    },
    /// A candidate's ttl is longer than the storage was set up for.
    #[non_exhaustive]
    TtlTooLong {
        /// What was asked for.
        ttl: Duration,
        /// The longest that the storage grants.
        max_ttl: Duration,
    },
    /// There is no such table.
    #[non_exhaustive]
    NoTable {
        /// Its name, quoted as in statements.
        table: String,
        /// How to create it.
        remedy: String,
    },
    /// The user, or the token, may not do what the storage does.
    #[non_exhaustive]
    NoRight {
        /// The right, if the server tells: `SELECT`, `INSERT`, `USAGE`, ..
        right: Option<&'static str>,
        /// The table or schema that it is about; without a `right` what the server says.
        about: String,
        /// How to come by it, where that is not plain.
        remedy: Option<String>,
    },
    /// The server is a replica, or the session is set to read only.
    #[non_exhaustive]
    ReadOnly {
        /// How to reach a server that takes writes.
        remedy: &'static str,
    },
    /// The server, the table or the connection is set up so that leases would not be safe.
    #[non_exhaustive]
    WrongSetup {
        /// What is set wrongly, as the server calls it: `engine`, `autocommit`, `maxmemory-policy`, ..
        setting: &'static str,
        /// What it is set to.
        found: String,
        /// What would happen.
        problem: String,
        /// What to do about it.
        remedy: String,
    },
    /// No connection came about.
    #[non_exhaustive]
    NoConnection {
        /// To which server: host and port, or a socket.
        to: String,
        /// What happened.
        cause: String,
        /// Whether trying again may help.
        kind: ErrorKind,
        /// What to do about it, where the adapter knows.
        remedy: Option<String>,
    },
    /// The server answered with an error. What it quotes of statements and rows is left out: that may be a session.
    #[non_exhaustive]
    Refused {
        /// Which server: `PostgreSQL`, `MySQL`, `Redis`, ..
        server: &'static str,
        /// Its code: the SQLSTATE of PostgreSQL, the number of MySQL, the first word of Redis.
        code: String,
        /// What it said.
        message: String,
        /// Whether trying again may help.
        kind: ErrorKind,
        /// What to do about it, where the adapter knows.
        remedy: Option<String>,
    },
    /// Another transaction held the row's lock for too long.
    Locked,
    /// A record that no storage wrote. Its key is not granted to anyone until somebody mends or deletes it.
    #[non_exhaustive]
    Unreadable {
        /// The record's key.
        key: String,
        /// The column or field that cannot be read.
        field: &'static str,
        /// What it should hold. What it holds is not told: it may be a session.
        expected: &'static str,
    },
    /// The connection was lost before the answer came, and the request is none that may be sent again: it may have been applied or not.
    #[non_exhaustive]
    InDoubt {
        /// What was asked for.
        operation: Operation,
        /// What happened to the connection.
        cause: String,
    },
    /// The server's answer does not fit the request, or is missing. The request may have been applied or not.
    Unfit,
    /// The storage's own thread has ended because of a bug: make a new storage.
    Ended,
}

impl AdapterError {
    /// [`InvalidSetting`](Self::InvalidSetting), with what was given. Not for secrets.
    #[must_use]
    pub fn invalid(field: &'static str, given: &str, allowed: &'static str) -> Self {
        Self::InvalidSetting { field, given: Some(given.chars().take(SHOWN).collect()), allowed }
    }

    /// [`InvalidSetting`](Self::InvalidSetting) of a secret: what was given is not shown.
    #[must_use]
    pub const fn invalid_secret(field: &'static str, allowed: &'static str) -> Self {
        Self::InvalidSetting { field, given: None, allowed }
    }

    /// [`MissingSetting`](Self::MissingSetting).
    #[must_use]
    pub const fn missing(field: &'static str) -> Self {
        Self::MissingSetting { field }
    }

    /// [`TtlTooLong`](Self::TtlTooLong).
    #[must_use]
    pub const fn ttl_too_long(ttl: Duration, max_ttl: Duration) -> Self {
        Self::TtlTooLong { ttl, max_ttl }
    }

    /// [`NoTable`](Self::NoTable): `remedy` says how to create it.
    pub fn no_table(table: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::NoTable { table: table.into(), remedy: remedy.into() }
    }

    /// [`NoRight`](Self::NoRight): which right, and to what.
    pub fn no_right(right: &'static str, about: impl Into<String>) -> Self {
        Self::NoRight { right: Some(right), about: about.into(), remedy: None }
    }

    /// [`NoRight`](Self::NoRight), where all that is known is what the server said.
    pub fn forbidden(said: impl Into<String>) -> Self {
        Self::NoRight { right: None, about: said.into(), remedy: None }
    }

    /// [`ReadOnly`](Self::ReadOnly): `remedy` says how to reach a server that takes writes.
    #[must_use]
    pub const fn read_only(remedy: &'static str) -> Self {
        Self::ReadOnly { remedy }
    }

    /// [`WrongSetup`](Self::WrongSetup). The message is `{problem} ({setting} {found}): {remedy}`.
    ///
    /// ```
    /// use lessor_kit::error::AdapterError;
    ///
    /// let problem = "the server evicts leases when its memory is full";
    /// let remedy = "set noeviction or one of the volatile policies";
    /// let error = AdapterError::wrong_setup("maxmemory-policy", "allkeys-lru", problem, remedy);
    /// assert_eq!(
    ///     error.to_string(),
    ///     "the server evicts leases when its memory is full (maxmemory-policy allkeys-lru): \
    ///      set noeviction or one of the volatile policies"
    /// );
    /// ```
    pub fn wrong_setup(
        setting: &'static str,
        found: impl Into<String>,
        problem: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self::WrongSetup { setting, found: found.into(), problem: problem.into(), remedy: remedy.into() }
    }

    /// [`NoConnection`](Self::NoConnection).
    ///
    /// ```
    /// use lessor::storage::{ErrorKind, Operation};
    /// use lessor_kit::error::AdapterError;
    ///
    /// let error = AdapterError::no_connection("localhost:5432", "connection refused", ErrorKind::Transient);
    /// assert_eq!(error.to_string(), "no connection to localhost:5432: connection refused");
    /// ```
    pub fn no_connection(to: impl Into<String>, cause: impl fmt::Display, kind: ErrorKind) -> Self {
        Self::NoConnection { to: to.into(), cause: cause.to_string(), kind, remedy: None }
    }

    /// [`Refused`](Self::Refused). Only the first line of `message` is kept. The adapter has to leave out what the
    /// server quotes.
    pub fn refused(server: &'static str, code: impl Into<String>, message: &str, kind: ErrorKind) -> Self {
        let message = message.lines().next().unwrap_or_default().into();
        Self::Refused { server, code: code.into(), message, kind, remedy: None }
    }

    /// The same with what to do about it, after a colon, where it is a [`NoRight`](Self::NoRight), a
    /// [`NoConnection`](Self::NoConnection) or a [`Refused`](Self::Refused). The others say it anyway.
    ///
    /// ```
    /// use lessor_kit::error::AdapterError;
    ///
    /// let error = AdapterError::no_right("CREATE", "schema \"public\"").advising("name a schema of the user's own");
    /// assert_eq!(
    ///     error.to_string(),
    ///     "the user lacks the right to CREATE on schema \"public\": name a schema of the user's own"
    /// );
    /// ```
    #[must_use]
    pub fn advising(mut self, advice: impl Into<String>) -> Self {
        if let Self::NoRight { remedy, .. } | Self::NoConnection { remedy, .. } | Self::Refused { remedy, .. } =
            &mut self
        {
            *remedy = Some(advice.into());
        }
        self
    }

    /// [`Unreadable`](Self::Unreadable).
    #[must_use]
    pub fn unreadable(key: &str, field: &'static str, expected: &'static str) -> Self {
        Self::Unreadable { key: key.into(), field, expected }
    }

    /// [`InDoubt`](Self::InDoubt): what was asked for, and why there is no answer.
    ///
    /// ```
    /// use lessor::storage::Operation;
    /// use lessor_kit::error::AdapterError;
    ///
    /// assert_eq!(
    ///     AdapterError::in_doubt(Operation::Revoke, "connection reset").to_string(),
    ///     "whether the revoke was done is not known (connection reset): look at the key, and name the term that you see there \
    ///      when you ask again"
    /// );
    /// ```
    pub fn in_doubt(operation: Operation, cause: impl fmt::Display) -> Self {
        Self::InDoubt { operation, cause: cause.to_string() }
    }

    /// Whether trying again may help: transient for [`InDoubt`](Self::InDoubt), [`Locked`](Self::Locked), [`Unfit`](Self::Unfit),
    /// and where a [`NoConnection`](Self::NoConnection) or a [`Refused`](Self::Refused) says so; permanent for all others.
    #[must_use]
    pub const fn kind(&self) -> ErrorKind {
        match self {
            Self::InDoubt { .. } | Self::Locked | Self::Unfit => ErrorKind::Transient,
            Self::NoConnection { kind, .. } | Self::Refused { kind, .. } => *kind,
            _ => ErrorKind::Permanent,
        }
    }

    /// The adapter's error inside an operation's, if it is the cause of it.
    #[must_use]
    pub fn of(error: &StorageError) -> Option<&Self> {
        error.get_ref().downcast_ref()
    }
}

/// Of the same [kind](AdapterError::kind).
impl From<AdapterError> for StorageError {
    fn from(error: AdapterError) -> Self {
        match error.kind() {
            ErrorKind::Transient => Self::transient(error),
            _ => Self::permanent(error),
        }
    }
}

impl fmt::Display for AdapterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InvalidSetting { field, given: Some(given), allowed } => {
                write!(f, "{field} {given:?} is not allowed: {allowed}")
            }
            Self::InvalidSetting { field, given: None, allowed } => write!(f, "{field} is not allowed: {allowed}"),
            Self::MissingSetting { field } => write!(f, "{field} is missing"),
            Self::TtlTooLong { ttl, max_ttl } => write!(
                f,
                "ttl {ttl:?} is longer than the max_ttl {max_ttl:?} of the storage: shorten the candidate's ttl, or raise \
                 the max_ttl of all processes"
            ),
            Self::NoTable { table, remedy } => write!(f, "the database has no table {table}: {remedy}"),
            Self::NoRight { right: Some(right), about, remedy } => {
                write!(f, "the user lacks the right to {right} on {about}{}", AfterAColon(remedy.as_deref()))
            }
            Self::NoRight { right: None, about, remedy } => {
                write!(f, "the user lacks a right: {about}{}", AfterAColon(remedy.as_deref()))
            }
            Self::ReadOnly { remedy } => write!(f, "the server is read-only, as a replica is: {remedy}"),
            Self::WrongSetup { setting, found, problem, remedy } => {
                write!(f, "{problem} ({setting} {found}): {remedy}")
            }
            Self::NoConnection { to, cause, remedy, .. } => {
                write!(f, "no connection to {to}: {cause}{}", AfterAColon(remedy.as_deref()))
            }
            Self::Refused { server, code, message, remedy, .. } => {
                write!(f, "{server} says: {message} ({code}){}", AfterAColon(remedy.as_deref()))
            }
            Self::Locked => f.write_str("another transaction holds the row's lock"),
            Self::Unreadable { key, field, expected } => {
                write!(f, "the record of key {key:?} cannot be read: its {field} is not {expected}")
            }
            Self::InDoubt { operation, cause } => write!(
                f,
                "whether the {operation} was done is not known ({cause}): look at the key, and name the term that you see \
                 there when you ask again"
            ),
            Self::Unfit => f.write_str("the server's answer does not fit the request"),
            Self::Ended => f.write_str("the storage's own thread has ended: make a new storage"),
        }
    }
}

/// Nothing, or what to do.
struct AfterAColon<'r>(Option<&'r str>);

impl fmt::Display for AfterAColon<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.map_or(Ok(()), |remedy| write!(f, ": {remedy}"))
    }
}

impl fmt::Debug for AdapterError {
    /// As it is displayed: a program whose `main` answers it shows nothing else.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AdapterError({self})")
    }
}

impl Error for AdapterError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_say_what_to_do() {
        let second = Duration::from_secs(1);
        for (error, message) in [
            (AdapterError::invalid("table", "a\nb", "1 to 63 bytes"), r#"table "a\nb" is not allowed: 1 to 63 bytes"#),
            (AdapterError::invalid_secret("token", "visible ASCII"), "token is not allowed: visible ASCII"),
            (AdapterError::missing("token"), "token is missing"),
            (AdapterError::ttl_too_long(second * 2, second), "ttl 2s is longer than the max_ttl 1s of the storage: "),
            (AdapterError::no_table("t", "migrate()"), "the database has no table t: migrate()"),
            (AdapterError::no_right("SELECT", "t"), "the user lacks the right to SELECT on t"),
            (AdapterError::forbidden("no, says it"), "the user lacks a right: no, says it"),
            (AdapterError::forbidden("no, says it").advising("ask"), "the user lacks a right: no, says it: ask"),
            (AdapterError::read_only("go"), "the server is read-only, as a replica is: go"),
            (AdapterError::wrong_setup("s", "f", "p", "r"), "p (s f): r"),
            (AdapterError::refused("Redis", "OOM", "full\nmore", ErrorKind::Transient), "Redis says: full (OOM)"),
            (
                AdapterError::refused("Redis", "OOM", "full", ErrorKind::Transient).advising("empty it"),
                "Redis says: full (OOM): empty it",
            ),
            (
                AdapterError::no_connection("db:1", "refused", ErrorKind::Transient).advising("start it"),
                "no connection to db:1: refused: start it",
            ),
            (AdapterError::Locked, "another transaction holds the row's lock"),
            (
                AdapterError::unreadable("k", "term", "1 to 2^53 - 1"),
                r#"the record of key "k" cannot be read: its term is not 1 to 2^53 - 1"#,
            ),
            (AdapterError::Unfit, "the server's answer does not fit the request"),
            (AdapterError::Ended, "the storage's own thread has ended: make a new storage"),
        ] {
            assert!(error.to_string().starts_with(message), "{error}");
            assert!(format!("{error:?}").contains(&error.to_string()), "{error:?}");
        }
    }

    #[test]
    fn kinds() {
        let refused = |kind| AdapterError::refused("PostgreSQL", "28P01", "no", kind);
        let unreached = |kind| AdapterError::no_connection("db:1", "gone", kind);
        for transient in
            [AdapterError::Locked, AdapterError::Unfit, refused(ErrorKind::Transient), unreached(ErrorKind::Transient)]
        {
            assert_eq!(StorageError::from(transient.clone()).kind(), ErrorKind::Transient, "{transient}");
        }
        for permanent in [
            AdapterError::missing("token"),
            AdapterError::no_table("t", ""),
            AdapterError::forbidden(""),
            AdapterError::read_only(""),
            AdapterError::wrong_setup("", "", "", ""),
            AdapterError::unreadable("k", "term", ""),
            AdapterError::ttl_too_long(Duration::ZERO, Duration::ZERO),
            AdapterError::Ended,
            refused(ErrorKind::Permanent),
            unreached(ErrorKind::Permanent),
        ] {
            assert_eq!(StorageError::from(permanent.clone()).kind(), ErrorKind::Permanent, "{permanent}");
        }
    }

    #[test]
    fn a_program_finds_the_cause() {
        let error = StorageError::from(AdapterError::Locked);
        assert_eq!(AdapterError::of(&error), Some(&AdapterError::Locked));
        assert_eq!(AdapterError::of(&StorageError::transient("other")), None);
    }

    #[test]
    fn a_long_text_is_shortened() {
        let error = AdapterError::invalid("table", &"é".repeat(1_000), "less");
        assert!(matches!(error, AdapterError::InvalidSetting { given: Some(given), .. } if given == "é".repeat(80)));
    }
}
