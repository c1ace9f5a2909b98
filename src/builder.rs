//! From a key and a storage to a candidate that runs.

use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;

use crate::candidate::Candidate;
use crate::config::Config;
use crate::driver::Driver;
use crate::election::{Election, Input};
use crate::entropy::Entropy;
use crate::maybe_send::{MaybeSend, MaybeSendSync};
use crate::observer::Observer;
use crate::profile::Profile;
use crate::shared::{Kept, Shared};
use crate::slots::{InvalidSlots, Slots};
use crate::storage::{Session, Storage, Wakeups};
use crate::text::{Id, InvalidText, Key, Value};
use crate::ticket::Ticket;
use crate::time::{AnyTimer, Timer};

mod error;
mod settings;
#[cfg(any(feature = "system", all(feature = "js", target_family = "wasm", target_os = "unknown")))]
mod system;

pub use error::BuildError;
use settings::{Changes, resolved};
#[cfg(any(feature = "system", all(feature = "js", target_family = "wasm", target_os = "unknown")))]
pub use system::system_entropy;

/// Describes a candidate or an observer.
///
/// Only the key is required. Durations that are not set follow from the ttl as [`Config::with_ttl`] has them, but for the
/// [retry interval](Self::retry_interval), which follows from the storage too. Nothing is checked before `build`, which
/// names whatever does not fit. Clones have no [ticket](Self::resume).
///
/// ```
/// use core::time::Duration;
/// use lessor::{Builder, MemoryStorage};
///
/// let (candidate, driver) = Builder::new("nightly-report").id("node-a").ttl(Duration::from_secs(30)).build(MemoryStorage::new())?;
/// # let _ = (candidate, driver);
/// # Ok::<(), lessor::BuildError>(())
/// ```
///
/// # Which build
///
/// | | timer | randomness |
/// |---|---|---|
/// | `build` | the system's, or JavaScript's | the system's |
/// | `build_on` | yours: tokio's, a manual one in tests | the system's |
/// | [`build_with`](Self::build_with) | yours | yours: for microcontrollers, without any feature |
/// | [`build_local`](Self::build_local) | yours, also one that is not `Send`: the handles carry its type | yours, or `system_entropy` |
///
/// `observe`, `observe_on`, `observe_with` and `observe_local` make an [`Observer`] in the same four ways. The first two
/// need feature `system` or `js`.
#[derive(Debug)]
#[must_use = "a builder does nothing until it builds"]
pub struct Builder {
    key: String,
    id: Option<String>,
    value: Option<String>,
    ticket: Option<Ticket>,
    rank: Option<u8>,
    places: Option<Places>,
    config: Option<Config>,
    changes: Changes,
}

/// The places of a key: so many, and how their keys begin if not as those of slots do.
#[derive(Clone, Debug)]
struct Places {
    count: u16,
    prefix: Option<String>,
}

impl Places {
    fn slots(&self, key: &Key) -> Result<Slots, InvalidSlots> {
        match &self.prefix {
            Some(prefix) => Slots::in_order(prefix, self.count),
            None => Slots::of(key, self.count),
        }
    }
}

impl Builder {
    /// For the election of this key: 1 to 256 bytes of UTF-8 without control characters.
    pub fn new(key: impl Into<String>) -> Self {
        Self {
            key: key.into(),
            id: None,
            value: None,
            ticket: None,
            rank: None,
            places: None,
            config: None,
            changes: Changes::default(),
        }
    }

    /// What people call this candidate, 1 to 128 bytes; a host name, say. By default a random one.
    #[doc(alias = "WithID")]
    pub fn id(mut self, id: impl Into<String>) -> Self {
        self.id = Some(id.into());
        self
    }

    /// What to publish with the lease, at most 4,096 bytes; the address of the leader, say.
    pub fn value(mut self, value: impl Into<String>) -> Self {
        self.value = Some(value.into());
        self
    }

    /// Goes on with the session of an instance that [went to sleep](crate::Driver::into_ticket). Delete the ticket
    /// for good before you build: see [`Ticket`]. Clones of the builder have no ticket: it is for one instance.
    pub fn resume(mut self, ticket: Ticket) -> Self {
        self.ticket = Some(ticket);
        self
    }

    /// The place of this candidate in the order of preference: 0 is the first choice, and the default.
    ///
    /// It sets the [claim delay](Config::claim_delay) to so many cool-offs, unless that is set by itself: in each of them
    /// every follower hears that the key is free, and asks. So of the candidates that run and reach the storage one of the best rank
    /// leads next, both after a hand-over and after a crash; and where only those of rank n are left, they lead so many
    /// cool-offs later. A cool-off of zero leaves no room for ranks.
    ///
    /// Whoever leads stays, whatever its rank: nothing flaps when a better one comes back. To bring that to the fore, let
    /// the leader [resign](crate::Candidate::resign). (The other way round it takes more: a better one that resigns is back
    /// after its cool-off, before the others have waited. Let it [stop](crate::Candidate::shutdown).)
    ///
    /// ```
    /// use core::time::Duration;
    /// use lessor::{Builder, MemoryStorage};
    ///
    /// let (standby, _driver) = Builder::new("k").rank(2).build(MemoryStorage::new())?;
    /// assert_eq!(standby.config().cool_off, Duration::from_secs(4));
    /// assert_eq!(standby.config().claim_delay, Duration::from_secs(8));
    /// # Ok::<(), lessor::BuildError>(())
    /// ```
    #[doc(alias = "priority")]
    #[doc(alias = "preferred")]
    pub fn rank(mut self, rank: u8) -> Self {
        self.rank = Some(rank);
        self
    }

    /// Lets up to so many candidates (1 to 1,000) lead the key at once: a semaphore among processes.
    ///
    /// Each leads a slot. Slot `i` is the key `<key>/slot/<i>`, with its own lease, term and fence: of each slot one candidate
    /// leads at most, and a candidate leads one slot at most. All candidates of the key have to be given the same number;
    /// while it is being changed, the larger one holds.
    ///
    /// A candidate asks for one slot at a time, beginning with any. Where that is held it asks for the next at once; where all are, it
    /// waits for a wake-up of any of them, for the first of their leases to end, or for the [retry
    /// interval](Config::retry_interval), and then asks for each again: many slots make as many reads.
    ///
    /// * Fence by slot: a resource that compares terms across slots refuses leaders. [`Leadership::key`](crate::Leadership::key) is the slot's own key, and
    ///   [`Leadership::slot`](crate::Leadership::slot) its number.
    /// * [`Candidate::leader`] is the candidate itself while it leads, else one of the leaders, the same one for as long as
    ///   that leads.
    /// * A [ticket](Self::resume) is of one slot, and goes on there.
    /// * An observer sees one key: observe that of a slot, or [list](crate::storage::List) all of `<key>/slot/`.
    ///
    /// ```
    /// use lessor::{Builder, MemoryStorage};
    ///
    /// # smol::block_on(async {
    /// let storage = MemoryStorage::new();
    /// let mut workers = Vec::new();
    /// for name in ["node-a", "node-b", "node-c"] {
    ///     let (candidate, driver) = Builder::new("import").id(name).slots(2).build(storage.clone())?;
    ///     smol::spawn(driver.run()).detach();
    ///     workers.push(candidate);
    /// }
    /// let (first, second) = (workers[0].elected().await?, workers[1].elected().await?);
    /// assert_ne!(first.slot(), second.slot());
    /// assert_eq!(first.key().as_str(), format!("import/slot/{}", first.slot().unwrap()));
    /// assert!(!workers[2].is_leader(), "both slots are led");
    ///
    /// workers[0].shutdown().await?;
    /// assert_eq!(workers[2].elected().await?.slot(), first.slot());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # }).unwrap();
    /// ```
    #[doc(alias = "semaphore")]
    #[doc(alias = "permits")]
    pub fn slots(mut self, count: u16) -> Self {
        self.places = Some(Places { count, prefix: None });
        self
    }

    /// Lets the candidate take one of so many places, whose keys are `<prefix>0` and so on: the first that is free. They are
    /// slots in all else.
    pub(crate) fn places(mut self, prefix: impl Into<String>, count: u16) -> Self {
        self.places = Some(Places { count, prefix: Some(prefix.into()) });
        self
    }

    /// All durations at once. What is set by itself, before or after, still counts.
    pub fn config(mut self, config: Config) -> Self {
        self.config = Some(config);
        self
    }

    /// A candidate on this timer and randomness.
    ///
    /// Sessions are drawn from `entropy`, and a session is all that proves a leader: two candidates with one session
    /// both lead, in one term. So it has to be unpredictable, and must never give the same twice: not to two
    /// candidates, not after a restart (no fixed seed), not to the two sides of a `fork`. Build after forking. Without an
    /// [id](Self::id) the first word that is drawn becomes the id, which everybody sees.
    ///
    /// # Errors
    /// [`BuildError`] names what does not fit.
    pub fn build_with<S: Storage + 'static, T: Timer<Sleep: MaybeSend> + MaybeSendSync + 'static>(
        self,
        storage: S,
        timer: T,
        entropy: impl FnMut() -> u64 + MaybeSend + 'static,
    ) -> Result<(Candidate, Driver<S>), BuildError> {
        self.build_local(storage, AnyTimer::new(timer), entropy)
    }

    /// [`build_with`](Self::build_with) for a timer that stays in its thread, as those of thread-per-core runtimes do:
    /// the handles carry its type.
    ///
    /// ```
    /// use core::time::Duration;
    /// use std::rc::Rc;
    /// use lessor::{Builder, Candidate, ManualTimer, MemoryStorage};
    ///
    /// # fn draw() -> u64 { 7 }
    /// let timer = Rc::new(ManualTimer::new()); // not `Send`
    /// let storage = MemoryStorage::with_timer(ManualTimer::clone(&timer));
    /// let (candidate, mut driver) = Builder::new("k").id("node-a").build_local(storage, timer.clone(), draw)?;
    /// timer.block_on(driver.step());
    /// let candidate: Candidate<Rc<ManualTimer>> = candidate;
    /// assert!(candidate.is_leader());
    /// # Ok::<(), lessor::BuildError>(())
    /// ```
    ///
    /// # Errors
    /// [`BuildError`] names what does not fit.
    pub fn build_local<S: Storage + 'static, T: Timer>(
        self,
        storage: S,
        timer: T,
        entropy: impl FnMut() -> u64 + MaybeSend + 'static,
    ) -> Result<(Candidate<T>, Driver<S, T>), BuildError> {
        let mut entropy: Entropy = Box::new(entropy);
        let Campaign { id, profile, election, wakeups } =
            self.campaign(&timer, &mut entropy, None, Arc::new, |key| storage.subscribe(key))?;
        let shared = Arc::new(Shared::new(timer, profile, election));
        Ok((Candidate::new(Kept::new(shared.clone()), id), Driver::new(shared, storage, wakeups, entropy)))
    }

    /// What is set here that is not a candidate's own in a spread whose group has this id.
    pub(crate) fn set_against_spread(&self, id: &Id) -> Option<&'static str> {
        let delays = self.config.as_ref().is_some_and(|config| !config.claim_delay.is_zero());
        let set = [
            ("id", self.id.as_ref().is_some_and(|own| id != own.as_str())),
            ("rank", self.rank.is_some()),
            ("claim_delay", self.changes.claim_delay.is_some() || delays),
            ("slots", self.places.is_some()),
        ];
        set.into_iter().find(|(_, is_set)| *is_set).map(|(setting, _)| setting)
    }

    /// `fallback`: the id, if none was set. `intern`: where equal profiles are to be one.
    pub(crate) fn campaign(
        self,
        timer: &impl Timer,
        entropy: &mut Entropy,
        fallback: Option<Id>,
        intern: impl FnOnce(Profile) -> Arc<Profile>,
        subscribe: impl Fn(&Key) -> Wakeups,
    ) -> Result<Campaign, BuildError> {
        let id = match (self.id, fallback) {
            (Some(id), _) => Id::new(id)?,
            (None, Some(id)) => id,
            (None, None) => random_id(entropy)?,
        };
        let key = Key::new(self.key)?;
        let slots = self.places.map(|places| places.slots(&key)).transpose()?;
        let wakeups = match &slots {
            Some(slots) => Wakeups::merged(slots.keys().map(|key| subscribe(&key))),
            None => subscribe(&key),
        };
        let config = resolved(self.config, self.changes, self.rank, wakeups.is_complete());
        config.validate_for(timer.resolution())?;
        let profile = intern(Profile::new(Some(id.clone()), Arc::new(config)));
        let config = profile.config.clone();
        let now = timer.now();
        let mut election = match self.ticket {
            Some(ticket) if slots.as_ref().map_or(ticket.key != key, |slots| slots.number(&ticket.key).is_none()) => {
                return Err(BuildError::TicketOfAnother { ticket: ticket.key, key });
            }
            Some(ticket) => Election::resume(id.clone(), config, ticket, entropy(), now),
            None => {
                let session = Session::draw(&mut **entropy);
                if session == Session::NOBODY {
                    return Err(BuildError::NoEntropy(String::from("it gave nothing but zeros")));
                }
                Election::new(key.clone(), id.clone(), config, session, entropy(), now)
            }
        }?;
        if let Some(slots) = slots {
            election = election.seated(key, slots);
        }
        election = election.sharing(profile.clone());
        if let Some(value) = self.value {
            election.handle_input(now, Input::SetValue { value: Some(Value::new(value)?), serial: 1 });
        }
        Ok(Campaign { id, profile, election, wakeups })
    }

    /// An observer on this timer. `entropy` only varies its pauses.
    ///
    /// # Errors
    /// [`BuildError`] names what does not fit.
    pub fn observe_with<S: Storage + 'static, T: Timer<Sleep: MaybeSend> + MaybeSendSync + 'static>(
        self,
        storage: S,
        timer: T,
        entropy: impl FnMut() -> u64 + MaybeSend + 'static,
    ) -> Result<(Observer, Driver<S>), BuildError> {
        self.observe_local(storage, AnyTimer::new(timer), entropy)
    }

    /// [`observe_with`](Self::observe_with) for a timer that stays in its thread.
    ///
    /// # Errors
    /// [`BuildError`] names what does not fit.
    pub fn observe_local<S: Storage + 'static, T: Timer>(
        self,
        storage: S,
        timer: T,
        entropy: impl FnMut() -> u64 + MaybeSend + 'static,
    ) -> Result<(Observer<T>, Driver<S, T>), BuildError> {
        let set = [
            ("id", self.id.is_some()),
            ("value", self.value.is_some()),
            ("ticket", self.ticket.is_some()),
            ("rank", self.rank.is_some()),
            ("slots", self.places.is_some()),
        ];
        if let Some((setting, _)) = set.into_iter().find(|(_, is_set)| *is_set) {
            return Err(BuildError::NotForObservers { setting });
        }
        let mut entropy: Entropy = Box::new(entropy);
        let key = Key::new(self.key)?;
        let wakeups = storage.subscribe(&key);
        // As if nobody told it: it is there to see who leads, also where a wake-up is missing.
        let config = Arc::new(resolved(self.config, self.changes, None, false));
        let profile = Arc::new(Profile::new(None, config.clone()));
        let election = Election::observer(key, config, entropy(), timer.now())?;
        let shared = Arc::new(Shared::new(timer, profile, election));
        Ok((Observer::new(Kept::new(shared.clone())), Driver::new(shared, storage, wakeups, entropy)))
    }
}

/// Without the [ticket](Builder::resume): two candidates with one would both lead.
impl Clone for Builder {
    fn clone(&self) -> Self {
        let Self { key, id, value, ticket: _, rank, places, config, changes } = self;
        Self {
            key: key.clone(),
            id: id.clone(),
            value: value.clone(),
            ticket: None,
            rank: *rank,
            places: places.clone(),
            config: config.clone(),
            changes: changes.clone(),
        }
    }
}

/// What a candidate is made of.
pub(crate) struct Campaign {
    pub(crate) id: Id,
    pub(crate) profile: Arc<Profile>,
    pub(crate) election: Election,
    pub(crate) wakeups: Wakeups,
}

pub(crate) fn random_id(entropy: &mut Entropy) -> Result<Id, InvalidText> {
    Id::new(format!("{:016x}", entropy()))
}
