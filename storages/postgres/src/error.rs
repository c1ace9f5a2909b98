//! What the server's errors mean.

use std::io;

use lessor::StorageError;
use lessor::storage::ErrorKind;
use lessor_kit::error::AdapterError;
use lessor_kit::reach::{TlsAdvice, unreached};
use sqlx::Error;
use sqlx::postgres::PgConnectOptions;

use crate::address::PROTOCOL_VIOLATION;

/// A prepared statement whose columns have changed. It works again once it is prepared anew, on a new connection.
pub(crate) const STALE_STATEMENT: &str = "0A000";

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
    pub(crate) fn of(error: Error, table: &str, remedy: &str) -> Self {
        let code = error.as_database_error().map(|error| error.code().unwrap_or_default().into_owned());
        let explained = explain(error, table, remedy);
        match code.as_deref() {
            Some("55P03") => Self::Locked,
            Some(code) if is_of_one(code) => Self::OfOne(explained),
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
/// address leads elsewhere), or has statements that are not what was prepared. Where a column is gone, a new one asks
/// first whether the table is of a newer version.
fn ends_the_session(code: &str) -> bool {
    code.starts_with("08")
        || matches!(code, "25006" | "42703" | "57P01" | "57P02" | "57P03" | "57P05" | STALE_STATEMENT)
        || is_pooled(code)
}

/// What may be wrong with one row alone: a text that the database's encoding does not have, a constraint, a policy (its code is
/// that of a missing right), an index of somebody's own, a trigger that says no.
fn is_of_one(code: &str) -> bool {
    const OF_ONE: [&str; 4] = ["22", "23", "44", "P0"];
    OF_ONE.iter().any(|class| code.starts_with(class)) || matches!(code, "42501" | "54000")
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

/// Why there is no connection. Whatever the server said of the way in is for a person to mend.
pub(crate) fn explain_opening(error: Error, options: &PgConnectOptions) -> StorageError {
    let host = options.get_host();
    let to = match options.get_socket() {
        Some(socket) => socket.display().to_string(),
        None if host.starts_with('/') => host.into(),
        None => format!("{host}:{}", options.get_port()),
    };
    match error {
        Error::Io(error) => unreached(&to, &error, TLS).into(),
        Error::Tls(error) => {
            let error = AdapterError::no_connection(to, error, ErrorKind::Permanent);
            error
                .advising(
                    "switch TLS on at the server and in this program (feature tls-rustls), or do without (sslmode)",
                )
                .into()
        }
        Error::Database(said) => {
            let code = said.code().unwrap_or_default();
            let refused = AdapterError::refused("PostgreSQL", &*code, said.message(), kind(&code));
            match way_in(&code) {
                Some(advice) => refused.advising(advice).into(),
                None => refused.into(),
            }
        }
        error @ (Error::PoolTimedOut | Error::WorkerCrashed | Error::Protocol(_)) => {
            AdapterError::no_connection(to, error, ErrorKind::Transient).into()
        }
        error => StorageError::permanent(error),
    }
}

const TLS: TlsAdvice = TlsAdvice::new(
    "name the file of the CA that signed its certificate (sslrootcert), and the host as the certificate has it",
    "name files that are there (sslrootcert, sslcert, sslkey)",
);

/// What to do where the server lets nobody in.
fn way_in(code: &str) -> Option<&'static str> {
    Some(match code {
        "28P01" => "correct user and password of the address",
        "28000" => {
            "correct the user of the address, or let the server's pg_hba.conf admit it; where that wants TLS, ask for it \
             (sslmode=verify-full, feature tls-rustls)"
        }
        "3D000" => "name another database in the address, or create this one",
        "42501" => "GRANT CONNECT ON DATABASE to the user",
        PROTOCOL_VIOLATION => {
            "a connection pooler does not take what the connection asks for: name the server itself, or have the pooler pass over \
             it (PgBouncer: ignore_startup_parameters), or leave it out of the address"
        }
        "53300" => "the storage needs three connections in each process: raise the limit",
        _ => return None,
    })
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
                "42501" => {
                    let rights =
                        format!("GRANT SELECT, INSERT, UPDATE ON {table}, and USAGE on its schema, to the user");
                    AdapterError::forbidden(message).advising(rights).into()
                }
                "42P01" | "3F000" => AdapterError::no_table(table, remedy).into(),
                "55P03" => AdapterError::Locked.into(),
                code if is_pooled(code) => pooled(code).into(),
                code => {
                    let refused = AdapterError::refused("PostgreSQL", code, message, kind(code));
                    if is_of_shape(code) { refused.advising(shape(table)).into() } else { refused.into() }
                }
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

pub(crate) const fn replica() -> AdapterError {
    AdapterError::read_only("connect to the primary, by a name that follows it")
}

/// The server is a replica, or the session is set so.
pub(crate) const fn read_only() -> AdapterError {
    AdapterError::read_only(
        "connect to the primary, by a name that follows it; if it is the primary, turn default_transaction_read_only off \
         for this user",
    )
}

/// The table is not what the statements ask for: a column, its type, a constraint, the key.
fn is_of_shape(code: &str) -> bool {
    matches!(code, "22001" | "23502" | "23514" | "42703" | "42804" | "42809" | "42883" | "42P10" | "55000")
}

fn shape(table: &str) -> String {
    format!(
        "the table {table} is not as PostgresBuilder::migration_sql() creates it: change it, or name another \
         (PostgresBuilder::table)"
    )
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
