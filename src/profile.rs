//! What candidates of a process have in common.

use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::config::Config;
use crate::text::Id;

/// What does not change in a candidate's or an observer's life, but for its key. One for all of a group that have the same:
/// mostly that is all of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Profile {
    /// `None`: an observer.
    pub(crate) id: Option<Id>,
    pub(crate) config: Arc<Config>,
}

impl Profile {
    pub(crate) const fn new(id: Option<Id>, config: Arc<Config>) -> Self {
        Self { id, config }
    }
}

/// The profiles of the newest candidates, each once.
#[derive(Debug, Default)]
pub(crate) struct Profiles(Vec<Arc<Profile>>);

impl Profiles {
    /// So many are remembered, to be shared.
    const KEPT: usize = 8;

    /// The one that is known, if these are the same; else this one from now on. Equal configurations are one, whatever the id.
    pub(crate) fn intern(&mut self, mut profile: Profile) -> Arc<Profile> {
        if let Some(known) = self.0.iter().find(|known| ***known == profile) {
            return known.clone();
        }
        if let Some(known) = self.0.iter().find(|known| known.config == profile.config) {
            profile.config = known.config.clone();
        }
        if self.0.len() >= Self::KEPT {
            self.0.remove(0);
        }
        let profile = Arc::new(profile);
        self.0.push(profile.clone());
        profile
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::time::Duration;

    fn profile(id: u32, ttl: u64) -> Profile {
        let id = Id::new(alloc::format!("{id}")).unwrap();
        Profile::new(Some(id), Arc::new(Config::with_ttl(Duration::from_secs(ttl))))
    }

    #[test]
    fn what_is_the_same_is_one() {
        let mut profiles = Profiles::default();
        let first = profiles.intern(profile(1, 10));
        assert!(Arc::ptr_eq(&first, &profiles.intern(profile(1, 10))));
        let other = profiles.intern(profile(2, 10));
        assert_ne!(first, other);
        assert!(Arc::ptr_eq(&first.config, &other.config));
        assert!(!Arc::ptr_eq(&first.config, &profiles.intern(profile(1, 20)).config));
        for id in 0..100 {
            assert_eq!(*profiles.intern(profile(id, 30)), profile(id, 30));
        }
        assert_eq!(profiles.0.len(), Profiles::KEPT);
    }
}
