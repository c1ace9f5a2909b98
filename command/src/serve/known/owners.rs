//! Who used a key for the first time, and how many keys each has.

use lessor::Key;

use super::Known;

/// What is known of a key before it is claimed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum First {
    /// It was used before; and its newest term, at least.
    Used(u64),
    /// Somebody has to look.
    Unknown,
    /// It was not, when somebody looked or forgot it; and its newest term.
    New(u64),
}

impl Known {
    /// Whether a key was used before.
    pub(crate) fn first(&self, key: &Key) -> First {
        match self.keys.get(key) {
            None => First::Unknown,
            Some(state) if state.forgotten => First::New(state.term),
            // Another server may have used it since somebody looked.
            Some(state) if state.term == 0 && state.owner.is_none() => First::Unknown,
            Some(state) => First::Used(state.term),
        }
    }

    /// Counts a key that is used for the first time. If there are as many already: how many.
    pub(crate) fn own(&mut self, key: &Key, owner: &str, most: u64) -> Result<(), u64> {
        let owned = self.owned.get(owner).copied().unwrap_or(0);
        if owned >= most {
            return Err(owned);
        }
        let Some(state) = self.state(key) else { return Ok(()) };
        state.forgotten = false;
        if state.owner.replace(owner.to_owned()).is_none() {
            *self.owned.entry(owner.to_owned()).or_insert(0) += 1;
        }
        self.settle(key);
        Ok(())
    }

    /// Forgets a key that nobody holds; its term is remembered.
    pub(crate) fn forget(&mut self, key: &Key) {
        let Some(state) = self.state(key) else { return };
        (state.forgotten, state.ends) = (true, None);
        if let Some(owned) = state.owner.take().and_then(|owner| self.owned.get_mut(&owner)) {
            *owned = owned.saturating_sub(1);
        }
        self.changes.forget(key);
        self.settle(key);
    }

    /// Whether a list leaves it out, which has it in this term.
    pub(crate) fn is_forgotten(&self, key: &Key, term: u64) -> bool {
        self.keys.get(key).is_some_and(|state| state.forgotten && state.term >= term)
    }
}
