//! A board: a candidate, its driver, and the main loop that polls both.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::task::Wake;
use core::fmt;
use core::future::Future;
use core::pin::{Pin, pin};
use core::sync::atomic::{AtomicBool, Ordering};
use core::task::{Context, Waker};
use core::time::Duration;

use lessor::storage::MaybeSend;
use lessor::{BuildError, Builder, Candidate, Term};

use super::bus::Mailbox;
use super::ticks::{Clock, Ticks};
use super::valve::Order;

/// How long one piece of work takes: none is begun with less left of the lease.
const WORK: Duration = Duration::from_millis(5);

/// A controller of which one is to control.
pub struct Board {
    candidate: Candidate,
    driver: Pin<Box<dyn Future<Output = ()>>>,
    again: Arc<Again>,
    waker: Waker,
}

impl Board {
    /// On its own clock and mailbox; both are `static` on a board.
    ///
    /// `entropy` is the chip's source of randomness. It must never give the same twice, not even after a reset.
    ///
    /// # Errors
    /// [`BuildError`] names what does not fit.
    pub fn new(
        id: &str,
        ticks: &'static Ticks,
        mailbox: &'static Mailbox,
        entropy: impl FnMut() -> u64 + MaybeSend + 'static,
    ) -> Result<Self, BuildError> {
        let builder = Builder::new("valve").id(id).ttl(Duration::from_secs(1));
        let (candidate, driver) = builder.build_with(mailbox, Clock(ticks), entropy)?;
        let again = Arc::new(Again::default());
        Ok(Self { candidate, driver: Box::pin(driver.run()), waker: again.clone().into(), again })
    }

    /// One turn of the main loop, after each tick and each frame: `loop { cortex_m::asm::wfi(); board.turn(); .. }`.
    ///
    /// What it orders, if it leads: to be sent to the valve with its term.
    pub fn turn(&mut self) -> Option<Order> {
        // Polls until nothing is left that can be done at once.
        loop {
            self.again.0.store(false, Ordering::Release);
            let _ = self.driver.as_mut().poll(&mut Context::from_waker(&self.waker));
            if !self.again.0.load(Ordering::Acquire) {
                break;
            }
        }
        let term = self.candidate.leadership()?.check(WORK).ok()?;
        Some(Order { term, open: 40 })
    }

    /// The term in which it leads. It asks its clock, so that it knows even if the main loop hung.
    #[must_use]
    pub fn leads_in(&self) -> Option<Term> {
        self.candidate.leadership().map(|leadership| leadership.term())
    }

    /// Hands over, say for an update: asks for it, and the next turns do it.
    pub fn resign(&mut self) {
        let _ = pin!(self.candidate.resign()).poll(&mut Context::from_waker(&self.waker));
    }
}

impl fmt::Debug for Board {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Board").field("candidate", &self.candidate).finish_non_exhaustive()
    }
}

/// Whether something was woken, maybe by an interrupt handler.
#[derive(Default)]
struct Again(AtomicBool);

impl Wake for Again {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Release);
    }
}
