//! What is controlled. It takes orders from the newest reign alone.

use lessor::{Fence, Stale, Term};

/// An order on its way to the valve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Order {
    /// Of the board that leads, or led when it gave the order.
    pub term: Term,
    /// In percent.
    pub open: u8,
}

/// It has no idea of leases and clocks: it remembers the newest term it has seen.
#[derive(Debug, Default)]
pub struct Valve {
    fence: Fence,
    open: u8,
}

impl Valve {
    /// Moves, unless the order is of an earlier reign.
    ///
    /// # Errors
    /// [`Stale`]: a newer reign has begun.
    pub fn obey(&mut self, order: Order) -> Result<(), Stale> {
        self.fence.admit(order.term)?;
        self.open = order.open;
        Ok(())
    }

    /// In percent.
    #[must_use]
    pub const fn open(&self) -> u8 {
        self.open
    }
}
