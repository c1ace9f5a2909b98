//! Requests of many candidates, together on few connections: what an adapter puts before a server that is asked over
//! connections of its own.
//!
//! Where each candidate takes a connection for itself, and throws it away when its time is over, a process with many
//! keys collapses under load: connecting is most of what the server does, each attempt is given up before it is done,
//! and nobody leads. In a [`Lane`] all requests of a storage and its clones wait in one line, for two connections or so
//! that stay open; what waits together travels together.
//!
//! ```text
//!  candidates ── Lane::ask ──▶ hub: queue and answers ◀──▶ dispatcher, on a thread ──▶ Server::send, on 2 connections
//! ```
//!
//! # What goes first
//! Renewals, the one first whose reign ends first; then releases; then claims; then looks. Strictly: where the server is
//! too slow for everything, leases that are held are kept, and nobody is elected in vain. So **a process that its own
//! renewals keep busy takes nothing over**; its requests fail with an error that [says so](StorageError::is_not_sent).
//!
//! # What is not sent
//! What nobody waits for any more, and what could not be answered before its sender
//! [gives up](lessor::storage::Request::patience). A key is in flight once: a second request for it waits for the first
//! to land, and is answered with it if what was read of the key answers both.
//!
//! # What travels together
//! Requests of one operation, whose senders wait about equally long (within a power of four): up to 1,024 keys and 1 MiB, and
//! fewer where the server takes longer than an eighth of their patience. A flight hangs for as long as the most patient of its senders at worst. While a shorter class of patience is about, one
//! connection stays free for it: no long flight ends a short lease.
//!
//! A flight that others share never waits for a row's lock. What meets one travels alone later, one at a time, and may
//! wait then for half of its patience (for a twentieth, where there is one connection only).
//! What a server refuses for the content of one request it may be asked for in [parts](Parts), so that the others do not
//! suffer from it.
//!
//! Renewals are held back for up to 20 ms and a 500th of their ttl where others are about to come, so that a thousand
//! keys are a handful of commits. One key alone is sent at once.
//!
//! # Connections
//! They are opened one at a time, outside of any request's patience, and tried again after a pause of 50 ms to 1 s. A
//! flight that is not answered before all its senders have given up makes its connection suspect, and all that have been idle
//! since: new ones are opened, and whichever is there first goes on, the answer or the new connection. What is given up
//! may go on for a while on the server, behind a lock, say: so one flight is given up at a time. An error of a
//! connection sends its flight again, once, on another.
//!
//! # Progress
//! A thread of the lane's own does all of it: it does not depend on anybody being polled. It starts with the first
//! request and ends with the last handle. A panic of the [`Server`] answers all who wait with an error; the next request
//! starts a new thread.

mod boxed;
mod dispatcher;
mod hub;
mod operation;
mod order;
mod pace;
mod parts;
mod queue;
mod server;
#[cfg(test)]
#[cfg(not(lessor_loom))]
mod storm_tests;
mod sync;
#[cfg(feature = "io")]
mod thread;
mod track;
mod traffic;

use core::fmt;
use std::sync::Arc;

use futures::future::join_all;
use lessor::storage::{MaybeSend, Reply, Request};
use lessor::time::AnyTimer;
use lessor::{StorageError, Timer};

pub use dispatcher::CONNECT_PATIENCE;
pub use operation::{Shared, all};
pub use parts::Parts;
pub use server::{Answer, Broken, Flight, Server};
pub use traffic::Traffic;

use crate::batch::Batch;
use dispatcher::Dispatcher;
use hub::Hub;

/// All requests of a storage and its clones, on few connections: see the [module](self).
///
/// The storage keeps it behind an `Arc`. Dropping it ends the thread and closes the connections; whoever still waits
/// gets an error.
pub struct Lane<S: Server> {
    server: Arc<S>,
    hub: Arc<Hub>,
    connections: usize,
    timer: AnyTimer,
    /// `None`: whoever made the lane drives it.
    #[cfg(feature = "io")]
    thread: Option<thread::Keeper>,
}

impl<S: Server> Lane<S> {
    /// With so many connections, at least one. Nothing is opened before the first request.
    ///
    /// Two are right for nearly everybody: a server that takes long over one flight, or a connection that died, then
    /// holds up only that. More help where its disk takes many commits at once.
    #[cfg(feature = "io")]
    #[cfg_attr(docsrs, doc(cfg(feature = "io")))]
    pub fn new(server: S, connections: usize) -> Self {
        let mut lane = Self::with(server, connections, AnyTimer::new(thread::ThreadTimer));
        lane.thread = Some(thread::Keeper::default());
        lane
    }

    /// Without a thread: whoever polls the future drives all, by this timer. For deterministic tests, and for where there
    /// are no threads. A future that is kept but not polled stalls everybody. It ends when the lane is dropped. Whoever
    /// waits when it ends, or is dropped, gets an error.
    pub fn driven(
        server: S,
        connections: usize,
        timer: AnyTimer,
        random: fn() -> u32,
    ) -> (Self, impl Future<Output = ()> + MaybeSend + use<S>) {
        let lane = Self::with(server, connections, timer.clone());
        let dispatcher = Dispatcher::new(lane.server.clone(), lane.hub.clone(), timer, connections, random);
        let end = hub::End(lane.hub.clone());
        let drive = async move {
            let _end = end;
            dispatcher.run().await;
        };
        (lane, drive)
    }

    fn with(server: S, connections: usize, timer: AnyTimer) -> Self {
        Self {
            server: Arc::new(server),
            hub: Arc::new(Hub::new()),
            connections,
            timer,
            #[cfg(feature = "io")]
            thread: None,
        }
    }

    /// What knows the server.
    pub fn server(&self) -> &S {
        &self.server
    }

    /// Asks, as soon as it is its turn.
    ///
    /// # Errors
    /// The server's; [`StorageError::not_sent`] if its turn did not come in time.
    ///
    /// # Cancel safety
    /// Dropped before its turn the request is not sent. Dropped later it may still be applied.
    pub fn ask(&self, request: Request) -> impl Future<Output = Result<Reply, StorageError>> + MaybeSend + use<S> {
        let asked = self.ask_each([request]).pop();
        async move {
            match asked {
                Some(asked) => asked.await,
                None => Err(StorageError::unfit()),
            }
        }
    }

    /// Asks all of it, and answers in the order of the requests: what [`Storage::call_all`](lessor::Storage::call_all)
    /// promises. Each is a request like any other: they wait for their turn with those of everybody else.
    ///
    /// # Cancel safety
    /// As [`ask`](Self::ask), each for itself.
    pub fn ask_all(
        &self,
        requests: Vec<Request>,
    ) -> impl Future<Output = Vec<Result<Reply, StorageError>>> + MaybeSend + use<S> {
        let mut batch = Batch::new(requests.iter().map(Request::key));
        let open = batch.open(requests);
        let asked = join_all(self.ask_each(open.into_iter().map(|(_, request)| request)));
        async move {
            batch.answer_open(asked.await);
            batch.into_answers()
        }
    }

    fn ask_each(&self, requests: impl IntoIterator<Item = Request>) -> Vec<hub::Asked> {
        let asked = self.hub.ask(requests, self.timer.now());
        #[cfg(feature = "io")]
        if let Some(thread) = &self.thread {
            thread.keep_running(&self.server, &self.hub, self.connections);
        }
        asked
    }

    /// How busy it is.
    pub fn traffic(&self) -> Traffic {
        let state = self.hub.lock();
        Traffic { waiting: state.queue.len(), ..state.traffic }
    }
}

impl<S: Server> Drop for Lane<S> {
    fn drop(&mut self) {
        self.hub.close();
    }
}

impl<S: Server> fmt::Debug for Lane<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lane")
            .field("connections", &self.connections)
            .field("traffic", &self.traffic())
            .finish_non_exhaustive()
    }
}
