//! What is needed of JavaScript: `fetch`, `WebSocket`, timers.

use core::time::Duration;

use futures::FutureExt;
use lessor::time::AnyTimer;
use lessor::{JsTimer, Timer};
use lessor_kit::error::AdapterError;
use lessor_kit::lane::Lane;
use wasm_bindgen_futures::spawn_local;

use crate::remote::Remote;

mod fetch;
mod global;
mod place;
mod socket;

pub(crate) use fetch::Http;
pub(crate) use place::Place;
pub(crate) use socket::{Socket, connect};

/// What is trusted JavaScript says.
#[derive(Clone, Default)]
pub(crate) struct Trust(());

impl Trust {
    pub(crate) fn of_pem(_: &[u8]) -> Result<Self, AdapterError> {
        Ok(Self(()))
    }
}

/// A future of the one thread.
pub(crate) type Boxed<T> = futures::future::LocalBoxFuture<'static, T>;

pub(crate) type Text = String;
pub(crate) type Sleep = <JsTimer as Timer>::Sleep;

pub(crate) fn sleep(duration: Duration) -> Sleep {
    JsTimer::new().sleep(duration)
}

pub(crate) fn lane(remote: Remote, connections: usize) -> Lane<Remote> {
    let random = || getrandom::u32().unwrap_or(u32::MAX);
    let (lane, drive) = Lane::driven(remote, connections, AnyTimer::new(JsTimer::new()), random);
    spawn_local(drive);
    lane
}

/// Runs this between whatever else the thread does.
pub(crate) fn spawn<F: Future<Output = ()> + 'static>(run: impl FnOnce() -> F) -> bool {
    spawn_local(run().map(drop));
    true
}
