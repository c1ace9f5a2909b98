//! What the server says, sorted by whether waiting may help.

use std::io;

use lessor::StorageError;
use lessor::storage::ErrorKind;
use lessor_kit::error::AdapterError;
use lessor_kit::reach::{TlsAdvice, unreached};
use sqlx::Error;
use sqlx::error::DatabaseError;
use sqlx::mysql::{MySqlConnectOptions, MySqlDatabaseError};

/// What a statement ends with instead of rows.
#[derive(Clone, Debug)]
pub(crate) enum Failure {
    /// Another holds a lock. Nothing was done.
    Locked,
    /// The server refused it, and would refuse it on another connection too. Nothing was done.
    Refused(StorageError),
    /// Likewise, for what is in one of the rows, or is to be: others that were asked for together with it may fare better.
    OfOne(StorageError),
    /// The connection cannot be used any more. What was done is open.
    Broken(StorageError),
}

impl Failure {
    pub(crate) fn of(error: Error, table: &str, remedy: &'static str) -> Self {
        let said = error.as_database_error();
        let ends = said.is_none_or(|said| ends_the_session(said, number(&error).unwrap_or_default()));
        let of_one =
            said.is_some_and(|said| is_of_one(number(&error).unwrap_or_default(), &said.code().unwrap_or_default()));
        if is_locked(&error) {
            Self::Locked
        } else if of_one {
            Self::OfOne(explain(error, table, remedy))
        } else if ends {
            Self::Broken(explain(error, table, remedy))
        } else {
            Self::Refused(explain(error, table, remedy))
        }
    }

    /// What came is not what was asked for: that does not mend by itself.
    pub(crate) fn unfit(error: Error) -> Self {
        Self::Refused(StorageError::permanent(error))
    }
}

/// Whether another session may fare better: this one is over, is read-only (its server may be a replica now, while the
/// address leads elsewhere), or does not know its statements any more.
fn ends_the_session(said: &dyn DatabaseError, number: u16) -> bool {
    let is_over = match number {
        // The server stops; the connection was killed, was idle for too long, or sent too much at once.
        1053 | 1153 | 1927 | 2006 | 2013 | 3169 | 4031 => true,
        // A statement that is not known (a proxy has changed the server, say), or not what was prepared. Where a column is
        // gone, a new session asks first whether the table is of a newer version.
        1243 | 1615 | NO_SUCH_COLUMN => true,
        _ => said.code().is_some_and(|state| state.starts_with("08")),
    };
    is_over || is_read_only(said, number)
}

/// What may be wrong with one row alone: a value that a column does not take or a character set does not have, a constraint or
/// an index of somebody's own, a trigger that says no.
fn is_of_one(number: u16, state: &str) -> bool {
    // By number where the state says nothing.
    matches!(number, 1364 | 1366 | 1369 | 3819 | 3854 | 3988 | 4025)
        || ["22", "23", "44", "45"].iter().any(|class| state.starts_with(class))
}

fn is_read_only(said: &dyn DatabaseError, number: u16) -> bool {
    // The name of the option is the same in every language.
    matches!(number, 1792 | 1836 | 1874) || number == FORBIDDEN_BY_OPTION && said.message().contains("read-only")
}

/// An error of the driver as an operation's. `remedy` says how to create the table, should it be missing.
pub(crate) fn explain(error: Error, table: &str, remedy: &'static str) -> StorageError {
    match error {
        Error::Database(said) => explain_answer(&*said, table, remedy).into(),
        // What TLS does not like about the other side.
        Error::Io(error) if error.kind() == io::ErrorKind::InvalidData => StorageError::permanent(error),
        error @ (Error::Io(_) | Error::PoolTimedOut | Error::WorkerCrashed | Error::Protocol(_)) => {
            StorageError::transient(error)
        }
        error => StorageError::permanent(error),
    }
}

/// Why there is no connection. Whatever the server said of the way in is for a person to mend.
pub(crate) fn explain_opening(error: Error, options: &MySqlConnectOptions) -> StorageError {
    let to = match options.get_socket() {
        Some(socket) => socket.display().to_string(),
        None => format!("{}:{}", options.get_host(), options.get_port()),
    };
    match error {
        Error::Database(said) => {
            let number = said.try_downcast_ref::<MySqlDatabaseError>().map_or(0, MySqlDatabaseError::number);
            let kind = kind(number, &said.code().unwrap_or_default());
            let refused = AdapterError::refused("MySQL", number.to_string(), said.message(), kind);
            match way_in(number) {
                Some(advice) => refused.advising(advice).into(),
                None => refused.into(),
            }
        }
        // A file for TLS, or the socket of a server that is not there yet.
        Error::Io(error) if error.kind() == io::ErrorKind::NotFound => {
            let error = AdapterError::no_connection(to, error, ErrorKind::Transient);
            error.advising("start it, or name files that are there (ssl-ca, ssl-cert, ssl-key, socket)").into()
        }
        Error::Io(error) => unreached(&to, &error, TLS).into(),
        Error::Tls(error) => {
            let error = AdapterError::no_connection(to, error, ErrorKind::Permanent);
            let advice =
                "switch TLS on at the server and in this program (feature tls-rustls), or do without (ssl-mode)";
            error.advising(advice).into()
        }
        error @ (Error::PoolTimedOut | Error::WorkerCrashed | Error::Protocol(_)) => {
            AdapterError::no_connection(to, error, ErrorKind::Transient).into()
        }
        error => StorageError::permanent(error),
    }
}

const TLS: TlsAdvice = TlsAdvice::new(
    "name the file of the CA that signed its certificate (ssl-ca), and the host as the certificate has it",
    "name files that are there (ssl-ca, ssl-cert, ssl-key)",
);

/// What to do where the server lets nobody in.
fn way_in(number: u16) -> Option<&'static str> {
    Some(match number {
        1045 | 1698 => {
            "correct user and password of the address; where the account or the server asks for TLS (REQUIRE SSL, \
             require_secure_transport), ask for it too (ssl-mode=VERIFY_IDENTITY, feature tls-rustls)"
        }
        NO_RIGHT_TO_DATABASE | NO_SUCH_DATABASE => {
            "name another database in the address, or create this one and grant the user rights in it"
        }
        1040 | 1203 | 1226 => "the storage needs two connections in each process: raise the limit",
        1129 | 1130 => "have the server admit this host",
        1820 | 1862 => "set the user's password anew",
        INSECURE => "ask for TLS (ssl-mode=VERIFY_IDENTITY, feature tls-rustls)",
        _ => return None,
    })
}

/// An error that the server answered.
fn explain_answer(said: &dyn DatabaseError, table: &str, remedy: &'static str) -> AdapterError {
    let number = said.try_downcast_ref::<MySqlDatabaseError>().map_or(0, MySqlDatabaseError::number);
    match number {
        LOCKED | DEADLOCK | LOCKED_NOWAIT => AdapterError::Locked,
        NO_SUCH_TABLE => AdapterError::no_table(table, remedy),
        NO_RIGHT_TO_DATABASE | NO_RIGHT_TO_TABLE | NO_RIGHT_TO_COLUMN => AdapterError::forbidden(said.message())
            .advising(format!("GRANT SELECT, INSERT, UPDATE ON {table} to the user")),
        number if is_read_only(said, number) => replica(),
        _ => {
            let state = said.code().unwrap_or_default();
            // A syntax error quotes the statement, and with it values.
            let message = said.message().split(" near '").next().unwrap_or_default();
            let refused = AdapterError::refused("MySQL", number.to_string(), message, kind(number, &state));
            match number {
                NO_DATABASE_NAMED => refused.advising("name one in the address, or with MySqlBuilder::database"),
                number if is_of_shape(number) => refused.advising(format!(
                    "the table {table} is not as MySqlBuilder::migration_sql() creates it: change it, or name another \
                     (MySqlBuilder::table)"
                )),
                _ => refused,
            }
        }
    }
}

pub(crate) const fn replica() -> AdapterError {
    AdapterError::read_only("connect to the primary")
}

/// The table is not what the statements ask for: a column, its type, a value, a condition, the key.
fn is_of_shape(number: u16) -> bool {
    matches!(number, 1048 | NO_SUCH_COLUMN | 1176 | 1264..=1266 | 1288 | 1347 | 1364 | 1366 | 1406 | 1471 | 3819 | 4025)
}

/// What is said to a user who may not do something, and what to do about it.
pub(crate) fn forbidden(error: &Error, advice: &str) -> AdapterError {
    let said = error.as_database_error().map(DatabaseError::message).unwrap_or_default();
    AdapterError::forbidden(said).advising(advice)
}

// The server's numbers.
const NO_RIGHT_TO_DATABASE: u16 = 1044;
const NO_DATABASE_NAMED: u16 = 1046;
const NO_SUCH_DATABASE: u16 = 1049;
const NO_SUCH_COLUMN: u16 = 1054;
const DUPLICATE_KEY: u16 = 1062;
const NO_RIGHT_TO_TABLE: u16 = 1142;
const NO_RIGHT_TO_COLUMN: u16 = 1143;
const NO_SUCH_TABLE: u16 = 1146;
const LOCKED: u16 = 1205;
const DEADLOCK: u16 = 1213;
const FORBIDDEN_BY_OPTION: u16 = 1290;
/// Connections without TLS are not wanted. MariaDB says that access is denied.
const INSECURE: u16 = 3159;
/// MySQL's; MariaDB says [`LOCKED`].
const LOCKED_NOWAIT: u16 = 3572;

/// The number of an error that the server answered.
fn number(error: &Error) -> Option<u16> {
    Some(error.as_database_error()?.try_downcast_ref::<MySqlDatabaseError>()?.number())
}

/// A lock was not to be had: at once, in time, or in this order.
fn is_locked(error: &Error) -> bool {
    matches!(number(error), Some(LOCKED | DEADLOCK | LOCKED_NOWAIT))
}

/// The key was there already.
pub(crate) fn is_duplicate(error: &Error) -> bool {
    number(error) == Some(DUPLICATE_KEY)
}

/// The table may be missing. Without a right to it the server says no more than that.
pub(crate) fn is_perhaps_missing(error: &Error) -> bool {
    is_no_database(error) || matches!(number(error), Some(NO_SUCH_TABLE | NO_RIGHT_TO_TABLE))
}

pub(crate) fn is_no_database(error: &Error) -> bool {
    number(error) == Some(NO_SUCH_DATABASE)
}

pub(crate) fn is_no_right(error: &Error) -> bool {
    matches!(number(error), Some(NO_RIGHT_TO_DATABASE | NO_RIGHT_TO_TABLE | NO_RIGHT_TO_COLUMN))
}

/// By the class of the state: what is asked, by whom, and what is there are permanent; and by number where the class
/// says nothing. Everything else (connections, conflicts, resources, operators, the system) may be otherwise next time.
fn kind(number: u16, state: &str) -> ErrorKind {
    let permanent = match number {
        // Too many connections of one user, of its questions in this hour, of prepared statements.
        1203 | 1226 | 1461 => false,
        // A host that is not allowed or is blocked, an option that forbids it, a column without a value or with a
        // wrong one, a binary log of statements alone, an expired password, a locked account, a CHECK.
        1129 | 1130 | INSECURE | FORBIDDEN_BY_OPTION | 1364 | 1366 | 1524 | 1665 | 1698 | 1862 | 3118 | 3819 | 4025
        | 4151 => true,
        _ => ["0A", "22", "23", "28", "3D", "42", "44"].iter().any(|class| state.starts_with(class)),
    };
    if permanent { ErrorKind::Permanent } else { ErrorKind::Transient }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds() {
        for (number, state) in [
            (1044, "42000"),
            (1045, "28000"),
            (1046, "3D000"),
            (1049, "42000"),
            (1054, "42S22"),
            (1142, "42000"),
            (1143, "42000"),
            (1406, "22001"),
            (3159, "HY000"),
            (3819, "HY000"),
            (4025, "23000"),
        ] {
            assert_eq!(kind(number, state), ErrorKind::Permanent, "{number}");
        }
        for (number, state) in [
            (1020, "HY000"),
            (1021, "HY000"),
            (1040, "08004"),
            (1047, "08S01"),
            (1053, "08S01"),
            (1203, "42000"),
            (1461, "42000"),
            (1205, "HY000"),
            (1213, "40001"),
            (1317, "70100"),
            (3572, "HY000"),
            (0, ""),
        ] {
            assert_eq!(kind(number, state), ErrorKind::Transient, "{number}");
        }
    }

    #[test]
    fn what_the_driver_says() {
        let kind = |error| explain(error, "t", "").kind();
        assert_eq!(kind(Error::PoolTimedOut), ErrorKind::Transient);
        assert_eq!(kind(Error::PoolClosed), ErrorKind::Permanent);
        assert_eq!(kind(Error::Io(io::ErrorKind::ConnectionReset.into())), ErrorKind::Transient);
        assert_eq!(kind(Error::Io(io::ErrorKind::InvalidData.into())), ErrorKind::Permanent);
    }
}
