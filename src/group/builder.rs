//! From a storage to a group that runs.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use event_listener::Event as Signal;

use super::spreading::Spreading;
use super::{Alive, Group, GroupDriver, Hub, Roster, Rouse, State};
use crate::builder::{BuildError, random_id};
use crate::entropy::Entropy;
use crate::maybe_send::{MaybeSend, MaybeSendSync};
use crate::mutex::Mutex;
use crate::profile::Profiles;
use crate::spread::Spread;
use crate::storage::Storage;
use crate::text::Id;
use crate::time::{AnyTimer, Timer};

/// Describes a [`Group`]. It builds in the same four ways as a [`Builder`](crate::Builder).
///
/// ```
/// use lessor::{Builder, Group, ManualTimer, MemoryStorage};
///
/// let timer = ManualTimer::new();
/// let storage = MemoryStorage::with_timer(timer.clone());
/// let (group, driver) = Group::builder().id("node-a").build_with(storage, timer.clone(), || 7)?;
/// timer.spawn(driver.run());
/// let candidate = group.add(Builder::new("k"))?;
/// assert!(timer.block_on(candidate.elected()).unwrap().is_ok());
/// # Ok::<(), lessor::BuildError>(())
/// ```
#[derive(Clone, Debug, Default)]
#[must_use = "a builder does nothing until it builds"]
pub struct GroupBuilder {
    id: Option<String>,
    spread: Option<Spread>,
}

impl GroupBuilder {
    /// What people call the candidates of this group, 1 to 128 bytes; a host name, say. By default a random one.
    pub fn id(mut self, id: impl Into<String>) -> Self {
        self.id = Some(id.into());
        self
    }

    /// Shares its keys with the groups of other processes.
    pub fn spread(mut self, spread: Spread) -> Self {
        self.spread = Some(spread);
        self
    }

    /// A group on the system's clock, sleep and randomness.
    ///
    /// # Errors
    /// [`BuildError`] names what does not fit.
    #[cfg(any(feature = "system", all(feature = "js", target_family = "wasm", target_os = "unknown")))]
    pub fn build<S: Storage + 'static>(self, storage: S) -> Result<(Group, GroupDriver<S>), BuildError> {
        self.build_on(storage, crate::time::SystemTimer::new())
    }

    /// A group on this timer, and on the system's randomness.
    ///
    /// # Errors
    /// [`BuildError`] names what does not fit.
    #[cfg(any(feature = "system", all(feature = "js", target_family = "wasm", target_os = "unknown")))]
    pub fn build_on<S: Storage + 'static, T: Timer<Sleep: MaybeSend> + MaybeSendSync + 'static>(
        self,
        storage: S,
        timer: T,
    ) -> Result<(Group, GroupDriver<S>), BuildError> {
        let entropy = crate::builder::system_entropy()?;
        self.build_with(storage, timer, entropy)
    }

    /// A group on this timer and randomness, which has to be as [`Builder::build_with`](crate::Builder::build_with) asks.
    ///
    /// # Errors
    /// [`BuildError`] names what does not fit.
    pub fn build_with<S: Storage + 'static, T: Timer<Sleep: MaybeSend> + MaybeSendSync + 'static>(
        self,
        storage: S,
        timer: T,
        entropy: impl FnMut() -> u64 + MaybeSend + 'static,
    ) -> Result<(Group, GroupDriver<S>), BuildError> {
        self.build_local(storage, AnyTimer::new(timer), entropy)
    }

    /// [`build_with`](Self::build_with) for a timer that stays in its thread: the handles carry its type.
    ///
    /// # Errors
    /// [`BuildError`] names what does not fit.
    #[allow(clippy::arc_with_non_send_sync, reason = "on wasm and bare metal randomness need not cross threads")]
    pub fn build_local<S: Storage + 'static, T: Timer + Clone>(
        self,
        storage: S,
        timer: T,
        entropy: impl FnMut() -> u64 + MaybeSend + 'static,
    ) -> Result<(Group<T>, GroupDriver<S, T>), BuildError> {
        let mut entropy: Entropy = Box::new(entropy);
        let id = match self.id {
            Some(id) => Id::new(id)?,
            None => random_id(&mut entropy)?,
        };
        let storage = Arc::new(storage);
        let subscribed = storage.clone();
        let state = State {
            candidates: Roster::new(),
            newcomers: VecDeque::new(),
            profiles: Profiles::default(),
            listeners: Vec::new(),
            begun: Vec::new(),
            processes: Vec::new(),
            is_stopping: false,
            closed: None,
        };
        let hub = Arc::new(Hub {
            timer,
            id,
            is_spread: self.spread.is_some(),
            subscribe: Box::new(move |key| subscribed.subscribe(key)),
            entropy: Arc::new(Mutex::new(entropy)),
            state: Mutex::new(state),
            rouse: Arc::new(Rouse::default()),
            changed: Signal::new(),
        });
        let spreading = self.spread.map(|spread| Spreading::begin(&spread, &hub)).transpose()?;
        let group = Group { hub: hub.clone(), alive: Arc::new(Alive(hub.clone())) };
        Ok((group, GroupDriver::new(hub, storage, spreading)))
    }
}
