//! Keys, ids and values: texts that keep to limits.

use alloc::string::String;
use alloc::sync::Arc;
use core::borrow::Borrow;
use core::fmt;
use core::str::FromStr;

use crate::debug::debug_as_displayed;

/// A key, an id or a value that does not keep to its limits.
///
/// The message names the field, what was given and what is allowed.
#[derive(Clone, PartialEq, Eq)]
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

debug_as_displayed!(InvalidText);

pub(crate) fn checked(field: &'static str, text: &str, min: usize, max: usize) -> Result<Arc<str>, InvalidText> {
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

        /// So that maps by this type can be asked with a text.
        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl PartialEq<str> for $name {
            fn eq(&self, text: &str) -> bool {
                *self.0 == *text
            }
        }

        impl PartialEq<&str> for $name {
            fn eq(&self, text: &&str) -> bool {
                *self.0 == **text
            }
        }

        /// For [`Builder`](crate::Builder), which takes texts.
        impl From<$name> for String {
            fn from(text: $name) -> Self {
                Self::from(&*text.0)
            }
        }

        impl FromStr for $name {
            type Err = InvalidText;

            fn from_str(text: &str) -> Result<Self, InvalidText> {
                Self::new(text)
            }
        }

        impl TryFrom<&str> for $name {
            type Error = InvalidText;

            fn try_from(text: &str) -> Result<Self, InvalidText> {
                Self::new(text)
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidText;

            fn try_from(text: String) -> Result<Self, InvalidText> {
                Self::new(text)
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
    /// assert_eq!("nightly-report".parse::<Key>()?, Key::try_from("nightly-report".to_owned())?);
    /// # Ok::<(), lessor::InvalidText>(())
    /// ```
    Key, "key", 1, 256
}

text! {
    /// What people call a candidate: a host name, say.
    ///
    /// It is a label for people and dashboards, no proof of anything: two candidates with the same id
    /// are still two candidates, told apart by their [`Session`](crate::storage::Session)s.
    ///
    /// 1 to 128 bytes of UTF-8 without control characters.
    ///
    /// ```
    /// use lessor::Id;
    /// assert_eq!(Id::new("node-a")?.to_string(), "node-a");
    /// # Ok::<(), lessor::InvalidText>(())
    /// ```
    Id, "id", 1, 128
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

#[cfg(feature = "metrics")]
impl Key {
    /// The text itself, for a metric's label: shared, as there is one for each metric and key.
    pub(crate) fn share(&self) -> Arc<str> {
        self.0.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    /// R15: a text that breaks a limit is refused by name, with what was given and what is allowed.
    #[test]
    fn texts_keep_to_their_limits() {
        let long = "k".repeat(257);
        let error = Key::new(&long).unwrap_err();
        assert_eq!((error.field, error.length, error.allowed), ("key", 257, (1, 256)));
        assert!(error.to_string().contains("257 bytes") && error.to_string().contains("1 to 256 bytes"));
        assert!(Key::new("k".repeat(256)).is_ok());
        assert_eq!(Key::new("").unwrap_err().length, 0);
        assert_eq!(Id::new("a\nb").unwrap_err().field, "id");
        assert!(Id::new("i".repeat(128)).is_ok() && Id::new("i".repeat(129)).is_err());
        assert!(
            Value::new("").is_ok() && Value::new("v".repeat(4096)).is_ok() && Value::new("v".repeat(4097)).is_err()
        );
        assert!(Key::new("ключ/キー").is_ok());
    }

    #[test]
    fn a_long_text_is_shortened_in_the_error() {
        assert_eq!(Key::new("é".repeat(1000)).unwrap_err().given, "é".repeat(32));
    }
}
