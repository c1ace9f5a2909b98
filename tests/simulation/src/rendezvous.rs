//! Who is to lead which key of a spread, as the guide says it, for programs that compute it too.

use std::cmp::Reverse;
use std::collections::BTreeMap;

/// Step 1.
pub(crate) fn hash(text: &str) -> u64 {
    let fnv = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    mix(text.bytes().fold(0xcbf2_9ce4_8422_2325, fnv))
}

fn mix(mut x: u64) -> u64 {
    x ^= x >> 33;
    x = x.wrapping_mul(0xff51_afd7_ed55_8ccd);
    x ^= x >> 33;
    x = x.wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    x ^ x >> 33
}

/// Which process of these, by number and with its weight, is to lead each of these keys. Nobody, where nobody has weight.
pub(crate) fn assign(keys: &[usize], processes: &BTreeMap<usize, u32>) -> BTreeMap<usize, usize> {
    let weights: u64 = processes.values().map(|weight| u64::from(*weight)).sum();
    // Step 2.
    let mut draws = Vec::new();
    for (process, weight) in processes {
        let id = hash(&format!("p{process}"));
        for key in keys {
            let hash = hash(&format!("k{key}"));
            let copies = (0..u64::from(*weight)).map(|copy| mix(hash ^ mix(id.wrapping_add(copy))));
            draws.extend(copies.max().map(|draw| (Reverse(draw), id, hash, *key, *process)));
        }
    }
    draws.sort_unstable();
    // Step 3.
    let room = |weight: u32| (keys.len() as u64 * u64::from(weight) * 11).div_ceil((weights * 10).max(1));
    let mut room: BTreeMap<_, _> = processes.iter().map(|(process, weight)| (*process, room(*weight))).collect();
    // Step 4.
    let mut taken = BTreeMap::new();
    for (_, _, _, key, process) in draws {
        if let Some(room) = room.get_mut(&process).filter(|room| **room > 0 && !taken.contains_key(&key)) {
            *room -= 1;
            taken.insert(key, process);
        }
    }
    taken
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The guide's own examples.
    #[test]
    fn it_is_as_the_guide_says() {
        assert_eq!(hash("shard/7"), 0x4ca5_9c21_ab8e_1fe9);
        assert_eq!(assign(&[0, 1, 2], &BTreeMap::new()), BTreeMap::new());
        assert_eq!(assign(&[0, 1, 2], &BTreeMap::from([(4, 0)])), BTreeMap::new());
        let alone = assign(&[0, 1, 2], &BTreeMap::from([(4, 2), (5, 0)]));
        assert!(alone.len() == 3 && alone.values().all(|process| *process == 4));
    }
}
