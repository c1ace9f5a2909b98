//! The only view of time: a clock and a sleep, injected together so that they cannot disagree.

use alloc::boxed::Box;
use alloc::rc::Rc;
use alloc::sync::Arc;
use core::fmt;
use core::future::Future;
use core::num::NonZeroU64;
use core::time::Duration;

mod any;
mod manual;
pub use any::{AnySleep, AnyTimer};
pub use manual::{ManualSleep, ManualTimer};

#[cfg(any(test, all(feature = "js", target_family = "wasm", target_os = "unknown")))]
mod combined;

#[cfg(all(feature = "js", target_family = "wasm", target_os = "unknown"))]
mod js;
#[cfg(all(feature = "js", target_family = "wasm", target_os = "unknown"))]
pub use js::{JsSleep, JsTimer};

#[cfg(all(feature = "system", not(all(feature = "js", target_family = "wasm", target_os = "unknown"))))]
mod system;
#[cfg(all(feature = "system", not(all(feature = "js", target_family = "wasm", target_os = "unknown"))))]
pub use system::{SystemSleep, SystemTimer};

/// JavaScript's clock and sleep are the system's where feature `js` finds them.
#[cfg(all(feature = "js", target_family = "wasm", target_os = "unknown"))]
pub type SystemTimer = JsTimer;

#[cfg(feature = "tokio")]
mod tokio;
#[cfg(feature = "tokio")]
pub use self::tokio::{TokioSleep, TokioTimer};

/// A reading of a [`Timer`]'s clock: the time since some fixed origin of that timer.
///
/// The standard library's `Instant` panics on `wasm32-unknown-unknown` and does not exist without an operating system.
/// Two readings compare only if they come from the same timer. All arithmetic saturates: at the origin, and 584 years after
/// it. A reading is at most 484 years after the origin: whatever is due later than that one still lies ahead of it.
///
/// ```
/// use core::time::Duration;
/// use lessor::Instant;
///
/// let sent = Instant::from_origin(Duration::from_secs(5));
/// let deadline = sent.saturating_add(Duration::from_secs(9));
/// assert_eq!(deadline.saturating_duration_since(sent), Duration::from_secs(9));
/// assert_eq!(sent.saturating_duration_since(deadline), Duration::ZERO);
/// ```
// Eight bytes, also where there may be none: a candidate has a dozen, and there may be many candidates.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(NonZeroU64);

const fn nanoseconds(duration: Duration) -> u64 {
    duration.as_secs().saturating_mul(1_000_000_000).saturating_add(duration.subsec_nanos() as u64)
}

/// The latest reading, in ns after the origin: a century before the last instant that there is.
const LATEST: u64 = u64::MAX - 100 * 365 * 86_400 * 1_000_000_000;

impl Instant {
    /// The instant that lies this long after the timer's origin, and 484 years at most.
    #[must_use]
    pub const fn from_origin(elapsed: Duration) -> Self {
        let elapsed = nanoseconds(elapsed);
        Self(NonZeroU64::MIN.saturating_add(if elapsed < LATEST { elapsed } else { LATEST }))
    }

    /// How long after the timer's origin this is.
    #[must_use]
    pub const fn since_origin(self) -> Duration {
        Duration::from_nanos(self.0.get() - 1)
    }

    /// One more than the nanoseconds since the origin: what an atomic number can keep, with 0 for none.
    pub(crate) const fn to_bits(self) -> NonZeroU64 {
        self.0
    }

    /// How long after `earlier` this is; zero if it is not after it.
    #[must_use]
    pub const fn saturating_duration_since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.get().saturating_sub(earlier.0.get()))
    }

    /// This instant moved into the future.
    #[must_use]
    pub const fn saturating_add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(nanoseconds(duration)))
    }

    /// This instant moved into the past, not beyond the origin.
    #[must_use]
    pub const fn saturating_sub(self, duration: Duration) -> Self {
        match NonZeroU64::new(self.0.get().saturating_sub(nanoseconds(duration))) {
            Some(bits) => Self(bits),
            None => Self(NonZeroU64::MIN),
        }
    }
}

/// The origin.
impl Default for Instant {
    fn default() -> Self {
        Self(NonZeroU64::MIN)
    }
}

impl fmt::Debug for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Instant").field(&self.since_origin()).finish()
    }
}

/// The injected clock and sleep.
///
/// Requirements: `now` never goes back, and it goes on while the machine sleeps; a clock that stops in suspend lets a
/// woken leader believe in a lease that ended long ago (`SystemTimer` takes the right clock of each platform). How coarse
/// it is it says as its [`resolution`](Self::resolution). A sleep may end late. One that ends early now and then only costs a needless look; one that always does makes a busy
/// loop.
///
/// A clock that goes back all the same, as a wall clock may, ends the reign, and its candidate begins anew, if anybody can
/// see it: a handle sees a reading from before the last renewal was sent, a driver one that is below that of its last look.
/// A step that is smaller than the time since then, mostly a renew interval at most, nobody sees: the leader goes on for so
/// much longer, and only the margin keeps it apart from the next one. A step of 1 ms counts as none.
///
/// Handles keep a timer as an [`AnyTimer`], for which it and its sleep have to cross threads natively. One that cannot,
/// as those of thread-per-core runtimes, goes to [`Builder::build_local`](crate::Builder::build_local): the handles then
/// carry its type and stay in its thread.
///
/// ```
/// use core::time::Duration;
/// use lessor::{Instant, SystemTimer, Timer};
///
/// /// The system's clock, and a sleep on smol's reactor.
/// struct SmolTimer;
///
/// impl Timer for SmolTimer {
///     type Sleep = smol::Timer;
///
///     fn now(&self) -> Instant {
///         SystemTimer::new().now()
///     }
///
///     fn sleep(&self, duration: Duration) -> smol::Timer {
///         smol::Timer::after(duration)
///     }
/// }
/// # let before = SmolTimer.now();
/// # smol::block_on(SmolTimer.sleep(Duration::from_millis(2)));
/// # assert!(SmolTimer.now() > before);
/// ```
pub trait Timer {
    /// Ends when the time is over. Its output is ignored.
    type Sleep: Future;

    /// Reads the clock.
    fn now(&self) -> Instant;

    /// A future that ends after `duration`, counted from this call.
    fn sleep(&self, duration: Duration) -> Self::Sleep;

    /// By how much the time between two readings may be more than they say: the grain of the clock. By default 1 ms.
    ///
    /// Of a clock that shows whole ticks, that is one tick: the first reading may be taken right when it ticks, the
    /// second one right before it ticks again. A leader goes on for so much longer than it thinks, and its
    /// [margin](crate::Config::margin) has to cover that: a builder refuses one that does not.
    ///
    /// Asked once for each candidate, when it is built. It does not change.
    fn resolution(&self) -> Duration {
        DEFAULT_RESOLUTION
    }
}

/// A reading that is earlier by more than this than one before was made by a clock that went back.
pub(crate) const SET_BACK: Duration = Duration::from_millis(1);

/// That of most clocks, or coarser than they are.
const DEFAULT_RESOLUTION: Duration = Duration::from_millis(1);

macro_rules! delegate {
    ($($pointer:ty),*) => {$(
        impl<T: Timer + ?Sized> Timer for $pointer {
            type Sleep = T::Sleep;

            fn now(&self) -> Instant {
                (**self).now()
            }

            fn sleep(&self, duration: Duration) -> Self::Sleep {
                (**self).sleep(duration)
            }

            fn resolution(&self) -> Duration {
                (**self).resolution()
            }
        }
    )*};
}

delegate!(&T, Box<T>, Rc<T>, Arc<T>);

/// A timer from a clock and any runtime's sleep.
///
/// `now` answers the time since any fixed origin. Where it is coarser than a millisecond, say
/// [how coarse](FromFns::with_resolution).
///
/// ```
/// use lessor::{SystemTimer, Timer, time};
///
/// // A clock that goes on while the machine sleeps: the standard library's `Instant` does not on every system.
/// let clock = SystemTimer::new();
/// let timer = time::from_fns(move || clock.now().since_origin(), smol::Timer::after);
/// # let _ = timer;
/// ```
pub const fn from_fns<N, S, F>(now: N, sleep: S) -> FromFns<N, S>
where
    N: Fn() -> Duration,
    S: Fn(Duration) -> F,
    F: Future,
{
    FromFns { now, sleep, resolution: DEFAULT_RESOLUTION }
}

/// The timer made by [`from_fns`].
#[derive(Clone, Copy)]
pub struct FromFns<N, S> {
    now: N,
    sleep: S,
    resolution: Duration,
}

impl<N, S> FromFns<N, S> {
    /// Says how coarse the clock is: its [`resolution`](Timer::resolution).
    ///
    /// ```
    /// use core::time::Duration;
    /// use lessor::{SystemTimer, Timer, time};
    ///
    /// // A clock that ticks 64 times a second.
    /// let tick = Duration::from_micros(15_625);
    /// let clock = SystemTimer::new();
    /// let ticks = move || tick * (clock.now().since_origin().as_micros() / tick.as_micros()) as u32;
    /// let timer = time::from_fns(ticks, smol::Timer::after).with_resolution(tick);
    /// assert_eq!(timer.resolution(), tick);
    /// ```
    #[must_use]
    pub fn with_resolution(self, resolution: Duration) -> Self {
        Self { resolution, ..self }
    }
}

impl<N, S, F> Timer for FromFns<N, S>
where
    N: Fn() -> Duration,
    S: Fn(Duration) -> F,
    F: Future,
{
    type Sleep = F;

    fn now(&self) -> Instant {
        Instant::from_origin((self.now)())
    }

    fn sleep(&self, duration: Duration) -> F {
        (self.sleep)(duration)
    }

    fn resolution(&self) -> Duration {
        self.resolution
    }
}

impl<N, S> fmt::Debug for FromFns<N, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FromFns").finish_non_exhaustive()
    }
}
