//! A handle that lingers: it reads, judges, and writes later on the condition that what it judged by still holds.

use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use core::time::Duration;

use lessor::storage::{Operation, Record};

use crate::fault::Fault;
use crate::judge;

/// What a step was judged by, or is about to be written over.
pub(crate) struct Read {
    pub(crate) record: Option<Record>,
    pub(crate) now_ms: u64,
}

impl Read {
    fn live(&self) -> Option<&Record> {
        self.record.as_ref().filter(|record| judge::live(record, self.now_ms))
    }
}

/// By how much the writes of a handle are late.
#[derive(Default)]
pub(crate) struct Lateness {
    micros: AtomicU64,
    /// Whether it is a batch that is under way: a handle that lingers has one case alone.
    batched: AtomicBool,
}

impl Lateness {
    pub(crate) fn set(&self, time: Duration) {
        self.micros.store(time.as_micros() as u64, Ordering::Relaxed);
    }

    /// `None`: each step is atomic.
    pub(crate) fn get(&self) -> Option<Duration> {
        let micros = self.micros.load(Ordering::Relaxed);
        (micros > 0).then(|| Duration::from_micros(micros))
    }

    pub(crate) fn set_batched(&self, batched: bool) {
        self.batched.store(batched, Ordering::Relaxed);
    }

    /// Whether what was judged by this reading may be written over that one: it is the same record, and as live as it was.
    /// Each fault leaves something out.
    pub(crate) fn holds(&self, fault: Option<Fault>, operation: Operation, seen: &Read, now: &Read) -> bool {
        let same = seen.record == now.record;
        let as_live = seen.live().is_some() == now.live().is_some();
        let terms = |read: &Read| read.record.as_ref().map(|record| record.term);
        let batched = self.batched.load(Ordering::Relaxed);
        match (operation, fault) {
            (Operation::Acquire, Some(Fault::LateClaimComparesOnlyTheLiveKey)) if seen.record.is_some() && !batched => {
                seen.live() == now.live()
            }
            (Operation::Acquire, Some(Fault::LateFirstClaimComparesOnlyTheLiveKey)) if seen.record.is_none() => {
                now.live().is_none()
            }
            (Operation::Acquire, Some(Fault::LateRepeatIsBlind)) if seen.live().is_some() => true,
            (Operation::Renew, Some(Fault::LateRenewalComparesOnlyTheRecord)) => same,
            (Operation::Renew, Some(Fault::LateRenewalComparesOnlyTheTerm)) => terms(seen) == terms(now),
            (Operation::Renew, Some(Fault::LateRenewalIsBlind)) if now.live().is_some() => true,
            (Operation::Release, Some(Fault::LateReleaseIsBlind)) => true,
            (Operation::Revoke, Some(Fault::LateRevokeIsBlind)) => true,
            (_, Some(Fault::LateBatchIsBlind)) if batched => true,
            _ => same && as_live,
        }
    }
}

/// The first of two steps in which the fault writes a record.
pub(crate) fn first_half(fault: Option<Fault>, before: Option<&Record>, whole: &Record, late: bool) -> Option<Record> {
    let begins = before.is_none_or(|before| before.term < whole.term) && whole.session.is_some();
    let mut half = whole.clone();
    match fault? {
        // First the record, then that it is live.
        Fault::GrantIsInTwoSteps if begins && !late => half.expires_ms = 0,
        Fault::LateGrantIsInTwoSteps if begins && late => half.expires_ms = 0,
        // First what is said, then that it was said.
        Fault::LateChangeIsInTwoSteps if !begins && late => {
            let before = before?;
            (half.term, half.version) = (before.term, before.version);
        }
        _ => return None,
    }
    Some(half)
}
