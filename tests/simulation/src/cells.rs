//! A store of registers: each is read, or swapped if its revision is still the expected one. It has no clock, and judges
//! nothing: whoever holds a handle does.

use std::collections::BTreeMap;

use lessor::storage::registers::{Stored, Swap};
use lessor::storage::{List, Operation, Record, Request};
use lessor::{Key, StorageError};

use crate::clock::Nanos;
use crate::message::Told;
use crate::plan::{Misuse, Plan};
use crate::random::Random;
use crate::reached::Situation;
use crate::sim::World;
use crate::store::{Granted, failed_in_part};
use crate::trouble::Way;

mod handle;
mod sights;
mod swap;
mod watch;

pub(crate) use handle::Handle;
pub(crate) use sights::Sights;
pub(crate) use swap::{is_mark, may_mark};
pub(crate) use watch::{Item, Watching};

/// What a register's write goes by.
#[derive(Clone, Debug)]
pub(crate) struct Revision {
    name: u64,
    /// How many writes of the register there were with it: what it is, whatever it goes by. For the checks alone.
    pub(crate) count: usize,
}

impl PartialEq for Revision {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

/// Something that is asked of a register.
#[derive(Clone, Debug)]
pub(crate) struct CellAsk {
    pub(crate) what: CellWhat,
    /// For the sake of which request, and whose that is.
    pub(crate) request: Request,
    pub(crate) seat: Option<usize>,
    /// The handle that asks.
    pub(crate) handle: usize,
    /// What the clock of its process said when it was sent.
    pub(crate) clock: Nanos,
}

#[derive(Clone, Debug)]
pub(crate) enum CellWhat {
    Read(usize),
    Swap(usize, Box<Swap<Revision>>),
    List(List),
}

#[derive(Clone, Debug)]
pub(crate) enum CellTold {
    Read(Option<Stored<Revision>>),
    Swapped(Option<Revision>),
    Listed(Vec<(Key, Stored<Revision>)>),
}

/// All registers, and what is known of who uses them.
pub(crate) struct Cells {
    /// Of each record.
    registers: Vec<Register>,
    /// What each handle has been told: for the checks.
    pub(crate) sights: Vec<Sights>,
    pub(crate) watchings: Vec<Watching>,
    /// The request for the sake of which a handle is being used.
    pub(crate) asking: Option<usize>,
    last_name: u64,
    random: Random,
}

#[derive(Clone, Debug, Default)]
struct Register {
    writes: Vec<Write>,
    /// So many of them were deleted, which must not be.
    deleted: usize,
}

#[derive(Clone, Debug)]
struct Write {
    record: Record,
    revision: Revision,
    at: Nanos,
}

impl Write {
    fn stored(&self) -> Stored<Revision> {
        Stored::new(self.record.to_bytes(), self.revision.clone())
    }
}

impl Register {
    fn current(&self) -> Option<&Write> {
        self.writes[self.deleted..].last()
    }

    /// What was there after so many writes.
    fn after(&self, count: usize) -> Option<&Write> {
        self.writes[..count].get(self.deleted..)?.last()
    }
}

impl CellAsk {
    pub(crate) fn operation(&self) -> &'static str {
        match self.what {
            CellWhat::Read(_) => "read",
            CellWhat::Swap(..) => "swap",
            CellWhat::List(_) => "list",
        }
    }

    fn writes(&self) -> bool {
        matches!(self.what, CellWhat::Swap(..))
    }
}

impl CellTold {
    /// Whether this says that something was written.
    pub(crate) fn is_written(&self) -> bool {
        matches!(self, Self::Swapped(Some(_)))
    }
}

impl Cells {
    pub(crate) fn new(plan: &Plan) -> Self {
        Self {
            registers: vec![Register::default(); if plan.registers.is_some() { plan.all_rows() } else { 0 }],
            sights: Vec::new(),
            watchings: Vec::new(),
            asking: None,
            last_name: 0,
            random: Random::stream(plan.seed, "cells", 0),
        }
    }

    /// What is in a register now.
    pub(crate) fn current(&self, row: usize) -> Option<&Record> {
        Some(&self.registers[row].current()?.record)
    }

    /// What was in it with its first so many writes, and when the last of these was made.
    pub(crate) fn written(&self, row: usize, count: usize) -> Option<(&Record, Nanos)> {
        let write = self.registers[row].writes.get(count.checked_sub(1)?)?;
        Some((&write.record, write.at))
    }

    /// How often it was written.
    pub(crate) fn count(&self, row: usize) -> usize {
        self.registers[row].writes.len()
    }

    /// In some runs that must not be, what nobody has written to for a while is gone.
    fn run_out(&mut self, row: usize, now: Nanos, plan: &Plan) {
        let register = &mut self.registers[row];
        let is_old = register.current().is_some_and(|write| write.at + plan.ttl * 3 < now);
        if is_old && plan.misuse == Some(Misuse::RegistersRunOut) {
            register.deleted = register.writes.len();
        }
    }
}

impl World {
    /// Carries out what is asked of registers, each by itself.
    pub(crate) fn carry_out_cells(&mut self, call: usize, asks: &[CellAsk], granted: &mut Vec<Granted>) -> Told {
        let part = self.plan.faults.batches_in_part;
        let batch = asks.len() > 1 && !self.healed;
        let mut answers = Vec::with_capacity(asks.len());
        for ask in asks {
            let fails = batch && self.cells.random.chance(part);
            if fails {
                self.reach(Situation::BatchInPart);
            }
            if fails && self.cells.random.chance(0.5) {
                answers.push(Err(failed_in_part()));
                continue;
            }
            if let Some(way) = self.trouble_of_cell(call, ask) {
                self.calls[call].is_refused = true;
                answers.push(Err(way.error()));
                continue;
            }
            let answer = self.carry_out_cell(call, ask, granted);
            answers.push(if fails { Err(failed_in_part()) } else { Ok(answer) });
        }
        Told::Cells(answers)
    }

    /// What is wrong with requests is wrong with what is asked for their sake. One counts once: as it is written.
    fn trouble_of_cell(&mut self, call: usize, ask: &CellAsk) -> Option<Way> {
        if ask.request.operation() == Operation::Renew && !ask.writes() {
            return self.trouble_of_key(&ask.request);
        }
        self.trouble(self.calls[call].process, &ask.request)
    }

    fn carry_out_cell(&mut self, call: usize, ask: &CellAsk, granted: &mut Vec<Granted>) -> CellTold {
        match &ask.what {
            CellWhat::Read(row) => {
                if !self.check_place_is_near(*row) {
                    return CellTold::Read(None);
                }
                let stored = self.read_cell(ask.handle, *row, 0);
                self.note_cell(call, "read", stored.as_ref().map_or(0, |stored| stored.revision.count));
                CellTold::Read(stored)
            }
            CellWhat::Swap(row, swap) => {
                if !self.check_place_is_near(*row) {
                    return CellTold::Swapped(None);
                }
                let revision = self.swap_cell(call, ask, *row, swap, granted);
                let (word, count) = revision.as_ref().map_or(("moved", 0), |revision| ("written", revision.count));
                self.note_cell(call, word, count);
                CellTold::Swapped(revision)
            }
            CellWhat::List(list) => {
                let mut all = BTreeMap::new();
                for row in 0..self.plan.all_rows() {
                    // However old: whoever walks through all sees what was there when he began.
                    if let Some(stored) = self.read_cell(ask.handle, row, 1) {
                        all.insert(self.plan.name_of(row), stored);
                    }
                }
                self.note_cell(call, "listed", all.len());
                let belongs = |key: &Key| {
                    key.as_str().starts_with(&*list.prefix) && list.start.as_ref().is_none_or(|start| key >= start)
                };
                all.retain(|key, _| belongs(key));
                CellTold::Listed(all.into_iter().take(list.page_size() + 1).collect())
            }
        }
    }

    fn note_cell(&mut self, call: usize, answer: &'static str, count: usize) {
        self.note(|| crate::trace::What::Applied { call: call as u64, answer }, [5, call as u64, count as u64]);
    }

    /// What a read shows: sometimes an older state, but never one of before what the same handle has been told that it wrote.
    fn read_cell(&mut self, handle: usize, row: usize, least: usize) -> Option<Stored<Revision>> {
        let Self { cells, plan, now, .. } = self;
        cells.run_out(row, *now, plan);
        let newest = cells.registers[row].writes.len();
        let stale = plan.registers.map_or(0.0, |registers| registers.stale);
        let is_stale = !self.healed && cells.random.chance(stale);
        let own = if plan.misuse == Some(Misuse::ReadsMissOwnWrites) { 0 } else { cells.sights[handle].own(row) };
        let back = if is_stale { cells.random.between(1, 6) as usize } else { 0 };
        let count = newest.saturating_sub(back).max(own).max(least).min(newest);
        let register = &cells.registers[row];
        let mut shown = register.after(count).map(Write::stored);
        if plan.misuse == Some(Misuse::TornReads)
            && let (Some(shown), Some(newest)) = (&mut shown, register.current())
        {
            shown.revision = newest.revision.clone();
        }
        if count < newest {
            self.reach(Situation::StaleRead);
        }
        shown
    }
}

/// An answer of which nobody knows what became.
pub(crate) fn in_doubt() -> StorageError {
    StorageError::transient("connection reset")
}
