//! Which Durable Object holds a key.

use std::num::NonZeroU32;

use lessor::Key;

/// How keys are spread over objects. Fixed from the first request on: another layout finds other, empty objects, and
/// with them a second leader.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Layout {
    /// An object for each key: it is made near whoever asks first, and no key waits for another.
    #[default]
    PerKey,
    /// This many objects for all keys: a batch of many keys costs few requests.
    Shards(NonZeroU32),
}

impl Layout {
    /// The name of the object that holds this key.
    ///
    /// ```
    /// use std::num::NonZeroU32;
    /// use lessor::Key;
    /// use lessor_service::Layout;
    ///
    /// let key = Key::new("nightly")?;
    /// assert_eq!(Layout::PerKey.object(&key), "key/nightly");
    /// let four = Layout::Shards(NonZeroU32::new(4).unwrap());
    /// assert_eq!(four.object(&key), "shard/4/2");
    /// # Ok::<(), lessor::InvalidText>(())
    /// ```
    #[must_use]
    pub fn object(self, key: &Key) -> String {
        match self {
            Self::PerKey => format!("key/{key}"),
            Self::Shards(count) => format!("shard/{count}/{}", hash(key.as_str()) % u64::from(count.get())),
        }
    }
}

impl Layout {
    /// As it is recorded, and shown.
    #[must_use]
    pub fn name(self) -> String {
        match self {
            Self::PerKey => "an object for each key".into(),
            Self::Shards(count) => format!("{count} shards"),
        }
    }
}

impl Layout {
    /// What is asked of each object, from what has its name: in order, objects as they occur.
    ///
    /// With an object for each key no name comes twice, if no key does.
    pub fn grouped<T>(self, named: impl IntoIterator<Item = (String, T)>) -> Vec<(String, Vec<T>)> {
        let mut objects: Vec<(String, Vec<T>)> = Vec::new();
        for (name, item) in named {
            let known = match self {
                Self::PerKey => None,
                // Shards are few.
                Self::Shards(_) => objects.iter_mut().find(|(object, _)| *object == name),
            };
            match known {
                Some((_, items)) => items.push(item),
                None => objects.push((name, vec![item])),
            }
        }
        objects
    }
}

impl Layout {
    /// From the variable `LESSOR_SHARDS`: the number of shards, if there are to be shards.
    ///
    /// # Errors
    /// It is no number from 1 on; in words.
    pub fn read(shards: Option<&str>) -> Result<Self, String> {
        let Some(shards) = shards else { return Ok(Self::PerKey) };
        shards
            .parse()
            .map(Self::Shards)
            .map_err(|_| format!("LESSOR_SHARDS is {shards:?}, allowed is a number from 1 on"))
    }
}

/// FNV-1a: what it says must never change.
fn hash(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A key is always found where it was left.
    #[test]
    fn names_do_not_change() {
        let shards = Layout::Shards(NonZeroU32::new(16).unwrap());
        let names = ["a", "nightly", "ключ", "team/one"].map(|key| shards.object(&Key::new(key).unwrap()));
        assert_eq!(names, ["shard/16/12", "shard/16/10", "shard/16/1", "shard/16/3"]);
    }

    #[test]
    fn objects_are_asked_once() {
        let shards = Layout::Shards(NonZeroU32::new(16).unwrap());
        let named = [("b", 0), ("a", 1), ("b", 2), ("c", 3)].map(|(name, place)| (name.to_owned(), place));
        let expected = [("b", vec![0, 2]), ("a", vec![1]), ("c", vec![3])];
        assert_eq!(shards.grouped(named), expected.map(|(name, places)| (name.to_owned(), places)));
        let named = ["b", "a"].map(|name| (name.to_owned(), name));
        let expected = ["b", "a"].map(|name| (name.to_owned(), vec![name]));
        assert_eq!(Layout::PerKey.grouped(named), expected);
    }

    /// No key is named like another's object.
    #[test]
    fn names_do_not_meet() {
        let key = Key::new("shard/16/3").unwrap();
        assert_eq!(Layout::PerKey.object(&key), "key/shard/16/3");
    }
}
