use alloc::string::{String, ToString};
use core::error::Error;
use core::fmt;

use sqlx::Error as Cause;
use sqlx::mysql::MySqlDatabaseError;

use super::StorageError;
use crate::storage::sql::FENCES;

/// A name that MySQL would not take as it is given.
///
/// The message says what was given and what is allowed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct InvalidName {
    /// Which name: `database` or `table`.
    pub field: &'static str,
    /// The beginning of what was given.
    pub given: String,
}

impl fmt::Display for InvalidName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { field, given } = self;
        write!(
            f,
            "{field} {given:?} is not allowed: 1 to 64 characters up to U+FFFF, no control characters, no space at the end"
        )
    }
}

impl Error for InvalidName {}

/// What the table lacks, this user may not do with it, or the connections of the pool do not do.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NotReady {
    /// There is no such table: [`migrate`](super::MySqlStorage::migrate) creates it.
    NoTable {
        /// Database, if one was named, and table, quoted.
        table: String,
    },
    /// The user may not read or write it.
    NoRight {
        /// Database, if one was named, and table, quoted.
        table: String,
        /// The right: `SELECT`, `INSERT` or `UPDATE` on the table.
        right: &'static str,
    },
    /// The server is a replica, or the session is set to read only.
    ReadOnly,
    /// The table is kept by an engine without transactions.
    NotInnoDb {
        /// Database, if one was named, and table, quoted.
        table: String,
        /// The engine.
        engine: String,
    },
    /// The connections of the pool have `autocommit` off: nothing would be committed.
    NoAutocommit,
}

impl fmt::Display for NotReady {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoTable { table } if table == FENCES => {
                write!(f, "the database has no table {table}: Fence::MYSQL_CREATE_TABLE creates it")
            }
            Self::NoTable { table } => {
                write!(f, "the database has no table {table}: call MySqlStorage::migrate() once to create it")
            }
            Self::NoRight { table, right } => write!(f, "the user lacks the right to {right} on {table}"),
            Self::ReadOnly => f.write_str("the server is read-only, as a replica is: connect to the primary"),
            Self::NotInnoDb { table, engine } => {
                write!(f, "the table {table} is kept by {engine}: ALTER TABLE {table} ENGINE = InnoDB")
            }
            Self::NoAutocommit => {
                f.write_str("the pool's connections have autocommit off: give the storage a pool that leaves it on")
            }
        }
    }
}

impl Error for NotReady {}

/// What the server said. Where it would quote the statement, that is left out.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Refused {
    /// The error's number.
    pub number: u16,
    /// The SQLSTATE.
    pub state: String,
    /// What it says.
    pub message: String,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { number, state, message } = self;
        write!(f, "MySQL says: {message} (error {number}, SQLSTATE {state})")
    }
}

impl Error for Refused {}

/// A row stayed locked by another transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Locked;

impl fmt::Display for Locked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("another transaction holds the row's lock")
    }
}

impl Error for Locked {}

/// The server's number for an error that it answered.
pub(super) fn number(error: &Cause) -> Option<u16> {
    Some(error.as_database_error()?.try_downcast_ref::<MySqlDatabaseError>()?.number())
}

/// A lock was not to be had: at once (MySQL 3572, MariaDB 1205), in time, or not in this order.
pub(super) fn is_locked(error: &Cause) -> bool {
    matches!(number(error), Some(1205 | 1213 | 3572))
}

/// The key was there already.
pub(super) fn is_duplicate(error: &Cause) -> bool {
    number(error) == Some(1062)
}

/// Sorted by whether waiting may help.
pub(super) fn explain(error: Cause, table: &str) -> StorageError {
    if is_locked(&error) {
        return StorageError::transient(Locked);
    }
    match error {
        Cause::Database(database) => {
            let number = database.try_downcast_ref::<MySqlDatabaseError>().map_or(0, MySqlDatabaseError::number);
            let state = database.code().map(|code| code.to_string()).unwrap_or_default();
            let message = database.message();
            match number {
                1146 => StorageError::permanent(NotReady::NoTable { table: table.into() }),
                1792 | 1836 | 1874 => StorageError::permanent(NotReady::ReadOnly),
                // The name of the option is the same in every language.
                1290 if message.contains("read-only") => StorageError::permanent(NotReady::ReadOnly),
                _ => {
                    // A syntax error quotes the statement.
                    let message = message.split(" near '").next().unwrap_or_default().to_string();
                    let refused = Refused { number, state, message };
                    if is_lasting(number, &refused.state) {
                        StorageError::permanent(refused)
                    } else {
                        StorageError::transient(refused)
                    }
                }
            }
        }
        error @ (Cause::Io(_) | Cause::PoolTimedOut | Cause::WorkerCrashed | Cause::Protocol(_)) => {
            StorageError::transient(error)
        }
        error => StorageError::permanent(error),
    }
}

/// By class: what is asked, by whom, and what is there; and by number where the class says nothing. Everything else
/// (connections, locks, conflicts, resources, operators, the system) may be otherwise the next time.
fn is_lasting(number: u16, state: &str) -> bool {
    match number {
        // Too many connections of one user, of his questions in this hour, of prepared statements.
        1203 | 1226 | 1461 => false,
        // A host that is not allowed or is blocked, an option that forbids it, a column without a value or with a
        // wrong one, a binary log of statements alone, an expired password, a locked account, a CHECK.
        1129 | 1130 | 1290 | 1364 | 1366 | 1524 | 1665 | 1698 | 1862 | 3118 | 3819 | 4025 | 4151 => true,
        _ => ["0A", "22", "23", "28", "3D", "42", "44"].iter().any(|class| state.starts_with(class)),
    }
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
            assert!(is_lasting(number, state), "{number}");
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
            assert!(!is_lasting(number, state), "{number}");
        }
        assert_eq!(explain(Cause::PoolTimedOut, "t").kind(), crate::ErrorKind::Transient);
        assert_eq!(explain(Cause::PoolClosed, "t").kind(), crate::ErrorKind::Permanent);
    }
}
