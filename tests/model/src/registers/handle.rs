//! What one candidate has of the register: what it has seen, and the calls under way.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use lessor::election::RequestId;
use lessor::storage::registers::{Sight, Sights, Stored};
use lessor::storage::{Record, Reply, Request};
use lessor::{Instant, StorageError};

use super::script::{Reading, play};
use super::{Answer, Ask, Revision, hash_sights};
use crate::fault::Fault;
use crate::network::hash_request;

/// What one candidate has of the register. A new one has seen nothing.
#[derive(Clone, Debug, Default)]
pub(crate) struct Handle {
    sights: Arc<Sights<Revision>>,
    /// The oldest first: all but the newest are late, nobody waits for them.
    calls: Vec<Arc<Call>>,
    /// The newest write of its own that it was told of.
    pub(crate) own: u8,
}

/// A call of the shipped storage, as far as it has come: a future can be neither copied nor compared, but it does the same
/// again where the same happens to it.
#[derive(Debug)]
struct Call {
    id: RequestId,
    request: Arc<Request>,
    steps: Vec<Step>,
    asks: Ask,
    hash: u64,
}

/// What happens to a call: it begins, or is answered.
#[derive(Clone, Debug)]
pub(super) struct Step {
    pub(super) reading: Reading,
    /// What the clock shows first, where that is another time.
    pub(super) first: Option<Instant>,
    /// What the handle knows then: other calls may have seen more meanwhile.
    pub(super) sights: Arc<Sights<Revision>>,
    /// To what it asked last. `None`: it begins.
    pub(super) answer: Option<Answer>,
}

/// What happens to a handle.
#[derive(Clone, Debug)]
pub(crate) enum Deed {
    Begin(Arc<Request>),
    Hear(Answer),
}

/// What comes of it.
#[derive(Clone, Debug)]
pub(crate) enum Next {
    Ask(Ask),
    Reply(Result<Box<Reply>, StorageError>),
}

/// A handle after a step, and what comes next of the call.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) handle: Handle,
    pub(crate) request: Arc<Request>,
    pub(crate) next: Next,
}

impl Handle {
    /// `None`: that cannot happen to this handle.
    pub(crate) fn go_on(&self, id: RequestId, deed: &Deed, reading: Reading, fault: Option<Fault>) -> Option<Done> {
        let call = self.call(id);
        let mut step = Step { reading, first: None, sights: self.sights.clone(), answer: None };
        let (request, mut steps) = match (deed, call) {
            (Deed::Begin(request), None) => (request.clone(), Vec::new()),
            (Deed::Hear(answer), Some(call)) => {
                let sent = call.steps.last()?.reading.now;
                step.first = Some(sent).filter(|_| fault == Some(Fault::SeenSinceAsked));
                step.answer = Some(as_heard(answer, &call.request, fault));
                (call.request.clone(), call.steps.clone())
            }
            _ => return None,
        };
        steps.push(step);
        let (mut sights, next) = play(&request, &steps)?;
        if let (Some(seen), Some(before), Some(Fault::SightOutlivesRenewal)) =
            (&mut sights.sight, &self.sights.sight, fault)
        {
            let reign = |sight: &Sight<Revision>| (sight.record.session, sight.record.term);
            if reign(seen) == reign(before) {
                seen.since = before.since;
            }
        }
        let mut handle = Self { sights: Arc::new(sights), ..self.clone() };
        handle.calls.retain(|call| call.id != id);
        if let Next::Ask(ask) = &next {
            handle.calls.push(Arc::new(Call::new(id, request.clone(), steps, ask.clone())));
            handle.calls.sort_by_key(|call| call.id);
        }
        if let Deed::Hear(Answer::Swapped(Some(revision))) = deed {
            handle.own = handle.own.max(revision.count);
        }
        Some(Done { handle, request, next })
    }

    fn call(&self, id: RequestId) -> Option<&Arc<Call>> {
        self.calls.iter().find(|call| call.id == id)
    }

    /// What a call waits for. `None`: it is over, or was dropped.
    pub(crate) fn asks(&self, id: RequestId) -> Option<&Ask> {
        Some(&self.call(id)?.asks)
    }

    /// Drops calls that nobody waits for, beyond so many. Whether there were any.
    pub(crate) fn drop_late(&mut self, waited_for: Option<RequestId>, most: usize) -> bool {
        let is_late = |call: &Arc<Call>| Some(call.id) != waited_for;
        let mut surplus = self.calls.iter().filter(|call| is_late(call)).count().saturating_sub(most);
        let drops = surplus > 0;
        self.calls.retain(|call| {
            let goes = surplus > 0 && is_late(call);
            surplus -= usize::from(goes);
            !goes
        });
        drops
    }
}

impl Hash for Handle {
    fn hash<H: Hasher>(&self, state: &mut H) {
        hash_sights(&self.sights, state);
        (self.calls.len(), self.own).hash(state);
        self.calls.iter().for_each(|call| call.hash.hash(state));
    }
}

impl Call {
    fn new(id: RequestId, request: Arc<Request>, steps: Vec<Step>, asks: Ask) -> Self {
        let mut hasher = DefaultHasher::new();
        id.hash(&mut hasher);
        hash_request(&request, &mut hasher);
        for Step { reading, first, sights, answer } in &steps {
            (reading, first, answer).hash(&mut hasher);
            hash_sights(sights, &mut hasher);
        }
        Self { id, request, steps, asks, hash: hasher.finish() }
    }
}

/// An answer as the handle hears it: another one, where a planted fault says so.
fn as_heard(answer: &Answer, request: &Request, fault: Option<Fault>) -> Answer {
    let Answer::Read(Some(stored)) = answer else { return answer.clone() };
    let Ok(record) = Record::from_bytes(&stored.bytes) else { return answer.clone() };
    let mut shown = record.clone();
    match fault {
        Some(Fault::TtlCutShort) => shown.expires_ms = record.expires_ms * 2 / 3,
        Some(Fault::EndIgnored) if matches!(request, Request::Renew(_)) && record.session.is_some() => {
            shown.expires_ms = record.ttl_ms;
        }
        _ => return answer.clone(),
    }
    Answer::Read(Some(Arc::new(Stored::new(shown.to_bytes(), stored.revision))))
}
