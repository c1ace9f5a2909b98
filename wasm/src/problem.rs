//! What is wrong with a request, in one shape (RFC 9457).

use lessor_wire::Problem;

/// The kinds of problem, with their statuses. `API.md` says the same, and has `overloaded` from `service.js`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Unconfigured,
    Unauthenticated,
    Forbidden,
    NotFound,
    MethodNotAllowed,
    UnsupportedMediaType,
    UpgradeRequired,
    TooLarge,
    TooMany,
    Misdirected,
    Conflict,
    Invalid,
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
            Self::TooMany => ("too-many", 429),
            Self::Misdirected => ("misdirected", 421),
            Self::Conflict => ("conflict", 409),
            Self::Invalid => ("invalid", 400),
            Self::Failed => ("failed", 500),
        }
    }

    pub(crate) fn because(self, detail: impl Into<String>) -> Problem {
        let (kind, status) = self.parts();
        Problem::new(kind, status, detail)
    }
}
