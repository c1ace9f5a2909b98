//! What a seat does, or a handle, is worked out once and remembered: the same seat does the same in millions of states.
//!
//! Seats with the same hash behave the same, see [`fingerprint`](crate::fingerprint): the first one met stands for all,
//! so that a path is the same whenever it is followed.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, PoisonError, RwLock};

use lessor::Id;
use lessor::election::{Input, RequestId};

use crate::fault::Fault;
use crate::network::{Letter, Message, hash_request};
use crate::registers::{self, Handle, Reading};
use crate::seat::{Moment, NAMES, Outcome, Seat, failed, nudge};

/// What happens to a seat.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Deed<'a> {
    Poll,
    Send,
    Fail,
    Resign,
    Transfer,
    Stop,
    Drained,
    Hear(&'a Letter),
}

/// What came of it.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) seat: Seat,
    pub(crate) outcome: Outcome,
    /// Whether the seat is another than before.
    pub(crate) changed: bool,
    /// Whether a reply was to no request in flight, and changed nothing, or something.
    pub(crate) late: Option<bool>,
}

type Key = (u64, u8, u64);

/// What was worked out so far.
#[derive(Debug, Default)]
pub(crate) struct Memo {
    seats: Known<Key, Done>,
    handles: Known<u64, registers::Done>,
}

/// What comes of what, worked out once.
#[derive(Debug)]
struct Known<K, D>(RwLock<HashMap<K, Option<Arc<D>>>>);

impl<K, D> Default for Known<K, D> {
    fn default() -> Self {
        Self(RwLock::default())
    }
}

impl<K: Eq + Hash, D> Known<K, D> {
    fn get(&self, key: K, work_out: impl FnOnce() -> Option<D>) -> Option<Arc<D>> {
        if let Some(done) = self.0.read().unwrap_or_else(PoisonError::into_inner).get(&key) {
            return done.clone();
        }
        let done = work_out().map(Arc::new);
        // Where two threads worked it out the first one counts.
        self.0.write().unwrap_or_else(PoisonError::into_inner).entry(key).or_insert(done).clone()
    }
}

impl Memo {
    /// The same for a handle of the register and one of its calls.
    pub(crate) fn go_on(
        &self,
        handle: &Handle,
        id: RequestId,
        deed: &registers::Deed,
        reading: Reading,
        fault: Option<Fault>,
    ) -> Option<Arc<registers::Done>> {
        let mut hasher = DefaultHasher::new();
        (handle, id, reading).hash(&mut hasher);
        match deed {
            registers::Deed::Begin(request) => hash_request(request, &mut hasher),
            registers::Deed::Hear(answer) => answer.hash(&mut hasher),
        }
        self.handles.get(hasher.finish(), || handle.go_on(id, deed, reading, fault))
    }

    /// `None`: that cannot happen to this seat.
    pub(crate) fn drive(&self, seat: &Seat, deed: Deed<'_>, moment: Moment, fault: Option<Fault>) -> Option<Arc<Done>> {
        let mut hasher = DefaultHasher::new();
        seat.hash(moment.tick, &mut hasher);
        let deed_key = match deed {
            Deed::Poll => 0,
            Deed::Send => 1,
            Deed::Fail => 2,
            Deed::Resign => 3,
            Deed::Stop => 4,
            Deed::Drained => 5,
            Deed::Transfer => 6,
            Deed::Hear(letter) => letter.hash.max(7),
        };
        let key = (hasher.finish(), moment.tick, deed_key);
        self.seats.get(key, || work_out(seat, deed, moment, fault))
    }
}

fn work_out(before: &Seat, deed: Deed<'_>, moment: Moment, fault: Option<Fault>) -> Option<Done> {
    let mut seat = before.clone();
    let election = &before.awake()?.election;
    let in_flight = election.in_flight();
    let outcome = match deed {
        Deed::Poll => seat.drive([Input::Timeout], false, moment),
        Deed::Send => {
            let outcome = seat.drive(nudge(election), true, moment);
            outcome.request.as_ref()?;
            if fault == Some(Fault::DeadlineFromReply) {
                seat.remember(election);
            }
            outcome
        }
        Deed::Fail => seat.drive([Input::Reply { id: in_flight?, reply: failed() }], false, moment),
        Deed::Resign => seat.drive([Input::Resign], false, moment),
        Deed::Transfer => {
            let to = Id::new(NAMES[usize::from(before.place == 0)]).ok()?;
            seat.drive([Input::Transfer { to, is_patient: false }], false, moment)
        }
        Deed::Stop => seat.drive([Input::Stop], false, moment),
        Deed::Drained => seat.drive([Input::Drained(before.awake()?.term?.0)], false, moment),
        Deed::Hear(letter) => {
            let Message::Reply { id, reply, .. } = &letter.message else { return None };
            let id = if fault == Some(Fault::LateReplyTrusted) { in_flight.unwrap_or(*id) } else { *id };
            if in_flight != Some(id) {
                let changed = before.awake()?.is_changed_by(id, reply, moment.now);
                return Some(Done { seat, outcome: Outcome::default(), changed: false, late: Some(changed) });
            }
            seat.resend(id, moment);
            seat.drive([Input::Reply { id, reply: Ok(reply.clone()) }], false, moment)
        }
    };
    let changed = !seat.is_as(before);
    Some(Done { seat, outcome, changed, late: None })
}
