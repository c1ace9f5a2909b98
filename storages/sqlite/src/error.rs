//! What SQLite says, sorted by whether waiting may help.

use std::fs;
use std::io;
use std::path::Path;

use lessor::StorageError;
use lessor::storage::ErrorKind;
use lessor_kit::error::AdapterError;
use rusqlite::{Error, ErrorCode};

/// An error of SQLite as an operation's. `remedy` says how to create the table, should it be missing; `file` where the
/// database is, if that is known and it is in no memory.
pub(crate) fn explain(error: Error, table: &str, remedy: &'static str, file: Option<&Path>) -> StorageError {
    if is_missing_table(&error) {
        return AdapterError::no_table(table, remedy).into();
    }
    match (error.sqlite_error_code(), file) {
        (Some(ErrorCode::CannotOpen | ErrorCode::PermissionDenied | ErrorCode::ReadOnly), Some(file)) => {
            return inaccessible(&error, file).into();
        }
        (Some(ErrorCode::NotADatabase), Some(file)) => {
            let problem = "the file is no SQLite database";
            let remedy = "name another one, or the key of one that is encrypted";
            return AdapterError::wrong_setup("file", file.display().to_string(), problem, remedy).into();
        }
        _ => {}
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

/// SQLite says no more than that it cannot: what it would have needed.
fn inaccessible(error: &Error, file: &Path) -> AdapterError {
    let shown = file.display();
    if let Some(full) = no_descriptor(file) {
        let advice = "raise the limit of this process (ulimit -n), or close what it does not need";
        return AdapterError::no_connection(shown.to_string(), full, ErrorKind::Transient).advising(advice);
    }
    let wrong =
        |found: &Path, problem, remedy| AdapterError::wrong_setup("path", found.display().to_string(), problem, remedy);
    if file.is_dir() {
        return wrong(file, "the database cannot be a folder", "add the name of a file in it");
    }
    if let Some(folder) = file.parent().filter(|folder| !folder.as_os_str().is_empty() && !folder.is_dir()) {
        return wrong(folder, "there is no folder for the database", "create it, or correct the path");
    }
    let whose = fs::metadata(file).map(|found| whose(&found)).unwrap_or_default();
    AdapterError::forbidden(format!(
        "{shown}{whose} cannot be written ({error}). The user that this program runs as has to be able to read and write the \
         file, those beside it (-wal, -shm), and its folder; the connection must not be a read-only one (mode=ro, query_only)"
    ))
}

/// No file can be opened at all. The folder is tried: to close the database's own file would drop the locks of this process on
/// it.
fn no_descriptor(file: &Path) -> Option<io::Error> {
    /// `ENFILE` and `EMFILE`: the same on all systems of the Unix family.
    const TOO_MANY: [i32; 2] = [23, 24];
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
    let error = fs::read_dir(folder).err()?;
    (cfg!(unix) && error.raw_os_error().is_some_and(|number| TOO_MANY.contains(&number))).then_some(error)
}

#[cfg(unix)]
fn whose(found: &fs::Metadata) -> String {
    use std::os::unix::fs::MetadataExt;
    format!(" (of user {}, mode {:o})", found.uid(), found.mode() & 0o7777)
}

#[cfg(not(unix))]
fn whose(_: &fs::Metadata) -> String {
    String::new()
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
