//! Registers: a renewal is one swap and a poll one read, or none where a watch stands and nothing has changed; only who was
//! overtaken asks once more, for each time. What is refused by what is known is fresh enough for who asks; and whatever fails
//! is told, and not guessed.

use lessor::StorageError;
use lessor::storage::registers::RegisterStorage;
use lessor::storage::{Acquired, Renewed, Reply, Request};

use crate::cells::{CellAsk, CellTold, CellWhat, Handle};
use crate::clock::Nanos;
use crate::message::Told;
use crate::plan::{Kind, nanos};
use crate::reached::Situation;
use crate::sim::World;

const RULE: &str = "registers cost little";

/// What a request has cost, and what its handle knew when it began.
#[derive(Clone, Debug, Default)]
pub(crate) struct Costs {
    handle: usize,
    reads: u32,
    swaps: u32,
    /// Swaps that were too late.
    moved: u32,
    failed: u32,
    /// The write that was the newest for it.
    known: Option<usize>,
    /// When it was told of that, by its clock.
    told_at: Nanos,
    is_watched: bool,
    /// When it was asked, by its clock.
    asked_at: Nanos,
}

impl World {
    /// A request begins.
    pub(crate) fn begin_costs(&mut self, call: usize, storage: &RegisterStorage<Handle>, requests: &[Request]) {
        let handle = storage.registers().number();
        let asked_at = self.processes[self.calls[call].process].clock.at(self.now);
        let row = requests.first().and_then(Request::key).map(|key| self.plan.row_of(key));
        let sight = row.and_then(|row| self.cells.sights[handle].get(row));
        let (known, told_at) = sight.map_or((None, 0), |sight| (sight.last, sight.told_at));
        let is_watched = row.is_some_and(|row| self.is_watched(handle, row));
        self.calls[call].costs = Costs { handle, known, told_at, is_watched, asked_at, ..Costs::default() };
    }

    /// Something is asked for the sake of a request.
    pub(crate) fn count_asked(&mut self, by: Option<usize>, asks: &[CellAsk]) {
        let Some(by) = by else { return };
        let costs = &mut self.calls[by].costs;
        for ask in asks {
            match ask.what {
                CellWhat::Swap(..) => costs.swaps += 1,
                _ => costs.reads += 1,
            }
        }
    }

    /// It was answered. Nothing: it failed.
    pub(crate) fn count_told(&mut self, by: Option<usize>, answers: &[Result<CellTold, StorageError>]) {
        let Some(by) = by else { return };
        let costs = &mut self.calls[by].costs;
        costs.failed += u32::from(answers.is_empty());
        for answer in answers {
            match answer {
                Ok(CellTold::Swapped(None)) => costs.moved += 1,
                Ok(_) => {}
                Err(_) => costs.failed += 1,
            }
        }
    }

    /// A request is answered.
    pub(crate) fn check_costs(&mut self, call: usize, told: &Told) {
        let Told::Lessor(replies) = told else { return };
        let requests = self.calls[call].requests.clone();
        for (request, reply) in requests.iter().zip(replies) {
            if let Ok(reply) = reply {
                self.check_told_reply(request, reply);
            }
        }
        // Of several nobody can say which cost what.
        let ([request], [Ok(reply)]) = (requests.as_slice(), replies.as_slice()) else { return };
        let costs = self.calls[call].costs.clone();
        let Costs { reads, swaps, moved, failed, .. } = costs;
        let process = &self.processes[self.calls[call].process];
        // Of a batch that was given up its handle may have been told less than came.
        let knows = self.knows_its_own(request, costs.known) && process.participant.kind != Kind::Batch;
        let wrote = match reply {
            Reply::Acquired(Acquired::Granted { .. }) | Reply::Renewed(Renewed::Extended { .. }) => Some(true),
            Reply::Renewed(Renewed::Lost { .. }) | Reply::Listed(_) => Some(false),
            // These may have to say for certain that something has ended.
            _ => None,
        };
        let wrong = if failed > 0 {
            "it answers, and something has failed"
        } else if reads > moved + 1 || (knows && reads > moved) {
            "it reads more than it has to"
        } else if swaps > moved + 1 {
            "it swaps more than it has to"
        } else if wrote.is_some_and(|wrote| swaps != moved + u32::from(wrote)) {
            "it says something else than it did"
        } else if let Some(wrong) = self.check_refusal(request, reply, &costs) {
            wrong
        } else {
            return;
        };
        let name = self.sender(self.calls[call].seats.first().copied());
        self.fail(RULE, format!("{name}: {wrong}: {costs:?}, {request:?}: {reply:?}"));
    }

    /// Whether a renewal is of what was told of its register last.
    fn knows_its_own(&self, request: &Request, known: Option<usize>) -> bool {
        let (Request::Renew(renewal), Some(known)) = (request, known) else { return false };
        let known = self.cells.written(self.plan.row_of(&renewal.key), known);
        known.is_some_and(|(known, _)| {
            (known.session, known.term) == (Some(renewal.session), renewal.term) && known.expires_ms > 0
        })
    }

    fn check_refusal(&mut self, request: &Request, reply: &Reply, costs: &Costs) -> Option<&'static str> {
        let (Request::Acquire(claim), Reply::Acquired(Acquired::Refused { lease: Some(lease), .. })) = (request, reply)
        else {
            return None;
        };
        // Where a thread stands still, more may be known by the time that it judges, or less.
        if costs.swaps > 0 || self.plan.faults.stalled > 0.0 {
            return None;
        }
        let row = self.plan.row_of(&claim.key);
        if costs.reads == 0 {
            self.reach(Situation::RefusedByWhatIsKnown);
            let age = costs.asked_at.saturating_sub(costs.told_at);
            let grain = 2 * self.plan.registers.map_or(0, |registers| registers.resolution);
            let is_fresh = claim.max_age.is_some_and(|most| costs.is_watched || age <= nanos(most) + grain);
            return (!is_fresh).then_some("it refuses by what may be old");
        }
        let is_watched = costs.is_watched && self.is_watched(costs.handle, row);
        let shown = (lease.term, lease.version);
        let known = costs.known.and_then(|known| self.cells.written(row, known)).map(|(record, _)| record);
        let same = known.is_some_and(|known| {
            let is_anothers = known.session.is_some() && known.id != claim.id;
            is_anothers && known.expires_ms > 0 && (known.term, known.version) == shown
        });
        let is_free = is_watched && same && claim.max_age.is_some() && lease.is_live();
        is_free.then_some("it reads, and is told of all that is written")
    }
}
