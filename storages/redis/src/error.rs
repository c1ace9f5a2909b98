//! What the server and the driver say, sorted by whether waiting may help.

use core::error::Error;
use core::fmt;
use std::io;
use std::sync::Arc;

use lessor::StorageError;
use lessor::storage::ErrorKind;
use lessor_kit::error::AdapterError;
use redis::{ConnectionAddr, ErrorKind as DriverKind, RedisError, ServerErrorKind};

/// What a replica is answered with. Leases are with the primary.
pub(crate) const REPLICA: AdapterError = AdapterError::read_only("connect to the primary");

pub(crate) fn explain(error: RedisError) -> StorageError {
    let code = match error.kind() {
        DriverKind::Server(ServerErrorKind::ReadOnly) => return REPLICA.into(),
        // All that the driver tells of it.
        DriverKind::AuthenticationFailed => return refusal("WRONGPASS", "authentication failed").into(),
        DriverKind::Io if is_untrusted(&error) => return untrusted(&error).into(),
        DriverKind::Io | DriverKind::Parse | DriverKind::UnexpectedReturnType => return StorageError::transient(error),
        DriverKind::Server(_) | DriverKind::Extension => error.code().unwrap_or("ERR"),
        _ => return StorageError::permanent(error),
    };
    refusal(code, error.detail().unwrap_or_default()).into()
}

/// What the other side says first, when it is asked who it is; or that there is none.
pub(crate) fn explain_first(address: &ConnectionAddr, error: RedisError) -> StorageError {
    match error.kind() {
        DriverKind::Parse | DriverKind::UnexpectedReturnType => {
            let problem = "the server does not answer as Redis does";
            let remedy =
                "check the address and the port: another program may listen there, or one that speaks TLS (rediss://)";
            AdapterError::wrong_setup("address", address.to_string(), problem, remedy).into()
        }
        DriverKind::Io if !is_untrusted(&error) => no_connection(address, error),
        _ => explain(error),
    }
}

/// It may come about later.
pub(crate) fn no_connection(address: &ConnectionAddr, cause: impl fmt::Display) -> StorageError {
    AdapterError::no_connection(format!("Redis at {address}"), cause, ErrorKind::Transient).into()
}

/// What TLS does not like about the other side.
fn is_untrusted(error: &RedisError) -> bool {
    // The driver shares it with its clones.
    let shared = error.source().and_then(|source| source.downcast_ref::<Arc<dyn Error + Send + Sync>>());
    let io = shared.and_then(|shared| shared.downcast_ref::<io::Error>());
    io.is_some_and(|io| io.kind() == io::ErrorKind::InvalidData)
}

fn untrusted(error: &RedisError) -> AdapterError {
    let problem = "no secure connection to the server can be made";
    let remedy = "check the host and the port, and that the client trusts the authority of the server's certificate \
                  (Client::build_with_tls takes others than Mozilla's)";
    AdapterError::wrong_setup("TLS", error.to_string(), problem, remedy)
}

fn refusal(code: &str, detail: &str) -> AdapterError {
    let message = without_arguments(detail);
    if matches!(code, "MOVED" | "ASK") {
        // The slot, and the node that has it.
        let found = format!("yes, slot {}", message.replacen(' ', " at ", 1));
        let problem = "this server is one node of a Redis Cluster, and the key is with another node";
        let remedy = "name a server without cluster mode, or the primary of a cluster that has no other";
        return AdapterError::wrong_setup("cluster-enabled", found, problem, remedy);
    }
    // As the server says it within a script, in its several versions.
    if code == "NOPERM" || message.contains("can't run this command") || message.contains("No permissions") {
        return AdapterError::forbidden(message);
    }
    let lasting = match code {
        "WRONGPASS" | "NOAUTH" | "CROSSSLOT" | "WRONGTYPE" | "NOPROTO" | "DENIED" => true,
        "ERR" => ["unknown command", "Unknown Redis command", "unknown subcommand", "invalid DB", "DB index", "AUTH"]
            .iter()
            .any(|beginning| message.contains(beginning)),
        _ => false,
    };
    let kind = if lasting { ErrorKind::Permanent } else { ErrorKind::Transient };
    let error = AdapterError::refused("Redis", code, message, kind);
    match code {
        "NOAUTH" => error.advising("the url needs a password: redis://:password@host, or redis://user:password@host"),
        "WRONGPASS" => error.advising("correct the user and the password of the url"),
        _ => error,
    }
}

/// The first line. An unknown command is told with its arguments, which may be a session: they are left out.
fn without_arguments(detail: &str) -> &str {
    let line = detail.lines().next().unwrap_or_default();
    line.split(", with args").next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

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
            assert_eq!(error.kind(), ErrorKind::Permanent, "{error}");
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
            assert_eq!(refusal(code, detail).kind(), ErrorKind::Transient, "{code}");
        }
    }
}
