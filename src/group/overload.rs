//! What a group does where the storage cannot keep up with its renewals.
//!
//! Then all leases would lapse one after the other, each loss brings a claim on top, and nobody's work gets done. So the
//! group gives up half of the keys whose renewals do not get through, by handing them over: newest terms first, since
//! what has been held for long has mostly got further. That makes room for the other half. Their candidates campaign
//! again after the cool-off, behind all renewals.

use alloc::vec::Vec;
use core::cmp::Reverse;

use crate::time::Instant;

/// A lease that a member holds.
pub(super) struct Held {
    pub(super) member: usize,
    pub(super) began: Instant,
    /// Its renewals fail, and no more than a third of the ttl is left.
    pub(super) in_danger: bool,
    /// The last of them was not even sent.
    pub(super) not_sent: bool,
}

/// How many of them are in danger because of the load, and which to give up now.
///
/// A few that fail otherwise are no load: a row that somebody has locked, say. Where nothing at all gets through the storage
/// is away, and fewer keys would help nobody.
pub(super) fn to_give_up(held: &[Held], renewed: usize) -> (usize, Vec<usize>) {
    let mut in_danger: Vec<_> = held.iter().filter(|held| held.in_danger).collect();
    if in_danger.len() * 10 < held.len() {
        in_danger.retain(|held| held.not_sent);
    }
    if renewed == 0 {
        in_danger.clear();
    }
    in_danger.sort_by_key(|held| Reverse((held.began, held.member)));
    let given_up = in_danger.iter().take(in_danger.len().div_ceil(2)).map(|held| held.member);
    (in_danger.len(), given_up.collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::time::Duration;

    fn held(member: usize, in_danger: bool, not_sent: bool) -> Held {
        Held { member, began: Instant::from_origin(Duration::from_secs(member as u64)), in_danger, not_sent }
    }

    /// R20: newest terms first, and half of what is in danger at a time.
    #[test]
    fn newest_terms_first() {
        let all: Vec<_> = (0..10).map(|member| held(member, member < 4, true)).collect();
        assert_eq!(to_give_up(&all, 6), (4, [3, 2].into()));
        assert_eq!(to_give_up(&all, 0), (0, Vec::new()), "the storage is away");
        assert_eq!(to_give_up(&[], 0), (0, Vec::new()));
    }

    /// R19: one that fails for reasons of its own is no load.
    #[test]
    fn a_few_that_fail() {
        let all = |not_sent| (0..100).map(|member| held(member, member == 7, not_sent)).collect::<Vec<_>>();
        assert_eq!(to_give_up(&all(false), 99), (0, Vec::new()));
        assert_eq!(to_give_up(&all(true), 99), (1, [7].into()));
    }
}
