//! How a key is called in the store. Workers call it alike (`wasm/src/object_name.rs`, and a test of both on one bucket).

use lessor::Key;
use lessor_kit::error::AdapterError;
use object_store::path::Path;

/// Where the objects are, and how they are called.
#[derive(Clone, Debug)]
pub(crate) struct Names {
    folder: Path,
}

/// What is no digit of two, and so never stands in the name of a key.
const PROBE: &str = "=probe";

/// The longest part of a name. Stores that keep objects as files take 255 bytes for each.
const LONGEST: usize = 200;

/// How a part ends that another follows: a part that is the last one never does, so none is a file to one and a folder to another.
const GOES_ON: char = '=';

impl Names {
    /// Under this folder.
    pub(crate) fn under(prefix: &str) -> Result<Self, AdapterError> {
        let allowed = "1 to 128 bytes: folders of letters, digits, `.`, `_` and `-`, with `/` between them";
        let invalid = || AdapterError::invalid("prefix", prefix, allowed);
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        let is_folder = |part: &str| !part.is_empty() && part.bytes().all(plain);
        if prefix.len() > 128 || !prefix.split('/').all(is_folder) {
            return Err(invalid());
        }
        Path::parse(prefix).map(|folder| Self { folder }).map_err(|_| invalid())
    }

    /// Under `lessor`.
    pub(crate) fn standard() -> Self {
        Self { folder: Path::from("lessor") }
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Each byte by itself, so that two keys never meet, in a store that folds nothing.
    pub(crate) fn of(&self, key: &Key) -> Path {
        let mut path = self.folder.clone();
        let mut part = String::with_capacity(key.as_str().len());
        for byte in key.as_str().bytes() {
            if part.len() > LONGEST - 3 {
                part.push(GOES_ON);
                path = path.join(std::mem::take(&mut part));
            }
            if is_plain(byte) {
                part.push(byte.into());
            } else {
                part.push_str(&format!("={byte:02X}"));
            }
        }
        path.join(part)
    }

    /// An object that is no key's.
    pub(crate) fn probe(&self) -> Path {
        self.folder.clone().join(PROBE)
    }

    /// The key of an object. `None`: it is no key's.
    pub(crate) fn key(&self, path: &Path) -> Option<Key> {
        let parts = path.as_ref().strip_prefix(self.folder.as_ref())?.strip_prefix('/')?;
        let name = parts.replace("=/", "");
        let mut bytes = Vec::with_capacity(name.len());
        let mut rest = name.bytes();
        while let Some(byte) = rest.next() {
            bytes.push(match byte {
                b'=' => digit(rest.next()?)? * 16 + digit(rest.next()?)?,
                plain if is_plain(plain) => plain,
                _ => return None,
            });
        }
        let key = Key::new(String::from_utf8(bytes).ok()?).ok()?;
        // Other digits for the same: it was made by another.
        (self.of(&key) == *path).then_some(key)
    }
}

/// What stands for itself. No dot: `..` is no name. No slash: an empty folder is none.
const fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')
}

fn digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_key_has_a_name_of_its_own() {
        let names = Names::under("lessor/v1").unwrap();
        for (key, name) in [
            ("nightly-report", "nightly-report"),
            ("jobs/nightly", "jobs=2Fnightly"),
            ("a=2Fb", "a=3D2Fb"),
            ("..", "=2E=2E"),
            ("//", "=2F=2F"),
            ("Ä b", "=C3=84=20b"),
        ] {
            let key = Key::new(key).unwrap();
            let path = names.of(&key);
            assert_eq!(path.as_ref(), format!("lessor/v1/{name}"));
            assert_eq!(names.key(&path), Some(key));
        }
    }

    /// Stores that keep objects as files have a limit for each part, and no file that is a folder, too.
    #[test]
    fn long_keys_have_parts() {
        let names = Names::under("lessor").unwrap();
        let lengths =
            (1..=256).map(|length| "x".repeat(length)).chain((1..=64).map(|length| "\u{1F980}".repeat(length)));
        let paths: Vec<_> = lengths
            .map(|key| {
                let key = Key::new(key).unwrap();
                let path = names.of(&key);
                assert_eq!(names.key(&path), Some(key));
                path.to_string()
            })
            .collect();
        for path in &paths {
            assert!(path.len() < 900 && path.split('/').all(|part| part.len() <= LONGEST), "{path}");
            let within = format!("{path}/");
            assert!(!paths.iter().any(|other| other.starts_with(&within)), "{path}");
        }
        assert!(paths.iter().any(|path| path.split('/').count() > 4));
    }

    #[test]
    fn what_is_no_key_is_left_out() {
        let names = Names::under("lessor").unwrap();
        assert_eq!(names.key(&names.probe()), None);
        for name in ["=2f", "=2", "=", "=GG", "a.b", "=FF", "=0A", "=61", "readme.md", "a=/b", "a/b"] {
            assert_eq!(names.key(&Path::from(format!("lessor/{name}"))), None, "{name}");
        }
    }

    #[test]
    fn a_prefix_is_a_folder() {
        for prefix in ["", "/", "a//b", "a/", "/a", "..", "a/../b", "a b", "ä", "a*", &"a".repeat(129)] {
            let error = Names::under(prefix).map(drop);
            assert!(matches!(error, Err(AdapterError::InvalidSetting { field: "prefix", .. })), "{prefix}");
        }
    }
}
