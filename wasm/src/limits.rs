//! What a request may be: checked before any object is touched.

use lessor::wire::{Ask, Problem};
use worker::Env;

use crate::problem::Kind;

/// The longest body, in bytes: a batch of claims with values.
pub(crate) const BODY: usize = 512 * 1024;
/// The most operations in one request.
pub(crate) const ASKS: usize = 256;

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
    pub(crate) fn read(env: &Env) -> Result<Self, Problem> {
        let read = |name: &str, default: u64| match env.var(name) {
            Err(_) => Ok(default),
            Ok(text) => {
                text.to_string().parse().map_err(|_| Kind::Unconfigured.because(format!("{name} is no number of ms")))
            }
        };
        let Self { min_ms, max_ms } = Self::default();
        Ok(Self { min_ms: read("LESSOR_MIN_TTL_MS", min_ms)?, max_ms: read("LESSOR_MAX_TTL_MS", max_ms)? })
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
