//! How an operation fails.

use alloc::boxed::Box;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use core::error::Error;
use core::fmt;
use core::time::Duration;

use super::request::{Operation, Request};

use crate::debug::debug_as_displayed;

/// Whether trying again may help without anybody doing something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// A connection, a timeout, a busy server: it may work the next time.
    Transient,
    /// A missing table, a wrong password, a bad argument: somebody has to change something first. Candidates try on
    /// all the same.
    Permanent,
}

impl ErrorKind {
    /// All of them.
    #[cfg(feature = "metrics")]
    pub(crate) const ALL: [Self; 2] = [Self::Transient, Self::Permanent];

    /// One word for it, as logs and metrics have it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Transient => "transient",
            Self::Permanent => "permanent",
        }
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// An operation failed. Whether it was applied is open.
///
/// Two errors are equal if they are of one kind and say the same.
///
/// ```
/// use lessor::StorageError;
/// use lessor::storage::ErrorKind;
///
/// let error = StorageError::transient(std::io::Error::other("connection reset"));
/// assert_eq!(error.kind(), ErrorKind::Transient);
/// assert_eq!(error.to_string(), "transient storage error: connection reset");
/// assert!(error.get_ref().is::<std::io::Error>());
/// ```
#[derive(Clone)]
pub struct StorageError {
    kind: ErrorKind,
    cause: Arc<dyn Error + Send + Sync>,
}

impl StorageError {
    /// An error that may pass by itself.
    pub fn transient(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { kind: ErrorKind::Transient, cause: Arc::from(cause.into()) }
    }

    /// An error that stays until somebody changes something.
    pub fn permanent(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { kind: ErrorKind::Permanent, cause: Arc::from(cause.into()) }
    }

    /// The operation did not answer within this time.
    #[must_use]
    pub fn timed_out(after: Duration) -> Self {
        Self::transient(TimedOut(after))
    }

    /// The operation answered after this time, when what it gave was already over.
    #[must_use]
    pub(crate) fn too_late(after: Duration) -> Self {
        Self::transient(TooLate(after))
    }

    /// The request waited for its turn for so long that its answer would have come too late, and was not sent: nothing was
    /// applied. For storages that let requests wait; of the kind of `because`, which says what it waited for.
    ///
    /// It says nothing of the server: a leader does not [step down](crate::Config::fall_back_after) because of it.
    ///
    /// ```
    /// use core::time::Duration;
    /// use lessor::StorageError;
    ///
    /// let error = StorageError::not_sent(Duration::from_secs(2), StorageError::transient("connection refused"));
    /// assert!(error.is_not_sent());
    /// assert_eq!(
    ///     error.to_string(),
    ///     "transient storage error: it waited for its turn for 2s, and was not sent: connection refused"
    /// );
    /// ```
    #[must_use]
    pub fn not_sent(waited: Duration, because: Self) -> Self {
        Self { kind: because.kind, cause: Arc::new(NotSent { waited, because }) }
    }

    /// Whether it is [`not_sent`](Self::not_sent).
    #[must_use]
    pub fn is_not_sent(&self) -> bool {
        self.cause.is::<NotSent>()
    }

    /// This storage does not know this operation: what to answer to a [`Request`] that a later version brought.
    #[must_use]
    pub fn unsupported(request: &Request) -> Self {
        Self::permanent(Unsupported(request.operation()))
    }

    /// The storage answered something else than was asked.
    #[must_use]
    pub fn unfit() -> Self {
        Self::permanent(Unfit)
    }

    /// The operation panicked. What it would have answered nobody will know.
    #[must_use]
    pub(crate) fn panicked() -> Self {
        Self::permanent(Panicked)
    }

    /// Whether trying again may help by itself.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// As it is displayed, and what is behind it.
    pub(super) fn in_full(&self) -> String {
        let mut said = self.to_string();
        let mut source = self.source();
        while let Some(error) = source {
            let text = error.to_string();
            if !said.ends_with(&text) {
                said.push_str(": ");
                said.push_str(&text);
            }
            source = error.source();
        }
        said
    }

    /// The adapter's own error, to be downcast. [`source`](Error::source) begins behind it, since its text is part of this
    /// error's.
    #[must_use]
    pub fn get_ref(&self) -> &(dyn Error + Send + Sync + 'static) {
        &*self.cause
    }
}

impl fmt::Display for StorageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} storage error: {}", self.kind.as_str(), self.cause)
    }
}

impl fmt::Debug for StorageError {
    /// As it is displayed, and what is behind it: of a program whose `main` answers an error that is all there is to see.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let said = self.in_full();
        if f.alternate() {
            // With all that the adapter's own error has.
            return write!(f, "StorageError({said}, {:#?})", self.cause);
        }
        write!(f, "StorageError({said})")
    }
}

impl Error for StorageError {
    /// What is behind the cause: the text of the cause itself is part of this error's. [`get_ref`](Self::get_ref) has it.
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.cause.source()
    }
}

impl PartialEq for StorageError {
    fn eq(&self, other: &Self) -> bool {
        let text = |error: &Self| -> String { alloc::format!("{}", error.cause) };
        self.kind == other.kind && text(self) == text(other)
    }
}

impl Eq for StorageError {}

/// The cause of [`StorageError::unsupported`].
#[derive(Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Unsupported(pub Operation);

impl fmt::Display for Unsupported {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "this storage does not know the operation {}", self.0)
    }
}

impl Error for Unsupported {}

debug_as_displayed!(Unsupported);

#[derive(Debug)]
struct Unfit;

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the reply does not fit the request")
    }
}

impl Error for Unfit {}

#[derive(Debug)]
struct Panicked;

impl fmt::Display for Panicked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "the storage panicked when it was asked: that is a fault of its adapter, and the panic's message says more",
        )
    }
}

impl Error for Panicked {}

#[derive(Debug)]
struct TimedOut(Duration);

impl fmt::Display for TimedOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no answer within {:?}", self.0)
    }
}

impl Error for TimedOut {}

#[derive(Debug)]
struct TooLate(Duration);

impl fmt::Display for TooLate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the answer came after {:?}, when the lease that it gave was over", self.0)
    }
}

impl Error for TooLate {}

#[derive(Debug)]
struct NotSent {
    waited: Duration,
    because: StorageError,
}

impl fmt::Display for NotSent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "it waited for its turn for {:?}, and was not sent: {}", self.waited, self.because.cause)
    }
}

impl Error for NotSent {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.because.source()
    }
}
