//! From a key and a storage to a candidate that runs.

use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use core::fmt;
use core::num::NonZeroU32;
use core::time::Duration;

use crate::candidate::Candidate;
use crate::config::{Config, ConfigError, MAX_DURATION};
use crate::driver::{Driver, Entropy};
use crate::election::{Election, Input};
use crate::lease::{Holder, InvalidText, Key, Session, Value};
use crate::observer::Observer;
use crate::send::MaybeSend;
use crate::shared::Shared;
use crate::storage::Storage;
use crate::ticket::Ticket;
use crate::time::Timer;

#[cfg(any(feature = "system", all(feature = "js", target_family = "wasm", target_os = "unknown")))]
mod system;

/// Describes a candidate or an observer.
///
/// Only the key is required. Durations that are not set follow from the ttl as [`Config::with_ttl`] has them. Nothing
/// is checked before `build`, which names whatever does not fit.
///
/// ```
/// use core::time::Duration;
/// use lessor::{Builder, MemoryStorage};
///
/// let (candidate, driver) = Builder::new("nightly-report").id("node-a").ttl(Duration::from_secs(30)).build(MemoryStorage::new())?;
/// # let _ = (candidate, driver);
/// # Ok::<(), lessor::BuildError>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until it builds"]
pub struct Builder {
    key: String,
    id: Option<String>,
    value: Option<String>,
    ticket: Option<Ticket>,
    config: Option<Config>,
    ttl: Option<Duration>,
    renew_interval: Option<Duration>,
    retry_interval: Option<Duration>,
    request_timeout: Option<Duration>,
    margin: Option<Duration>,
    drain_timeout: Option<Duration>,
    cool_off: Option<Duration>,
    min_hold: Option<Duration>,
    takeover_delay: Option<Duration>,
    takeover_guard: Option<bool>,
    fall_back_after: Option<Option<NonZeroU32>>,
}

macro_rules! setters {
    ($($(#[$doc:meta])* $field:ident: $type:ty;)*) => {$(
        #[doc = concat!("Sets [`Config::", stringify!($field), "`].")]
        $(#[$doc])*
        pub fn $field(mut self, $field: $type) -> Self {
            self.$field = Some($field);
            self
        }
    )*};
}

impl Builder {
    /// For the election of this key: 1 to 256 bytes of UTF-8 without control characters.
    pub fn new(key: impl Into<String>) -> Self {
        Self {
            key: key.into(),
            id: None,
            value: None,
            ticket: None,
            config: None,
            ttl: None,
            renew_interval: None,
            retry_interval: None,
            request_timeout: None,
            margin: None,
            drain_timeout: None,
            cool_off: None,
            min_hold: None,
            takeover_delay: None,
            takeover_guard: None,
            fall_back_after: None,
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
    /// for good before you build: see [`Ticket`].
    pub fn resume(mut self, ticket: Ticket) -> Self {
        self.ticket = Some(ticket);
        self
    }

    /// All durations at once. What is set by itself, before or after, still counts.
    pub fn config(mut self, config: Config) -> Self {
        self.config = Some(config);
        self
    }

    setters! {
        #[doc(alias = "WithTTL")]
        ttl: Duration;
        #[doc(alias = "WithHoldRate")]
        renew_interval: Duration;
        #[doc(alias = "WithFollowRate")]
        retry_interval: Duration;
        request_timeout: Duration;
        margin: Duration;
        drain_timeout: Duration;
        cool_off: Duration;
        min_hold: Duration;
        takeover_delay: Duration;
        takeover_guard: bool;
        #[doc(alias = "WithErrorsToFallback")]
        fall_back_after: Option<NonZeroU32>;
    }

    /// A candidate on this timer and randomness.
    ///
    /// Sessions are drawn from `entropy`, and a session is all that proves a leader: two candidates with one session
    /// both lead, in one term. So it has to be unpredictable, and must never give the same twice: not to two
    /// candidates, not after a restart (no fixed seed), not to the two sides of a `fork`. Build after forking.
    ///
    /// # Errors
    /// [`BuildError`] names what does not fit.
    pub fn build_with<S: Storage + 'static, T: Timer>(
        self,
        storage: S,
        timer: T,
        entropy: impl FnMut() -> u64 + MaybeSend + 'static,
    ) -> Result<(Candidate<T>, Driver<S, T>), BuildError> {
        let mut entropy: Entropy = Box::new(entropy);
        let config = self.resolved();
        let holder = match self.id {
            Some(id) => Holder::new(id),
            None => Holder::new(format!("{:016x}", entropy())),
        }?;
        let key = Key::new(self.key)?;
        let now = timer.now();
        let mut election = match self.ticket {
            Some(ticket) => Election::resume(key, holder, config, ticket, entropy(), now),
            None => {
                let session = Session::from_bits(u128::from(entropy()) << 64 | u128::from(entropy()));
                Election::new(key, holder, config, session, entropy(), now)
            }
        }?;
        if let Some(value) = self.value {
            election.handle_input(now, Input::SetValue(Some(Value::new(value)?)));
        }
        let shared = Arc::new(Shared::new(timer, &election));
        Ok((Candidate::new(shared.clone()), Driver::new(shared, storage, election, entropy)))
    }

    /// An observer on this timer. `entropy` only varies its pauses.
    ///
    /// # Errors
    /// [`BuildError`] names what does not fit.
    pub fn observe_with<S: Storage + 'static, T: Timer>(
        self,
        storage: S,
        timer: T,
        entropy: impl FnMut() -> u64 + MaybeSend + 'static,
    ) -> Result<(Observer<T>, Driver<S, T>), BuildError> {
        let mut entropy: Entropy = Box::new(entropy);
        let config = self.resolved();
        let election = Election::observer(Key::new(self.key)?, config, entropy(), timer.now())?;
        let shared = Arc::new(Shared::new(timer, &election));
        Ok((Observer::new(shared.clone()), Driver::new(shared, storage, election, entropy)))
    }

    fn resolved(&self) -> Config {
        let base = self.config.clone().unwrap_or_default();
        let base = match self.ttl {
            Some(ttl) if self.config.is_none() => Config::with_ttl(ttl),
            ttl => Config { ttl: ttl.unwrap_or(base.ttl), ..base },
        };
        let retry_interval = self.retry_interval.unwrap_or(base.retry_interval);
        let cool_off = match self.config {
            Some(_) => base.cool_off,
            None => retry_interval.saturating_mul(2).min(MAX_DURATION),
        };
        Config {
            ttl: base.ttl,
            renew_interval: self.renew_interval.unwrap_or(base.renew_interval),
            retry_interval,
            request_timeout: self.request_timeout.unwrap_or(base.request_timeout),
            margin: self.margin.unwrap_or(base.margin),
            drain_timeout: self.drain_timeout.unwrap_or(base.drain_timeout),
            cool_off: self.cool_off.unwrap_or(cool_off),
            min_hold: self.min_hold.unwrap_or(base.min_hold),
            takeover_delay: self.takeover_delay.unwrap_or(base.takeover_delay),
            takeover_guard: self.takeover_guard.unwrap_or(base.takeover_guard),
            fall_back_after: self.fall_back_after.unwrap_or(base.fall_back_after),
        }
    }
}

/// What kept a [`Builder`] from building.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BuildError {
    /// The key, the id or the value.
    Text(InvalidText),
    /// The durations.
    Config(ConfigError),
    /// The system gives no randomness; what it said.
    NoEntropy(String),
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(error) => error.fmt(f),
            Self::Config(error) => error.fmt(f),
            Self::NoEntropy(error) => write!(f, "the system gives no randomness: {error}"),
        }
    }
}

impl core::error::Error for BuildError {}

impl From<InvalidText> for BuildError {
    fn from(error: InvalidText) -> Self {
        Self::Text(error)
    }
}

impl From<ConfigError> for BuildError {
    fn from(error: ConfigError) -> Self {
        Self::Config(error)
    }
}
