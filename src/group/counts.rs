//! How many members are how.

use super::GroupStatus;
use super::member::Standing;

/// Kept as it changes, since a group may have too many members to count them.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) candidates: usize,
    /// Wait for the storage.
    pub(super) calling: usize,
    leading: usize,
    ending: usize,
    pub(super) in_jeopardy: usize,
}

impl Counts {
    /// A member is another than before.
    pub(super) fn changed(&mut self, before: Standing, after: Standing) {
        self.count(after, |count| *count += 1);
        self.count(before, |count| *count -= 1);
    }

    fn count(&mut self, Standing { is_calling, holds, is_ending, in_jeopardy }: Standing, change: impl Fn(&mut usize)) {
        let counts = [
            (is_calling, &mut self.calling),
            (holds && !is_ending, &mut self.leading),
            (is_ending, &mut self.ending),
            (in_jeopardy, &mut self.in_jeopardy),
        ];
        counts.into_iter().filter(|(is_so, _)| *is_so).for_each(|(_, count)| change(count));
    }

    pub(super) const fn status(&self) -> GroupStatus {
        let Self { candidates, leading, ending, in_jeopardy, .. } = *self;
        GroupStatus { candidates, leading, ending, in_jeopardy }
    }
}
