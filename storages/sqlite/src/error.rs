//! What SQLite says, sorted by whether waiting may help.

use lessor::StorageError;
use lessor_kit::error::AdapterError;
use rusqlite::{Error, ErrorCode};

/// An error of SQLite as an operation's. `remedy` says how to create the table, should it be missing.
pub(crate) fn explain(error: Error, table: &str, remedy: &'static str) -> StorageError {
    if is_missing_table(&error) {
        return AdapterError::no_table(table, remedy).into();
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

/// Why what was asked together failed as a whole.
#[derive(Debug)]
pub(crate) enum Failed {
    Database(Error),
    /// Before the database was asked.
    Otherwise(StorageError),
}

impl Failed {
    /// Whether one of those that were asked together may be the cause, so that the others are worth another try.
    pub(crate) fn may_be_of_one(&self) -> bool {
        matches!(self, Self::Database(error) if !is_busy(error))
    }

    pub(crate) fn explained(self, explain: impl FnOnce(Error) -> StorageError) -> StorageError {
        match self {
            Self::Database(error) => explain(error),
            Self::Otherwise(error) => error,
        }
    }
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        Self::Database(error)
    }
}

pub(crate) fn is_busy(error: &Error) -> bool {
    error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy)
}

/// SQLite has no code of its own for it, only this text. rusqlite has it in one variant or in another, depending on
/// its version and features; as it prints the error, the text comes first in both.
fn is_missing_table(error: &Error) -> bool {
    error.sqlite_error_code() == Some(ErrorCode::Unknown) && error.to_string().starts_with("no such table")
}
