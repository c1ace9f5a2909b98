//! A timer of any kind, under one type.

use alloc::boxed::Box;
use alloc::sync::Arc;
use core::fmt;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll};
use core::time::Duration;

use super::{Instant, Timer};
use crate::maybe_send::{BoxFuture, MaybeSend, MaybeSendSync};

/// Any [`Timer`], so that what holds a candidate need not name its timer's type.
///
/// Handles have it unless you ask for another. Clones are the same timer. Reading the clock goes through one pointer;
/// each sleep is one allocation.
///
/// ```
/// use lessor::time::AnyTimer;
/// use lessor::{ManualTimer, Timer};
///
/// let manual = ManualTimer::new();
/// let timer = AnyTimer::new(manual.clone());
/// assert_eq!(timer.now(), manual.now());
/// ```
#[derive(Clone)]
pub struct AnyTimer(Arc<dyn Erased>);

trait Erased: MaybeSendSync {
    fn now(&self) -> Instant;
    fn sleep(&self, duration: Duration) -> BoxFuture<()>;
    fn resolution(&self) -> Duration;
}

impl<T: Timer<Sleep: MaybeSend> + MaybeSendSync + 'static> Erased for T {
    fn now(&self) -> Instant {
        Timer::now(self)
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<()> {
        let sleep = Timer::sleep(self, duration);
        Box::pin(async {
            sleep.await;
        })
    }

    fn resolution(&self) -> Duration {
        Timer::resolution(self)
    }
}

impl AnyTimer {
    /// This timer. Natively it and its sleep have to cross threads.
    #[must_use]
    pub fn new<T: Timer<Sleep: MaybeSend> + MaybeSendSync + 'static>(timer: T) -> Self {
        Self(Arc::new(timer))
    }
}

impl Timer for AnyTimer {
    type Sleep = AnySleep;

    fn now(&self) -> Instant {
        self.0.now()
    }

    fn sleep(&self, duration: Duration) -> AnySleep {
        AnySleep(self.0.sleep(duration))
    }

    fn resolution(&self) -> Duration {
        self.0.resolution()
    }
}

impl fmt::Debug for AnyTimer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AnyTimer").finish_non_exhaustive()
    }
}

/// The sleep of an [`AnyTimer`].
#[must_use = "a sleep does nothing unless it is awaited"]
pub struct AnySleep(BoxFuture<()>);

impl Future for AnySleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.0.as_mut().poll(cx)
    }
}

impl fmt::Debug for AnySleep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AnySleep").finish_non_exhaustive()
    }
}
