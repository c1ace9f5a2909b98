//! What a request may be: checked before any object is touched.

use lessor::storage::{List, Release, Request};
use lessor_wire::Problem;

use crate::problem::Kind;

/// The longest body, in bytes: a batch of claims with values.
pub const BODY: usize = 512 * 1024;
/// The most requests in one batch.
pub(crate) const ASKS: usize = 256;
/// The most keys in one page of a listing, and in all lists of a batch together: each is a request to an object, and the
/// platform allows an event no more of them where nothing is paid for.
pub const LISTED: usize = List::MAX_LIMIT;
/// The most states in answer to one message of a watch: each is a request to an object.
pub const STATES: usize = 500;
/// The most keys and prefixes that one socket watches.
pub const WATCHED: u64 = 1_000;

/// The shortest and the longest ttl.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ttl {
    pub(crate) min_ms: u64,
    pub(crate) max_ms: u64,
}

impl Default for Ttl {
    fn default() -> Self {
        Self { min_ms: 1_000, max_ms: 3_600_000 }
    }
}

impl Ttl {
    /// From the variables `LESSOR_MIN_TTL_MS` and `LESSOR_MAX_TTL_MS`.
    pub(crate) fn read(min: Option<&str>, max: Option<&str>) -> Result<Self, String> {
        let read = |name: &str, text: Option<&str>, default: u64| match text {
            None => Ok(default),
            Some(text) => text.parse().map_err(|_| format!("{name} is {text:?}, allowed is a number of ms")),
        };
        let Self { min_ms, max_ms } = Self::default();
        let (min_ms, max_ms) = (read("LESSOR_MIN_TTL_MS", min, min_ms)?, read("LESSOR_MAX_TTL_MS", max, max_ms)?);
        if min_ms == 0 || min_ms > max_ms {
            return Err(format!(
                "LESSOR_MIN_TTL_MS is {min_ms}, allowed is 1 to LESSOR_MAX_TTL_MS, which is {max_ms} (ms)"
            ));
        }
        Ok(Self { min_ms, max_ms })
    }

    /// Whether the ttl of this request, or of its reservation, is within the limits.
    pub(crate) fn check(self, request: &Request) -> Result<(), Problem> {
        let Self { min_ms, max_ms } = self;
        let (ttl, name, min_ms) = match request {
            Request::Acquire(claim) => (claim.ttl, "ttl_ms", min_ms),
            Request::Renew(renewal) => (renewal.ttl, "ttl_ms", min_ms),
            Request::Release(Release { successor: Some(successor), .. }) => (successor.within, "within_ms", 0),
            _ => return Ok(()),
        };
        let ttl_ms = u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX);
        if (min_ms..=max_ms).contains(&ttl_ms) {
            return Ok(());
        }
        Err(Kind::Invalid.because(format!("{name} is {ttl_ms}, allowed is {min_ms} to {max_ms}")))
    }
}

/// A claim knows the newest term, or an older one; or a later one, if the storage has lost some. Far beyond that it would use up all
/// terms that there are: what is wrong, if the newest term is this one, or 0 where there is none. `None`: nothing is.
#[must_use]
pub fn too_far_ahead(request: &Request, newest: u64, ahead: Option<u64>) -> Option<Problem> {
    let Request::Acquire(claim) = request else { return None };
    let (after, ahead) = (claim.after?.get(), ahead?);
    let detail = || format!("after is {after}, allowed is at most {ahead} above the newest term, which is {newest}");
    (after > newest.saturating_add(ahead)).then(|| Kind::Invalid.because(detail()))
}
