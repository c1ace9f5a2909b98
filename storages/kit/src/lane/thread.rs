//! The thread of a lane, and its clock.

use core::convert::Infallible;
use core::time::Duration;
use std::sync::{Arc, Mutex, PoisonError};
use std::{io, thread};

use futures::channel::oneshot;
use lessor::time::AnyTimer;
use lessor::{Instant, StorageError, SystemTimer, Timer};

use super::dispatcher::Dispatcher;
use super::hub::{End, Hub};
use super::server::Server;

/// The system's clock, and a sleep on the reactor that the thread runs.
pub(super) struct ThreadTimer;

impl Timer for ThreadTimer {
    type Sleep = async_io::Timer;

    fn now(&self) -> Instant {
        SystemTimer::new().now()
    }

    fn sleep(&self, duration: Duration) -> async_io::Timer {
        async_io::Timer::after(duration)
    }
}

/// Sees to it that there is a thread while somebody asks.
///
/// Cancelled when the thread is over. `None`: there was none.
#[derive(Default)]
pub(super) struct Keeper(Mutex<Option<oneshot::Receiver<Infallible>>>);

impl Keeper {
    pub(super) fn keep_running<S: Server>(&self, server: &Arc<S>, hub: &Arc<Hub>, tracks: usize) {
        let mut running = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if running.as_mut().is_some_and(|over| over.try_recv().is_ok()) {
            return;
        }
        match start(server.clone(), hub.clone(), tracks) {
            Ok(over) => *running = Some(over),
            Err(error) => hub.answer_all(&StorageError::transient(error)),
        }
    }
}

/// Runs the dispatcher until the hub is closed. What is answered is cancelled when the thread is over.
fn start<S: Server>(server: Arc<S>, hub: Arc<Hub>, tracks: usize) -> io::Result<oneshot::Receiver<Infallible>> {
    let (running, over) = oneshot::channel();
    let run = move || {
        // Dropped last to first: whoever asks once it has heard of the end finds that there is no thread.
        let _end = End(hub.clone());
        let _running = running;
        let random = || getrandom::u32().unwrap_or(u32::MAX);
        async_io::block_on(Dispatcher::new(server, hub, AnyTimer::new(ThreadTimer), tracks, random).run());
    };
    thread::Builder::new().name(S::THREAD.into()).spawn(run)?;
    Ok(over)
}
