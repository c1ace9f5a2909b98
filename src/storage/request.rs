//! What is asked of a storage.

use core::fmt;
use core::time::Duration;

use super::list::List;
use super::session::Session;
use crate::term::{Term, Version};
use crate::text::{Id, Key, Value};

/// What is asked of a [`Storage`](crate::Storage), once.
///
/// Candidates ask for the first three, observers for [`Get`](Self::Get), operators for the last three. New operations come as new variants: a storage
/// answers one that it does not know with [`StorageError::unsupported`](crate::StorageError::unsupported).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Request {
    /// Ask for the key. A refused claim neither writes nor locks.
    #[doc(alias = "SetNX")]
    Acquire(Claim),
    /// Extend a live lease of this session and term; never revive an expired one.
    Renew(Renewal),
    /// Give up what this session holds; do nothing if it holds nothing.
    Release(Release),
    /// Look at the lease.
    Get(Get),
    /// Take the lease from its holder, by authority.
    Revoke(Revoke),
    /// Look at many leases.
    List(List),
}

impl Request {
    /// The key that it is about. `None`: many, it is a list.
    #[must_use]
    pub const fn key(&self) -> Option<&Key> {
        match self {
            Self::Acquire(Claim { key, .. })
            | Self::Renew(Renewal { key, .. })
            | Self::Release(Release { key, .. })
            | Self::Get(Get { key, .. })
            | Self::Revoke(Revoke { key, .. }) => Some(key),
            Self::List(_) => None,
        }
    }

    /// For how long its sender waits for the reply: after that nobody hears it. `None`: it did not say.
    ///
    /// A storage that lets requests wait for their turn goes by it: what can no longer be answered in time is not sent.
    #[must_use]
    pub const fn patience(&self) -> Option<Duration> {
        match self {
            Self::Acquire(Claim { patience, .. })
            | Self::Renew(Renewal { patience, .. })
            | Self::Release(Release { patience, .. })
            | Self::Get(Get { patience, .. })
            | Self::Revoke(Revoke { patience, .. })
            | Self::List(List { patience, .. }) => *patience,
        }
    }

    /// Which operation it is.
    #[must_use]
    pub const fn operation(&self) -> Operation {
        match self {
            Self::Acquire(_) => Operation::Acquire,
            Self::Renew(_) => Operation::Renew,
            Self::Release(_) => Operation::Release,
            Self::Get(_) => Operation::Get,
            Self::Revoke(_) => Operation::Revoke,
            Self::List(_) => Operation::List,
        }
    }
}

macro_rules! requests {
    ($($variant:ident($request:ident)),*) => {$(
        impl From<$request> for Request {
            fn from(request: $request) -> Self {
                Self::$variant(request)
            }
        }
    )*};
}

requests!(Acquire(Claim), Renew(Renewal), Release(Release), Get(Get), Revoke(Revoke), List(List));

/// The operations of a storage, by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Operation {
    /// [`Request::Acquire`].
    Acquire,
    /// [`Request::Renew`].
    Renew,
    /// [`Request::Release`].
    Release,
    /// [`Request::Get`].
    Get,
    /// [`Request::Revoke`].
    Revoke,
    /// [`Request::List`].
    List,
}

impl Operation {
    /// The name in lower case, as logs, metrics and the lease service's API have it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Acquire => "acquire",
            Self::Renew => "renew",
            Self::Release => "release",
            Self::Get => "get",
            Self::Revoke => "revoke",
            Self::List => "list",
        }
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A candidate asks for a key.
///
/// ```
/// use core::time::Duration;
/// use lessor::storage::{Claim, Session};
/// use lessor::{Id, Key, Term};
///
/// // The session has to be unpredictable, in earnest.
/// let claim = Claim::new(Key::new("k")?, Id::new("node-a")?, Session::from_bits(0x5eed), Duration::from_secs(10));
/// let claim = claim.after(Term::new(7));
/// assert_eq!(claim.after, Term::new(7));
/// # Ok::<(), lessor::InvalidText>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Claim {
    /// The election.
    pub key: Key,
    /// Who asks, for others to see.
    pub id: Id,
    /// Who asks, as proof.
    pub session: Session,
    /// For how long. A storage counts in whole milliseconds, rounded up.
    pub ttl: Duration,
    /// What to publish with the lease.
    pub value: Option<Value>,
    /// The newest term of this key that the candidate knows of: it asks for one *after* that. `None`: it has not seen one.
    ///
    /// It marks what the claim was based on: a claim that lingered in the network while others led is refused.
    pub after: Option<Term>,
    /// Whether an expired lease of another may be taken over.
    pub takeover: Takeover,
    /// For how long the sender waits for the reply. `None`: it does not say. See [`Request::patience`].
    pub patience: Option<Duration>,
    /// How old a refusal may be. `None`: it is to say how the key is now.
    ///
    /// A storage may then answer with the live lease of another that it read at most that long ago, and that has not run out
    /// since: see [`Refusals`](super::Refusals). For the regular look of a follower; who was woken, or whose last claim is in
    /// doubt, says `None`. (Whose claim was given up may hold the lease all the same: by its id it is told apart.)
    pub max_age: Option<Duration>,
}

impl Claim {
    /// A claim that publishes nothing, knows of no term, and takes over whatever has expired.
    #[must_use]
    pub const fn new(key: Key, id: Id, session: Session, ttl: Duration) -> Self {
        let (takeover, patience, max_age) = (Takeover::Expired, None, None);
        Self { key, id, session, ttl, value: None, after: None, takeover, patience, max_age }
    }

    /// Sets [`value`](Self::value).
    #[must_use]
    pub fn value(self, value: Option<Value>) -> Self {
        Self { value, ..self }
    }

    /// Sets [`after`](Self::after).
    #[must_use]
    pub fn after(self, after: Option<Term>) -> Self {
        Self { after, ..self }
    }

    /// Sets [`takeover`](Self::takeover).
    #[must_use]
    pub fn takeover(self, takeover: Takeover) -> Self {
        Self { takeover, ..self }
    }

    /// Sets [`max_age`](Self::max_age).
    #[must_use]
    pub fn max_age(self, max_age: Duration) -> Self {
        Self { max_age: Some(max_age), ..self }
    }

    /// Sets [`patience`](Self::patience).
    #[must_use]
    pub fn patience(self, patience: Duration) -> Self {
        Self { patience: Some(patience), ..self }
    }
}

/// When an expired lease of another may be taken over. A released one always may.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Takeover {
    /// As soon as the storage's clock says that it expired.
    #[default]
    Expired,
    /// If it expired and its version is still this one: the candidate saw it unchanged for its ttl and margin on its
    /// own clock. Also if the storage's clock has stepped back and cannot tell when it expires.
    Unchanged(Version),
    /// No expired one yet, only one that was released.
    ReleasedOnly,
}

/// A leader asks for more time.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Renewal {
    /// The election.
    pub key: Key,
    /// Who leads, for others to see.
    pub id: Id,
    /// Who leads, as proof.
    pub session: Session,
    /// In which term.
    pub term: Term,
    /// For how long from now. A storage counts in whole milliseconds, rounded up.
    pub ttl: Duration,
    /// What to publish with the lease from now on.
    pub value: Option<Value>,
    /// For how long the sender waits for the reply. `None`: it does not say. See [`Request::patience`].
    pub patience: Option<Duration>,
    /// How much of the reign is left when this is handed over, by the leader's own clock. `None`: it does not say.
    ///
    /// A storage that lets requests wait for their turn takes the one first that has the least left.
    pub time_left: Option<Duration>,
}

impl Renewal {
    /// A renewal that publishes nothing.
    #[must_use]
    pub const fn new(key: Key, id: Id, session: Session, term: Term, ttl: Duration) -> Self {
        Self { key, id, session, term, ttl, value: None, patience: None, time_left: None }
    }

    /// Sets [`value`](Self::value).
    #[must_use]
    pub fn value(self, value: Option<Value>) -> Self {
        Self { value, ..self }
    }

    /// Sets [`patience`](Self::patience).
    #[must_use]
    pub fn patience(self, patience: Duration) -> Self {
        Self { patience: Some(patience), ..self }
    }

    /// Sets [`time_left`](Self::time_left).
    #[must_use]
    pub fn time_left(self, time_left: Duration) -> Self {
        Self { time_left: Some(time_left), ..self }
    }
}

/// A candidate gives up what its session holds.
///
/// ```
/// use core::time::Duration;
/// use lessor::storage::{Release, Session, Successor};
/// use lessor::{Id, Key};
///
/// let next = Successor::new(Id::new("node-b")?, Duration::from_secs(4));
/// let release = Release::new(Key::new("k")?, Session::from_bits(0x5eed)).successor(Some(next));
/// assert_eq!(release.successor.unwrap().id.as_str(), "node-b");
/// # Ok::<(), lessor::InvalidText>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Release {
    /// The election.
    pub key: Key,
    /// Whose lease.
    pub session: Session,
    /// For whom the key is reserved then. `None`: for nobody.
    pub successor: Option<Successor>,
    /// For how long the sender waits for the reply. `None`: it does not say. See [`Request::patience`].
    pub patience: Option<Duration>,
}

impl Release {
    /// The release of a key by a session.
    #[must_use]
    pub const fn new(key: Key, session: Session) -> Self {
        Self { key, session, successor: None, patience: None }
    }

    /// Sets [`successor`](Self::successor).
    #[must_use]
    pub fn successor(self, successor: Option<Successor>) -> Self {
        Self { successor, ..self }
    }

    /// Sets [`patience`](Self::patience).
    #[must_use]
    pub fn patience(self, patience: Duration) -> Self {
        Self { patience: Some(patience), ..self }
    }
}

/// For whom a released key is reserved, and for how long: until then claims of others are refused.
///
/// Ids prove nothing: whoever has this id is meant. Nobody leads by a reservation alone, its owner has to claim.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Successor {
    /// Who may claim the key meanwhile.
    pub id: Id,
    /// For how long from the release. A storage counts in whole milliseconds, rounded up.
    pub within: Duration,
}

impl Successor {
    /// Whoever has this id, for this long.
    #[must_use]
    pub const fn new(id: Id, within: Duration) -> Self {
        Self { id, within }
    }
}

/// A look at the lease of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Get {
    /// The election.
    pub key: Key,
    /// For how long the sender waits for the reply. `None`: it does not say. See [`Request::patience`].
    pub patience: Option<Duration>,
}

impl Get {
    /// A look at this key.
    #[must_use]
    pub const fn new(key: Key) -> Self {
        Self { key, patience: None }
    }

    /// Sets [`patience`](Self::patience).
    #[must_use]
    pub fn patience(self, patience: Duration) -> Self {
        Self { patience: Some(patience), ..self }
    }
}

/// An operator takes the lease from its holder, whoever that is: a force-release.
///
/// From then on the holder can neither renew nor release it, and what it still writes can be refused: the key has a new term, in which
/// nobody leads. The holder itself learns of it from its next renewal, and believes in its leadership until then, or until its lease ends
/// by itself. So nobody else is granted the key before that end: work does not overlap. It takes a ttl at most.
///
/// With [`now`](Self::now) the key is free at once. Work may overlap then, until the former holder's next renewal or its lease's end: that
/// is for a holder that is known to be gone, and for resources that [fence](crate::guide::fencing).
///
/// That end is told as that of any lease that nobody renews: by the storage's clock, and where that may step forward by whoever waits for
/// the key, with the [take-over guard](crate::Config::takeover_guard).
///
/// Name the [term](Self::term) that is meant if you saw it: a revoke that lingered in the network, or is sent again
/// since its answer was lost, then never takes the lease of a successor.
///
/// ```
/// use lessor::storage::Revoke;
/// use lessor::{Key, Term};
///
/// let revoke = Revoke::new(Key::new("nightly-report")?).term(Term::new(7));
/// assert_eq!(revoke.term, Term::new(7));
/// # Ok::<(), lessor::InvalidText>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Revoke {
    /// The election.
    pub key: Key,
    /// Only the lease of this term. `None`: of whatever term.
    pub term: Option<Term>,
    /// The key is free at once, not when the lease would have ended. It also frees a key that was revoked before and waits for that.
    pub now: bool,
    /// For how long the sender waits for the reply. `None`: it does not say. See [`Request::patience`].
    pub patience: Option<Duration>,
}

impl Revoke {
    /// The revocation of this key's lease, whoever holds it.
    #[must_use]
    pub const fn new(key: Key) -> Self {
        Self { key, term: None, now: false, patience: None }
    }

    /// Sets [`term`](Self::term).
    #[must_use]
    pub fn term(self, term: Option<Term>) -> Self {
        Self { term, ..self }
    }

    /// Sets [`now`](Self::now).
    #[must_use]
    pub fn now(self, now: bool) -> Self {
        Self { now, ..self }
    }

    /// Sets [`patience`](Self::patience).
    #[must_use]
    pub fn patience(self, patience: Duration) -> Self {
        Self { patience: Some(patience), ..self }
    }
}

impl From<&Key> for Revoke {
    fn from(key: &Key) -> Self {
        Self::new(key.clone())
    }
}
