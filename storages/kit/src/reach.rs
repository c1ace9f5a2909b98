//! Why a server could not be reached.

use std::io;

use lessor::storage::ErrorKind;

use crate::error::AdapterError;

/// What to do about certificates and their files, in the words of the engine's URL.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct TlsAdvice {
    /// Where the server's certificate is not trusted.
    pub untrusted: &'static str,
    /// Where a file for TLS is missing.
    pub missing: &'static str,
}

impl TlsAdvice {
    /// See the fields.
    #[must_use]
    pub const fn new(untrusted: &'static str, missing: &'static str) -> Self {
        Self { untrusted, missing }
    }
}

/// A failure to connect to the server there, `to`: transient, unless somebody has to act first. (A name that is not
/// found may be found when the resolver is up again.)
///
/// ```
/// use std::io;
///
/// use lessor::storage::ErrorKind;
/// use lessor_kit::reach::{TlsAdvice, unreached};
///
/// let advice = TlsAdvice::new("name the file of its CA", "correct the file's name");
/// let error = unreached("db:5432", &io::ErrorKind::ConnectionRefused.into(), advice);
/// assert_eq!((error.kind(), &*error.to_string()), (ErrorKind::Transient, "no connection to db:5432: connection refused"));
/// ```
#[must_use]
pub fn unreached(to: &str, error: &io::Error, advice: TlsAdvice) -> AdapterError {
    let permanent = || AdapterError::no_connection(to, error, ErrorKind::Permanent);
    match error.kind() {
        // What TLS does not like about the other side.
        io::ErrorKind::InvalidData => permanent().advising(advice.untrusted),
        // Connecting to a host does not end like this: it is a file. (A socket comes with its server.)
        io::ErrorKind::NotFound if !to.starts_with('/') => permanent().advising(advice.missing),
        io::ErrorKind::PermissionDenied => permanent(),
        _ => AdapterError::no_connection(to, error, ErrorKind::Transient),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn somebody_has_to_act() {
        let advice = TlsAdvice::new("trust it", "write it");
        let error = |to, kind: io::ErrorKind| unreached(to, &kind.into(), advice);
        for (to, kind, advised) in [
            ("db:1", io::ErrorKind::InvalidData, ": trust it"),
            ("db:1", io::ErrorKind::NotFound, ": write it"),
            ("/run/db", io::ErrorKind::PermissionDenied, "denied"),
        ] {
            let error = error(to, kind);
            assert_eq!(error.kind(), ErrorKind::Permanent, "{error}");
            assert!(error.to_string().ends_with(advised), "{error}");
        }
        for (to, kind) in [
            ("db:1", io::ErrorKind::ConnectionRefused),
            ("/run/db", io::ErrorKind::NotFound),
            ("db:1", io::ErrorKind::Other),
        ] {
            assert_eq!(error(to, kind).kind(), ErrorKind::Transient, "{to} {kind}");
        }
    }
}
