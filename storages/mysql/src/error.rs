//! What the server says, sorted by whether waiting may help.

use std::io;

use lessor::StorageError;
use lessor::storage::ErrorKind;
use lessor_kit::error::AdapterError;
use sqlx::Error;
use sqlx::error::DatabaseError;
use sqlx::mysql::MySqlDatabaseError;

/// What a statement ends with instead of rows.
#[derive(Clone, Debug)]
pub(crate) enum Failure {
    /// Another holds a lock. Nothing was done.
    Locked,
    /// The server refused it, and would refuse it on another connection too. Nothing was done.
    Refused(StorageError),
    /// The connection cannot be used any more. What was done is open.
    Broken(StorageError),
}

impl Failure {
    pub(crate) fn of(error: Error, table: &str, remedy: &'static str) -> Self {
        let said = error.as_database_error();
        let ends = said.is_none_or(|said| ends_the_session(said, number(&error).unwrap_or_default()));
        if is_locked(&error) {
            Self::Locked
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
        // A statement that is not known (a proxy has changed the server, say), or not what was prepared.
        1243 | 1615 => true,
        _ => said.code().is_some_and(|state| state.starts_with("08")),
    };
    is_over || is_read_only(said, number)
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

/// An error that the server answered.
fn explain_answer(said: &dyn DatabaseError, table: &str, remedy: &'static str) -> AdapterError {
    let number = said.try_downcast_ref::<MySqlDatabaseError>().map_or(0, MySqlDatabaseError::number);
    match number {
        LOCKED | DEADLOCK | LOCKED_NOWAIT => AdapterError::Locked,
        NO_SUCH_TABLE => AdapterError::no_table(table, remedy),
        NO_RIGHT_TO_DATABASE | NO_RIGHT_TO_TABLE | NO_RIGHT_TO_COLUMN => AdapterError::forbidden(said.message()),
        number if is_read_only(said, number) => AdapterError::read_only("connect to the primary"),
        _ => {
            let state = said.code().unwrap_or_default();
            // A syntax error quotes the statement, and with it values.
            let message = said.message().split(" near '").next().unwrap_or_default();
            AdapterError::refused("MySQL", number.to_string(), message, kind(number, &state))
        }
    }
}

// The server's numbers.
const NO_RIGHT_TO_DATABASE: u16 = 1044;
const NO_SUCH_DATABASE: u16 = 1049;
const DUPLICATE_KEY: u16 = 1062;
const NO_RIGHT_TO_TABLE: u16 = 1142;
const NO_RIGHT_TO_COLUMN: u16 = 1143;
const NO_SUCH_TABLE: u16 = 1146;
const LOCKED: u16 = 1205;
const DEADLOCK: u16 = 1213;
const FORBIDDEN_BY_OPTION: u16 = 1290;
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
    matches!(number(error), Some(NO_RIGHT_TO_TABLE | NO_RIGHT_TO_COLUMN))
}

/// By the class of the state: what is asked, by whom, and what is there are permanent; and by number where the class
/// says nothing. Everything else (connections, conflicts, resources, operators, the system) may be otherwise next time.
fn kind(number: u16, state: &str) -> ErrorKind {
    let permanent = match number {
        // Too many connections of one user, of its questions in this hour, of prepared statements.
        1203 | 1226 | 1461 => false,
        // A host that is not allowed or is blocked, an option that forbids it, a column without a value or with a
        // wrong one, a binary log of statements alone, an expired password, a locked account, a CHECK.
        1129 | 1130 | FORBIDDEN_BY_OPTION | 1364 | 1366 | 1524 | 1665 | 1698 | 1862 | 3118 | 3819 | 4025 | 4151 => true,
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
