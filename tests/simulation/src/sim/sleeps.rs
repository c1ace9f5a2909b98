//! Who sleeps, by the clock of its process.

use std::task::Waker;

use super::{Event, World};
use crate::clock::Nanos;

/// A place for a sleeper; used again under another number.
#[derive(Default)]
pub(super) struct Sleep {
    number: u64,
    waker: Option<Waker>,
}

impl World {
    pub(crate) fn begin_sleep(&mut self, process: usize, until: Nanos, waker: &Waker) -> (usize, u64) {
        let sleep = self.free_sleeps.pop().unwrap_or_else(|| {
            self.sleeps.push(Sleep::default());
            self.sleeps.len() - 1
        });
        let number = self.sleeps[sleep].number;
        self.sleeps[sleep].waker = Some(waker.clone());
        let at = self.processes[process].clock.when(until);
        if at < Nanos::MAX {
            self.schedule(at, Event::Wake { sleep, number });
        }
        (sleep, number)
    }

    pub(crate) fn end_sleep(&mut self, sleep: usize, number: u64) -> Option<Waker> {
        let place = self.sleeps.get_mut(sleep).filter(|place| place.number == number)?;
        place.number += 1;
        self.free_sleeps.push(sleep);
        place.waker.take()
    }
}
