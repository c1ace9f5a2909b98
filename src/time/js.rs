//! JavaScript's clock and sleep, in browsers and Node.

use core::cell::Cell;
use core::future::Future;
use core::marker::PhantomData;
use core::pin::Pin;
use core::task::{Context, Poll, ready};
use core::time::Duration;

use gloo_timers::future::TimeoutFuture;
use wasm_bindgen::prelude::*;

use super::combined::{CombinedClock, ROUNDED, Reading, UNCOUNTED};
use super::{Instant, Timer};

/// JavaScript's clock and sleep: in pages, in workers, in Node (feature `js` on `wasm32-unknown-unknown`).
///
/// The clock counts the time a machine sleeps. It goes by `performance.now()`, which stops then in most browsers
/// outside Windows and in Node on Linux (w3c/hr-time's issue 115); `Date.now()` shows for how long. A step forward of
/// the date looks the same and counts too: a leader then stops early. A step back does not count, but hides as much of
/// a sleep if nobody reads the clock in between. Where there is no `performance` the date is all there is, and the
/// clock stands still at a step back.
///
/// The sleep is `setTimeout`. It never ends early by this clock, lasts for any duration, and clears its timeout when
/// it is dropped. Browsers delay the timeouts of a page that nobody sees, by a minute at worst: run the driver in a
/// worker, or take a ttl of some minutes. A leader whose timeouts are late knows in time that its reign is over, as
/// ever; it only cannot renew.
///
/// Each thread has one clock, so a timer stays in its thread, and so do the candidates on it. Where there is no
/// `setTimeout` (audio worklets), sleeping panics.
#[derive(Clone, Copy, Debug, Default)]
pub struct JsTimer {
    /// Not `Send`: an instant of one thread's clock says nothing by another's.
    here: PhantomData<*const ()>,
}

impl JsTimer {
    /// JavaScript's timer. All its values in one thread are alike and share one origin.
    #[must_use]
    pub const fn new() -> Self {
        Self { here: PhantomData }
    }
}

impl Timer for JsTimer {
    type Sleep = JsSleep;

    fn now(&self) -> Instant {
        // One for all, so that a storage in memory and its candidates see the same time.
        std::thread_local! {
            static CLOCK: Cell<CombinedClock> = const { Cell::new(CombinedClock::new()) };
        }
        CLOCK.with(|cell| {
            let mut clock = cell.get();
            let now = clock.read(Reading { steady: performance_now().ok(), wall: date_now() });
            cell.set(clock);
            Instant::from_origin(now)
        })
    }

    fn sleep(&self, duration: Duration) -> JsSleep {
        JsSleep { timer: *self, until: self.now().saturating_add(duration), timeout: timeout(duration) }
    }

    /// Browsers round their clocks, to 100 ms at worst, and so much of short sleeps of the machine may not be counted yet:
    /// 350 ms. So a ttl of 3.6 s is the shortest with the default margin, a tenth of it.
    fn resolution(&self) -> Duration {
        ROUNDED + UNCOUNTED
    }
}

/// The sleep of a [`JsTimer`].
///
/// `gloo-timers` sets and clears the timeout. One lasts for 24 days at most and may end a part of a millisecond early,
/// so it is set anew until the time is over.
#[derive(Debug)]
#[must_use = "a sleep does nothing unless it is awaited"]
pub struct JsSleep {
    timer: JsTimer,
    until: Instant,
    timeout: TimeoutFuture,
}

impl Future for JsSleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            let left = self.until.saturating_duration_since(self.timer.now());
            if left.is_zero() {
                return Poll::Ready(());
            }
            ready!(Pin::new(&mut self.timeout).poll(cx));
            self.timeout = timeout(left);
        }
    }
}

/// Rounded up to whole milliseconds, and cut to the longest that `setTimeout` knows.
fn timeout(duration: Duration) -> TimeoutFuture {
    const LONGEST: u32 = i32::MAX.unsigned_abs();
    let millis = duration.as_nanos().div_ceil(1_000_000);
    TimeoutFuture::new(u32::try_from(millis).map_or(LONGEST, |millis| millis.min(LONGEST)))
}

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_namespace = ["globalThis", "performance"], js_name = now, catch)]
    fn performance_now() -> Result<f64, JsValue>;

    #[wasm_bindgen(js_namespace = Date, js_name = now)]
    fn date_now() -> f64;
}
