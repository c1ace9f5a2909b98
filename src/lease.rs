//! The vocabulary: what an election is named, who takes part, and what others may see of a lease.

use alloc::string::{String, ToString};
use alloc::sync::Arc;
use core::fmt;
use core::num::NonZeroU64;
use core::time::Duration;

/// A key, an id or a value that does not keep to its limits.
///
/// The message names the field, what was given and what is allowed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct InvalidText {
    /// Which text: `key`, `id` or `value`.
    pub field: &'static str,
    /// The beginning of what was given.
    pub given: String,
    /// Its length in bytes.
    pub length: usize,
    /// The shortest and the longest length allowed, in bytes.
    pub allowed: (usize, usize),
}

impl fmt::Display for InvalidText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { field, given, length, allowed: (min, max) } = self;
        write!(
            f,
            "{field} {given:?} ({length} bytes) is not allowed: {min} to {max} bytes of UTF-8 without control characters"
        )
    }
}

impl core::error::Error for InvalidText {}

fn checked(field: &'static str, text: &str, min: usize, max: usize) -> Result<Arc<str>, InvalidText> {
    if (min..=max).contains(&text.len()) && !text.chars().any(char::is_control) {
        return Ok(Arc::from(text));
    }
    let given = text.chars().take(32).collect();
    Err(InvalidText { field, given, length: text.len(), allowed: (min, max) })
}

macro_rules! text {
    ($(#[$doc:meta])* $name:ident, $field:literal, $min:literal, $max:literal) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// The longest length allowed, in bytes.
            pub const MAX_LEN: usize = $max;

            /// Takes the text if it keeps to the limits of the type.
            ///
            /// # Errors
            /// [`InvalidText`] names the field, what was given and what is allowed.
            pub fn new(text: impl AsRef<str>) -> Result<Self, InvalidText> {
                checked($field, text.as_ref(), $min, $max).map(Self)
            }

            /// The text itself.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }
    };
}

text! {
    /// Names one election: candidates with the same key on the same storage compete.
    ///
    /// 1 to 256 bytes of UTF-8 without control characters.
    ///
    /// ```
    /// use lessor::Key;
    /// assert_eq!(Key::new("nightly-report")?.as_str(), "nightly-report");
    /// assert!(Key::new("").is_err());
    /// # Ok::<(), lessor::InvalidText>(())
    /// ```
    Key, "key", 1, 256
}

text! {
    /// Who holds a lease: the human-readable id of a candidate.
    ///
    /// It is a label for people and dashboards, no proof of anything: two candidates with the same id
    /// are still two candidates, told apart by their [`Session`]s.
    ///
    /// 1 to 128 bytes of UTF-8 without control characters.
    ///
    /// ```
    /// use lessor::Holder;
    /// assert_eq!(Holder::new("node-a")?.to_string(), "node-a");
    /// # Ok::<(), lessor::InvalidText>(())
    /// ```
    Holder, "id", 1, 128
}

text! {
    /// What a leader publishes with its lease, say the address at which it serves.
    ///
    /// At most 4,096 bytes of UTF-8 without control characters; may be empty.
    ///
    /// ```
    /// use lessor::Value;
    /// assert_eq!(Value::new("10.0.0.7:8080")?.as_str(), "10.0.0.7:8080");
    /// let error = Value::new("two\nlines").unwrap_err();
    /// assert_eq!((error.field, error.length), ("value", 9));
    /// # Ok::<(), lessor::InvalidText>(())
    /// ```
    Value, "value", 0, 4096
}

/// One incarnation of a candidate: 128 unpredictable bits that prove ownership of a lease.
///
/// Only a storage sees it. It never travels in a [`Lease`], and its `Debug` form does not show it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Session(u128);

impl Session {
    /// Makes a session of 128 bits. They have to be unpredictable, and never the same twice: whoever has them holds
    /// the lease.
    #[must_use]
    pub const fn from_bits(bits: u128) -> Self {
        Self(bits)
    }

    /// The bits, for a storage to keep.
    #[must_use]
    pub const fn to_bits(self) -> u128 {
        self.0
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Session(..)")
    }
}

/// The number of a reign, and the fencing token of everything done in it.
///
/// It grows with every grant for a key and outlives release, expiry and restart. Send it along with each write:
/// a resource that remembers the newest term it has seen can refuse the writes of an older one
/// (see [`Fence`](crate::Fence) and Kleppmann, "How to do distributed locking", 2016).
///
/// From 1 to 2^53 - 1, so that JavaScript and JSON carry it exactly.
///
/// ```
/// use lessor::Term;
///
/// let term = Term::new(7).unwrap();
/// assert!(term.next().unwrap() > term && term > Term::FIRST);
/// assert_eq!((term.to_string(), i64::from(term)), ("7".to_owned(), 7));
/// assert_eq!(Term::new(0), None);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Term(NonZeroU64);

impl Term {
    /// The lowest term: the first of a key, unless its storage seeds terms from its clock (as Redis does).
    pub const FIRST: Self = Self(NonZeroU64::MIN);

    /// The last term there is; after it a key is never granted again.
    pub const LAST: Self = match NonZeroU64::new((1 << 53) - 1) {
        Some(last) => Self(last),
        None => Self::FIRST,
    };

    /// The term of this number, if it is from 1 to 2^53 - 1.
    #[must_use]
    pub const fn new(number: u64) -> Option<Self> {
        match NonZeroU64::new(number) {
            Some(number) if number.get() <= Self::LAST.0.get() => Some(Self(number)),
            _ => None,
        }
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0.get()
    }

    /// The term before this one; none before the [first](Self::FIRST).
    pub(crate) const fn before(self) -> Option<Self> {
        Self::new(self.get() - 1)
    }

    /// The term after this one; none after the [last](Self::LAST).
    #[must_use]
    pub const fn next(self) -> Option<Self> {
        Self::new(self.get() + 1)
    }
}

impl From<Term> for u64 {
    fn from(term: Term) -> Self {
        term.get()
    }
}

/// Without loss: terms stay below 2^53. For databases, whose integers are signed.
impl From<Term> for i64 {
    fn from(term: Term) -> Self {
        term.get().cast_signed()
    }
}

impl fmt::Display for Term {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Moves at every grant, renewal and release, so that a follower sees that a leader is alive without comparing clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version(u64);

impl Version {
    /// The version of a record that was just created.
    pub const FIRST: Self = Self(1);

    /// The version of this number.
    #[must_use]
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The version after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What others may see of a key.
///
/// A snapshot: `time_left` was true when the storage answered. It holds no session, so it can be shown to anyone.
///
/// ```
/// use lessor::{Builder, MemoryStorage, Storage};
///
/// # smol::block_on(async {
/// let storage = MemoryStorage::new();
/// let (candidate, driver) = Builder::new("api").id("node-a").value("10.0.0.7:8080").build(storage.clone())?;
/// smol::spawn(driver.run()).detach();
/// let leadership = candidate.elected().await?;
///
/// let lease = storage.get(&lessor::Key::new("api")?).await?.unwrap();
/// assert!(lease.is_live());
/// assert_eq!((lease.holder.unwrap().as_str(), lease.term), ("node-a", leadership.term()));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// Who holds it. `None`: it was released.
    pub holder: Option<Holder>,
    /// The term of the newest grant.
    pub term: Term,
    /// Moves at every grant, renewal and release.
    pub version: Version,
    /// For how long the newest grant or renewal was given.
    pub ttl: Duration,
    /// How much of that was left when the storage answered. Zero: expired or released.
    pub time_left: Duration,
    /// What the holder published.
    pub value: Option<Value>,
}

impl Lease {
    /// Whether somebody held it when the storage answered.
    #[must_use]
    pub fn is_live(&self) -> bool {
        self.holder.is_some() && !self.time_left.is_zero()
    }
}

impl fmt::Display for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let holder = self.holder.as_ref().map_or_else(|| "nobody".to_string(), ToString::to_string);
        write!(f, "{holder}, term {}, {:?} left", self.term, self.time_left)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;

    /// R15: a text that breaks a limit is refused by name, with what was given and what is allowed.
    #[test]
    fn texts_keep_to_their_limits() {
        let long = "k".repeat(257);
        let error = Key::new(&long).unwrap_err();
        assert_eq!((error.field, error.length, error.allowed), ("key", 257, (1, 256)));
        assert!(error.to_string().contains("257 bytes") && error.to_string().contains("1 to 256 bytes"));
        assert!(Key::new("k".repeat(256)).is_ok());
        assert_eq!(Key::new("").unwrap_err().length, 0);
        assert_eq!(Holder::new("a\nb").unwrap_err().field, "id");
        assert!(Holder::new("i".repeat(128)).is_ok() && Holder::new("i".repeat(129)).is_err());
        assert!(
            Value::new("").is_ok() && Value::new("v".repeat(4096)).is_ok() && Value::new("v".repeat(4097)).is_err()
        );
        assert!(Key::new("ключ/キー").is_ok());
    }

    #[test]
    fn a_long_text_is_shortened_in_the_error() {
        assert_eq!(Key::new("é".repeat(1000)).unwrap_err().given, "é".repeat(32));
    }

    /// A session is a secret: nothing prints it.
    #[test]
    fn a_session_is_not_printed() {
        assert_eq!(format!("{:?}", Session::from_bits(42)), "Session(..)");
    }

    /// Terms stay below 2^53.
    #[test]
    fn terms_end() {
        assert_eq!(Term::new(0), None);
        assert_eq!(Term::LAST.get(), 9_007_199_254_740_991);
        assert_eq!(Term::new(Term::LAST.get() + 1), None);
        assert_eq!(Term::LAST.next(), None);
        assert_eq!(Term::FIRST.next().map(Term::get), Some(2));
    }
}
