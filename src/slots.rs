//! The slots of a key that several candidates may lead at once.

use alloc::format;
use alloc::sync::Arc;
use core::fmt;

use crate::debug::debug_as_displayed;
use crate::text::{InvalidText, Key};

/// So many places, each with a key of its own.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Slots {
    prefix: Arc<str>,
    count: u16,
    /// Where a candidate begins. `None`: anywhere, so that candidates spread.
    first: Option<u16>,
}

/// One of them.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Slot {
    pub(crate) number: u16,
    pub(crate) key: Key,
}

impl Slots {
    /// The most that a key may have. A candidate that finds none free has asked for each.
    const MAX: u16 = 1000;

    /// The slots of this key: `<key>/slot/0` and so on.
    pub(crate) fn of(key: &Key, count: u16) -> Result<Self, InvalidSlots> {
        if !(1..=Self::MAX).contains(&count) {
            return Err(InvalidSlots::OutOfRange { given: count, min: 1, max: Self::MAX });
        }
        Self::checked(Self { prefix: Arc::from(format!("{key}/slot/")), count, first: None })
    }

    /// Places of that many keys, `<prefix>0` and so on. Candidates begin with the first one.
    pub(crate) fn in_order(prefix: &str, count: u16) -> Result<Self, InvalidSlots> {
        if count == 0 {
            return Err(InvalidSlots::OutOfRange { given: count, min: 1, max: u16::MAX });
        }
        Self::checked(Self { prefix: Arc::from(prefix), count, first: Some(0) })
    }

    /// Where the longest of the keys is one, all are.
    fn checked(self) -> Result<Self, InvalidSlots> {
        self.key(self.count - 1).map_err(InvalidSlots::Key)?;
        Ok(self)
    }

    pub(crate) const fn count(&self) -> u16 {
        self.count
    }

    pub(crate) const fn first(&self) -> Option<u16> {
        self.first
    }

    pub(crate) fn key(&self, number: u16) -> Result<Key, InvalidText> {
        Key::new(format!("{}{number}", self.prefix))
    }

    /// The keys of all of them.
    pub(crate) fn keys(&self) -> impl Iterator<Item = Key> {
        (0..self.count).filter_map(|number| self.key(number).ok())
    }

    /// Which of them has this key.
    pub(crate) fn number(&self, key: &Key) -> Option<u16> {
        let number = key.as_str().strip_prefix(&*self.prefix)?.parse().ok()?;
        // Written as it is here, without a sign or zeros.
        (number < self.count && self.key(number).is_ok_and(|own| own == *key)).then_some(number)
    }
}

/// Slots that a key cannot have.
///
/// ```
/// use lessor::{Builder, MemoryStorage};
///
/// let error = Builder::new("k").slots(0).build(MemoryStorage::new()).unwrap_err();
/// assert_eq!(error.to_string(), "slots is 0, allowed is 1 to 1000");
/// ```
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum InvalidSlots {
    /// There are too many of them, or none.
    #[non_exhaustive]
    OutOfRange {
        /// How many were asked for.
        given: u16,
        /// The fewest allowed.
        min: u16,
        /// The most allowed.
        max: u16,
    },
    /// The key leaves no room for those of its slots.
    Key(InvalidText),
}

impl fmt::Display for InvalidSlots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OutOfRange { given, min, max } => write!(f, "slots is {given}, allowed is {min} to {max}"),
            Self::Key(error) => write!(f, "the longest key of a slot: {error}"),
        }
    }
}

impl core::error::Error for InvalidSlots {}

debug_as_displayed!(InvalidSlots);

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn each_slot_has_a_key() {
        let slots = Slots::of(&Key::new("k").unwrap(), 12).unwrap();
        let keys: alloc::vec::Vec<_> = slots.keys().collect();
        assert_eq!((keys.len(), keys[0].as_str(), keys[11].as_str()), (12, "k/slot/0", "k/slot/11"));
        for (number, key) in keys.iter().enumerate() {
            assert_eq!(slots.number(key), Some(number as u16));
        }
        for other in ["k", "k/slot/", "k/slot/12", "k/slot/01", "k/slot/+1", "j/slot/1", "k/slot/1/"] {
            assert_eq!(slots.number(&Key::new(other).unwrap()), None, "{other}");
        }
    }

    /// R15: what does not fit is refused with reasons.
    #[test]
    fn slots_are_refused_with_reasons() {
        let key = Key::new("k".repeat(249)).unwrap();
        assert!(Slots::of(&key, 10).is_ok());
        let error = Slots::of(&key, 11).unwrap_err().to_string();
        assert!(error.contains("key") && error.contains("257 bytes"), "{error}");
        assert!(Slots::of(&key, 0).is_err() && Slots::of(&key, 1001).is_err());
        assert!(Slots::of(&Key::new("k").unwrap(), 1000).is_ok());
        assert!(Slots::in_order("g/member/", 0).is_err());
        let places = Slots::in_order("g/member/", 2).unwrap();
        assert_eq!((places.key(1).unwrap().as_str(), places.first()), ("g/member/1", Some(0)));
    }
}
