//! Who goes first.

use core::time::Duration;

use lessor::Instant;
use lessor::storage::Request;

/// For how long a sender waits that does not say so: what the default configuration waits. It may wait for longer, but
/// not for ever, since others of its class would then.
pub(super) const USUAL_PATIENCE: Duration = Duration::from_secs(2);

/// What goes first, whatever else waits. Strictly: a share for claims would end leases where the server is too slow for
/// all renewals, and each lost lease brings another claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Rank {
    /// A lease ends if it does not get through.
    Renewal,
    /// Each ends a renewal; and somebody waits for the key.
    Release,
    Claim,
    Look,
    /// Has met a lock, and has to wait for it.
    Alone,
}

impl Rank {
    pub(super) const fn of(request: &Request) -> Self {
        match request {
            Request::Renew(_) => Self::Renewal,
            Request::Release(_) | Request::Revoke(_) => Self::Release,
            Request::Acquire(_) => Self::Claim,
            _ => Self::Look,
        }
    }
}

/// Requests whose senders wait about equally long: within a power of four.
///
/// Only they travel together. A flight may hang for as long as the most patient of its senders waits, and nobody's lease
/// should end because of another's patience.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Class(u8);

impl Class {
    pub(super) fn of(patience: Duration) -> Self {
        let ms = u64::try_from(patience.as_millis()).unwrap_or(u64::MAX).max(1);
        Self((ms.ilog2() / 2) as u8)
    }
}

/// For how long its sender waits.
pub(super) fn patience(request: &Request) -> Duration {
    request.patience().unwrap_or(USUAL_PATIENCE)
}

/// Of two of a rank the one with the earlier instant goes first: the end of its reign for a renewal, the end of its
/// sender's patience for all others.
pub(super) fn due(request: &Request, asked: Instant) -> Instant {
    let left = match request {
        Request::Renew(renewal) => renewal.time_left,
        _ => None,
    };
    asked.saturating_add(left.unwrap_or_else(|| patience(request)))
}

/// About how many bytes it is on the wire.
pub(super) fn size(request: &Request) -> usize {
    /// Session, numbers, and what the server's protocol puts around them.
    const REST: usize = 100;
    let text = match request {
        Request::Acquire(claim) => {
            claim.id.as_str().len() + claim.value.as_ref().map_or(0, |value| value.as_str().len())
        }
        Request::Renew(renewal) => {
            renewal.id.as_str().len() + renewal.value.as_ref().map_or(0, |value| value.as_str().len())
        }
        _ => 0,
    };
    request.key().map_or(0, |key| key.as_str().len()) + text + REST
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn like_patience_is_within_a_power_of_four() {
        let class = |ms| Class::of(Duration::from_millis(ms));
        assert_eq!(class(1_024), class(4_095));
        assert!(class(1_023) < class(1_024) && class(4_095) < class(4_096));
        assert_eq!(class(0), class(1), "the shortest");
        assert!(Class::of(Duration::MAX) > class(1 << 40));
    }
}
