//! How the keys of a storage are named in Redis.

use lessor::Key;
use lessor_kit::encoding::fingerprint;
use lessor_kit::error::AdapterError;
use lessor_kit::name::{checked, fits};

/// The longest prefix, in bytes.
const MAX_PREFIX: usize = 128;

/// How many hash slots a storage's keys are spread over.
pub(crate) const SHARDS: u64 = 16;

/// The prefix of all names.
///
/// Whatever is in a prefix, the first `{` ends it: no two storages share a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Layout(String);

impl Layout {
    pub(crate) fn standard() -> Self {
        Self("lessor".into())
    }

    pub(crate) fn with_prefix(prefix: &str) -> Result<Self, AdapterError> {
        let rule = |prefix: &str| fits(prefix, MAX_PREFIX) && !prefix.contains(['{', '}']);
        let allowed = "1 to 128 bytes of UTF-8 without control characters, '{' and '}'";
        checked("prefix", prefix, rule, allowed).map(Self)
    }

    pub(crate) fn prefix(&self) -> &str {
        &self.0
    }

    /// Where followers are told of grants and releases.
    pub(crate) fn channel(&self) -> &str {
        &self.0
    }

    /// Where a shard keeps what its records are worth.
    pub(crate) fn marker(&self, shard: u64) -> String {
        format!("{}:{{{shard}}}", self.0)
    }

    pub(crate) fn record(&self, key: &Key) -> String {
        format!("{}:{{{}}}:{key}", self.0, shard(key))
    }

    /// The key of a record.
    pub(crate) fn key(&self, record: &str) -> Option<Key> {
        let (_, key) = record.strip_prefix(&self.0)?.strip_prefix(":{")?.split_once("}:")?;
        Key::new(key).ok().filter(|key| self.record(key) == record)
    }

    /// A pattern that the records of all keys with this beginning match, and few other names.
    pub(crate) fn pattern(&self, beginning: &str) -> String {
        format!("{}:{{*}}:{}*", literal(&self.0), literal(beginning))
    }
}

/// Which shard has the key.
pub(crate) fn shard(key: &Key) -> u64 {
    fingerprint(key.as_str().as_bytes()) % SHARDS
}

/// A pattern that only this text matches.
fn literal(text: &str) -> String {
    let mut pattern = String::with_capacity(text.len());
    for letter in text.chars() {
        if matches!(letter, '*' | '?' | '[' | ']' | '\\') {
            pattern.push('\\');
        }
        pattern.push(letter);
    }
    pattern
}

#[cfg(test)]
mod tests {
    use super::*;

    /// R15: a prefix that breaks a limit is refused, with what is allowed.
    #[test]
    fn prefixes() {
        for prefix in ["a", "app:leases", "schéma \"'*?[", &"p".repeat(128)] {
            assert_eq!(Layout::with_prefix(prefix).unwrap().prefix(), prefix);
        }
        for prefix in ["", "a\0b", "a\nb", "a{b", "a}b", &"p".repeat(129), &"é".repeat(65)] {
            let error = Layout::with_prefix(prefix).unwrap_err();
            assert!(matches!(error, AdapterError::InvalidSetting { field: "prefix", .. }), "{prefix:?}");
            assert!(error.to_string().contains("1 to 128 bytes"), "{error}");
        }
    }

    /// It may never change: a key that moved to another name would be granted beside its own live lease.
    #[test]
    fn names() {
        let layout = Layout::standard();
        for (key, record) in [
            ("a", "lessor:{12}:a"),
            ("foobar", "lessor:{8}:foobar"),
            ("nightly-report", "lessor:{11}:nightly-report"),
            ("}:{", "lessor:{7}:}:{"),
        ] {
            let key = Key::new(key).unwrap();
            assert_eq!(layout.record(&key), record);
            assert_eq!(layout.key(record), Some(key));
        }
        assert_eq!(layout.marker(12), "lessor:{12}");
        for other in
            ["lessor", "lessor:{1}", "lessor:{1}:", "other:{12}:a", "lessor2:{12}:a", "lessor:{11}:a", "lessor:{x}:a"]
        {
            assert_eq!(layout.key(other), None, "{other}");
        }
    }

    #[test]
    fn patterns_take_texts_as_they_are() {
        assert_eq!(Layout::standard().pattern(""), "lessor:{*}:*");
        let layout = Layout::with_prefix("a*b").unwrap();
        assert_eq!(layout.pattern(r"[x]?\{é"), r"a\*b:{*}:\[x\]\?\\{é*");
    }
}
