//! An operator who walks through all leases, from page to page, sees each key once, in order, and misses none.

use crate::sim::World;

const RULE: &str = "lists are whole";

impl World {
    /// An operator was shown something else.
    pub(crate) fn fail_listing(&mut self, why: String) {
        self.fail(RULE, why);
    }
}
