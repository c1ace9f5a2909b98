//! Many candidates of a process under one driver.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::fmt;
use core::iter;

use event_listener::Event as Signal;

use crate::builder::{BuildError, Builder, Campaign};
use crate::candidate::Candidate;
use crate::election::{Election, Role};
use crate::entropy::Entropy;
use crate::maybe_send::MaybeSendSync;
use crate::mutex::Mutex;
use crate::profile::Profiles;
use crate::shared::{Kept, Shared, Wishes};
use crate::stopped::{Abandoned, Stopped};
use crate::storage::Wakeups;
use crate::text::{Id, Key};
use crate::time::{AnyTimer, Timer};

mod builder;
mod counts;
mod driver;
mod events;
mod member;
mod overload;
mod reigns;
mod renewing;
mod roster;
mod rouse;
mod spreading;
mod timetable;
mod weak;

pub use builder::GroupBuilder;
pub use driver::{GroupDriver, GroupStep};
pub use events::{GroupEvent, GroupEvents};
use events::{Queue, Told};
use reigns::Begun;
pub use reigns::Reigns;
use roster::Roster;
use rouse::Rouse;
pub use weak::WeakGroup;

/// So many members are looked at before others on the executor's thread get their turn.
const AT_ONCE: usize = 256;

/// Many candidates of a process, each for a key of its own, under one driver.
///
/// Each is a [`Candidate`] like any other: with its own term, events and deadline. A group saves tasks, timers and
/// memory, and its renewals share their time: ten thousand keys are a handful of batches where the storage gathers what
/// waits. Candidates are added and removed while it runs; it keeps them, so that no handle of theirs has to be kept.
///
/// Where the storage cannot keep up with all renewals, the group says so ([`GroupEvent::Overloaded`]) and gives keys up,
/// newest terms first, by handing them over: what is left is then renewed in time.
///
/// ```
/// use lessor::{Builder, Group, MemoryStorage};
///
/// # smol::block_on(async {
/// let (group, driver) = Group::builder().id("node-a").build(MemoryStorage::new())?;
/// smol::spawn(driver.run()).detach();
/// for shard in 0..1_000 {
///     group.add(Builder::new(format!("shard/{shard}")))?;
/// }
/// let shard = group.get("shard/7").unwrap();
/// let leadership = shard.elected().await?;
/// assert!(leadership.is_valid());
/// group.shutdown().await?; // all are handed over
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
///
/// Clones are the same group. When the last one is gone it stops, and hands its keys over.
pub struct Group<T: Timer = AnyTimer> {
    hub: Arc<Hub<T>>,
    alive: Arc<Alive<T>>,
}

/// What the handles and the driver share.
pub(crate) struct Hub<T: Timer> {
    timer: T,
    id: Id,
    /// Its candidates share their keys with those of other processes, and have its id.
    is_spread: bool,
    subscribe: Box<dyn Subscribe>,
    entropy: Arc<Mutex<Entropy>>,
    state: Mutex<State<T>>,
    rouse: Arc<Rouse>,
    changed: Signal,
}

/// How to hear of a key.
trait Subscribe: Fn(&Key) -> Wakeups + MaybeSendSync {}
impl<F: Fn(&Key) -> Wakeups + MaybeSendSync> Subscribe for F {}

struct State<T: Timer> {
    candidates: Roster<T>,
    /// In parts: the driver takes them up so.
    newcomers: VecDeque<Vec<Newcomer<T>>>,
    profiles: Profiles,
    listeners: Vec<Weak<Queue>>,
    /// Who listens for reigns that begin.
    begun: Vec<Weak<Begun>>,
    /// Who shares the keys, as far as is known.
    processes: Vec<Id>,
    is_stopping: bool,
    closed: Option<Stopped>,
}

impl<T: Timer> State<T> {
    fn arrive(&mut self, newcomer: Newcomer<T>) {
        match self.newcomers.back_mut().filter(|part| part.len() < AT_ONCE) {
            Some(part) => part.push(newcomer),
            None => self.newcomers.push_back(Vec::from([newcomer])),
        }
    }

    /// To whoever listens: for what comes and goes under this lock, so that it is told in the order in which it does.
    fn tell(&self, event: &GroupEvent) -> Told {
        let mut told = Told::to(self.listeners.iter().filter_map(Weak::upgrade).collect());
        told.push(event);
        told
    }
}

/// One that the driver has not seen yet.
struct Newcomer<T: Timer> {
    shared: Arc<Shared<T>>,
    wakeups: Wakeups,
}

/// How a group is, in numbers. See [`Group::status`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct GroupStatus {
    /// How many candidates it has.
    pub candidates: usize,
    /// How many of them lead, and take on new work.
    pub leading: usize,
    /// How many of them hand over.
    pub ending: usize,
    /// How many hold a term whose last renewal failed.
    pub in_jeopardy: usize,
}

impl Group {
    /// How a group is to be made.
    pub fn builder() -> GroupBuilder {
        GroupBuilder::default()
    }
}

impl<T: Timer + Clone> Group<T> {
    /// Adds a candidate for the key that the builder names. Without an id of its own it has the group's.
    ///
    /// It campaigns until it is [removed](Self::remove) or the group stops, also if nobody keeps the handle.
    ///
    /// # Errors
    /// [`BuildError`] names what does not fit: [`InGroup`](BuildError::InGroup) if the group has a candidate for this key,
    /// [`GroupStopped`](BuildError::GroupStopped) if it has stopped, [`NotInSpread`](BuildError::NotInSpread) if the group is part of
    /// a spread and the candidate has an id, a rank or slots of its own.
    pub fn add(&self, builder: Builder) -> Result<Candidate<T>, BuildError> {
        let hub = &*self.hub;
        if let Some(setting) = builder.set_against_spread(&hub.id).filter(|_| hub.is_spread) {
            return Err(BuildError::NotInSpread { setting });
        }
        let (candidate, newcomer) = hub.recruit(builder, Election::paced, |key| (hub.subscribe)(key))?;
        let key = candidate.key().clone();
        let mut state = hub.state.lock();
        let told = if state.is_stopping || state.closed.is_some() {
            Err(BuildError::GroupStopped)
        } else if state.candidates.get(key.as_str()).is_some() {
            Err(BuildError::InGroup { key })
        } else {
            state.candidates.insert(Kept::new(newcomer.shared.clone()));
            state.arrive(newcomer);
            Ok(state.tell(&GroupEvent::Added(key)))
        };
        drop(state);
        told?.notify();
        hub.rouse.driver();
        Ok(candidate)
    }
}

impl<T: Timer> Group<T> {
    /// The candidate for this key. `None`: the group has none.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<Candidate<T>> {
        let state = self.hub.state.lock();
        state.candidates.get(key).and_then(Candidate::of)
    }

    /// All candidates, in the order of their keys.
    #[must_use]
    pub fn candidates(&self) -> Vec<Candidate<T>> {
        self.hub.candidates()
    }

    /// Removes the candidate for this key: it ends its term, releases the lease, and is gone. Does nothing if there is
    /// none.
    ///
    /// Answers when that is done.
    ///
    /// # Errors
    /// [`Abandoned`] if the driver was dropped before that.
    ///
    /// # Cancel safety
    /// Once polled, the candidate is removed even if the future is dropped.
    pub async fn remove(&self, key: &str) -> Result<(), Abandoned> {
        let Some(candidate) = self.get(key) else { return Ok(()) };
        candidate.shutdown().await?;
        // It says that it has stopped before the group has forgotten it.
        loop {
            let change = self.hub.changed.listen();
            if !self.get(key).is_some_and(|present| present.is_same(&candidate)) {
                return Ok(());
            }
            change.await;
        }
    }

    /// Stops for good: all candidates end their terms and release their leases; the driver then returns.
    ///
    /// # Errors
    /// [`Abandoned`] if the driver was dropped before that.
    ///
    /// # Cancel safety
    /// Once polled, the group stops even if the future is dropped.
    pub async fn shutdown(&self) -> Result<(), Abandoned> {
        self.hub.stop();
        loop {
            let change = self.hub.changed.listen();
            let closed = self.hub.state.lock().closed;
            match closed {
                Some(Stopped::Shutdown) => return Ok(()),
                Some(Stopped::DriverDropped) => return Err(Abandoned),
                None => change.await,
            }
        }
    }

    /// How the group is, in numbers, as it is now.
    #[must_use]
    pub fn status(&self) -> GroupStatus {
        self.hub.status()
    }

    /// What people call the candidates of the group, but for those that have an id of their own; and this process, where the
    /// group is part of a [spread](crate::Spread).
    #[must_use]
    pub fn id(&self) -> &Id {
        &self.hub.id
    }

    /// The reigns of this group: those that have begun and last, and each that begins from now on. For programs that do some work
    /// for each key that they lead: spawn it within the [`Leadership`](crate::Leadership), and it ends with it.
    ///
    /// ```
    /// use lessor::{Builder, Group, MemoryStorage};
    ///
    /// # smol::block_on(async {
    /// let (group, driver) = Group::builder().build(MemoryStorage::new())?;
    /// smol::spawn(driver.run()).detach();
    /// for shard in 0..3 {
    ///     group.add(Builder::new(format!("shard/{shard}")))?;
    /// }
    /// let mut reigns = group.reigns();
    /// for _ in 0..3 {
    ///     let leadership = reigns.next().await.unwrap();
    ///     smol::spawn(async move {
    ///         // Dropped when the key is lost.
    ///         leadership.run(async { println!("{}: at work", leadership.key()) }).await
    ///     })
    ///     .detach();
    /// }
    /// # Ok::<(), lessor::BuildError>(())
    /// # }).unwrap();
    /// ```
    pub fn reigns(&self) -> Reigns<T> {
        let begun = Arc::new(Begun::default());
        let mut state = self.hub.state.lock();
        state.candidates.iter().for_each(|candidate| begun.push(&candidate.key));
        if state.closed.is_some() {
            begun.end();
        } else {
            state.begun.retain(|listener| listener.strong_count() > 0);
            state.begun.push(Arc::downgrade(&begun));
        }
        drop(state);
        Reigns::new(self.hub.clone(), begun)
    }

    /// The ids of the processes that share the keys, this one included, as far as is known. Nobody, where the group is not part
    /// of a [spread](crate::Spread).
    #[must_use]
    pub fn processes(&self) -> Vec<Id> {
        self.hub.processes()
    }

    /// What happens in the group from now on: one stream for all keys. It begins with an
    /// [`Added`](GroupEvent::Added) for each key that is there.
    pub fn events(&self) -> GroupEvents {
        self.hub.events()
    }
}

impl<T: Timer + Clone> Hub<T> {
    /// A candidate, which the driver has yet to adopt.
    fn recruit(
        &self,
        builder: Builder,
        set: impl FnOnce(Election) -> Election,
        subscribe: impl Fn(&Key) -> Wakeups,
    ) -> Result<(Candidate<T>, Newcomer<T>), BuildError> {
        let Campaign { id, profile, election, wakeups } = builder.campaign(
            &self.timer,
            &mut self.entropy(),
            Some(self.id.clone()),
            |profile| self.state.lock().profiles.intern(profile),
            subscribe,
        )?;
        let shared = Arc::new(Shared::new(self.timer.clone(), profile, set(election)));
        Ok((Candidate::new(Kept::new(shared.clone()), id), Newcomer { shared, wakeups }))
    }
}

impl<T: Timer> Hub<T> {
    /// Locked for each draw alone: a timer and a storage that are asked in between may do anything.
    fn entropy(&self) -> Entropy {
        let entropy = self.entropy.clone();
        Box::new(move || (entropy.lock())())
    }

    fn candidates(&self) -> Vec<Candidate<T>> {
        self.state.lock().candidates.iter().filter_map(Candidate::of).collect()
    }

    fn status(&self) -> GroupStatus {
        let mut group = GroupStatus::default();
        for candidate in self.candidates() {
            let status = candidate.status();
            group.candidates += 1;
            group.leading += usize::from(status.role == Role::Leader);
            group.ending += usize::from(status.role == Role::Ending);
            group.in_jeopardy += usize::from(status.jeopardy);
        }
        group
    }

    fn processes(&self) -> Vec<Id> {
        self.state.lock().processes.clone()
    }

    fn events(&self) -> GroupEvents {
        let queue = Arc::new(Queue::default());
        let mut state = self.state.lock();
        // What makes room here is keys alone.
        let added = state.candidates.iter().map(|candidate| GroupEvent::Added(candidate.key.clone()));
        let _dropped: Vec<_> = added.filter_map(|added| queue.push(added)).collect();
        if state.closed.is_some() {
            queue.end();
        } else {
            state.listeners.retain(|listener| listener.strong_count() > 0);
            state.listeners.push(Arc::downgrade(&queue));
        }
        drop(state);
        GroupEvents::new(queue)
    }

    fn stop(&self) {
        let candidates: Vec<_> = {
            let mut state = self.state.lock();
            state.is_stopping = true;
            state.candidates.iter().cloned().collect()
        };
        for candidate in candidates {
            candidate.ask(Wishes::stop);
        }
        self.rouse.driver();
    }

    /// To whoever listens.
    fn tell(&self, event: GroupEvent) {
        self.tell_all(iter::once(event));
    }

    /// A candidate was elected.
    fn tell_begun(&self, key: &Key) {
        let listeners: Vec<_> = self.state.lock().begun.iter().filter_map(Weak::upgrade).collect();
        for listener in listeners {
            listener.push(key);
            listener.notify();
        }
    }

    fn tell_all(&self, events: impl Iterator<Item = GroupEvent>) {
        let listeners: Vec<_> = self.state.lock().listeners.iter().filter_map(Weak::upgrade).collect();
        if listeners.is_empty() {
            return;
        }
        let mut told = Told::to(listeners);
        events.for_each(|event| told.push(&event));
        told.notify();
    }

    /// The driver is done with this one.
    fn forget(&self, key: &Key) {
        let mut state = self.state.lock();
        let gone = state.candidates.remove(key.as_str());
        let told = state.tell(&GroupEvent::Removed(key.clone()));
        drop(state);
        drop(gone);
        told.notify();
        self.changed.notify(usize::MAX);
    }

    fn close(&self, why: Stopped) {
        let (candidates, newcomers, listeners, begun) = {
            let mut state = self.state.lock();
            state.closed.get_or_insert(why);
            let candidates = core::mem::replace(&mut state.candidates, Roster::new());
            let (listeners, begun) = (core::mem::take(&mut state.listeners), core::mem::take(&mut state.begun));
            (candidates, core::mem::take(&mut state.newcomers), listeners, begun)
        };
        for newcomer in newcomers.iter().flatten() {
            newcomer.shared.abandon();
        }
        for listener in listeners.iter().filter_map(Weak::upgrade) {
            listener.end();
            listener.notify();
        }
        for listener in begun.iter().filter_map(Weak::upgrade) {
            listener.end();
            listener.notify();
        }
        drop((candidates, newcomers));
        self.changed.notify(usize::MAX);
    }
}

impl<T: Timer> Clone for Group<T> {
    fn clone(&self) -> Self {
        Self { hub: self.hub.clone(), alive: self.alive.clone() }
    }
}

impl<T: Timer> fmt::Debug for Group<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Group").field("status", &self.status()).finish_non_exhaustive()
    }
}

/// The group stops when the last of these is gone.
struct Alive<T: Timer>(Arc<Hub<T>>);

impl<T: Timer> Drop for Alive<T> {
    fn drop(&mut self) {
        self.0.stop();
    }
}
