//! The server, as the lane has to know it: how to connect, and what to send.

use core::time::Duration;

use async_io::Timer;
use futures::FutureExt;
use lessor::StorageError;
use lessor::storage::{Claim, Get, Release, Renewal, Request, Subscribers};
use lessor_kit::lane::{self, Answer, Broken, Flight, Parts, all};
use sqlx::Executor;
use sqlx::mysql::MySqlRow;

use crate::address::{Door, Link};
use crate::error::{Failure, explain};
use crate::statement::Statement;
use crate::statements::Statements;
use crate::table::Table;

/// How to create the table.
pub(crate) const REMEDY: &str = "call MySqlStorage::migrate() once to create it";

/// Between two tries to get a lock that another holds.
const PAUSE: Duration = Duration::from_millis(10);

/// One table on one server.
pub(crate) struct Primary {
    pub(crate) door: Door,
    pub(crate) table: Table,
    pub(crate) statements: Statements,
    pub(crate) lock_timeout: Duration,
    /// Those that follow a key through this storage or a clone of it.
    pub(crate) subscribers: Subscribers,
}

impl Primary {
    pub(crate) fn new(door: Door, table: Table, lock_timeout: Duration) -> Self {
        let statements = Statements::new(&table.quoted());
        Self { door, table, statements, lock_timeout, subscribers: Subscribers::new() }
    }

    pub(crate) fn explain(&self, error: sqlx::Error) -> StorageError {
        explain(error, &self.table.quoted(), REMEDY)
    }

    pub(crate) fn failure(&self, error: sqlx::Error) -> Failure {
        Failure::of(error, &self.table.quoted(), REMEDY)
    }

    pub(crate) async fn fetch(&self, link: &mut Link, statement: &Statement) -> Result<Vec<MySqlRow>, Failure> {
        statement.prepared().fetch_all(&mut link.connection).await.map_err(|error| self.failure(error))
    }

    /// Asked again and again where it may wait for a lock. The server would wait in whole seconds, and go on waiting
    /// after nobody does here.
    async fn answer(
        &self,
        link: &mut Link,
        requests: &[Request],
        patience: Option<Duration>,
    ) -> Result<Vec<Answer>, Failure> {
        let Some(patience) = patience else { return self.try_to_answer(link, requests).await };
        let mut over = Timer::after(patience.min(self.lock_timeout));
        loop {
            let answers = self.try_to_answer(link, requests).await?;
            let is_locked = answers.iter().any(|answer| matches!(answer, Answer::Locked));
            if !is_locked || (&mut over).now_or_never().is_some() {
                return Ok(answers);
            }
            Timer::after(PAUSE).await;
        }
    }

    pub(crate) async fn try_to_answer(&self, link: &mut Link, requests: &[Request]) -> Result<Vec<Answer>, Failure> {
        let answers = match requests {
            [Request::Revoke(revoke)] => self.revoke(link, revoke).await.map(|answer| vec![answer]),
            [Request::List(list)] => self.list(link, list).await.map(|reply| vec![Answer::done(Ok(reply))]),
            requests => {
                if let Some(claims) = all::<Claim>(requests) {
                    self.acquire(link, &claims).await
                } else if let Some(renewals) = all::<Renewal>(requests) {
                    self.renew(link, &renewals).await
                } else if let Some(releases) = all::<Release>(requests) {
                    self.release(link, &releases).await
                } else if let Some(gets) = all::<Get>(requests) {
                    self.get(link, &gets).await
                } else {
                    let unknown = requests.iter().map(|unknown| Err(StorageError::unsupported(unknown)));
                    Ok(unknown.map(Answer::done).collect())
                }
            }
        };
        match answers {
            Err(Failure::Locked) => Ok(requests.iter().map(|_| Answer::Locked).collect()),
            answers => answers,
        }
    }
}

impl lane::Server for Primary {
    type Connection = Link;
    const THREAD: &'static str = "lessor-mysql";

    /// The statements of every candidate are prepared, so that none of them takes another round trip for that.
    async fn connect(&self) -> Result<Link, StorageError> {
        let explain = |error| self.explain(error);
        let mut link = self.open().await?;
        let (look, others) = self.statements.of_every_candidate();
        link.connection.prepare(look.sql()).await.map_err(explain)?;
        for other in others {
            let prepared = link.connection.prepare(other.sql()).await.map_err(|error| self.failure(error));
            // Who may only look needs no more. Who asks for more hears of it then.
            if let Err(Failure::Broken(error)) = prepared {
                return Err(error);
            }
        }
        Ok(link)
    }

    fn lingers(&self) -> Duration {
        Duration::from_secs(self.lock_timeout.as_millis().div_ceil(1000).max(1) as u64)
    }

    async fn send(&self, link: &mut Link, flight: &Flight) -> Result<Vec<Answer>, Broken> {
        let mut parts = Parts::of(&flight.requests);
        while let Some(part) = parts.next_part() {
            match self.answer(link, part, flight.lock_patience).await {
                Ok(answers) => parts.answered(answers),
                Err(Failure::OfOne(error)) => parts.refused(error),
                Err(Failure::Refused(error)) => {
                    parts.answered(part.iter().map(|_| Answer::done(Err(error.clone()))).collect());
                }
                Err(Failure::Locked) => parts.answered(part.iter().map(|_| Answer::Locked).collect()),
                Err(Failure::Broken(error)) => return Err(error.into()),
            }
        }
        Ok(parts.into_answers())
    }
}
