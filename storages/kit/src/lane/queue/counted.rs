//! How often ids are compared or hashed: what the maps and sets of a lane cost, without a clock.

use core::cell::Cell;
use core::cmp::Ordering;
use core::hash::{Hash, Hasher};

use super::Id;

thread_local! {
    static LOOKS: Cell<u64> = const { Cell::new(0) };
}

/// By this thread, so far.
pub(in crate::lane) fn looks() -> u64 {
    LOOKS.get()
}

fn count() {
    LOOKS.set(LOOKS.get() + 1);
}

impl PartialEq for Id {
    fn eq(&self, other: &Self) -> bool {
        count();
        self.0 == other.0
    }
}

impl Eq for Id {}

impl PartialOrd for Id {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Id {
    fn cmp(&self, other: &Self) -> Ordering {
        count();
        self.0.cmp(&other.0)
    }
}

impl Hash for Id {
    fn hash<H: Hasher>(&self, state: &mut H) {
        count();
        self.0.hash(state);
    }
}
