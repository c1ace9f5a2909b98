//! What the server's errors mean.

use std::io;

use lessor::StorageError;
use lessor::storage::ErrorKind;
use lessor_kit::error::AdapterError;
use sqlx::Error;

/// A prepared statement whose columns have changed. It works again once it is prepared anew, on a new connection.
const STALE_STATEMENT: &str = "0A000";

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
    pub(crate) fn of(error: Error, table: &str, remedy: &str) -> Self {
        let code = error.as_database_error().map(|error| error.code().unwrap_or_default().into_owned());
        let explained = explain(error, table, remedy);
        match code.as_deref() {
            Some("55P03") => Self::Locked,
            Some(code) if !ends_the_session(code) => Self::Refused(explained),
            _ => Self::Broken(explained),
        }
    }
}

impl From<StorageError> for Failure {
    fn from(error: StorageError) -> Self {
        Self::Refused(error)
    }
}

/// Whether another session may fare better: this one is over, is read-only (its server may be a replica now, while the
/// address leads elsewhere), or has statements that are not what was prepared.
fn ends_the_session(code: &str) -> bool {
    code.starts_with("08") || matches!(code, "25006" | "57P01" | "57P02" | "57P03" | STALE_STATEMENT) || is_pooled(code)
}

/// A prepared statement that is there, or not there, though the session has not prepared it: it changes its server's
/// session from one statement to the next.
fn is_pooled(code: &str) -> bool {
    matches!(code, "26000" | "42P05")
}

fn pooled(code: &str) -> AdapterError {
    AdapterError::wrong_setup(
        "prepared statements",
        code,
        "a connection pooler in transaction mode mixes up the prepared statements of its clients",
        "name the server itself, or use the pooler's session mode, or a pooler that keeps prepared statements apart \
         (PgBouncer 1.21 or later with max_prepared_statements)",
    )
}

/// The driver's error of an operation on this table, sorted by whether waiting may help. `remedy`: how to create the
/// table, if it is missing.
///
/// The server's details are left out: they may quote a row, and with it a session.
pub(crate) fn explain(error: Error, table: &str, remedy: &str) -> StorageError {
    match error {
        Error::Database(database) => {
            let (code, message) = (database.code().unwrap_or_default(), database.message());
            match &*code {
                "25006" => read_only().into(),
                "42501" => AdapterError::forbidden(message).into(),
                "42P01" => AdapterError::no_table(table, remedy).into(),
                "55P03" => AdapterError::Locked.into(),
                code if is_pooled(code) => pooled(code).into(),
                code => AdapterError::refused("PostgreSQL", code, message, kind(code)).into(),
            }
        }
        // What TLS does not like about the other side.
        Error::Io(error) if error.kind() == io::ErrorKind::InvalidData => StorageError::permanent(error),
        error @ (Error::Io(_) | Error::PoolTimedOut | Error::WorkerCrashed | Error::Protocol(_)) => {
            StorageError::transient(error)
        }
        error => StorageError::permanent(error),
    }
}

/// The server is a replica, or the session is set so.
pub(crate) const fn read_only() -> AdapterError {
    AdapterError::read_only("connect to the primary (target_session_attrs=read-write)")
}

/// By class: what is asked, by whom, and what is there, lasts. Everything else (connections, locks, conflicts,
/// resources, operators, the system) may be otherwise the next time.
fn kind(code: &str) -> ErrorKind {
    const LASTING: [&str; 9] = ["0A", "22", "23", "28", "2F", "3D", "3F", "42", "44"];
    if code != STALE_STATEMENT && LASTING.iter().any(|class| code.starts_with(class)) {
        ErrorKind::Permanent
    } else {
        ErrorKind::Transient
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds() {
        for code in ["28P01", "28000", "3D000", "42703", "22021", "23514", "3F000", "0A001"] {
            assert_eq!(kind(code), ErrorKind::Permanent, "{code}");
        }
        let passing = ["08006", "0A000", "40001", "40P01", "53300", "57014", "57P01", "57P03", "58030", "XX000", ""];
        for code in passing {
            assert_eq!(kind(code), ErrorKind::Transient, "{code}");
        }
        assert_eq!(explain(Error::PoolTimedOut, "t", "").kind(), ErrorKind::Transient);
        let io = |kind: io::ErrorKind| explain(Error::Io(kind.into()), "t", "").kind();
        assert_eq!(io(io::ErrorKind::ConnectionReset), ErrorKind::Transient);
        assert_eq!(io(io::ErrorKind::InvalidData), ErrorKind::Permanent);
        assert_eq!(explain(Error::PoolClosed, "t", "").kind(), ErrorKind::Permanent);
    }
}
