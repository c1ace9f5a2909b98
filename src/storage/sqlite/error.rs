use alloc::string::String;
use core::error::Error;
use core::fmt;

use rusqlite::ErrorCode;

use super::StorageError;

/// A table name that SQLite, or its readers, could take for something else.
///
/// The message says what was given and what is allowed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct InvalidTable {
    /// What was given.
    pub given: String,
}

impl fmt::Display for InvalidTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "table {:?} is not allowed: 1 to 63 of a-z, 0-9 and _, not beginning with a digit or with sqlite_",
            self.given
        )
    }
}

impl Error for InvalidTable {}

/// The table is not there: [`migrate`](super::SqliteStorage::migrate) creates it.
#[derive(Debug)]
#[non_exhaustive]
pub struct MissingTable {
    /// Its name.
    pub table: String,
    source: rusqlite::Error,
}

impl fmt::Display for MissingTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the database has no table {}: call SqliteStorage::migrate() once to create it", self.table)
    }
}

impl Error for MissingTable {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.source)
    }
}

/// A row that no storage wrote. Its key is not granted to anyone until somebody mends or deletes it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct UnreadableRow {
    /// The row's key.
    pub key: String,
    /// The column that cannot be read.
    pub column: &'static str,
    /// What it holds. Of a session only its type and length.
    pub found: String,
    /// What it should hold.
    pub expected: &'static str,
}

impl fmt::Display for UnreadableRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { key, column, found, expected } = self;
        write!(f, "the row of key {key:?} cannot be read: column {column} holds {found}, not {expected}")
    }
}

impl Error for UnreadableRow {}

/// The storage's own thread is gone, by a fault that should not exist: make a new storage.
#[derive(Debug)]
pub(super) struct ThreadGone;

impl fmt::Display for ThreadGone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the thread of this SqliteStorage has ended")
    }
}

impl Error for ThreadGone {}

/// What SQLite says, sorted by whether waiting may help.
pub(super) fn explain(error: rusqlite::Error, table: &str) -> StorageError {
    if is_missing_table(&error) {
        return StorageError::permanent(MissingTable { table: table.into(), source: error });
    }
    match error.sqlite_error_code() {
        Some(
            ErrorCode::DatabaseBusy
            | ErrorCode::DatabaseLocked
            | ErrorCode::DiskFull
            | ErrorCode::FileLockingProtocolFailed
            | ErrorCode::OperationAborted
            | ErrorCode::OperationInterrupted
            | ErrorCode::OutOfMemory
            | ErrorCode::SchemaChanged
            | ErrorCode::SystemIoFailure,
        ) => StorageError::transient(error),
        _ => StorageError::permanent(error),
    }
}

pub(super) fn is_busy(error: &rusqlite::Error) -> bool {
    error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy)
}

/// SQLite has no code of its own for it.
fn is_missing_table(error: &rusqlite::Error) -> bool {
    let message = match error {
        rusqlite::Error::SqlInputError { msg, .. } => msg,
        rusqlite::Error::SqliteFailure(_, Some(message)) => message,
        _ => return false,
    };
    message.starts_with("no such table")
}
