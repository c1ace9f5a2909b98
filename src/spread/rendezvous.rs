//! Who is to lead which key: the same answer wherever it is computed, and few other answers when somebody comes or goes.
//!
//! Rendezvous hashing (Thaler and Ravishankar, 1998): for each key every member draws a number from a hash of both, and the
//! highest leads. One that leaves changes nothing but its own keys; one that joins takes some from each. Here nobody gets
//! more than a tenth above its share: all draws are gone through in descending order, and a key goes to the first that has
//! room.
//!
//! It is fixed for ever, so that other programs can compute it too ([the guide](crate::guide::many_keys) has it in words).

use alloc::collections::BinaryHeap;
use alloc::vec::Vec;
use core::cmp::Reverse;

/// FNV-1a of 64 bits over these bytes, then mixed: FNV alone leaves texts that differ at their end alike in front.
pub(super) fn hash(bytes: &[u8]) -> u64 {
    let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
    mix(bytes.iter().fold(0xcbf2_9ce4_8422_2325, step))
}

/// The finalizer of MurmurHash3 for 64 bits.
const fn mix(mut bits: u64) -> u64 {
    bits = (bits ^ (bits >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    bits = (bits ^ (bits >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    bits ^ (bits >> 33)
}

/// One of those who share the keys.
#[derive(Clone, Copy, Debug)]
pub(super) struct Taker {
    /// The [`hash`] of its id.
    pub(super) id: u64,
    pub(super) weight: u32,
}

impl Taker {
    /// Its number for this key: the highest of as many draws as it has weight.
    fn draw(self, key: u64) -> u64 {
        (0..u64::from(self.weight)).map(|copy| mix(key ^ mix(self.id.wrapping_add(copy)))).max().unwrap_or(0)
    }
}

/// For each of these keys the place of the taker that is to lead it. Neither keys nor takers may come twice; `keys` are
/// [`hash`]es, in any order. Nothing, if there are no takers.
pub(super) fn assign(keys: &[u64], takers: &[Taker]) -> Vec<usize> {
    let weights: u64 = takers.iter().map(|taker| u64::from(taker.weight)).sum();
    if weights == 0 {
        return Vec::new();
    }
    // What each takes at most: its share and a tenth, rounded up. Together that is never less than all.
    let all = keys.len() as u64;
    let most = |taker: &Taker| (all * u64::from(taker.weight) * 11).div_ceil(weights * 10);
    let mut room: Vec<u64> = takers.iter().map(most).collect();
    let mut taken = alloc::vec![0; keys.len()];
    // All bids in descending order, without making those that nobody will look at.
    let highest = |(place, key): (usize, &u64)| bid(place, *key, takers, None);
    let mut bids: BinaryHeap<Bid> = keys.iter().enumerate().filter_map(highest).collect();
    while let Some(bid @ Bid { key_place, taker, .. }) = bids.pop() {
        if let (Some(room), Some(taken)) = (room.get_mut(taker).filter(|room| **room > 0), taken.get_mut(key_place)) {
            *room -= 1;
            *taken = taker;
        } else if let Some(key) = keys.get(key_place) {
            bids.extend(self::bid(key_place, *key, takers, Some(&bid)));
        }
    }
    taken
}

/// What a taker draws for a key. Ordered by the number; of like numbers, which come but by chance, the lower hashes win.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Bid {
    number: u64,
    taker_id: Reverse<u64>,
    key: Reverse<u64>,
    taker: usize,
    key_place: usize,
}

/// The highest bid for this key, below this one.
fn bid(key_place: usize, key: u64, takers: &[Taker], below: Option<&Bid>) -> Option<Bid> {
    let bids = takers.iter().enumerate().map(|(place, taker)| Bid {
        number: taker.draw(key),
        taker_id: Reverse(taker.id),
        key: Reverse(key),
        taker: place,
        key_place,
    });
    bids.filter(|bid| below.is_none_or(|below| bid < below)).max()
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;

    fn takers(numbers: impl IntoIterator<Item = u32>) -> Vec<Taker> {
        let taker = |number| Taker { id: hash(format!("node-{number}").as_bytes()), weight: 1 };
        numbers.into_iter().map(taker).collect()
    }

    fn keys(many: u32) -> Vec<u64> {
        (0..many).map(|number| hash(format!("shard/{number}").as_bytes())).collect()
    }

    fn loads(taken: &[usize], takers: usize) -> Vec<usize> {
        (0..takers).map(|taker| taken.iter().filter(|taken| **taken == taker).count()).collect()
    }

    /// How many keys another leads than before, of those whose leader is there before and after.
    fn moved(keys: &[u64], before: &[Taker], after: &[Taker]) -> (usize, usize) {
        let ids = |takers: &[Taker]| assign(keys, takers).into_iter().map(|taker| takers[taker].id).collect::<Vec<_>>();
        let (old, new) = (ids(before), ids(after));
        let changed = old.iter().zip(&new).filter(|(old, new)| old != new);
        // Nobody could help these: who led them is gone, or who leads them is new.
        let is_in = |takers: &[Taker], id: u64| takers.iter().any(|taker| taker.id == id);
        let (needed, rest): (Vec<_>, Vec<_>) =
            changed.partition(|(old, new)| !is_in(after, **old) || !is_in(before, **new));
        (needed.len(), rest.len())
    }

    /// R21: fixed for ever. Whoever changes this breaks programs that compute it for themselves.
    #[test]
    fn the_hash_stays() {
        assert_eq!(hash(b""), 0xefd0_1f60_ba99_2926);
        assert_eq!(hash(b"shard/7"), 0x4ca5_9c21_ab8e_1fe9);
        let mut three = takers(0..3);
        assert_eq!(assign(&keys(12), &three), [0, 1, 0, 0, 2, 2, 2, 1, 0, 2, 2, 0]);
        three[1].weight = 3;
        assert_eq!(assign(&keys(12), &three), [0, 1, 0, 1, 2, 2, 1, 1, 0, 1, 2, 1]);
    }

    /// Nobody has more than a tenth above its share, rounded up, whatever the numbers.
    #[test]
    fn nobody_has_too_much() {
        for members in 1..20 {
            for many in [0, 1, 7, 64, 200, 5_000] {
                let loads = loads(&assign(&keys(many), &takers(0..members)), members as usize);
                assert_eq!(loads.iter().sum::<usize>(), many as usize);
                let most = (many as usize * 11).div_ceil(members as usize * 10);
                assert!(loads.iter().all(|load| *load <= most), "{many} keys: {loads:?}");
            }
        }
    }

    /// Of 5,000 keys each of eight has its share within a tenth.
    #[test]
    fn shares_are_even() {
        let loads = loads(&assign(&keys(5_000), &takers(0..8)), 8);
        assert!(loads.iter().all(|load| (563..=687).contains(load)), "{loads:?}");
    }

    /// One that comes takes its share from all, one that goes leaves its own to all; nearly nothing else moves.
    #[test]
    fn few_keys_move() {
        for (many, rest) in [(64, 8), (5_000, 50)] {
            for members in 2..12 {
                let (before, after) = (takers(0..members), takers(0..=members));
                let (joined, others) = moved(&keys(many), &before, &after);
                let most = (many as usize * 11).div_ceil((members as usize + 1) * 10);
                assert!(joined <= most && others <= rest, "{many} keys, {members} and one: {joined}, {others}");
                let (left, others) = moved(&keys(many), &after, &before);
                assert!(left <= most && others <= rest, "{many} keys, {members} less one: {left}, {others}");
            }
        }
    }

    /// Who has twice the weight has twice the keys.
    #[test]
    fn weights_count() {
        let mut members = takers(0..4);
        members[2].weight = 3;
        let loads = loads(&assign(&keys(6_000), &members), 4);
        assert!((2_800..=3_300).contains(&loads[2]), "{loads:?}");
        assert!([0, 1, 3].iter().all(|member| (900..=1_100).contains(&loads[*member])), "{loads:?}");
    }

    /// The order in which keys and takers are named says nothing.
    #[test]
    fn order_says_nothing() {
        let (some, members) = (keys(100), takers(0..5));
        let reversed: Vec<_> = some.iter().rev().copied().collect();
        let others: Vec<_> = members.iter().rev().copied().collect();
        let straight: Vec<_> = assign(&some, &members).into_iter().map(|taker| members[taker].id).collect();
        let mut back: Vec<_> = assign(&reversed, &others).into_iter().map(|taker| others[taker].id).collect();
        back.reverse();
        assert_eq!(straight, back);
    }
}
