//! What is wrong with a request, in one shape (RFC 9457).

use lessor_wire::Problem;

/// The kinds of problem, with their statuses, as the API has them: but for `unverifiable` and `overloaded`, which are of whoever does the I/O.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// The service has no settings that can be used.
    Unconfigured,
    /// There is no valid token.
    Unauthenticated,
    /// The token does not allow it.
    Forbidden,
    /// There is no such path.
    NotFound,
    /// The path has another method.
    MethodNotAllowed,
    /// The body is no JSON by what is said of it.
    UnsupportedMediaType,
    /// The path is for sockets.
    UpgradeRequired,
    /// Something is more than is allowed at a time.
    TooLarge,
    /// The body does not come to its end in time.
    TooSlow,
    /// A limit of the token.
    TooMany,
    /// The wrong object was asked.
    Misdirected,
    /// Somebody holds the key.
    Conflict,
    /// A field is not as it has to be.
    Invalid,
    /// Whether it was done nobody knows.
    Failed,
}

impl Kind {
    const fn parts(self) -> (&'static str, u16) {
        match self {
            Self::Unconfigured => ("unconfigured", 503),
            Self::Unauthenticated => ("unauthenticated", 401),
            Self::Forbidden => ("forbidden", 403),
            Self::NotFound => ("not-found", 404),
            Self::MethodNotAllowed => ("method-not-allowed", 405),
            Self::UnsupportedMediaType => ("unsupported-media-type", 415),
            Self::UpgradeRequired => ("upgrade-required", 426),
            Self::TooLarge => ("too-large", 413),
            Self::TooSlow => ("too-slow", 408),
            Self::TooMany => ("too-many", 429),
            Self::Misdirected => ("misdirected", 421),
            Self::Conflict => ("conflict", 409),
            Self::Invalid => ("invalid", 400),
            Self::Failed => ("failed", 500),
        }
    }

    /// A problem of this kind; the detail says what is wrong with this request.
    #[must_use]
    pub fn because(self, detail: impl Into<String>) -> Problem {
        let (kind, status) = self.parts();
        Problem::new(kind, status, detail)
    }
}
