//! The one connection of a storage: made when it is needed, and anew, to the next member, when it fails.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use etcd_client::{Error, KvClient};
use futures::lock::Mutex as AsyncMutex;
use lessor::StorageError;
use lessor_kit::runtime;

use crate::cluster::Cluster;
use crate::connection::Connection;
use crate::error::{Cause, Failure, explain};

/// The way to the cluster: to one of its members at a time, as long as that answers.
///
/// The client's own balancing is not used: it sends each request to any member, whether that answers or not.
pub(crate) struct Link {
    cluster: Cluster,
    current: Mutex<Current>,
    /// One connects for all who wait.
    connecting: AsyncMutex<()>,
}

struct Current {
    /// Of the endpoint that comes next.
    place: usize,
    connection: Option<Arc<Connection>>,
}

/// Whether a request may be sent again whose outcome is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Repeat {
    /// It changes nothing.
    Anytime,
    /// It is a write: only where it is known that it was not applied.
    Unapplied,
}

impl Link {
    pub(crate) fn new(cluster: Cluster) -> Self {
        // Processes that begin together spread over the members.
        let place = getrandom::u32().unwrap_or_default() as usize % cluster.size();
        Self { cluster, current: Mutex::new(Current { place, connection: None }), connecting: AsyncMutex::new(()) }
    }

    pub(crate) fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    /// Asks, of as many members as it may and has to.
    pub(crate) async fn ask<T, F: Future<Output = Result<T, Error>>>(
        &self,
        repeat: Repeat,
        request: impl Fn(KvClient) -> F,
    ) -> Result<T, Failure> {
        runtime::within(self.ask_here(repeat, request)).await?
    }

    async fn ask_here<T, F: Future<Output = Result<T, Error>>>(
        &self,
        repeat: Repeat,
        request: impl Fn(KvClient) -> F,
    ) -> Result<T, Failure> {
        // A member may have hung up while nothing was asked: it is worth a second try also where it is the only one.
        let (mut left, mut may_be_old) = (self.cluster.size(), true);
        // What a member said of itself tells more than that others are down.
        let mut unwell = None;
        loop {
            let failure = match self.connection_here().await {
                Ok(connection) => match self.exchange(&connection, request(connection.kv())).await {
                    Ok(answer) => return Ok(answer),
                    Err(failure) => failure,
                },
                Err(failure) => failure,
            };
            left = left.saturating_sub(1);
            let may_repeat = match failure.cause {
                Cause::Token => core::mem::take(&mut may_be_old),
                Cause::Unreached => left > 0,
                Cause::Broken => repeat == Repeat::Anytime && (left > 0 || core::mem::take(&mut may_be_old)),
                Cause::Unwell => repeat == Repeat::Anytime && left > 0,
                Cause::TooLarge | Cause::Refused => false,
            };
            match failure.cause {
                Cause::Unreached if !may_repeat => return Err(unwell.unwrap_or(failure)),
                _ if !may_repeat => return Err(failure),
                Cause::Unwell => unwell = Some(failure),
                _ => {}
            }
        }
    }

    async fn exchange<T>(
        &self,
        connection: &Arc<Connection>,
        request: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Failure> {
        let answer = {
            let _watch = SilenceWatch::new(self, connection);
            let answer = request.await.map_err(|error| explain(&self.cluster, error, connection.answers() == 0));
            if !answer.as_ref().is_err_and(|failure| matches!(failure.cause, Cause::Unreached | Cause::Broken)) {
                connection.answered();
            }
            answer
        };
        if let Err(failure) = &answer {
            self.leave_if_failed(connection, failure.cause);
        }
        answer
    }

    /// The connection there is, or a new one.
    ///
    /// # Errors
    /// This member cannot be reached, or lets nobody in: the next one is up.
    pub(crate) async fn connection(&self) -> Result<Arc<Connection>, StorageError> {
        runtime::within(self.connection_here()).await?.map_err(|failure| failure.error)
    }

    async fn connection_here(&self) -> Result<Arc<Connection>, Failure> {
        if let Some(connection) = self.current().connection.clone() {
            return Ok(connection);
        }
        let _one = self.connecting.lock().await;
        let place = {
            let current = self.current();
            if let Some(connection) = current.connection.clone() {
                return Ok(connection);
            }
            current.place
        };
        let turn = Turn { link: self, place };
        let opened = Connection::open(&self.cluster, place).await;
        if opened.as_ref().is_err_and(|failure| failure.cause == Cause::Unreached) {
            // The next one tries the next member; so it does when nobody waits for this one any more.
            drop(turn);
        } else {
            core::mem::forget(turn);
        }
        let connection = Arc::new(opened?);
        self.current().connection = Some(connection.clone());
        Ok(connection)
    }

    /// What becomes of a connection on which a request failed.
    pub(crate) fn leave_if_failed(&self, connection: &Arc<Connection>, cause: Cause) {
        match cause {
            Cause::Broken => self.leave(connection),
            // To itself it would be no better off.
            Cause::Unwell if self.cluster.size() > 1 => self.leave(connection),
            // The same member, with a new token.
            Cause::Token => drop(self.forget(connection)),
            // Who waited for one that did not come about has given it up already, unless others had answers on it since.
            Cause::Unreached | Cause::Unwell | Cause::TooLarge | Cause::Refused => {}
        }
    }

    /// The next request connects to the next member.
    fn leave(&self, connection: &Arc<Connection>) {
        if self.forget(connection) {
            self.pass(connection.place);
        }
    }

    /// The next request connects anew. Answers whether it was the current one.
    fn forget(&self, connection: &Arc<Connection>) -> bool {
        let mine = self.current().connection.take_if(|current| Arc::ptr_eq(current, connection));
        connection.give_up();
        mine.is_some()
    }

    fn pass(&self, place: usize) {
        let mut current = self.current();
        if current.place == place {
            current.place = (place + 1) % self.cluster.size();
        }
    }

    fn current(&self) -> MutexGuard<'_, Current> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Gives a connection up that has been silent for as long as somebody was willing to wait.
///
/// It lives while an answer is awaited, and is dropped with that wait. If nothing came on the connection meanwhile, to
/// nobody, it or its member may be dead without a sign: then the next request goes to the next member. If others got
/// answers it lives, and whoever gave up gave up alone.
pub(crate) struct SilenceWatch<'a> {
    link: &'a Link,
    connection: &'a Arc<Connection>,
    /// How many had come when the wait began.
    answers: u64,
}

impl<'a> SilenceWatch<'a> {
    pub(crate) fn new(link: &'a Link, connection: &'a Arc<Connection>) -> Self {
        Self { link, connection, answers: connection.answers() }
    }
}

impl Drop for SilenceWatch<'_> {
    fn drop(&mut self) {
        if self.connection.answers() == self.answers {
            self.link.leave(self.connection);
        }
    }
}

/// A try to connect: given up, the next one is with the next member.
struct Turn<'a> {
    link: &'a Link,
    place: usize,
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.link.pass(self.place);
    }
}
