//! When the next step is due.

use core::time::Duration;

use super::now_ms;

/// In ms since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Due(pub(super) u64);

impl Due {
    pub(super) fn within(wait: Duration) -> Self {
        let wait_ms = u64::try_from(wait.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX);
        Self(now_ms().saturating_add(wait_ms))
    }

    pub(super) fn is_to_come(self) -> bool {
        self.0 > now_ms()
    }

    pub(super) fn left(self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(now_ms()))
    }
}
