//! Requests as arguments of the scripts, and the scripts' answers as replies.

use core::time::Duration;

use lessor::storage::{Acquired, Record, Renewed, Reply, Request, Successor, Takeover, Version};
use lessor::{Lease, Term};
use lessor_kit::encoding::{session_to_hex, ttl_ms, within_ms};
use lessor_kit::error::AdapterError;
use redis::Cmd;

use crate::answer::Answer;
use crate::record::ending;

/// For how long it asks, if it does.
pub(crate) const fn ttl(request: &Request) -> Option<Duration> {
    match request {
        Request::Acquire(claim) => Some(claim.ttl),
        Request::Renew(renewal) => Some(renewal.ttl),
        _ => None,
    }
}

/// Adds the script's arguments for the key of this request.
pub(crate) fn add_arguments(command: &mut Cmd, request: &Request) {
    match request {
        Request::Acquire(claim) => {
            command.arg(ending(claim.session, &claim.id, claim.value.as_ref()));
            command.arg(ttl_ms(claim.ttl)).arg(claim.after.map_or(0, Term::get));
            match claim.takeover {
                Takeover::Expired => command.arg("expired"),
                Takeover::Unchanged(version) => command.arg(version.get()),
                // Released only; and so is whatever a later version of the core may bring.
                _ => command.arg(""),
            };
        }
        Request::Renew(renewal) => {
            command.arg(ending(renewal.session, &renewal.id, renewal.value.as_ref()));
            command.arg(ttl_ms(renewal.ttl)).arg(renewal.term.get());
        }
        Request::Release(release) => {
            command.arg(session_to_hex(release.session));
            match &release.successor {
                Some(Successor { id, within, .. }) => command.arg(id.as_str()).arg(within_ms(*within)),
                None => command.arg("").arg(0),
            };
        }
        Request::Revoke(revoke) => {
            command.arg(revoke.term.map_or(0, Term::get)).arg(if revoke.now { "now" } else { "" });
        }
        // The key is all there is to say.
        _ => {}
    }
}

/// What the script's answer to this request means.
///
/// # Errors
/// [`AdapterError::Unfit`]: its script does not answer like this.
pub(crate) fn reply(request: &Request, answer: Answer) -> Result<Reply, AdapterError> {
    match (request, answer) {
        (Request::Acquire(_), answer) => acquired(request, answer).map(Reply::from),
        (Request::Renew(_), answer) => renewed(answer).map(Reply::from),
        (Request::Release(_), Answer::Done(_)) => Ok(Reply::Released),
        (Request::Get(_), Answer::Seen { record, now_ms }) => Ok(Reply::Got(lease(record.as_ref(), now_ms))),
        // What was there before: the script has judged it the same way.
        (Request::Revoke(_), Answer::Seen { record, now_ms }) => {
            Ok(Record::judge(record.as_ref(), request, now_ms, Term::FIRST).reply)
        }
        _ => Err(AdapterError::Unfit),
    }
}

fn acquired(request: &Request, answer: Answer) -> Result<Acquired, AdapterError> {
    match answer {
        Answer::Done(numbers) => {
            let &[term, version] = numbers.as_slice() else { return Err(AdapterError::Unfit) };
            let term = Term::new(term).ok_or(AdapterError::Unfit)?;
            Ok(Acquired::granted(term, Version::new(version)))
        }
        Answer::Frozen { left_ms } => Ok(Acquired::refused(None, Duration::from_millis(left_ms))),
        Answer::Seen { record, now_ms } => {
            let verdict = Record::judge(record.as_ref(), request, now_ms, Term::FIRST);
            match (verdict.reply, verdict.write) {
                (Reply::Acquired(refused), None) => Ok(refused),
                // The script and the record agree, or the claimant asks again.
                _ => Ok(Acquired::refused(lease(record.as_ref(), now_ms), Duration::ZERO)),
            }
        }
    }
}

fn renewed(answer: Answer) -> Result<Renewed, AdapterError> {
    match answer {
        Answer::Done(numbers) => {
            let &[version] = numbers.as_slice() else { return Err(AdapterError::Unfit) };
            Ok(Renewed::extended(Version::new(version)))
        }
        Answer::Frozen { .. } => Ok(Renewed::lost(None)),
        Answer::Seen { record, now_ms } => Ok(Renewed::lost(lease(record.as_ref(), now_ms))),
    }
}

fn lease(record: Option<&Record>, now_ms: u64) -> Option<Lease> {
    record.map(|record| record.lease(now_ms))
}
