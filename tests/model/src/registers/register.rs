//! The register: read, or swapped if its revision is still the expected one. It has no clock, and judges nothing.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use lessor::storage::registers::{Stored, Swap};
use lessor::storage::{Claim, Record, Renewal, Request};

use super::{Revision, hash_record};
use crate::fault::Fault;
use crate::network::Grant;
use crate::news::News;
use crate::store::{Reading, Store, found, is_own, is_reserved};

/// What is in the register, and what was.
#[derive(Clone, Debug, Default)]
pub(crate) struct Register {
    pub(crate) current: Option<Arc<Stored<Revision>>>,
    /// What a read may still show, the newest last. `None`: it was never written.
    past: Vec<Option<Arc<Stored<Revision>>>>,
    /// How many writes there were.
    pub(super) count: u8,
    /// When the newest one was made, in the time that leases are promised in.
    written_ms: u64,
}

/// What came of a swap.
pub(crate) struct Swapped {
    pub(crate) revision: Option<Revision>,
    pub(crate) grant: Option<Grant>,
    pub(crate) news: News,
}

impl Register {
    /// What was in it so many writes ago. `None`: that is not kept, or there were not so many.
    pub(crate) fn read(&self, back: u8, fault: Option<Fault>) -> Option<Option<Arc<Stored<Revision>>>> {
        let Some(from_end) = usize::from(back).checked_sub(1) else { return Some(self.current.clone()) };
        let shown = self.past.iter().rev().nth(from_end)?;
        Some(match (shown, &self.current) {
            (Some(shown), Some(current)) if fault == Some(Fault::TornRead) => {
                Some(Arc::new(Stored::new(shown.bytes.clone(), current.revision)))
            }
            _ => shown.clone(),
        })
    }

    /// How many writes ago it was as a handle knows that it was, and so how old what is read may be at most.
    pub(crate) fn age_of(&self, own: u8) -> u8 {
        self.count - own
    }

    pub(crate) fn is_current(&self, expected: Option<&Revision>) -> bool {
        self.current.as_ref().map(|stored| &stored.revision) == expected
    }

    /// No read shows what was before so many writes; or none shows what was.
    pub(crate) fn forget_before(&mut self, count: Option<u8>) {
        let kept = count.map_or(0, |count| self.age_of(count));
        let surplus = self.past.len().saturating_sub(kept.into());
        self.past.drain(..surplus);
    }

    fn next(&self, fault: Option<Fault>) -> Revision {
        let count = self.count + 1;
        // As where it is a time, and the clock is too coarse.
        let name = if fault == Some(Fault::RevisionReused) { count.div_ceil(2) } else { count };
        Revision { name, count }
    }
}

impl Store {
    /// Writes the register if its revision is the expected one, and notes what that is for the key.
    pub(crate) fn swap(
        &mut self,
        request: &Request,
        swap: &Swap<Revision>,
        clock: Reading,
        fault: Option<Fault>,
    ) -> Swapped {
        let mut swapped = Swapped { revision: None, grant: None, news: News::default() };
        let unconditional = fault == Some(Fault::SwapUnconditional);
        if !self.register.is_current(swap.expected.as_ref()) && !unconditional {
            return swapped;
        }
        let Ok(record) = Record::from_bytes(&swap.bytes) else { return swapped };
        let revision = self.register.next(fault);
        swapped.revision = Some(revision);
        self.note(&record, request, clock, &mut swapped);
        let register = &mut self.register;
        register.count += 1;
        let written = Arc::new(Stored::new(swap.bytes.clone(), revision));
        register.past.push(register.current.replace(written));
        register.written_ms = clock.steady_ms;
        swapped
    }

    /// The register is empty again, as where an engine deletes what is old.
    pub(crate) fn run_out(&mut self, now_ms: u64) {
        let last_ms = self.record.as_ref().map_or(0, |record| record.ttl_ms);
        if self.record.is_some() && now_ms >= self.register.written_ms + last_ms {
            self.record = None;
            self.register.past.push(self.register.current.take());
        }
    }

    /// What is in the register counts from when it was written, by the fastest of all clocks.
    pub(crate) fn reading(&self, steady_ms: u64) -> Reading {
        Reading { now_ms: steady_ms.saturating_sub(self.register.written_ms), steady_ms }
    }

    fn note(&mut self, after: &Record, request: &Request, clock: Reading, swapped: &mut Swapped) {
        let before = self.record.take();
        let clock = self.reading(clock.steady_ms);
        let marks = before.as_ref().is_some_and(|before| is_mark(before, after));
        match request {
            _ if marks => {
                swapped.news |= News::MARKED;
                let ends_early = before.as_ref().is_some_and(|before| match before.session {
                    Some(_) => clock.steady_ms < self.promised_ms,
                    None => is_reserved(before, clock),
                });
                if ends_early {
                    swapped.news |= News::SHORTENED;
                }
                self.record = Some(after.clone());
            }
            Request::Acquire(claim) => {
                let found = found(before.as_ref(), claim, after.term, clock);
                swapped.grant = Some(found);
                if before.as_ref().is_some_and(|record| is_reserved(record, clock) && record.id != claim.id) {
                    swapped.news |= News::RESERVED_FOR_ANOTHER;
                }
                swapped.news |= self.note_grant(before.as_ref(), claim, after.term, found);
                swapped.news |= self.write(before, Some(after.clone()), clock);
            }
            Request::Renew(renewal) => {
                if !before.as_ref().is_some_and(|record| is_own(record, renewal)) {
                    swapped.news |= News::RENEWED_ANOTHER;
                }
                // As long as nobody has taken its end for certain it is there to be renewed.
                if before.as_ref().is_some_and(|record| record.expires_ms == 0) {
                    swapped.news |= News::REVIVED;
                }
                if clock.steady_ms >= self.promised_ms {
                    swapped.news |= News::RENEWED_LATE;
                }
                swapped.news |= self.write(before, Some(after.clone()), clock);
            }
            Request::Release(release) => {
                let is_anothers = before.as_ref().is_some_and(|before| before.session != Some(release.session));
                if is_anothers && clock.steady_ms < self.promised_ms {
                    swapped.news |= News::SHORTENED;
                }
                self.record = Some(after.clone());
            }
            _ => self.record = Some(after.clone()),
        }
    }

    /// Whether a renewal is about what is held, and nobody has written its end.
    pub(crate) fn is_held_by(&self, renewal: &Renewal) -> bool {
        self.record.as_ref().is_some_and(|record| is_own(record, renewal) && record.expires_ms > 0)
    }

    /// Whether a claim is refused since the key is reserved for another.
    pub(crate) fn is_kept_from(&self, claim: &Claim, steady_ms: u64) -> bool {
        let clock = self.reading(steady_ms);
        self.record.as_ref().is_some_and(|record| is_reserved(record, clock) && record.id != claim.id)
    }
}

/// Whether all that is written is that the lease, or the reservation, has ended.
fn is_mark(before: &Record, after: &Record) -> bool {
    let ends = before.expires_ms > 0 && after.expires_ms == 0;
    ends && (before.session, before.term) == (after.session, after.term)
}

impl Hash for Store {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let Self { record, highest, promised_ms, register: Register { current, past, count, written_ms } } = self;
        (highest, promised_ms, count, past.len()).hash(state);
        for stored in [current].into_iter().chain(past).flatten() {
            (stored.revision, &stored.bytes).hash(state);
        }
        let Some(record) = record else { return };
        hash_record(record, state);
        // (For a lease it says no more than what was promised.)
        if record.session.is_none() && record.expires_ms > 0 {
            written_ms.hash(state);
        }
    }
}
