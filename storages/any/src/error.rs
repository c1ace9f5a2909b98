//! Why a storage was not opened.

use std::error::Error;
use std::fmt;

use lessor::StorageError;

use crate::url::SCHEMES;

/// Why [`open`](crate::open) failed. It shows no secret of the URL.
///
/// ```
/// use lessor_any::{OpenError, open};
///
/// # futures::executor::block_on(async {
/// let Err(error) = open("oracle://user:s3cret@host").await else { panic!("there is no such storage") };
/// assert!(matches!(&error, OpenError::UnknownScheme { given, .. } if given == "oracle"));
/// assert!(error.to_string().starts_with("no storage has URLs that begin with oracle://; there are sqlite:"));
/// # });
/// ```
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum OpenError {
    /// No storage has URLs of this kind.
    #[non_exhaustive]
    UnknownScheme {
        /// What stands before `://`.
        given: String,
    },
    /// The storage is not part of this program: this crate was built without it.
    #[non_exhaustive]
    MissingFeature {
        /// The feature of `lessor-any` that has it.
        feature: &'static str,
    },
    /// The URL cannot be used.
    #[non_exhaustive]
    InvalidUrl {
        /// What is wrong with it.
        reason: String,
    },
    /// The storage cannot be reached, or is not ready.
    Storage(StorageError),
}

impl OpenError {
    pub(crate) fn invalid(reason: impl ToString) -> Self {
        Self::InvalidUrl { reason: reason.to_string() }
    }
}

impl From<StorageError> for OpenError {
    fn from(error: StorageError) -> Self {
        Self::Storage(error)
    }
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownScheme { given } => {
                write!(f, "no storage has URLs that begin with {given}://; there are")?;
                SCHEMES.iter().try_for_each(|(name, _)| write!(f, " {name}:"))
            }
            Self::MissingFeature { feature } => {
                write!(f, "this program was built without that storage: it needs lessor-any's feature {feature:?}")
            }
            Self::InvalidUrl { reason } => write!(f, "the storage's url is not allowed: {reason}"),
            Self::Storage(error) => error.fmt(f),
        }
    }
}

impl fmt::Debug for OpenError {
    /// As it is displayed, and what is behind it: a program whose `main` answers it shows nothing else.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Storage(error) => fmt::Debug::fmt(error, f),
            _ => write!(f, "OpenError({self})"),
        }
    }
}

impl Error for OpenError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Storage(error) => error.source(),
            _ => None,
        }
    }
}
