//! The way to the cluster: what is asked goes to one server, and to the next where that helps.

use core::ops::Deref;
use core::pin::pin;
use core::time::Duration;
use std::sync::Arc;

use async_nats::Message;
use futures::StreamExt;
use futures::future::{Either, select};
use futures::stream::FuturesUnordered;
use lessor_kit::link::{self, SilenceWatch};
use lessor_kit::repeat::Repeat;
use lessor_kit::runtime;
use serde::de::DeserializeOwned;
use tokio::time::sleep;

use crate::api;
use crate::connection::{Ask, Client, Connection};
use crate::error::{Cause, Failure};
use crate::servers::Servers;

/// After so long a silence what may be asked again is, and after twice as long again.
const AGAIN_AFTER: Duration = Duration::from_secs(1);

/// The one connection of a storage, to one of the servers at a time, as long as that answers.
///
/// The client's own way of connecting again is not used: it keeps what it is asked meanwhile until it has a connection, and says to
/// nobody why there is none.
pub(crate) struct Link(link::Link<Servers>);

impl Link {
    pub(crate) fn new(servers: Servers) -> Self {
        Self(link::Link::new(servers))
    }

    pub(crate) fn servers(&self) -> &Servers {
        self.0.connector()
    }

    /// Asks, of as many servers as it may and has to.
    pub(crate) async fn ask<T: DeserializeOwned>(&self, repeat: Repeat, ask: &Ask) -> Result<T, Failure> {
        // Boxed: it is large, and others have it in them, who are many.
        runtime::within(Box::pin(self.ask_here(repeat, ask))).await?
    }

    async fn ask_here<T: DeserializeOwned>(&self, repeat: Repeat, ask: &Ask) -> Result<T, Failure> {
        // One may have hung up just now: it is worth a second try also where it is the only one.
        let (mut left, mut may_be_old) = (self.servers().count(), true);
        // What a server said of itself tells more than that others are down.
        let mut unwell = None;
        loop {
            left = left.saturating_sub(1);
            let connection = match self.0.connection().await {
                Ok(connection) => connection,
                Err(failure) if failure.cause == Cause::Unreached => return Err(unwell.unwrap_or(failure)),
                Err(failure) => return Err(failure),
            };
            let failure = match self.exchange(&connection, repeat, ask).await {
                Ok(answer) => return Ok(answer),
                Err(failure) => failure,
            };
            let may_repeat = match failure.cause {
                Cause::Unreached => left > 0 || core::mem::take(&mut may_be_old),
                // The same server would say the same.
                Cause::Nobody => left > 0,
                Cause::Broken => repeat == Repeat::Anytime && (left > 0 || core::mem::take(&mut may_be_old)),
                Cause::Unwell => repeat == Repeat::Anytime && left > 0,
                Cause::Refused => false,
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
        let silence = SilenceWatch::new(&self.0, connection);
        let answer = match repeat {
            Repeat::Anytime => until_answered(connection, ask).await,
            _ => connection.ask(ask).await,
        };
        silence.ends();
        let answer = answer.and_then(|message| api::read(&message.payload));
        if let Err(failure) = &answer {
            match failure.cause {
                Cause::Broken | Cause::Unreached => self.0.leave(connection, Some(failure)),
                // Another may be on the side of the majority. To itself it would be no better off.
                Cause::Nobody | Cause::Unwell if self.servers().count() > 1 => self.0.leave(connection, None),
                Cause::Nobody | Cause::Unwell | Cause::Refused => {}
            }
        }
        answer
    }
}

impl Deref for Link {
    type Target = link::Link<Servers>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

/// Asks again after a while, and again: a server is silent where the one that would answer is just being chosen, and it does not come
/// back to what it was asked.
async fn until_answered(connection: &Client, ask: &Ask) -> Result<Message, Failure> {
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
