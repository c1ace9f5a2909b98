//! What the object of a key is called in a bucket: as the crate `lessor-objects` calls it, so that processes and Workers share leases.

use core::fmt::Write as _;

use lessor::Key;

/// Where the objects are, and how they are called.
#[derive(Clone, Debug)]
pub(crate) struct Names {
    folder: String,
}

/// What is no digit of two, and so never stands in the name of a key.
const PROBE: &str = "=probe";

/// The longest part of a name. Stores that keep objects as files take 255 bytes for each.
const LONGEST: usize = 200;

/// How a part ends that another follows.
const GOES_ON: &str = "=/";

impl Names {
    /// Under `lessor`.
    pub(crate) fn standard() -> Self {
        Self { folder: "lessor/".to_owned() }
    }

    /// Under this folder. `None`: it is none.
    pub(crate) fn under(prefix: &str) -> Option<Self> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        let is_folder = |part: &str| !matches!(part, "" | "." | "..") && part.bytes().all(plain);
        let allowed = prefix.len() <= 128 && prefix.split('/').all(is_folder);
        allowed.then(|| Self { folder: format!("{prefix}/") })
    }

    /// What all names begin with.
    pub(crate) fn folder(&self) -> &str {
        &self.folder
    }

    /// What a key is called, or how the names of all keys begin that begin with this. It may never change: a key under another
    /// name would be granted beside its own live lease.
    ///
    /// Each byte by itself: letters, digits, `_` and `-` as they are, others as `=` and two hexadecimal digits.
    pub(crate) fn of(&self, key: &str) -> String {
        let mut name = String::with_capacity(self.folder.len() + 3 * key.len());
        name.push_str(&self.folder);
        let mut begin = name.len();
        for byte in key.bytes() {
            if name.len() - begin > LONGEST - 3 {
                name.push_str(GOES_ON);
                begin = name.len();
            }
            if is_plain(byte) {
                name.push(byte.into());
            } else {
                // A string takes all that is written to it.
                let _ = write!(name, "={byte:02X}");
            }
        }
        name
    }

    /// An object that is no key's.
    pub(crate) fn probe(&self) -> String {
        format!("{}{PROBE}", self.folder)
    }

    /// The key of an object. `None`: it is no key's.
    pub(crate) fn key(&self, name: &str) -> Option<Key> {
        let parts = name.strip_prefix(&self.folder)?.replace(GOES_ON, "");
        let mut pieces = parts.split('=');
        let mut bytes = pieces.next()?.as_bytes().to_vec();
        for piece in pieces {
            let (digits, plain) = piece.split_at_checked(2)?;
            bytes.push(u8::from_str_radix(digits, 16).ok()?);
            bytes.extend(plain.bytes());
        }
        let key = Key::new(String::from_utf8(bytes).ok()?).ok()?;
        // Otherwise written: it was made by another.
        (self.of(key.as_str()) == name).then_some(key)
    }
}

/// What stands for itself.
const fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')
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
            ("Ä b", "=C3=84=20b"),
        ] {
            assert_eq!(names.of(key), format!("lessor/v1/{name}"));
            assert_eq!(names.key(&names.of(key)), Some(Key::new(key).unwrap()));
        }
    }

    #[test]
    fn long_keys_have_parts() {
        let names = Names::standard();
        let lengths =
            (1..=256).map(|length| "x".repeat(length)).chain((1..=64).map(|length| "\u{1F980}".repeat(length)));
        let all: Vec<_> = lengths
            .map(|key| {
                let name = names.of(&key);
                assert_eq!(names.key(&name), Some(Key::new(key).unwrap()));
                assert!(name.split('/').all(|part| part.len() <= LONGEST), "{name}");
                name
            })
            .collect();
        assert!(!all.iter().any(|name| all.iter().any(|other| other.starts_with(&format!("{name}/")))));
        assert!(all.iter().any(|name| name.split('/').count() > 4));
    }

    /// A list asks for no more than it has to.
    #[test]
    fn the_beginning_of_a_key_is_the_beginning_of_its_name() {
        let names = Names::standard();
        let key = "\u{1F980}/x".repeat(40);
        let name = names.of(&key);
        for (at, _) in key.char_indices() {
            assert!(name.starts_with(&names.of(&key[..at])), "{at}");
        }
    }

    #[test]
    fn what_is_no_key_is_left_out() {
        let names = Names::standard();
        assert_eq!(names.key(&names.probe()), None);
        let others = ["", "=2f", "=2", "=", "=GG", "=+A", "a.b", "=FF", "=0A", "=61", "readme.md", "a=/b", "a/b", "=é"];
        for name in others {
            assert_eq!(names.key(&format!("lessor/{name}")), None, "{name}");
        }
        assert_eq!(names.key("elsewhere/a"), None);
    }

    #[test]
    fn a_prefix_is_a_folder() {
        for prefix in ["", "/", "a//b", "a/", "/a", ".", "..", "a/../b", "a b", "ä", "a*", &"a".repeat(129)] {
            assert!(Names::under(prefix).is_none(), "{prefix}");
        }
        assert_eq!(Names::under("lessor").unwrap().folder(), Names::standard().folder());
    }
}
