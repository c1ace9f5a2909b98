//! The wall clock: tokens end by it, and lines of the log carry it. No lease is judged by it.

use std::time::{SystemTime, UNIX_EPOCH};

/// In ms since 1970.
#[allow(clippy::disallowed_methods, reason = "a token says when it ends as a date")]
pub(crate) fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
