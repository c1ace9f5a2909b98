use alloc::string::{String, ToString};
use core::error::Error;
use core::fmt;

use sqlx::Error as Cause;

use super::StorageError;
use crate::storage::sql::{FENCES, STALE_STATEMENT};

/// A name that PostgreSQL would not take as it is given.
///
/// The message says what was given and what is allowed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct InvalidName {
    /// Which name: `schema` or `table`.
    pub field: &'static str,
    /// The beginning of what was given.
    pub given: String,
}

impl fmt::Display for InvalidName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { field, given } = self;
        write!(f, "{field} {given:?} is not allowed: 1 to 63 bytes of UTF-8 without control characters")
    }
}

impl Error for InvalidName {}

/// What the table lacks, or this user may not do with it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NotReady {
    /// There is no such table: [`migrate`](super::PostgresStorage::migrate) creates it.
    NoTable {
        /// Schema and table, quoted.
        table: String,
    },
    /// The user may not read or write it.
    NoRight {
        /// Schema and table, quoted.
        table: String,
        /// The right: `SELECT`, `INSERT` or `UPDATE` on the table, `USAGE` on its schema.
        right: &'static str,
    },
    /// The server is a replica, or the session is set to read only.
    ReadOnly,
}

impl fmt::Display for NotReady {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoTable { table } if table == FENCES => {
                write!(f, "the database has no table {table}: Fence::CREATE_TABLE creates it")
            }
            Self::NoTable { table } => {
                write!(f, "the database has no table {table}: call PostgresStorage::migrate() once to create it")
            }
            Self::NoRight { table, right } => write!(f, "the user lacks the right to {right} on {table}"),
            Self::ReadOnly => f.write_str(
                "the server is read-only, as a replica is: connect to the primary (target_session_attrs=read-write)",
            ),
        }
    }
}

impl Error for NotReady {}

/// What the server said. Its details are left out: they may quote a row, and with it a session.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Refused {
    /// The SQLSTATE.
    pub code: String,
    /// The first line of what it says.
    pub message: String,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PostgreSQL says: {} (SQLSTATE {})", self.message, self.code)
    }
}

impl Error for Refused {}

/// Sorted by whether waiting may help.
pub(super) fn explain(error: Cause, table: &str) -> StorageError {
    match error {
        Cause::Database(database) => {
            let code = database.code().map(|code| code.to_string()).unwrap_or_default();
            match code.as_str() {
                "42P01" => StorageError::permanent(NotReady::NoTable { table: table.into() }),
                "25006" => StorageError::permanent(NotReady::ReadOnly),
                _ => {
                    let refused = Refused { message: database.message().to_string(), code };
                    if is_lasting(&refused.code) && refused.code != STALE_STATEMENT {
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

/// Whether another transaction held the row for too long.
pub(super) fn is_locked(error: &StorageError) -> bool {
    error.get_ref().downcast_ref::<Refused>().is_some_and(|refused| refused.code == "55P03")
}

/// By class: what is asked, by whom, and what is there. Everything else (connections, locks, conflicts, resources,
/// operators, the system) may be otherwise the next time.
fn is_lasting(code: &str) -> bool {
    ["0A", "22", "23", "28", "2F", "3D", "3F", "42", "44"].iter().any(|class| code.starts_with(class))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds() {
        for code in ["28P01", "28000", "3D000", "42501", "42703", "22021", "23514", "3F000"] {
            assert!(is_lasting(code), "{code}");
        }
        for code in ["08006", "40001", "40P01", "53300", "55P03", "57014", "57P01", "57P03", "58030", "XX000", ""] {
            assert!(!is_lasting(code), "{code}");
        }
        assert_eq!(explain(Cause::PoolTimedOut, "t").kind(), crate::ErrorKind::Transient);
        assert_eq!(explain(Cause::PoolClosed, "t").kind(), crate::ErrorKind::Permanent);
    }
}
