//! What the cluster and the client say, sorted by whether waiting may help, and by what is known of the request.

use core::error::Error as StdError;
use std::io;

use etcd_client::Error;
use lessor::StorageError;
use lessor::storage::ErrorKind;
use lessor_kit::error::AdapterError;
use lessor_kit::reach::{TlsAdvice, unreached};
use lessor_kit::timeout::TimedOut;
use tonic::{Code, Status};

use crate::cluster::Cluster;
use crate::once::Ended;

const ADVICE: TlsAdvice = TlsAdvice::new(
    "check the host and the port, and that the authority of the server's certificate is trusted (EtcdBuilder::tls)",
    "correct the file's name",
);

/// What may be wrong where the first thing that is asked on a connection breaks it.
const STRANGER: &str = "if it goes on like that, another program may listen there, or one that speaks TLS (https://)";

/// What may be wrong where a connection ends before TLS has begun.
const PLAIN: &str = "if it goes on like that, the server may not speak TLS (http://)";

/// Why there is no answer, and what may be done about it.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    pub(crate) error: StorageError,
    pub(crate) cause: Cause,
}

/// What is known of a request that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    /// It was not sent.
    Unreached,
    /// It was refused for who sent it, before it did anything: that may be healed by a new token.
    Token,
    /// It was refused for how many operations it had, before it did anything.
    TooLarge,
    /// The connection broke: whether it was applied is open.
    Broken,
    /// The member could not say: whether it was applied is open. Others may be better off.
    Unwell,
    /// It was refused.
    Refused,
}

impl Failure {
    pub(crate) fn silent(error: TimedOut) -> Self {
        Self { error: error.into(), cause: Cause::Broken }
    }

    /// Where a new connection is made, nothing was sent of the request itself.
    pub(crate) fn at_opening(self) -> Self {
        let cause = match self.cause {
            Cause::Broken | Cause::Unwell => Cause::Unreached,
            cause => cause,
        };
        Self { cause, ..self }
    }
}

impl From<StorageError> for Failure {
    fn from(error: StorageError) -> Self {
        Self { error, cause: Cause::Refused }
    }
}

/// What went wrong while a client was made, or let in.
pub(crate) fn explain_opening(cluster: &Cluster, error: Error) -> Failure {
    explain(cluster, error, true).at_opening()
}

/// `first`: nothing was answered on this connection before.
pub(crate) fn explain(cluster: &Cluster, error: Error, first: bool) -> Failure {
    let status = match error {
        Error::GRpcStatus(status) => status,
        Error::TransportError(error) => return unreachable(cluster, &error),
        // Nothing of a request is in these: they are about the client's settings.
        error => {
            return AdapterError::refused("etcd's client", "InvalidArgs", &error.to_string(), ErrorKind::Permanent)
                .into();
        }
    };
    if let Some(source) = StdError::source(&status) {
        let cause = if is_in::<Ended>(source) { Cause::Unreached } else { Cause::Broken };
        let error = AdapterError::no_connection(to(cluster), innermost(source), ErrorKind::Transient);
        let error = if first { error.advising(STRANGER) } else { error };
        return Failure { error: error.into(), cause };
    }
    said(&status)
}

/// Whether a cluster does not know what to do with a password, since it asks nobody for one.
pub(crate) fn auth_is_off(error: &Error) -> bool {
    matches!(error, Error::GRpcStatus(status) if status.message().contains("authentication is not enabled"))
}

/// Why a watch was ended: all that is known are the words.
pub(crate) fn cancelled(reason: &str) -> StorageError {
    match reason {
        "" => AdapterError::refused("etcd", "Canceled", "the watch was ended", ErrorKind::Transient).into(),
        reason if reason.contains("permission denied") => denied().into(),
        reason => AdapterError::refused("etcd", "Canceled", reason, ErrorKind::Transient).into(),
    }
}

/// None came about in time.
pub(crate) fn no_connection(cluster: &Cluster, late: TimedOut) -> Failure {
    let error = AdapterError::no_connection(to(cluster), late, ErrorKind::Transient);
    Failure { error: error.into(), cause: Cause::Unreached }
}

fn to(cluster: &Cluster) -> String {
    format!("etcd at {}", cluster.shown())
}

fn unreachable(cluster: &Cluster, error: &(dyn StdError + 'static)) -> Failure {
    let io = chain(error).find_map(|error| error.downcast_ref::<io::Error>());
    let error = match io {
        Some(io) if cluster.shown().starts_with("https:") && hung_up(io.kind()) => {
            AdapterError::no_connection(to(cluster), io, ErrorKind::Transient).advising(PLAIN)
        }
        Some(io) => unreached(&to(cluster), io, ADVICE),
        None => AdapterError::no_connection(to(cluster), innermost(error), ErrorKind::Transient),
    };
    Failure { error: error.into(), cause: Cause::Unreached }
}

/// There was somebody, who did not go on.
const fn hung_up(kind: io::ErrorKind) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
    matches!(kind, ConnectionReset | ConnectionAborted | BrokenPipe | UnexpectedEof)
}

/// What a member answered.
fn said(status: &Status) -> Failure {
    let message = status.message();
    let code = format!("{:?}", status.code());
    let says = |kind| AdapterError::refused("etcd", code.clone(), message, kind);
    let (error, cause) = match status.code() {
        Code::PermissionDenied => (denied(), Cause::Refused),
        Code::Unauthenticated => (says(ErrorKind::Transient), Cause::Token),
        // The cluster asks for a password since this connection was made; or somebody's rights have changed since it sent this.
        _ if message.contains("user name is empty") => {
            let advice = "the cluster asks for a user and a password";
            (says(ErrorKind::Permanent).advising(advice), Cause::Token)
        }
        _ if message.contains("revision of auth store is old") => (says(ErrorKind::Transient), Cause::Token),
        _ if message.contains("authentication failed") => {
            (says(ErrorKind::Permanent).advising("correct the user and the password"), Cause::Refused)
        }
        _ if message.contains("too many operations in txn") => {
            (says(ErrorKind::Permanent).advising("raise --max-txn-ops"), Cause::TooLarge)
        }
        _ if message.contains("request is too large") => {
            (says(ErrorKind::Permanent).advising("raise --max-request-bytes"), Cause::Refused)
        }
        Code::ResourceExhausted if message.contains("database space exceeded") => {
            let advice = "compact and defragment it, disarm the alarm (etcdctl alarm disarm), and let it compact by itself \
                          (--auto-compaction-retention)";
            (says(ErrorKind::Permanent).advising(advice), Cause::Refused)
        }
        Code::Unimplemented => {
            let problem = "the server does not answer as etcd 3.4 and later do";
            let remedy = "check the address and the port: another program may listen there";
            (AdapterError::wrong_setup("endpoint", message.to_string(), problem, remedy), Cause::Refused)
        }
        Code::ResourceExhausted => (says(ErrorKind::Transient), Cause::Refused),
        Code::Unavailable
        | Code::DeadlineExceeded
        | Code::Cancelled
        | Code::Unknown
        | Code::Internal
        | Code::Aborted => (says(ErrorKind::Transient), Cause::Unwell),
        _ => (says(ErrorKind::Permanent), Cause::Refused),
    };
    Failure { error: error.into(), cause }
}

impl From<AdapterError> for Failure {
    fn from(error: AdapterError) -> Self {
        Self { error: error.into(), cause: Cause::Refused }
    }
}

fn denied() -> AdapterError {
    AdapterError::forbidden("permission denied").advising(
        "grant a role of the user readwrite on all keys with the storage's prefix (etcdctl role grant-permission)",
    )
}

fn is_in<E: StdError + 'static>(error: &(dyn StdError + 'static)) -> bool {
    chain(error).any(|error| error.is::<E>())
}

/// An error and what it came of.
fn chain<'e>(error: &'e (dyn StdError + 'static)) -> impl Iterator<Item = &'e (dyn StdError + 'static)> {
    let mut next = Some(error);
    core::iter::from_fn(move || {
        let error = next?;
        next = error.source();
        Some(error)
    })
}

/// What is at the root of it: all around it says no more than that something failed.
fn innermost<'e>(error: &'e (dyn StdError + 'static)) -> &'e (dyn StdError + 'static) {
    chain(error).last().unwrap_or(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds() {
        for (code, message, kind, cause) in [
            (Code::PermissionDenied, "etcdserver: permission denied", ErrorKind::Permanent, Cause::Refused),
            (Code::Unauthenticated, "etcdserver: invalid auth token", ErrorKind::Transient, Cause::Token),
            (Code::InvalidArgument, "etcdserver: user name is empty", ErrorKind::Permanent, Cause::Token),
            (Code::InvalidArgument, "etcdserver: revision of auth store is old", ErrorKind::Transient, Cause::Token),
            (
                Code::InvalidArgument,
                "etcdserver: authentication failed, invalid user ID or password",
                ErrorKind::Permanent,
                Cause::Refused,
            ),
            (Code::InvalidArgument, "etcdserver: request is too large", ErrorKind::Permanent, Cause::Refused),
            (
                Code::InvalidArgument,
                "etcdserver: too many operations in txn request",
                ErrorKind::Permanent,
                Cause::TooLarge,
            ),
            (
                Code::ResourceExhausted,
                "etcdserver: mvcc: database space exceeded",
                ErrorKind::Permanent,
                Cause::Refused,
            ),
            (Code::ResourceExhausted, "etcdserver: too many requests", ErrorKind::Transient, Cause::Refused),
            (Code::Unavailable, "etcdserver: no leader", ErrorKind::Transient, Cause::Unwell),
            (Code::Unavailable, "etcdserver: request timed out", ErrorKind::Transient, Cause::Unwell),
            (Code::DeadlineExceeded, "context deadline exceeded", ErrorKind::Transient, Cause::Unwell),
            (Code::Unimplemented, "unknown service etcdserverpb.KV", ErrorKind::Permanent, Cause::Refused),
        ] {
            let failure = said(&Status::new(code, message));
            assert_eq!((failure.error.kind(), failure.cause), (kind, cause), "{message}");
        }
    }

    /// What was not answered at the opening of a connection was not sent.
    #[test]
    fn nothing_is_open_at_an_opening() {
        for (code, cause) in [(Code::Unavailable, Cause::Unreached), (Code::InvalidArgument, Cause::Refused)] {
            assert_eq!(said(&Status::new(code, "etcdserver: ..")).at_opening().cause, cause);
        }
    }
}
