//! Time in a Worker.

use core::future::Future;
use core::time::Duration;

use lessor::{Instant, Timer};
use worker::{Date, Delay};

/// The clock and the sleep of the Workers platform.
///
/// The clock stands still between two events that come from outside (the answer to a request, a timer): code that only
/// computes does not see its deadline pass. After a long computation await something, a request or [`Timer::sleep`] of
/// zero, before you trust [`is_leader`](lessor::Candidate::is_leader); or let the resource judge the term.
///
/// It is the wall clock of the machine, which is kept in step with others' but may be set back a little: the margin of
/// an election has to be larger than that. Sleeping keeps a Durable Object in memory, and is paid for.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct WorkerTimer;

impl WorkerTimer {
    /// All its values are alike.
    #[must_use]
    pub const fn new() -> Self {
        Self
    }
}

/// The longest that the platform waits at a time.
const LONGEST_MS: u128 = i32::MAX as u128;

impl Timer for WorkerTimer {
    type Sleep = core::pin::Pin<Box<dyn Future<Output = ()>>>;

    fn now(&self) -> Instant {
        Instant::from_origin(Duration::from_millis(Date::now().as_millis()))
    }

    fn sleep(&self, duration: Duration) -> Self::Sleep {
        let mut left_ms = duration.as_nanos().div_ceil(1_000_000);
        Box::pin(async move {
            while left_ms > LONGEST_MS {
                Delay::from(Duration::from_millis(LONGEST_MS as u64)).await;
                left_ms -= LONGEST_MS;
            }
            Delay::from(Duration::from_millis(left_ms as u64)).await;
        })
    }

    /// It shows milliseconds, and may be set back by a few.
    fn resolution(&self) -> Duration {
        Duration::from_millis(10)
    }
}
