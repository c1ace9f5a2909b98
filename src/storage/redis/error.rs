use alloc::string::{String, ToString};
use core::error::Error;
use core::fmt;
use core::time::Duration;

use ::redis::{ErrorKind, RedisError, ServerErrorKind};

use super::StorageError;

/// A setting of a [`RedisBuilder`](super::RedisBuilder) that breaks its limits.
///
/// The message says what was given and what is allowed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct InvalidSetting {
    /// Which setting: `prefix` or `max_ttl`.
    pub field: &'static str,
    /// The beginning of what was given.
    pub given: String,
    /// What may be given.
    pub allowed: &'static str,
}

impl fmt::Display for InvalidSetting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { field, given, allowed } = self;
        write!(f, "{field} {given} is not allowed: {allowed}")
    }
}

impl Error for InvalidSetting {}

/// A claim for longer than the storage is frozen after a loss of data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TtlTooLong {
    /// What was asked for.
    pub ttl: Duration,
    /// [`RedisBuilder::max_ttl`](super::RedisBuilder::max_ttl).
    pub max_ttl: Duration,
}

impl fmt::Display for TtlTooLong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { ttl, max_ttl } = self;
        write!(
            f,
            "ttl {ttl:?} is longer than the max_ttl {max_ttl:?} of the RedisStorage: shorten the candidate's ttl, or raise \
             the max_ttl of all processes"
        )
    }
}

impl Error for TtlTooLong {}

/// What the server lacks, or this user may not do.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NotReady {
    /// The server is a replica. Leases are with the primary.
    ReadOnly,
    /// The user may not do what the storage does.
    NoRight {
        /// What the server says.
        message: String,
    },
    /// `INFO server` shows no `run_id`, so that it cannot be told whether this is the server that granted the leases.
    NoRunId,
    /// At its memory limit the server evicts keys that have no expiry: leases and their terms, while they are held.
    Evicts {
        /// `maxmemory-policy`.
        policy: String,
    },
    /// The storage counts on the server to keep everything ([`durable`](super::RedisBuilder::durable)), and it does not even
    /// have an append-only file.
    NotDurable,
}

impl fmt::Display for NotReady {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ReadOnly => f.write_str("the server is a replica: connect to the primary"),
            Self::NoRight { message } => write!(f, "the user lacks a right: {message}"),
            Self::NotDurable => f.write_str(
                "the server has no append-only file (appendonly no), so durable(true) would grant twice what it forgets",
            ),
            Self::NoRunId => f.write_str("INFO server shows no run_id, and without it a loss of data goes unnoticed"),
            Self::Evicts { policy } => write!(
                f,
                "the server evicts leases when its memory is full (maxmemory-policy {policy}): set noeviction or one of the \
                 volatile policies"
            ),
        }
    }
}

impl Error for NotReady {}

/// What another program wrote under the name of a record. The key is not granted to anyone until somebody mends it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct UnreadableRecord {
    /// The key.
    pub key: String,
    /// What cannot be read. Its content is not shown: it may be a session.
    pub field: &'static str,
}

impl fmt::Display for UnreadableRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { key, field } = self;
        write!(f, "the record of key {key:?} cannot be read: its {field} is not what a RedisStorage writes")
    }
}

impl Error for UnreadableRecord {}

/// What the server said. What it quotes of a command is left out: that may be a session.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Refused {
    /// The first word of the error: `ERR`, `OOM`, `LOADING`, ..
    pub code: String,
    /// The rest of it.
    pub message: String,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Redis says: {} {}", self.code, self.message)
    }
}

impl Error for Refused {}

/// Sorted by whether waiting may help.
pub(super) fn explain(error: RedisError) -> StorageError {
    let code = match error.kind() {
        ErrorKind::Server(ServerErrorKind::ReadOnly) => return StorageError::permanent(NotReady::ReadOnly),
        // All that the driver tells of it.
        ErrorKind::AuthenticationFailed => return refusal("WRONGPASS", "authentication failed"),
        ErrorKind::Io | ErrorKind::Parse | ErrorKind::UnexpectedReturnType => return StorageError::transient(error),
        ErrorKind::Server(_) | ErrorKind::Extension => error.code().unwrap_or("ERR"),
        _ => return StorageError::permanent(error),
    };
    refusal(code, error.detail().unwrap_or_default())
}

fn refusal(code: &str, detail: &str) -> StorageError {
    let message = without_arguments(detail);
    // As the server says it within a script, in its several versions.
    if code == "NOPERM" || message.contains("can't run this command") || message.contains("No permissions") {
        return StorageError::permanent(NotReady::NoRight { message });
    }
    let lasting = match code {
        "WRONGPASS" | "NOAUTH" | "CROSSSLOT" | "MOVED" | "ASK" | "WRONGTYPE" | "NOPROTO" | "DENIED" => true,
        "ERR" => ["unknown command", "Unknown Redis command", "unknown subcommand", "invalid DB", "DB index", "AUTH"]
            .iter()
            .any(|beginning| message.contains(beginning)),
        _ => false,
    };
    let refused = Refused { code: code.to_string(), message };
    if lasting { StorageError::permanent(refused) } else { StorageError::transient(refused) }
}

/// An unknown command is told with its arguments.
fn without_arguments(detail: &str) -> String {
    let line = detail.lines().next().unwrap_or_default();
    line.split(", with args").next().unwrap_or_default().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::ErrorKind as Kind;

    #[test]
    fn kinds() {
        for (code, detail) in [
            ("NOAUTH", "Authentication required."),
            ("WRONGPASS", "invalid username-password pair or user is disabled."),
            ("NOPERM", "this user has no permissions to run the 'evalsha' command"),
            ("ERR", "The user executing the script can't run this command or subcommand"),
            ("ERR", "unknown command 'EVALSHA', with args beginning with: 'secret'"),
            ("ERR", "DB index is out of range"),
            ("MOVED", "3999 127.0.0.1:6381"),
            ("CROSSSLOT", "Keys in request don't hash to the same slot"),
        ] {
            let error = refusal(code, detail);
            assert_eq!(error.kind(), Kind::Permanent, "{error}");
            assert!(!error.to_string().contains("secret"), "{error}");
        }
        for (code, detail) in [
            ("LOADING", "Redis is loading the dataset in memory"),
            ("BUSY", "Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE."),
            ("MASTERDOWN", "Link with MASTER is down and replica-serve-stale-data is set to 'no'."),
            ("CLUSTERDOWN", "The cluster is down"),
            ("TRYAGAIN", "Multiple keys request during rehashing of slot"),
            ("OOM", "command not allowed when used memory > 'maxmemory'."),
            ("MISCONF", "Errors writing to the AOF file: No space left on device"),
            ("NOREPLICAS", "Not enough good replicas to write."),
            ("ERR", "Error running script: Script killed by user with SCRIPT KILL..."),
            ("ERR", "max number of clients reached"),
        ] {
            assert_eq!(refusal(code, detail).kind(), Kind::Transient, "{code}");
        }
    }
}
