//! The one connection of a storage: made when it is needed, and anew, to the next server, when it fails.

use core::pin::pin;
use core::time::Duration;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_nats::Message;
use futures::StreamExt;
use futures::future::{Either, select};
use futures::lock::Mutex as AsyncMutex;
use futures::stream::FuturesUnordered;
use lessor_kit::runtime;
use serde::de::DeserializeOwned;
use tokio::time::sleep;

use crate::api;
use crate::connection::{Ask, Connection};
use crate::error::{Cause, Failure};
use crate::servers::Servers;

/// After so long a silence what may be asked again is, and after twice as long again.
const AGAIN_AFTER: Duration = Duration::from_secs(1);

/// The way to the cluster: to one of its servers at a time, as long as that answers.
///
/// The client's own way of connecting again is not used: it keeps what it is asked meanwhile until it has a connection, and says to
/// nobody why there is none.
pub(crate) struct Link {
    servers: Servers,
    current: Mutex<Current>,
    /// One connects for all who wait.
    connecting: AsyncMutex<()>,
}

struct Current {
    /// Of the server that comes next.
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
    pub(crate) fn new(servers: Servers) -> Self {
        // Processes that begin together spread over the servers.
        let place = usize::try_from(RandomState::new().hash_one(0) >> 33).unwrap_or(0) % servers.count();
        Self { servers, current: Mutex::new(Current { place, connection: None }), connecting: AsyncMutex::new(()) }
    }

    pub(crate) fn servers(&self) -> &Servers {
        &self.servers
    }

    /// Asks, of as many servers as it may and has to.
    pub(crate) async fn ask<T: DeserializeOwned>(&self, repeat: Repeat, ask: &Ask) -> Result<T, Failure> {
        // Boxed: it is large, and others have it in them, who are many.
        runtime::within(Box::pin(self.ask_here(repeat, ask))).await?
    }

    async fn ask_here<T: DeserializeOwned>(&self, repeat: Repeat, ask: &Ask) -> Result<T, Failure> {
        // One may have hung up just now: it is worth a second try also where it is the only one.
        let (mut left, mut may_be_old) = (self.servers.count(), true);
        // What a server said of itself tells more than that others are down.
        let mut unwell = None;
        loop {
            left = left.saturating_sub(1);
            let (failure, may_repeat) = match self.connection_here().await {
                Ok(connection) => match self.exchange(&connection, repeat, ask).await {
                    Ok(answer) => return Ok(answer),
                    Err(failure) => {
                        let may_repeat = match failure.cause {
                            Cause::Unreached => left > 0 || core::mem::take(&mut may_be_old),
                            // The same server would say the same.
                            Cause::Nobody => left > 0,
                            Cause::Broken => {
                                repeat == Repeat::Anytime && (left > 0 || core::mem::take(&mut may_be_old))
                            }
                            Cause::Unwell => repeat == Repeat::Anytime && left > 0,
                            Cause::Refused => false,
                        };
                        (failure, may_repeat)
                    }
                },
                Err(failure) => {
                    let may_repeat = failure.cause == Cause::Unreached && left > 0;
                    (failure, may_repeat)
                }
            };
            match failure.cause {
                Cause::Unreached if !may_repeat => return Err(unwell.unwrap_or(failure)),
                _ if !may_repeat => return Err(failure),
                Cause::Nobody | Cause::Unwell => unwell = Some(failure),
                _ => {}
            }
        }
    }

    /// Asks on this connection. To be called within the runtime.
    pub(crate) async fn exchange<T: DeserializeOwned>(
        &self,
        connection: &Arc<Connection>,
        repeat: Repeat,
        ask: &Ask,
    ) -> Result<T, Failure> {
        let silence = SilenceWatch { link: self, connection, answers: connection.answers() };
        let answer = match repeat {
            Repeat::Anytime => until_answered(connection, ask).await,
            Repeat::Unapplied => connection.ask(ask).await,
        };
        silence.ends();
        let answer = answer.and_then(|message| api::read(&message.payload));
        if let Err(failure) = &answer {
            match failure.cause {
                Cause::Broken | Cause::Unreached => self.leave(connection),
                // Another may be on the side of the majority. To itself it would be no better off.
                Cause::Nobody | Cause::Unwell if self.servers.count() > 1 => self.leave(connection),
                Cause::Nobody | Cause::Unwell | Cause::Refused => {}
            }
        }
        answer
    }

    /// The connection there is, or a new one. To be called within the runtime.
    ///
    /// # Errors
    /// This server cannot be reached, or lets nobody in: the next one is up.
    pub(crate) async fn connection_here(&self) -> Result<Arc<Connection>, Failure> {
        if let Some(connection) = self.current().live() {
            return Ok(connection);
        }
        let _one = self.connecting.lock().await;
        let place = {
            let mut current = self.current();
            if let Some(connection) = current.live() {
                return Ok(connection);
            }
            current.place
        };
        let turn = Turn { link: self, place };
        let opened = Box::pin(Connection::open(&self.servers, place)).await;
        if opened.as_ref().is_err_and(|failure| failure.cause == Cause::Unreached) {
            // The next one tries the next server; so it does when nobody waits for this one any more.
            drop(turn);
        } else {
            core::mem::forget(turn);
        }
        let connection = Arc::new(opened?);
        self.current().connection = Some(connection.clone());
        Ok(connection)
    }

    /// The next request connects to the next server.
    pub(crate) fn leave(&self, connection: &Arc<Connection>) {
        let mine = self.current().connection.take_if(|current| Arc::ptr_eq(current, connection));
        connection.give_up();
        if mine.is_some() {
            self.pass(connection.place);
        }
    }

    fn pass(&self, place: usize) {
        let mut current = self.current();
        if current.place == place {
            current.place = (place + 1) % self.servers.count();
        }
    }

    fn current(&self) -> MutexGuard<'_, Current> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Current {
    /// One that has broken while nothing was asked is no reason to leave its server.
    fn live(&mut self) -> Option<Arc<Connection>> {
        drop(self.connection.take_if(|connection| connection.is_over()));
        self.connection.clone()
    }
}

/// Asks again after a while, and again: a server is silent where the one that would answer is just being chosen, and it does not come
/// back to what it was asked.
async fn until_answered(connection: &Connection, ask: &Ask) -> Result<Message, Failure> {
    let mut asked = FuturesUnordered::new();
    let mut pause = AGAIN_AFTER;
    loop {
        asked.push(connection.ask(ask));
        match select(asked.next(), pin!(sleep(pause))).await {
            Either::Left((Some(answer), _)) => return answer,
            _ => pause = pause.saturating_mul(2),
        }
    }
}

/// Gives a connection up that has been silent for as long as somebody was willing to wait.
///
/// It lives while an answer is awaited, and is dropped with that wait. If nothing came on the connection meanwhile, to
/// nobody, it or its server may be dead without a sign: then the next request goes to the next server. If others got
/// answers it lives, and whoever gave up gave up alone.
struct SilenceWatch<'a> {
    link: &'a Link,
    connection: &'a Arc<Connection>,
    /// How many had come when the wait began.
    answers: u64,
}

impl SilenceWatch<'_> {
    /// There is an answer, or it is known why not.
    fn ends(self) {
        core::mem::forget(self);
    }
}

impl Drop for SilenceWatch<'_> {
    fn drop(&mut self) {
        if self.connection.answers() == self.answers {
            self.link.leave(self.connection);
        }
    }
}

/// A try to connect: given up, the next one is with the next server.
struct Turn<'a> {
    link: &'a Link,
    place: usize,
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.link.pass(self.place);
    }
}
