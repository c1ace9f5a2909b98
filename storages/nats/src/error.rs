//! What servers and the client say, sorted by whether waiting may help, and by what is known of the request.

use core::error::Error as StdError;
use core::fmt;
use std::io;

use async_nats::{ConnectError, ConnectErrorKind, ServerError};
use lessor::StorageError;
use lessor::storage::ErrorKind;
use lessor_kit::error::AdapterError;
use lessor_kit::reach::{TlsAdvice, unreached};
use lessor_kit::timeout::TimedOut;

use crate::api::{NO_STREAM, NOT_ENABLED, Said, WRONG_SEQUENCE};

const ADVICE: TlsAdvice = TlsAdvice::new(
    "check the host and the port, and that the authority of the server's certificate is trusted (NatsBuilder::options)",
    "correct the file's name",
);

const LATE: &str = "it did not answer as a NATS server in time";

/// Why there is no answer, and what may be done about it.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    pub(crate) error: StorageError,
    pub(crate) cause: Cause,
    /// JetStream's own; 0 where it said nothing.
    pub(crate) code: u32,
}

/// What is known of a request that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    /// It was not sent.
    Unreached,
    /// Nobody is there that would take it: it was not applied.
    Nobody,
    /// The connection broke: whether it was applied is open.
    Broken,
    /// The server could not say: whether it was applied is open. Others may be better off.
    Unwell,
    /// It was refused.
    Refused,
}

impl Failure {
    fn new(error: impl Into<StorageError>, cause: Cause) -> Self {
        Self { error: error.into(), cause, code: 0 }
    }

    pub(crate) fn unfit() -> Self {
        Self::new(AdapterError::Unfit, Cause::Refused)
    }

    /// None came about in time.
    pub(crate) fn late(to: &str) -> Self {
        Self::new(AdapterError::no_connection(to, LATE, ErrorKind::Transient), Cause::Unreached)
    }

    /// The connection was lost before anything was sent on it.
    pub(crate) fn unreached(to: &str) -> Self {
        Self::new(lost(to), Cause::Unreached)
    }

    /// The connection was lost before the answer came.
    pub(crate) fn broken(to: &str) -> Self {
        Self::new(lost(to), Cause::Broken)
    }

    /// Nobody listens there.
    pub(crate) fn nobody(subject: &str) -> Self {
        if subject.starts_with("$JS.") && !subject.contains(".$KV.") {
            let error = AdapterError::refused("NATS", "503", "JetStream does not answer", ErrorKind::Transient);
            let advice =
                "if it goes on like that, enable JetStream (the block jetstream of the server's configuration)";
            return Self::new(error.advising(advice), Cause::Nobody);
        }
        Self::new(
            AdapterError::refused("NATS", "503", "no server takes writes of the bucket now", ErrorKind::Transient),
            Cause::Nobody,
        )
    }

    /// A message that is longer than this server takes any.
    pub(crate) fn too_large(error: &dyn fmt::Display) -> Self {
        let error = AdapterError::refused("NATS", "max_payload", &error.to_string(), ErrorKind::Permanent);
        Self::new(error.advising("raise max_payload"), Cause::Refused)
    }

    /// A right is missing.
    pub(crate) fn forbidden(said: &str) -> Self {
        let advice = "let the user publish to and subscribe to what the documentation of lessor-nats lists";
        Self::new(AdapterError::forbidden(said).advising(advice), Cause::Refused)
    }

    /// What JetStream answered.
    pub(crate) fn said(said: &Said) -> Self {
        let Said { code, err_code, description } = said;
        let says = |kind| AdapterError::refused("NATS", err_code.to_string(), description, kind);
        let (error, cause) = match *err_code {
            NO_STREAM => (no_bucket(), Cause::Refused),
            code if NOT_ENABLED.contains(&code) => {
                let advice = "enable JetStream: in the server's configuration (jetstream), and for the account";
                (says(ErrorKind::Permanent).advising(advice), Cause::Refused)
            }
            code if WRONG_SEQUENCE.contains(&code) => (says(ErrorKind::Transient), Cause::Refused),
            // What is too small, and where it is set.
            10054 => (says(ErrorKind::Permanent).advising("raise max_msg_size of the bucket's stream"), Cause::Refused),
            10077 if description.contains("maximum") => {
                (says(ErrorKind::Permanent).advising("raise the limits of the bucket's stream"), Cause::Refused)
            }
            10002 | 10028 | 10047 => {
                let advice = "raise the limits of the account, or max_file_store of the servers";
                (says(ErrorKind::Permanent).advising(advice), Cause::Refused)
            }
            // Those that are away may come back.
            10005 => (says(ErrorKind::Transient), Cause::Refused),
            10023 => {
                let advice = "check the disk and max_file_store of the servers";
                (says(ErrorKind::Permanent).advising(advice), Cause::Unwell)
            }
            _ if *code >= 500 => (says(ErrorKind::Transient), Cause::Unwell),
            _ => (says(ErrorKind::Permanent), Cause::Refused),
        };
        Self { code: *err_code, ..Self::new(error, cause) }
    }
}

impl From<StorageError> for Failure {
    fn from(error: StorageError) -> Self {
        Self::new(error, Cause::Refused)
    }
}

impl From<AdapterError> for Failure {
    fn from(error: AdapterError) -> Self {
        Self::new(error, Cause::Refused)
    }
}

impl From<TimedOut> for Failure {
    fn from(error: TimedOut) -> Self {
        Self::new(error, Cause::Broken)
    }
}

impl From<Failure> for StorageError {
    fn from(failure: Failure) -> Self {
        failure.error
    }
}

/// The bucket is not there.
fn no_bucket() -> AdapterError {
    AdapterError::wrong_setup(
        "stream",
        "not found",
        "the server has no such bucket",
        "call migrate() once to create it, or check the bucket's name and the user's account",
    )
}

fn lost(to: &str) -> AdapterError {
    AdapterError::no_connection(to, "the connection was lost", ErrorKind::Transient)
}

/// Why no connection came about.
pub(crate) fn explain_opening(to: &str, error: &ConnectError) -> Failure {
    let source = StdError::source(error);
    let transient = |cause: &dyn fmt::Display| {
        Failure::new(AdapterError::no_connection(to, cause, ErrorKind::Transient), Cause::Unreached)
    };
    let permanent = |cause: &dyn fmt::Display, advice: &str| {
        let error = AdapterError::no_connection(to, cause, ErrorKind::Permanent);
        Failure::new(error.advising(advice), Cause::Refused)
    };
    let innermost = source.map(innermost);
    match error.kind() {
        ConnectErrorKind::AuthorizationViolation => {
            permanent(&"authorization violation", "correct the user and the password, or the token")
        }
        ConnectErrorKind::Authentication => {
            permanent(&"the server's nonce could not be signed", "correct the user's key (NatsBuilder::options)")
        }
        ConnectErrorKind::Tls => match innermost {
            Some(cause) => permanent(&cause, "correct the files of TLS (NatsBuilder::options)"),
            None => permanent(error, "correct the files of TLS (NatsBuilder::options)"),
        },
        ConnectErrorKind::TimedOut => Failure::late(to),
        ConnectErrorKind::Io | ConnectErrorKind::Dns => {
            let chain = || source.into_iter().flat_map(chain);
            let io = chain().find_map(|error| error.downcast_ref::<io::Error>());
            // What came first was no greeting.
            if io.is_some_and(|io| io.kind() == io::ErrorKind::InvalidInput) {
                let error =
                    AdapterError::no_connection(to, "it does not answer as a NATS server", ErrorKind::Permanent);
                let advice = "check the host and the port: another program may listen there";
                return Failure::new(error.advising(advice), Cause::Unreached);
            }
            if let Some(io) = io {
                return Failure::new(unreached(to, io, ADVICE), Cause::Unreached);
            }
            match chain().find_map(|error| error.downcast_ref::<ServerError>()) {
                Some(ServerError::Other(said)) => transient(said),
                Some(said) => transient(said),
                None => match innermost {
                    Some(cause) => transient(&cause),
                    None => transient(error),
                },
            }
        }
        _ => transient(error),
    }
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
        for (code, err_code, description, kind, cause) in [
            (404, 10059, "stream not found", ErrorKind::Permanent, Cause::Refused),
            (503, 10039, "JetStream not enabled for account", ErrorKind::Permanent, Cause::Refused),
            (400, 10071, "wrong last sequence: 3", ErrorKind::Transient, Cause::Refused),
            (503, 10008, "JetStream system temporarily unavailable", ErrorKind::Transient, Cause::Unwell),
            (500, 10009, "JetStream cluster can not handle request", ErrorKind::Transient, Cause::Unwell),
            (503, 10077, "maximum bytes exceeded", ErrorKind::Permanent, Cause::Refused),
            (503, 10077, "raft: not leader", ErrorKind::Transient, Cause::Unwell),
            (503, 10023, "insufficient resources", ErrorKind::Permanent, Cause::Unwell),
            (500, 10047, "insufficient storage resources available", ErrorKind::Permanent, Cause::Refused),
            (400, 10005, "no suitable peers for placement, peer offline", ErrorKind::Transient, Cause::Refused),
            (400, 10003, "bad request", ErrorKind::Permanent, Cause::Refused),
        ] {
            let failure = Failure::said(&Said { code, err_code, description: description.into() });
            assert_eq!((failure.error.kind(), failure.cause), (kind, cause), "{description}");
            assert_eq!(failure.code, err_code);
        }
    }
}
