//! Messages under way: a bag, from which any one may be delivered at any time.
//!
//! Loss needs no transition: a lost message is one that stays in the bag, and nothing here is promised to happen. The
//! bag is bounded by the requests that candidates may send, and by losing late replies beyond a few.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use lessor::Lease;
use lessor::election::RequestId;
use lessor::storage::{Acquired, Claim, Release, Renewal, Renewed, Reply, Request, Takeover};

use crate::registers::{Answer, Ask};

/// A message under way.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Message {
    Request {
        /// Who waits for the reply, by seat; nobody once its instance has gone.
        from: Option<u8>,
        id: RequestId,
        request: Request,
    },
    Reply {
        to: u8,
        id: RequestId,
        reply: Reply,
        /// What the claim found, if it was granted.
        grant: Option<Grant>,
    },
    /// What a handle asks of the register.
    Ask {
        /// The handle that waits for the answer, by seat; nobody once the call is over or was dropped.
        from: Option<u8>,
        /// For the sake of this request.
        id: RequestId,
        request: Arc<Request>,
        ask: Ask,
        /// It has arrived before.
        copy: bool,
    },
    /// What the register answers.
    Told { to: u8, id: RequestId, answer: Answer, grant: Option<Grant> },
}

/// What a claim that was granted had found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Grant {
    /// No record.
    First,
    /// Its own lease in a term the candidate does not know: an earlier try was granted and its reply lost.
    Repeated,
    /// Its own lease, of a reign that is over.
    Anew,
    /// A released key.
    Released,
    /// A key that was released in its favour.
    Reserved,
    /// A key that was released in another's favour, which had not come in time.
    ReservedInVain,
    /// Another's lease, expired.
    Expired,
}

/// A message and its hash.
#[derive(Clone, Debug)]
pub(crate) struct Letter {
    pub(crate) hash: u64,
    pub(crate) message: Message,
}

impl Letter {
    pub(crate) fn new(message: Message) -> Self {
        let mut hasher = DefaultHasher::new();
        hash(&message, &mut hasher);
        Self { hash: hasher.finish(), message }
    }
}

/// Ordered by hash, so that two bags of the same messages are the same.
#[derive(Clone, Debug, Default)]
pub(crate) struct Bag(Vec<Arc<Letter>>);

impl Bag {
    pub(crate) fn put(&mut self, message: Message) {
        self.insert(Arc::new(Letter::new(message)));
    }

    fn insert(&mut self, letter: Arc<Letter>) {
        let at = self.0.partition_point(|other| other.hash < letter.hash);
        self.0.insert(at, letter);
    }

    /// Delivers one: takes it out, or leaves it in as well.
    pub(crate) fn take(&mut self, index: u8, keep: bool) -> Option<Arc<Letter>> {
        let letter = self.get(index)?.clone();
        if !keep {
            self.0.remove(usize::from(index));
        }
        Some(letter)
    }

    pub(crate) fn get(&self, index: u8) -> Option<&Arc<Letter>> {
        self.0.get(usize::from(index))
    }

    /// Each message once, with where it lies.
    pub(crate) fn distinct(&self) -> impl Iterator<Item = (u8, &Message)> {
        let mut last = None;
        let letters = self.0.iter().enumerate();
        let first = letters.filter(move |(_, letter)| last.replace(letter.hash) != Some(letter.hash));
        first.filter_map(|(index, letter)| Some((u8::try_from(index).ok()?, &letter.message)))
    }

    /// Loses late replies beyond this many.
    pub(crate) fn lose(&mut self, most: usize, is_late: impl Fn(&Letter) -> bool) {
        let mut late = 0;
        self.0.retain(|letter| {
            let counts = is_late(letter);
            late += usize::from(counts);
            !counts || late <= most
        });
    }

    /// An instance has gone: nobody hears replies to it, its requests are under way all the same.
    pub(crate) fn forget(&mut self, seat: u8) {
        self.forget_those(seat, |_| true);
    }

    /// The same, for these requests of it. A read that nobody waits for is nothing.
    pub(crate) fn forget_those(&mut self, seat: u8, are_gone: impl Fn(RequestId) -> bool) {
        let is_gone = |other: u8, id: &RequestId| other == seat && are_gone(*id);
        for letter in std::mem::take(&mut self.0) {
            match &letter.message {
                Message::Reply { to, id, .. } | Message::Told { to, id, .. } if is_gone(*to, id) => {}
                Message::Request { from: Some(from), id, request } if is_gone(*from, id) => {
                    self.put(Message::Request { from: None, id: *id, request: request.clone() });
                }
                Message::Ask { from: Some(from), id, request, ask, copy } if is_gone(*from, id) => {
                    if matches!(ask, Ask::Swap(_)) {
                        let (request, ask) = (request.clone(), ask.clone());
                        self.put(Message::Ask { from: None, id: *id, request, ask, copy: *copy });
                    }
                }
                _ => self.insert(letter),
            }
        }
    }

    /// How many writes of the register there were when the oldest of the reads was sent that are under way.
    pub(crate) fn oldest_read(&self) -> Option<u8> {
        let reads = self.0.iter().filter_map(|letter| match letter.message {
            Message::Ask { ask: Ask::Read(sent), .. } => Some(sent),
            _ => None,
        });
        reads.min()
    }

    /// Loses these.
    pub(crate) fn lose_those(&mut self, are_lost: impl Fn(&Message) -> bool) {
        self.0.retain(|letter| !are_lost(&letter.message));
    }
}

impl Hash for Bag {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.len().hash(state);
        self.0.iter().for_each(|letter| letter.hash.hash(state));
    }
}

fn hash(message: &Message, state: &mut impl Hasher) {
    match message {
        Message::Request { from, id, request } => {
            (0_u8, from, id).hash(state);
            hash_request(request, state);
        }
        Message::Ask { from, id, request, ask, copy } => {
            (2_u8, from, id, ask, copy).hash(state);
            hash_request(request, state);
        }
        Message::Told { to, id, answer, grant } => (3_u8, to, id, answer, grant).hash(state),
        Message::Reply { to, id, reply, grant } => {
            (1_u8, to, id, grant).hash(state);
            match reply {
                Reply::Acquired(Acquired::Granted { term, version, .. }) => (0_u8, term, version).hash(state),
                Reply::Acquired(Acquired::Refused { lease, retry_after, .. }) => {
                    (1_u8, retry_after).hash(state);
                    hash_lease(lease.as_ref(), state);
                }
                Reply::Renewed(Renewed::Extended { version, .. }) => (2_u8, version).hash(state),
                Reply::Renewed(Renewed::Lost { lease, .. }) => {
                    3_u8.hash(state);
                    hash_lease(lease.as_ref(), state);
                }
                Reply::Released => 4_u8.hash(state),
                other => format!("{other:?}").hash(state),
            }
        }
    }
}

pub(crate) fn hash_request(request: &Request, state: &mut impl Hasher) {
    match request {
        Request::Acquire(claim) => {
            0_u8.hash(state);
            hash_claim(claim, state);
        }
        Request::Renew(Renewal { key: _, id, session, term, ttl, value, .. }) => {
            (1_u8, id, session, term, ttl, value).hash(state);
        }
        Request::Release(Release { key: _, session, successor, .. }) => {
            let successor = successor.as_ref().map(|next| (&next.id, next.within));
            (2_u8, session, successor).hash(state);
        }
        other => format!("{other:?}").hash(state),
    }
}

fn hash_claim(claim: &Claim, state: &mut impl Hasher) {
    let Claim { key: _, id, session, ttl, value, after, takeover, .. } = claim;
    (id, session, ttl, value, after).hash(state);
    match takeover {
        Takeover::Expired => 0_u8.hash(state),
        Takeover::Unchanged(version) => (1_u8, version).hash(state),
        Takeover::ReleasedOnly => 2_u8.hash(state),
        other => format!("{other:?}").hash(state),
    }
}

fn hash_lease(lease: Option<&Lease>, state: &mut impl Hasher) {
    let Some(Lease { id, term, version, ttl, time_left, value, .. }) = lease else { return 0_u8.hash(state) };
    (1_u8, id, term, version, ttl, time_left, value).hash(state);
}
