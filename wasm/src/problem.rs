//! What is wrong with a request, in one shape (RFC 9457).

use lessor::wire;
use worker::{Response, ResponseBuilder, Result};

/// The kinds of problem, with their statuses. `API.md` says the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Unconfigured,
    Unauthenticated,
    Forbidden,
    NotFound,
    MethodNotAllowed,
    UnsupportedMediaType,
    TooLarge,
    Invalid,
    Overloaded,
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
            Self::TooLarge => ("too-large", 413),
            Self::Invalid => ("invalid", 400),
            Self::Overloaded => ("overloaded", 503),
            Self::Failed => ("failed", 500),
        }
    }

    pub(crate) fn because(self, detail: impl Into<String>) -> wire::Problem {
        let (kind, status) = self.parts();
        wire::Problem { kind: kind.into(), status, detail: detail.into() }
    }
}

/// A problem as an answer.
pub(crate) fn answer(problem: &wire::Problem) -> Result<Response> {
    let answer = ResponseBuilder::new()
        .with_status(problem.status)
        .with_header("cache-control", "no-store")?
        .with_header("x-content-type-options", "nosniff")?;
    let answer = match problem.status {
        401 => answer.with_header("www-authenticate", "Bearer")?,
        429 | 503 => answer.with_header("retry-after", "1")?,
        _ => answer,
    };
    let body = serde_json::to_vec(problem)?;
    Ok(answer.with_header("content-type", "application/problem+json")?.fixed(body))
}
