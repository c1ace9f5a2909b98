//! What a builder takes from the system: clock, sleep, randomness, and an id if there is none.

use alloc::format;
use core::hash::{Hash, Hasher};
use std::hash::DefaultHasher;

use super::{BuildError, Builder};
use crate::candidate::Candidate;
use crate::driver::Driver;
use crate::maybe_send::{MaybeSend, MaybeSendSync};
use crate::observer::Observer;
use crate::storage::Storage;
use crate::time::{SystemTimer, Timer};

impl Builder {
    /// A candidate on the system's clock, sleep and randomness.
    ///
    /// # Errors
    /// [`BuildError`] names what does not fit.
    pub fn build<S: Storage + 'static>(self, storage: S) -> Result<(Candidate, Driver<S>), BuildError> {
        self.build_on(storage, SystemTimer::new())
    }

    /// A candidate on this timer, and on the system's randomness.
    ///
    /// ```
    /// use lessor::{Builder, ManualTimer, MemoryStorage};
    ///
    /// let timer = ManualTimer::new();
    /// let storage = MemoryStorage::with_timer(timer.clone());
    /// let (candidate, driver) = Builder::new("k").id("node-a").build_on(storage, timer.clone())?;
    /// timer.spawn(driver.run());
    /// let leadership = timer.block_on(candidate.elected()).unwrap().unwrap();
    /// assert_eq!(leadership.term().get(), 1);
    /// # Ok::<(), lessor::BuildError>(())
    /// ```
    ///
    /// # Errors
    /// [`BuildError`] names what does not fit.
    pub fn build_on<S: Storage + 'static, T: Timer<Sleep: MaybeSend> + MaybeSendSync + 'static>(
        mut self,
        storage: S,
        timer: T,
    ) -> Result<(Candidate, Driver<S>), BuildError> {
        let mut entropy = system_entropy()?;
        self.id.get_or_insert_with(|| {
            let bits = u128::from(entropy()) << 64 | u128::from(entropy());
            format!("{}", uuid::Builder::from_random_bytes(bits.to_be_bytes()).as_uuid())
        });
        self.build_with(storage, timer, entropy)
    }

    /// An observer on the system's clock, sleep and randomness. Of the durations it goes by the retry interval and the
    /// request timeout, but all are checked together as a candidate's: a longer request timeout needs a longer ttl.
    ///
    /// # Errors
    /// [`BuildError`] names what does not fit.
    pub fn observe<S: Storage + 'static>(self, storage: S) -> Result<(Observer, Driver<S>), BuildError> {
        self.observe_on(storage, SystemTimer::new())
    }

    /// An observer on this timer.
    ///
    /// # Errors
    /// [`BuildError`] names what does not fit.
    pub fn observe_on<S: Storage + 'static, T: Timer<Sleep: MaybeSend> + MaybeSendSync + 'static>(
        self,
        storage: S,
        timer: T,
    ) -> Result<(Observer, Driver<S>), BuildError> {
        self.observe_with(storage, timer, system_entropy()?)
    }
}

/// The system's randomness, for [`Builder::build_local`] and [`Builder::build_with`]. Each call is a source of its own.
///
/// ```
/// use std::rc::Rc;
/// use lessor::{Builder, MemoryStorage, SystemTimer, system_entropy};
///
/// let timer = Rc::new(SystemTimer::new()); // stays in its thread
/// let (candidate, driver) = Builder::new("k").build_local(MemoryStorage::new(), timer, system_entropy()?)?;
/// # let _ = (candidate, driver);
/// # Ok::<(), lessor::BuildError>(())
/// ```
///
/// # Errors
/// [`BuildError::NoEntropy`]: a machine without randomness is found out at the start.
pub fn system_entropy() -> Result<impl FnMut() -> u64 + MaybeSend + 'static, BuildError> {
    let draw = || getrandom::u64().map_err(|error| BuildError::NoEntropy(format!("{error}")));
    // Should it fail later, a session must still not repeat: a hash of two words drawn now, and a counter. (The keys that
    // the standard library hashes with are no secret in JavaScript.)
    let keys = [draw()?, draw()?];
    let mut drawn = 0_u64;
    Ok(move || {
        drawn = drawn.wrapping_add(1);
        getrandom::u64().unwrap_or_else(|_| {
            let mut hasher = DefaultHasher::new();
            (keys, drawn).hash(&mut hasher);
            hasher.finish()
        })
    })
}
