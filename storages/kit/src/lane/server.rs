//! What a lane has to know of the server.

use core::time::Duration;

use lessor::StorageError;
use lessor::storage::{MaybeSend, MaybeSendSync, Reply, Request};

use crate::row::Reading;

/// The part of a [`Lane`](super::Lane) that knows the server: how to connect, and how to ask it for many keys at once.
///
/// Its methods run on the lane's thread. An `async fn` will do.
pub trait Server: MaybeSendSync + 'static {
    /// An open connection. Dropping it closes it, also in the middle of a [`send`](Self::send).
    type Connection: MaybeSend;

    /// What the thread is called.
    const THREAD: &'static str;

    /// Opens a connection, and prepares on it whatever can be prepared: nobody's request waits in vain because of this.
    ///
    /// The lane gives it [some time](super::CONNECT_PATIENCE), and tries again after a pause where it fails.
    fn connect(&self) -> impl Future<Output = Result<Self::Connection, StorageError>> + MaybeSend;

    /// Asks for everything in the flight at once, and answers each request in its place.
    ///
    /// It never tries again: the lane does, once, where a connection is [broken](Broken).
    fn send(
        &self,
        connection: &mut Self::Connection,
        flight: &Flight,
    ) -> impl Future<Output = Result<Vec<Answer>, Broken>> + MaybeSend;

    /// For how long the server may go on with a flight whose connection was closed: mostly until its limit for locks.
    ///
    /// No more than one flight is left behind on the server in that time.
    fn lingers(&self) -> Duration {
        Duration::from_secs(1)
    }

    /// Whether there is something that may be sent when nothing else is to be: hints to followers, say.
    fn has_hints(&self) -> bool {
        false
    }

    /// Sends that, if a connection is free. What fails is not repeated.
    fn send_hints(&self, connection: &mut Self::Connection) -> impl Future<Output = Result<(), Broken>> + MaybeSend {
        let _ = connection;
        async { Ok(()) }
    }
}

/// Requests that travel together: of one operation, each about another key.
#[derive(Debug)]
#[non_exhaustive]
pub struct Flight {
    /// At least one. A list, a revoke, and what is to [wait for a lock](Self::lock_patience) are alone.
    pub requests: Vec<Request>,
    /// How long the server may wait for a lock that another holds. `None`: it must not wait, since others wait for this
    /// flight to end; a request that would have to is [`Answer::Locked`], and comes again alone.
    pub lock_patience: Option<Duration>,
}

/// What came of one request of a flight.
#[derive(Debug)]
#[non_exhaustive]
#[cfg_attr(target_pointer_width = "64", expect(clippy::large_enum_variant, reason = "nearly all are the large one"))]
pub enum Answer {
    /// It was answered, or failed.
    #[non_exhaustive]
    Done {
        /// What its sender hears.
        reply: Result<Reply, StorageError>,
        /// What was read of the key after the flight had begun: it answers everybody else who asked for it before, and
        /// gets no more than a look.
        seen: Option<Reading>,
    },
    /// Another holds the row's lock. Nothing was done.
    Locked,
}

impl Answer {
    /// It was answered, or failed.
    #[must_use]
    pub const fn done(reply: Result<Reply, StorageError>) -> Self {
        Self::Done { reply, seen: None }
    }

    /// It was answered by what was read of its key.
    #[must_use]
    pub const fn seen(reply: Reply, seen: Reading) -> Self {
        Self::Done { reply: Ok(reply), seen: Some(seen) }
    }
}

/// The connection cannot be used any more: it was lost, or leads to a server that takes no writes.
///
/// Whether the requests of the flight were applied is open.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Broken(pub StorageError);

impl From<StorageError> for Broken {
    fn from(error: StorageError) -> Self {
        Self(error)
    }
}
