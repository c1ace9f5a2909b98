//! What a request may be: checked before any object is touched.

use lessor::wire::{Ask, Problem};

use crate::problem::Kind;

/// The longest body, in bytes: a batch of claims with values.
pub(crate) const BODY: usize = 512 * 1024;
/// The most operations in one request.
pub(crate) const ASKS: usize = 256;
/// The most keys in one page of a listing.
pub(crate) const LISTED: usize = 500;
/// The most states in answer to one message of a watch: each is a request to an object.
pub(crate) const STATES: usize = 500;
/// The most keys and prefixes that one socket watches.
pub(crate) const WATCHED: u64 = 1_000;

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
        let read = |text: Option<&str>, default: u64| match text {
            None => Ok(default),
            Some(text) => {
                text.parse().map_err(|_| format!("a limit of the ttl is {text:?}, allowed is a number of ms"))
            }
        };
        let Self { min_ms, max_ms } = Self::default();
        let (min_ms, max_ms) = (read(min, min_ms)?, read(max, max_ms)?);
        if min_ms == 0 || min_ms > max_ms {
            return Err(format!("the limits of the ttl are {min_ms} and {max_ms} ms, allowed is 1 to the longest"));
        }
        Ok(Self { min_ms, max_ms })
    }

    /// Whether the ttl of this operation is within the limits.
    pub(crate) fn check(self, ask: &Ask) -> Result<(), Problem> {
        let (Ask::Acquire { claim, .. } | Ask::Renew { claim, .. }) = ask else { return Ok(()) };
        let Self { min_ms, max_ms } = self;
        if (min_ms..=max_ms).contains(&claim.ttl_ms) {
            return Ok(());
        }
        Err(Kind::Invalid.because(format!("ttl_ms is {}, allowed is {min_ms} to {max_ms}", claim.ttl_ms)))
    }
}
