//! The server, as the lane has to know it: how to connect, and what to send.

use core::time::Duration;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use lessor::storage::{Claim, Get, Release, Renewal, Request};
use lessor::{Key, StorageError, SystemTimer, Timer};
use lessor_kit::error::AdapterError;
use lessor_kit::lane::{self, Answer, Broken, Flight, Parts, all};
use sqlx::postgres::{PgConnection, PgRow};
use sqlx::{AssertSqlSafe, Executor, SqlSafeStr};

use crate::address::{Address, Door};
use crate::binding::Statement;
use crate::error::{Failure, explain};
use crate::held::Held;
use crate::statements::Statements;
use crate::table::Table;
use crate::timeline::Freeze;

/// How to create the table.
pub(crate) const REMEDY: &str = "call PostgresStorage::migrate() once to create it";

/// The shortest time to wait for a lock: 0 would be without an end.
const LEAST_PATIENCE: Duration = Duration::from_millis(10);

/// See [`time_for_parts`].
const MOST_FOR_PARTS: Duration = Duration::from_millis(200);

/// The most keys that followers are told of at once, and the most that wait for that: they are only hints.
const MOST_HINTS: usize = 1_024;

/// One table on one server.
pub(crate) struct Primary {
    pub(crate) address: Address,
    pub(crate) door: Door,
    pub(crate) table: Table,
    pub(crate) statements: Statements,
    pub(crate) lock_timeout: Duration,
    pub(crate) held: Arc<Held>,
    /// Whether followers are told of what happens.
    pub(crate) notifies: bool,
    /// `None`: nothing is done about what a failover may lose.
    pub(crate) freeze: Option<Freeze>,
    /// Keys that were granted, and of which followers have not been told yet.
    granted: Mutex<BTreeSet<Key>>,
}

impl Primary {
    pub(crate) fn new(
        address: Address,
        table: Table,
        lock_timeout: Duration,
        held: Arc<Held>,
        notifies: bool,
        freeze: Option<Freeze>,
    ) -> Self {
        let door = Door::new(address.clone(), lock_timeout);
        let statements = Statements::new(&table.quoted(), freeze.is_some());
        Self { address, door, table, statements, lock_timeout, held, notifies, freeze, granted: Mutex::default() }
    }

    /// Where to tell of a release or a revoke.
    pub(crate) fn channel(&self) -> Option<String> {
        self.notifies.then(|| self.table.channel())
    }

    pub(crate) fn explain(&self, error: sqlx::Error) -> StorageError {
        explain(error, &self.table.quoted(), REMEDY)
    }

    /// The limit for a statement that may wait for a row's lock. Where others wait for the statement, the least.
    pub(crate) fn limit(&self, patience: Option<Duration>) -> Duration {
        patience.unwrap_or(LEAST_PATIENCE).min(self.lock_timeout).max(LEAST_PATIENCE)
    }

    pub(crate) async fn fetch(
        &self,
        connection: &mut PgConnection,
        statement: Statement,
    ) -> Result<Vec<PgRow>, Failure> {
        statement.fetch_all(connection).await.map_err(|error| Failure::of(error, &self.table.quoted(), REMEDY))
    }

    /// Followers are told later, when nothing else is to be sent: a `NOTIFY` within the grant would take a lock of the
    /// whole database until the grant is on the disk.
    pub(crate) fn tell_later(&self, key: &Key) {
        if self.notifies {
            let mut granted = self.granted();
            if granted.len() < MOST_HINTS {
                granted.insert(key.clone());
            }
        }
    }

    fn granted(&self) -> MutexGuard<'_, BTreeSet<Key>> {
        self.granted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn answer(
        &self,
        connection: &mut PgConnection,
        requests: &[Request],
        patience: Option<Duration>,
    ) -> Result<Vec<Answer>, Failure> {
        if let [request] = requests {
            let answer = match request {
                Request::Acquire(claim) => self.acquire(connection, claim, patience).await,
                Request::Renew(renewal) => self.renew(connection, renewal, patience).await,
                Request::Release(release) => self.release(connection, release, patience).await,
                Request::Get(get) => self
                    .get(connection, &[get])
                    .await
                    .map(|mut answers| answers.pop().unwrap_or_else(|| Answer::done(Err(AdapterError::Unfit.into())))),
                Request::Revoke(revoke) => self.revoke(connection, revoke, patience).await,
                Request::List(list) => self.list(connection, list).await.map(|reply| Answer::done(Ok(reply))),
                unknown => Ok(Answer::done(Err(StorageError::unsupported(unknown)))),
            };
            return answer.map(|answer| vec![answer]);
        }
        if let Some(claims) = all::<Claim>(requests) {
            self.acquire_all(connection, &claims).await
        } else if let Some(renewals) = all::<Renewal>(requests) {
            self.renew_all(connection, &renewals).await
        } else if let Some(releases) = all::<Release>(requests) {
            self.release_all(connection, &releases).await
        } else if let Some(gets) = all::<Get>(requests) {
            self.get(connection, &gets).await
        } else {
            Ok(Vec::new())
        }
    }
}

/// For how long parts of a flight are tried where one of them meets a lock, each of which waits for [`LEAST_PATIENCE`]: a lock
/// of the whole table takes longer, and halves are of no use then.
fn time_for_parts(requests: &[Request]) -> Duration {
    let patience = requests.iter().filter_map(Request::patience).min();
    patience.map_or(MOST_FOR_PARTS, |patience| (patience / 8).min(MOST_FOR_PARTS))
}

impl lane::Server for Primary {
    type Connection = PgConnection;
    const THREAD: &'static str = "lessor-postgres";

    /// The statements of every candidate are prepared, so that none of them takes another round trip for that.
    async fn connect(&self) -> Result<PgConnection, StorageError> {
        let explain = |error| self.explain(error);
        let mut connection = self.open().await?;
        let Statements { acquire, renew, get, .. } = &self.statements;
        for text in [&acquire.one, &renew.extend, &get.one, &renew.many] {
            connection.prepare(AssertSqlSafe(text.clone()).into_sql_str()).await.map_err(explain)?;
        }
        Ok(connection)
    }

    async fn send(&self, connection: &mut PgConnection, flight: &Flight) -> Result<Vec<Answer>, Broken> {
        let (timer, mut parts) = (SystemTimer::new(), Parts::of(&flight.requests));
        let (began, in_parts) = (timer.now(), time_for_parts(&flight.requests));
        while let Some(part) = parts.next_part() {
            match self.answer(connection, part, flight.lock_patience).await {
                Ok(answers) => parts.answered(answers),
                Err(Failure::OfOne(error)) => parts.refused(error),
                Err(Failure::Refused(error)) => {
                    parts.answered(part.iter().map(|_| Answer::done(Err(error.clone()))).collect());
                }
                Err(Failure::Locked) if timer.now().saturating_duration_since(began) < in_parts => parts.locked(),
                Err(Failure::Locked) => parts.answered(part.iter().map(|_| Answer::Locked).collect()),
                Err(Failure::Broken(error)) => return Err(error.into()),
            }
        }
        Ok(parts.into_answers())
    }

    fn lingers(&self) -> Duration {
        self.lock_timeout
    }

    fn has_hints(&self) -> bool {
        !self.granted().is_empty()
    }

    async fn send_hints(&self, connection: &mut PgConnection) -> Result<(), Broken> {
        let keys: Vec<String> = core::mem::take(&mut *self.granted()).iter().map(|key| key.as_str().into()).collect();
        let told = sqlx::query("SELECT pg_notify($1, key) FROM unnest($2::text[]) AS key");
        match self.fetch(connection, told.bind(self.table.channel()).bind(keys)).await {
            Err(Failure::Broken(error)) => Err(error.into()),
            _ => Ok(()),
        }
    }
}
