//! The timer: a counter that an interrupt moves.

use core::future::Future;
use core::pin::Pin;
use core::sync::atomic::{AtomicU32, Ordering};
use core::task::{Context, Poll};
use core::time::Duration;

use lessor::{Instant, Timer};

/// Milliseconds since the board was switched on.
///
/// Chips of this size have atomics of 32 bits, and so many milliseconds are over after 50 days. So there are two words.
#[derive(Debug)]
pub struct Ticks {
    low: AtomicU32,
    high: AtomicU32,
}

impl Ticks {
    /// A counter that begins here: zero on a board; elsewhere nobody has the time to see it wrap.
    #[must_use]
    pub const fn new(low: u32) -> Self {
        Self { low: AtomicU32::new(low), high: AtomicU32::new(0) }
    }

    /// A millisecond has passed: call it from the tick interrupt, and from nowhere else.
    pub fn tick(&self) {
        let low = self.low.load(Ordering::Relaxed).wrapping_add(1);
        self.low.store(low, Ordering::Release);
        if low == 0 {
            self.high.store(self.high.load(Ordering::Relaxed).wrapping_add(1), Ordering::Release);
        }
    }

    /// From anywhere that the tick interrupt may interrupt: both words as they are between two ticks.
    #[must_use]
    pub fn milliseconds(&self) -> u64 {
        loop {
            let high = self.high.load(Ordering::Acquire);
            let low = self.low.load(Ordering::Acquire);
            if self.high.load(Ordering::Acquire) == high {
                return u64::from(high) << 32 | u64::from(low);
            }
        }
    }
}

/// A board's clock: a `static` counter. It goes on while the main loop hangs.
#[derive(Clone, Copy, Debug)]
pub struct Clock(pub &'static Ticks);

impl Timer for Clock {
    type Sleep = Sleep;

    fn now(&self) -> Instant {
        Instant::from_origin(Duration::from_millis(self.0.milliseconds()))
    }

    fn sleep(&self, duration: Duration) -> Sleep {
        Sleep { due: self.now().saturating_add(duration), clock: *self }
    }
}

/// It wakes nobody: the main loop polls after each tick.
#[derive(Debug)]
pub struct Sleep {
    due: Instant,
    clock: Clock,
}

impl Future for Sleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        if self.clock.now() >= self.due { Poll::Ready(()) } else { Poll::Pending }
    }
}
