//! What a storage judged in a run, and which reigns began: for the model of `tests/proof` to be held to.

use lessor::Term;
use lessor::storage::{Record, Reply, Request};

use crate::invariant::Step;
use crate::sim::World;

/// Something that the model says something about.
#[derive(Clone, Debug)]
pub enum Logged {
    /// A request was judged.
    Judged(Box<Judged>),
    /// A candidate began to lead.
    Began {
        /// Which one.
        seat: usize,
        /// By which record.
        row: usize,
        /// In which term.
        term: Term,
    },
}

/// A request that was judged: by the storage, or by the handle whose swap has got through.
#[derive(Clone, Debug)]
pub struct Judged {
    /// The record's number.
    pub row: usize,
    /// Who asked. `None`: an operator, or who shares the keys.
    pub seat: Option<usize>,
    /// How often the storage lost data before this.
    pub losses: u32,
    /// A handle judged it, by what it had seen of a register.
    pub is_swapped: bool,
    /// The record before it.
    pub before: Option<Record>,
    /// What was asked.
    pub request: Request,
    /// The storage's clock; or for how long the handle had seen the record.
    pub now_ms: u64,
    /// The least that a new term may be.
    pub seed: Term,
    /// What was answered.
    pub reply: Reply,
    /// The record after it.
    pub after: Option<Record>,
}

impl World {
    pub(crate) fn log_judged(&mut self, seat: Option<usize>, row: usize, step: &Step<'_>) {
        let (losses, is_swapped) = (self.store.losses, self.plan.registers.is_some());
        let seed = self.store.seed(step.now_ms);
        let Some(log) = &mut self.log else { return };
        let Step { before, request, reply, after, now_ms } = *step;
        let (before, after) = (before.cloned(), after.cloned());
        let (request, reply) = (request.clone(), reply.clone());
        let judged = Judged { row, seat, losses, is_swapped, before, request, now_ms, seed, reply, after };
        log.push(Logged::Judged(Box::new(judged)));
    }

    pub(crate) fn log_began(&mut self, seat: usize, term: Term) {
        let row = self.seats[seat].row;
        if let Some(log) = &mut self.log {
            log.push(Logged::Began { seat, row, term });
        }
    }
}
