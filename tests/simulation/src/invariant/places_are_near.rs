//! R14, R21: a process looks for a place among those that others may hold, and no further: nobody asks for a thousand of them.

use crate::sim::World;

const RULE: &str = "places are near";

impl World {
    /// Somebody asks for this record. Whether there may be one.
    pub(crate) fn check_place_is_near(&mut self, row: usize) -> bool {
        let is_near = row < self.plan.all_rows();
        if !is_near {
            let key = self.plan.name_of(row);
            self.fail(RULE, format!("somebody asks for {key}, and there are {} processes", self.processes.len()));
        }
        is_near
    }
}
