//! The way to the cluster: what is asked goes to one member, and to the next where that helps.

use core::ops::Deref;
use std::sync::Arc;

use etcd_client::{Error, KvClient};
use lessor::StorageError;
use lessor_kit::link;
use lessor_kit::repeat::Repeat;
use lessor_kit::runtime;

use crate::cluster::Cluster;
use crate::connection::Connection;
use crate::error::{Cause, Failure, explain};

/// The one connection of a storage, to one of the members at a time, as long as that answers.
///
/// The client's own balancing is not used: it sends each request to any member, whether that answers or not.
pub(crate) struct Link(link::Link<Cluster>);

pub(crate) type SilenceWatch<'a> = link::SilenceWatch<'a, Cluster>;

impl Link {
    pub(crate) fn new(cluster: Cluster) -> Self {
        Self(link::Link::new(cluster))
    }

    pub(crate) fn cluster(&self) -> &Cluster {
        self.0.connector()
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
        let (mut left, mut may_be_old) = (self.cluster().size(), true);
        // What a member said of itself tells more than that others are down.
        let mut unwell = None;
        loop {
            let connection = match self.0.connection().await {
                Ok(connection) => connection,
                Err(failure) if failure.cause == Cause::Unreached => return Err(unwell.unwrap_or(failure)),
                Err(failure) => return Err(failure),
            };
            let logins = connection.logins();
            let failure = match self.exchange(&connection, request(connection.kv())).await {
                Ok(answer) => return Ok(answer),
                Err(failure) => failure,
            };
            left = left.saturating_sub(1);
            let may_repeat = match failure.cause {
                Cause::Token if self.cluster().user.is_some() && core::mem::take(&mut may_be_old) => {
                    self.log_in(&connection, logins).await?;
                    true
                }
                Cause::Unreached => left > 0 || core::mem::take(&mut may_be_old),
                Cause::Broken => repeat == Repeat::Anytime && (left > 0 || core::mem::take(&mut may_be_old)),
                Cause::Unwell => repeat == Repeat::Anytime && left > 0,
                Cause::Token | Cause::TooLarge | Cause::Refused => false,
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
        let silence = SilenceWatch::new(&self.0, connection);
        let answer = request.await.map_err(|error| explain(self.cluster(), error, connection.answers() == 0));
        match &answer {
            Err(failure) if matches!(failure.cause, Cause::Unreached | Cause::Broken) => silence.ends(),
            _ => {
                connection.answered();
                silence.ends();
            }
        }
        match &answer {
            // The same connection will do, with a new token.
            Err(failure) if failure.cause == Cause::Token => {}
            Err(failure) if failure.cause == Cause::Broken => self.0.leave(connection, Some(failure)),
            // Who hung up while nothing was asked may be well; not who has never answered.
            Err(failure) if failure.cause == Cause::Unreached && connection.answers() == 0 => {
                self.0.leave(connection, Some(failure));
            }
            Err(failure) => self.leave_if_failed(connection, failure.cause),
            Ok(_) => {}
        }
        answer
    }

    /// A new token, on the same connection: one for all who need it.
    async fn log_in(&self, connection: &Arc<Connection>, known: u64) -> Result<(), Failure> {
        let login = {
            let _watch = SilenceWatch::new(&self.0, connection);
            let login = connection.log_in(self.cluster(), known).await;
            if !login.as_ref().is_err_and(|failure| failure.cause == Cause::Unreached) {
                connection.answered();
            }
            login
        };
        if login.is_err() {
            // Who comes next connects, and hears what all hear who cannot.
            self.0.forget(connection);
        }
        login
    }

    /// The connection there is, or a new one.
    ///
    /// # Errors
    /// No member can be reached, or one lets nobody in.
    pub(crate) async fn connection(&self) -> Result<Arc<Connection>, StorageError> {
        runtime::within(self.0.connection()).await?.map_err(|failure| failure.error)
    }

    /// A stream of watches takes no new ones with the token that has run out since it began: all of them go to a new connection then.
    pub(crate) fn make_way_for_watches(&self) {
        if let Some(connection) = self.0.current().filter(|connection| connection.has_old_streams()) {
            self.0.forget(&connection);
        }
    }

    /// What becomes of a connection on which a request failed.
    pub(crate) fn leave_if_failed(&self, connection: &Arc<Connection>, cause: Cause) {
        match cause {
            Cause::Broken => self.0.leave(connection, None),
            // To itself it would be no better off.
            Cause::Unwell if self.cluster().size() > 1 => self.0.leave(connection, None),
            // The same member, with a new token, or on a connection that has not ended.
            Cause::Token | Cause::Unreached => self.0.forget(connection),
            Cause::Unwell | Cause::TooLarge | Cause::Refused => {}
        }
    }
}

impl Deref for Link {
    type Target = link::Link<Cluster>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}
