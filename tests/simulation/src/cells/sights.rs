//! What a handle has been told of each register, and when: what it may go by, and what it has to know.

use std::collections::BTreeMap;

use super::{CellAsk, CellTold, CellWhat, Revision};
use crate::clock::Nanos;
use crate::reached::Situation;
use crate::sim::World;

/// Of one handle.
#[derive(Debug, Default)]
pub(crate) struct Sights {
    /// By how much two readings of its clock may seem to be one.
    grain: Nanos,
    rows: BTreeMap<usize, Sight>,
}

/// Of one register.
#[derive(Debug, Default)]
pub(crate) struct Sight {
    /// When it first heard of each write, by the clock of its process.
    first: BTreeMap<usize, Nanos>,
    /// The newest write of its own that it was told of.
    own: usize,
    /// The write that it was told of last. `None`: none, or the last answer said that this is over.
    pub(crate) last: Option<usize>,
    /// When it was told that, by the same clock.
    pub(crate) told_at: Nanos,
}

impl Sights {
    pub(super) fn new(grain: Nanos) -> Self {
        Self { grain, ..Self::default() }
    }

    pub(super) fn own(&self, row: usize) -> usize {
        self.rows.get(&row).map_or(0, |sight| sight.own)
    }

    pub(crate) fn get(&self, row: usize) -> Option<&Sight> {
        self.rows.get(&row)
    }

    /// When it first heard of this write, by its clock.
    pub(crate) fn first(&self, row: usize, count: usize) -> Option<Nanos> {
        self.rows.get(&row)?.first.get(&count).copied()
    }

    fn hear(&mut self, row: usize, revision: &Revision, clock: Nanos) -> &mut Sight {
        let sight = self.rows.entry(row).or_default();
        sight.first.entry(revision.count).or_insert(clock);
        sight
    }

    /// An answer came to what was asked at this time, by its clock.
    fn tell(&mut self, row: usize, revision: &Revision, is_own: bool, asked: Nanos, clock: Nanos) {
        let grain = self.grain;
        let sight = self.hear(row, revision, clock);
        // What was asked before a newer write was heard of may be older than that.
        let newer = sight.last.filter(|last| *last > revision.count);
        let heard_at = newer.and_then(|newer| sight.first.get(&newer)).copied();
        if is_own {
            sight.own = sight.own.max(revision.count);
        }
        match heard_at {
            Some(at) if is_own || asked + grain < at => {}
            // By its clock nobody can say which was first.
            Some(at) if asked < at => sight.last = None,
            _ => (sight.last, sight.told_at) = (Some(revision.count), clock),
        }
    }

    fn forget(&mut self, row: usize) {
        if let Some(sight) = self.rows.get_mut(&row) {
            sight.last = None;
        }
    }
}

impl World {
    /// A handle takes in an answer.
    pub(super) fn tell_handle(&mut self, process: usize, ask: &CellAsk, told: &CellTold) {
        let clock = self.processes[process].clock.at(self.now);
        let sights = &mut self.cells.sights[ask.handle];
        match (&ask.what, told) {
            (CellWhat::Read(row), CellTold::Read(Some(stored))) => {
                sights.tell(*row, &stored.revision, false, ask.clock, clock);
            }
            (CellWhat::Swap(row, _), CellTold::Swapped(Some(revision))) => {
                sights.tell(*row, revision, true, ask.clock, clock);
            }
            (CellWhat::Read(row), _) | (CellWhat::Swap(row, _), _) => sights.forget(*row),
            (_, CellTold::Listed(all)) => {
                for (key, stored) in all {
                    let row = self.plan.row_of(key);
                    self.cells.sights[ask.handle].tell(row, &stored.revision, false, ask.clock, clock);
                }
            }
            _ => {}
        }
    }

    /// A handle takes in what a watch says.
    pub(super) fn tell_watcher(&mut self, process: usize, handle: usize, row: usize, revision: Option<&Revision>) {
        let clock = self.processes[process].clock.at(self.now);
        let sights = &mut self.cells.sights[handle];
        let last = sights.get(row).and_then(|sight| sight.last);
        match revision {
            // What is told on another way may come late: it is heard of, and is no news.
            Some(revision) if last > Some(revision.count) => {
                sights.hear(row, revision, clock);
                self.reach(Situation::ItemOvertaken);
            }
            Some(revision) => sights.tell(row, revision, false, clock, clock),
            None => sights.forget(row),
        }
    }
}
