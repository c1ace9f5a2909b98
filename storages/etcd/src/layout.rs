//! How the keys of a storage are named in etcd.

use lessor::Key;
use lessor::storage::List;
use lessor_kit::error::AdapterError;
use lessor_kit::name::{checked, fits};

/// The longest prefix, in bytes.
const MAX_PREFIX: usize = 128;

/// The prefix of all names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Layout(String);

impl Layout {
    pub(crate) fn standard() -> Self {
        Self("lessor/".into())
    }

    pub(crate) fn with_prefix(prefix: &str) -> Result<Self, AdapterError> {
        let allowed = "1 to 128 bytes of UTF-8 without control characters";
        checked("prefix", prefix, |prefix| fits(prefix, MAX_PREFIX), allowed).map(Self)
    }

    pub(crate) fn prefix(&self) -> &str {
        &self.0
    }

    /// It may never change: a key under another name would be granted beside its own live lease.
    pub(crate) fn name(&self, key: &Key) -> Vec<u8> {
        [self.0.as_bytes(), key.as_str().as_bytes()].concat()
    }

    /// A name under the prefix that is no key's: nothing is ever written there.
    pub(crate) fn trial(&self) -> Vec<u8> {
        [self.0.as_bytes(), b"\n"].concat()
    }

    /// The key of a name. `None`: another program wrote it.
    pub(crate) fn key(&self, name: &[u8]) -> Option<Key> {
        Key::new(str::from_utf8(name.strip_prefix(self.0.as_bytes())?).ok()?).ok()
    }

    /// The names of a list: from the first one on, up to the second one, which is beyond them.
    pub(crate) fn range(&self, list: &List) -> (Vec<u8>, Vec<u8>) {
        let beginning = [self.0.as_bytes(), list.prefix.as_bytes()].concat();
        let end = beyond(&beginning);
        let start = list.start.as_ref().map(|start| self.name(start));
        (start.map_or_else(|| beginning.clone(), |start| start.max(beginning.clone())), end)
    }
}

/// The first name after all that begin like this. UTF-8 has no byte 255.
fn beyond(beginning: &[u8]) -> Vec<u8> {
    let mut end = beginning.to_vec();
    if let Some(last) = end.last_mut() {
        *last = last.saturating_add(1);
    }
    end
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_that_breaks_a_limit_is_refused() {
        for prefix in ["a", "app/leases/", "schéma \"'*?[", &"p".repeat(128)] {
            assert_eq!(Layout::with_prefix(prefix).unwrap().prefix(), prefix);
        }
        for prefix in ["", "a\0b", "a\nb", &"p".repeat(129), &"é".repeat(65)] {
            let error = Layout::with_prefix(prefix).unwrap_err();
            assert!(matches!(error, AdapterError::InvalidSetting { field: "prefix", .. }), "{prefix:?}");
            assert!(error.to_string().contains("1 to 128 bytes"), "{error}");
        }
    }

    #[test]
    fn names() {
        let layout = Layout::standard();
        let key = Key::new("nightly/é").unwrap();
        assert_eq!(layout.name(&key), "lessor/nightly/é".as_bytes());
        assert_eq!(layout.key(&layout.name(&key)), Some(key));
        for other in [&b"lessor/"[..], b"lessor/\xff", b"other/a", b"lessor", &layout.trial()] {
            assert_eq!(layout.key(other), None, "{other:?}");
        }
    }

    #[test]
    fn ranges() {
        let layout = Layout::standard();
        let range = |prefix: &str, start: Option<&str>| {
            let list = List::new().prefix(prefix).start(start.map(|start| Key::new(start).unwrap()));
            let (start, end) = layout.range(&list);
            (String::from_utf8(start).unwrap(), String::from_utf8(end).unwrap())
        };
        assert_eq!(range("", None), ("lessor/".into(), "lessor0".into()));
        assert_eq!(range("a", None), ("lessor/a".into(), "lessor/b".into()));
        assert_eq!(range("a", Some("ab")), ("lessor/ab".into(), "lessor/b".into()));
        assert_eq!(range("b", Some("a")), ("lessor/b".into(), "lessor/c".into()));
    }
}
