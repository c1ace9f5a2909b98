//! The thread of a lane, and its clock.

use core::convert::Infallible;
use core::time::Duration;
use std::sync::Arc;
use std::{io, thread};

use futures::channel::oneshot;
use lessor::time::AnyTimer;
use lessor::{Instant, StorageError, SystemTimer, Timer};

use super::dispatcher::Dispatcher;
use super::hub::Hub;
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

/// Runs the dispatcher until the hub is closed. What is answered is cancelled when the thread is over.
pub(super) fn start<S: Server>(
    server: Arc<S>,
    hub: Arc<Hub>,
    tracks: usize,
) -> io::Result<oneshot::Receiver<Infallible>> {
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

/// Nobody is left waiting, whatever has ended the dispatcher.
pub(super) struct End(pub(super) Arc<Hub>);

impl Drop for End {
    fn drop(&mut self) {
        let problem = if thread::panicking() { "the storage's own thread has panicked" } else { "the storage is gone" };
        self.0.answer_all(&StorageError::transient(problem));
    }
}
