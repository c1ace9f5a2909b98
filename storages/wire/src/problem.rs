//! Why a request failed.

use alloc::string::String;
use core::error::Error;
use core::fmt;

use serde::{Deserialize, Serialize};

/// Why a request failed (RFC 9457, "Problem Details for HTTP APIs"): `{"type", "status", "detail"}`.
///
/// ```
/// use lessor_wire::Problem;
///
/// let problem = Problem::new("invalid", 400, "ttl_ms is 1, allowed is 1000 to 3600000");
/// assert_eq!(problem.to_string(), "invalid (400): ttl_ms is 1, allowed is 1000 to 3600000");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Problem {
    /// Which kind of problem: one word of the list in `wasm/API.md`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The HTTP status.
    pub status: u16,
    /// What is wrong with this request, for people.
    pub detail: String,
    /// In how many ms it may be asked for again, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<u64>,
}

impl Problem {
    /// A problem of this kind, with this HTTP status; `detail` says what is wrong with this request.
    #[must_use]
    pub fn new(kind: impl Into<String>, status: u16, detail: impl Into<String>) -> Self {
        Self { kind: kind.into(), status, detail: detail.into(), retry_after_ms: None }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}): {}", self.kind, self.status, self.detail)
    }
}

impl Error for Problem {}
