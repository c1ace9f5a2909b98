//! tokio's clock and sleep, paused time included.

use alloc::boxed::Box;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll};
use core::time::Duration;

use super::{Instant, Timer};

/// Tokio's clock and sleep, which follow `tokio::time::pause` and `advance`.
///
/// For tests of programs on tokio. In production prefer `SystemTimer` (feature `system`), which works under tokio
/// too: tokio's clock stops while the machine sleeps.
///
/// Its sleep panics outside a tokio runtime with time enabled, as tokio's own does.
///
/// ```
/// use core::time::Duration;
/// use lessor::{Builder, MemoryStorage, TokioTimer};
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let timer = TokioTimer::new(); // in a test with paused time
/// let (candidate, driver) = Builder::new("k").build_on(MemoryStorage::with_timer(timer), timer)?;
/// tokio::spawn(driver.run());
/// let leadership = candidate.elected().await?;
/// tokio::time::sleep(Duration::from_secs(3600)).await;
/// assert!(leadership.is_valid());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug)]
pub struct TokioTimer {
    origin: ::tokio::time::Instant,
}

impl TokioTimer {
    /// A timer whose origin is now.
    #[must_use]
    pub fn new() -> Self {
        Self { origin: ::tokio::time::Instant::now() }
    }
}

impl Default for TokioTimer {
    fn default() -> Self {
        Self::new()
    }
}

impl Timer for TokioTimer {
    type Sleep = TokioSleep;

    fn now(&self) -> Instant {
        Instant::from_origin(self.origin.elapsed())
    }

    fn sleep(&self, duration: Duration) -> TokioSleep {
        TokioSleep(Box::pin(::tokio::time::sleep(duration)))
    }
}

/// The sleep of a [`TokioTimer`].
#[derive(Debug)]
#[must_use = "a sleep does nothing unless it is awaited"]
pub struct TokioSleep(Pin<Box<::tokio::time::Sleep>>);

impl Future for TokioSleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.0.as_mut().poll(cx)
    }
}
