//! The operating system's clock and sleep.

use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll};
use core::time::Duration;

use alarm::{Alarm, Sleeper};

use super::{Instant, Timer};

mod alarm;

/// The operating system's clock, and a sleep that works under every executor.
///
/// The clock counts the time a machine sleeps, which the standard library's does not on every platform
/// (Rust's issues 87906 and 79462):
///
/// | platform | clock | counts suspend |
/// |---|---|---|
/// | Linux, Android | `CLOCK_BOOTTIME` | yes |
/// | macOS, iOS and their kin | `CLOCK_MONOTONIC` | yes (the standard library reads `CLOCK_UPTIME_RAW`, which does not) |
/// | OpenBSD | `CLOCK_BOOTTIME` | yes |
/// | other Unix | `CLOCK_MONOTONIC` | as the system defines it |
/// | Windows | `QueryPerformanceCounter` through the standard library | yes |
/// | others | the standard library's | as the system defines it |
///
/// No clock of the machine counts while a virtual machine is paused or restored from a snapshot: only the fencing term
/// protects against what such a machine does when it goes on.
///
/// ```
/// use core::time::Duration;
/// use lessor::{SystemTimer, Timer};
///
/// let timer = SystemTimer::new();
/// let before = timer.now();
/// futures::executor::block_on(timer.sleep(Duration::from_millis(5)));
/// assert!(timer.now() > before);
/// ```
///
/// Sleeping costs one thread for the whole process (crate `futures-timer`), which starts at the first sleep. Where
/// the system refuses a thread, sleeping panics. Sleeps end with the millisecond in which they are over, so that many
/// of them cost the thread little.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct SystemTimer;

impl SystemTimer {
    /// The system's timer. All its values are alike and share one origin.
    #[must_use]
    pub const fn new() -> Self {
        Self
    }
}

impl Timer for SystemTimer {
    type Sleep = SystemSleep;

    fn now(&self) -> Instant {
        Instant::from_origin(elapsed())
    }

    fn sleep(&self, duration: Duration) -> SystemSleep {
        SystemSleep(Alarm::of_the_process().sleeper(duration))
    }
}

/// The sleep of a [`SystemTimer`].
#[derive(Debug)]
#[must_use = "a sleep does nothing unless it is awaited"]
pub struct SystemSleep(Sleeper);

impl Future for SystemSleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if Alarm::of_the_process().is_over(self.0, cx) { Poll::Ready(()) } else { Poll::Pending }
    }
}

impl Drop for SystemSleep {
    fn drop(&mut self) {
        Alarm::of_the_process().forget(self.0);
    }
}

#[cfg(unix)]
fn elapsed() -> Duration {
    use rustix::time::{ClockId, clock_gettime};

    #[cfg(any(target_os = "linux", target_os = "android", target_os = "openbsd"))]
    const CLOCK: ClockId = ClockId::Boottime;
    #[cfg(not(any(target_os = "linux", target_os = "android", target_os = "openbsd")))]
    const CLOCK: ClockId = ClockId::Monotonic;

    let time = clock_gettime(CLOCK);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or(0))
}

#[cfg(not(unix))]
#[expect(clippy::disallowed_methods, reason = "the one sanctioned place")]
fn elapsed() -> Duration {
    use std::sync::OnceLock;
    use std::time::Instant;

    static ORIGIN: OnceLock<Instant> = OnceLock::new();
    // A reading of zero would be an instant before which nothing can lie.
    ORIGIN.get_or_init(Instant::now).elapsed() + Duration::from_secs(1)
}
