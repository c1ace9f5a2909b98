//! What is needed of an operating system: connections, threads, a clock.

use core::time::Duration;
use std::thread;

use async_io::Timer;
use lessor_kit::lane::Lane;

use crate::remote::Remote;

mod connect;
mod place;
mod request;
mod socket;
mod trust;
pub(crate) mod upgrade;

pub(crate) use connect::connect;
pub(crate) use place::Place;
#[cfg(test)]
pub(crate) use place::connector;
pub(crate) use request::Http;
pub(crate) use socket::{Socket, Text};
pub(crate) use trust::Trust;

/// Who asks, for the service's log.
const USER_AGENT: &str = concat!("lessor-http/", env!("CARGO_PKG_VERSION"));

/// A future that may cross threads.
pub(crate) type Boxed<T> = futures::future::BoxFuture<'static, T>;

pub(crate) type Sleep = Timer;

pub(crate) fn sleep(duration: Duration) -> Sleep {
    Timer::after(duration)
}

pub(crate) fn lane(remote: Remote, connections: usize) -> Lane<Remote> {
    Lane::new(remote, connections)
}

/// Runs this on a thread of its own, if there is one to be had.
pub(crate) fn spawn<F: Future<Output = ()>>(run: impl FnOnce() -> F + Send + 'static) -> bool {
    thread::Builder::new().name("lessor-watch".into()).spawn(move || async_io::block_on(run())).is_ok()
}
