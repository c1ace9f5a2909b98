//! The timer of a process: its own clock, and sleeps by that.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use lessor::{Instant, Timer};

use crate::clock::Nanos;
use crate::plan::{Misuse, nanos};
use crate::reference::Clocks;
use crate::sim::Sim;

#[derive(Clone)]
pub(crate) struct SimTimer {
    pub(crate) sim: Arc<Sim>,
    pub(crate) process: usize,
    pub(crate) incarnation: u32,
}

impl SimTimer {
    fn read(&self) -> Nanos {
        let world = self.sim.world();
        let process = &world.processes[self.process];
        match world.plan.misuse {
            Some(Misuse::ClockStopsInSuspend) => process.uptime(world.now),
            _ => process.clock.at(world.now),
        }
    }

    /// All clocks of the machine. What is read may be long past when it is used.
    pub(crate) fn clocks(&self) -> Clocks {
        self.sim.stall(self.process, self.incarnation);
        let clocks = {
            let world = self.sim.world();
            world.processes[self.process].clocks(world.now)
        };
        self.sim.stall(self.process, self.incarnation);
        clocks
    }

    /// Waits until the clock that stands still in suspend says so.
    pub(crate) async fn sleep_awake_until(&self, until: Duration) {
        while let Some(left) = until.checked_sub(self.clocks().monotonic).filter(|left| !left.is_zero()) {
            self.sleep(left).await;
        }
    }

    /// Waits until the clock says so.
    pub(crate) fn sleep_until(&self, until: Nanos) -> SimSleep {
        SimSleep { timer: self.clone(), until, place: None }
    }
}

impl Timer for SimTimer {
    type Sleep = SimSleep;

    fn now(&self) -> Instant {
        // What is read may be long past when it is used: as if the thread had lost its processor before or after.
        self.sim.stall(self.process, self.incarnation);
        let reading = self.read();
        self.sim.stall(self.process, self.incarnation);
        Instant::from_origin(Duration::from_nanos(reading))
    }

    fn sleep(&self, duration: Duration) -> SimSleep {
        self.sleep_until(self.read().saturating_add(nanos(duration)))
    }

    fn resolution(&self) -> Duration {
        Duration::ZERO
    }
}

pub(crate) struct SimSleep {
    timer: SimTimer,
    until: Nanos,
    place: Option<(usize, u64)>,
}

impl Future for SimSleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let reading = self.timer.read();
        if reading >= self.until {
            return Poll::Ready(());
        }
        let mut world = self.timer.sim.world();
        if let Some((sleep, number)) = self.place {
            world.end_sleep(sleep, number);
        }
        // A clock that stood still in suspend is behind by that.
        let behind = world.processes[self.timer.process].clock.at(world.now) - reading;
        let place = world.begin_sleep(self.timer.process, self.until.saturating_add(behind), cx.waker());
        drop(world);
        self.place = Some(place);
        Poll::Pending
    }
}

impl Drop for SimSleep {
    fn drop(&mut self) {
        if let Some((sleep, number)) = self.place {
            self.timer.sim.world().end_sleep(sleep, number);
        }
    }
}
