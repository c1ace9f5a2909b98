//! What to do for a request by what was seen of its register: pure, as the judgement that it rests on.

use alloc::boxed::Box;
use core::time::Duration;

use super::seen::Sight;
use crate::lease::Lease;
use crate::storage::{Acquired, Claim, Record, Renewed, Reply, Request};
use crate::term::Term;
use crate::time::Instant;

/// What was seen, and how sure it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// It was read for this request.
    Read,
    /// It is what this handle knows; `watched`: and would have heard if it had changed.
    Known { watched: bool },
}

/// What comes next for a request.
#[derive(Debug)]
pub(super) enum Next<R> {
    /// It is answered.
    Answer(Reply),
    /// The register has to be read.
    Read,
    /// It is answered if this change gets through.
    Swap(Box<Change<R>>),
}

/// What is to be written to a register, and what is answered then.
#[derive(Debug)]
pub(super) struct Change<R> {
    /// If this is still the revision. `None`: if there is none.
    pub(super) expected: Option<R>,
    pub(super) record: Record,
    pub(super) reply: Reply,
}

/// Judges a request by what was seen of its register. `seen`: `None` where it was read and is empty.
///
/// Only a write may come of what is merely known: if its swap succeeds, it was still so. What is refused was read, or was a
/// watched one.
pub(super) fn next<R: Clone>(
    request: &Request,
    seen: Option<&Sight<R>>,
    source: Source,
    now: Instant,
    resolution: Duration,
) -> Next<R> {
    let swap = |record, reply| {
        let expected = seen.map(|sight| sight.revision.clone());
        Next::Swap(Box::new(Change { expected, record, reply }))
    };
    let Some(sight) = seen else {
        let verdict = Record::judge(None, request, 0, Term::FIRST);
        return match verdict.write {
            Some(record) => swap(undated(record, 0), verdict.reply),
            None => Next::Answer(verdict.reply),
        };
    };
    if source != Source::Read && matches!(request, Request::Get(_)) {
        return Next::Read;
    }
    let record = &sight.record;
    let stood_still = sight.stood_still(now, resolution);
    // Rounded down: who says that a ttl is over has to have seen all of it.
    let passed_ms = u64::try_from(stood_still.as_millis()).unwrap_or(u64::MAX);
    let ran_out = record.expires_ms > 0 && passed_ms >= record.expires_ms;
    let now_ms = match request {
        // Its swap fails if anybody has taken the end for certain: until then the lease is there to be renewed.
        Request::Renew(_) if ran_out => record.expires_ms.saturating_sub(1),
        _ => passed_ms,
    };
    let verdict = Record::judge(Some(record), request, now_ms, Term::FIRST);
    let reply = without_age(verdict.reply);
    if let Some(record) = verdict.write {
        return swap(undated(record, now_ms), reply);
    }
    let renews = matches!(request, Request::Renew(_));
    if ran_out && !renews {
        // An end that is answered has to be one for everybody.
        return swap(Record { expires_ms: 0, ..record.clone() }, reply);
    }
    let may_answer = match source {
        Source::Read => true,
        Source::Known { watched } => {
            let age = sight.current_at.map(|at| now.saturating_duration_since(at));
            may_be_known(request, &reply, if watched { Some(Duration::ZERO) } else { age })
        }
    };
    if may_answer { Next::Answer(back_after_a_tick(reply, resolution)) } else { Next::Read }
}

/// Until the clock here shows another time it is not certain that a lease or a reservation is over: who came back before would
/// be refused again, and again.
fn back_after_a_tick(mut reply: Reply, resolution: Duration) -> Reply {
    if let Reply::Acquired(Acquired::Refused { lease: Some(lease), retry_after }) = &mut reply
        && !retry_after.is_zero()
    {
        *retry_after = (*retry_after).max(resolution).min(lease.ttl.max(*retry_after));
    }
    reply
}

/// Whether a refusal may be answered by what was known at most so long ago.
fn may_be_known(request: &Request, reply: &Reply, age: Option<Duration>) -> bool {
    let (Request::Acquire(Claim { id, max_age: Some(max_age), .. }), Some(age)) = (request, age) else { return false };
    let Reply::Acquired(Acquired::Refused { lease: Some(lease), retry_after }) = reply else { return false };
    // Its own: an earlier claim may have got through after all. And what is reserved, or spared, is no live lease.
    age <= *max_age && lease.is_live() && *retry_after == lease.time_left && lease.id.as_ref() != Some(id)
}

/// A record as it is kept: its clock begins with the write.
fn undated(record: Record, now_ms: u64) -> Record {
    Record { expires_ms: record.expires_ms.saturating_sub(now_ms), since_ms: 0, ..record }
}

/// What can be seen of a record that has stood still for so long.
pub(super) fn lease<R>(sight: &Sight<R>, now: Instant, resolution: Duration) -> Lease {
    let stood_still = sight.stood_still(now, resolution);
    let passed_ms = u64::try_from(stood_still.as_millis()).unwrap_or(u64::MAX);
    Lease { age: None, ..sight.record.lease(passed_ms) }
}

/// Nobody knows when a term began.
fn without_age(mut reply: Reply) -> Reply {
    let lease = match &mut reply {
        Reply::Acquired(Acquired::Refused { lease, .. }) => lease,
        Reply::Renewed(Renewed::Lost { lease, .. }) => lease,
        Reply::Got(lease) | Reply::Revoked(lease) => lease,
        _ => return reply,
    };
    if let Some(lease) = lease {
        lease.age = None;
    }
    reply
}
