//! Which write of an object is meant.

use object_store::UpdateVersion;

/// The tag of an object, and its version where the store counts those.
#[derive(Clone, Debug)]
pub(crate) struct Revision(UpdateVersion);

impl Revision {
    pub(crate) fn new(e_tag: Option<String>, version: Option<String>) -> Self {
        Self(UpdateVersion { e_tag, version })
    }

    /// For a write on condition that it is still this one.
    pub(crate) fn update(&self) -> UpdateVersion {
        self.0.clone()
    }
}

/// By the tag where there is one: some stores name a version in one answer and not in another.
///
/// A tag may be a hash of the content. That is enough, since no two records of a key are equal.
impl PartialEq for Revision {
    fn eq(&self, other: &Self) -> bool {
        match (&self.0.e_tag, &other.0.e_tag) {
            (None, None) => self.0.version == other.0.version,
            (one, another) => one == another,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tag_decides() {
        let of = |tag: Option<&str>, version: Option<&str>| Revision::new(tag.map(Into::into), version.map(Into::into));
        assert_eq!(of(Some("a"), None), of(Some("a"), Some("1")));
        assert_ne!(of(Some("a"), Some("1")), of(Some("b"), Some("1")));
        assert_eq!(of(None, Some("1")), of(None, Some("1")));
        assert_ne!(of(None, Some("1")), of(None, Some("2")));
        assert_ne!(of(None, Some("1")), of(Some("a"), Some("1")));
    }
}
