use alloc::format;
use alloc::string::{String, ToString};

use super::error::InvalidSetting;
use crate::lease::Key;

/// The longest prefix, in bytes.
const MAX_PREFIX: usize = 128;

/// How many hash slots a storage's keys are spread over.
pub(super) const SHARDS: u64 = 16;

/// How the keys of a storage are named in Redis.
///
/// Whatever is in a prefix, the first `{` ends it: no two storages share a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Layout(String);

impl Layout {
    pub(super) fn standard() -> Self {
        Self("lessor".into())
    }

    pub(super) fn with_prefix(prefix: &str) -> Result<Self, InvalidSetting> {
        let allowed = |letter: char| !letter.is_control() && letter != '{' && letter != '}';
        if (1..=MAX_PREFIX).contains(&prefix.len()) && prefix.chars().all(allowed) {
            return Ok(Self(prefix.to_string()));
        }
        Err(InvalidSetting {
            field: "prefix",
            given: format!("{:?}", prefix.chars().take(80).collect::<String>()),
            allowed: "1 to 128 bytes of UTF-8 without control characters, '{' and '}'",
        })
    }

    pub(super) fn prefix(&self) -> &str {
        &self.0
    }

    /// Where followers are told of grants and releases.
    pub(super) fn channel(&self) -> &str {
        &self.0
    }

    /// Where it is kept what the shard's records are worth.
    pub(super) fn marker(&self, shard: u64) -> String {
        format!("{}:{{{shard}}}", self.0)
    }

    pub(super) fn record(&self, key: &Key) -> String {
        format!("{}:{{{}}}:{key}", self.0, shard(key))
    }

    /// The key of a record.
    pub(super) fn key(&self, record: &str) -> Option<Key> {
        let (_, key) = record.strip_prefix(&self.0)?.strip_prefix(":{")?.split_once("}:")?;
        Key::new(key).ok()
    }
}

/// Which of the slots has the key.
pub(super) fn shard(key: &Key) -> u64 {
    fingerprint(key.as_str().as_bytes()) % SHARDS
}

/// FNV-1a: the same in every build and version, or records would not be found again.
fn fingerprint(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
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
            assert_eq!(error.field, "prefix", "{prefix:?}");
            assert!(error.to_string().contains("1 to 128 bytes"), "{error}");
        }
    }

    /// Fixed for ever: a key that moved to another name would be granted beside its own live lease.
    #[test]
    fn names() {
        assert_eq!(fingerprint(b""), 0xcbf2_9ce4_8422_2325, "as published");
        assert_eq!(fingerprint(b"a"), 0xaf63_dc4c_8601_ec8c, "as published");
        assert_eq!(fingerprint(b"foobar"), 0x8594_4171_f739_67e8, "as published");
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
        for other in ["lessor", "lessor:{1}", "lessor:{1}:", "other:{1}:a", "lessor2:{1}:a"] {
            assert_eq!(layout.key(other), None, "{other}");
        }
    }
}
