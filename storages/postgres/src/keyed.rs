//! Operations on single keys: each is one statement, for one key or for many.

use core::time::Duration;
use std::sync::Arc;

use lessor::storage::{Reply, Session};
use lessor::{Key, StorageError, Value};
use lessor_kit::batch::Batch;
use lessor_kit::encoding::session_to_bytes;
use lessor_kit::error::AdapterError;
use lessor_kit::timeout;
use sqlx::postgres::{PgArguments, PgRow};
use sqlx::query::Query;
use sqlx::{AssertSqlSafe, Encode, Postgres, Type};

use crate::row;
use crate::statements::Text;
use crate::storage::Inner;

/// The most keys of one statement.
const MOST: usize = 256;

/// The shortest time to wait for a lock: 0 would be without an end.
pub(crate) const LEAST_PATIENCE: Duration = Duration::from_millis(10);

pub(crate) type Statement = Query<'static, Postgres, PgArguments>;

/// An operation with requests of type `R`.
pub(crate) struct Keyed<R> {
    /// The statement for these, which waits for a lock no longer than this. It answers at most one row for each,
    /// told apart by its `place`.
    pub(crate) statement: fn(&Inner, &[&R], Duration) -> Statement,
    /// What its row answers to this one. `None`: it has no row.
    pub(crate) reply: fn(&R, Option<&PgRow>) -> Result<Reply, StorageError>,
}

impl Inner {
    /// One statement for one request.
    pub(crate) async fn ask_one<R: Sync>(&self, operation: &Keyed<R>, request: &R) -> Result<Reply, StorageError> {
        let rows = self.fetch((operation.statement)(self, &[request], self.lock_timeout)).await?;
        (operation.reply)(request, rows.first())
    }

    /// One statement for all of these.
    pub(crate) async fn ask<R: Sync>(
        &self,
        operation: &Keyed<R>,
        requests: &[&R],
        patience: Duration,
    ) -> Result<Vec<Result<Reply, StorageError>>, StorageError> {
        let rows = self.fetch((operation.statement)(self, requests, patience)).await?;
        let mut placed: Vec<Option<&PgRow>> = vec![None; requests.len()];
        for row in &rows {
            if let Some(place) = row::place(row)?.and_then(|place| placed.get_mut(place)) {
                *place = Some(row);
            }
        }
        Ok(requests.iter().zip(placed).map(|(request, row)| (operation.reply)(request, row)).collect())
    }

    /// Answers these requests of a batch.
    ///
    /// A statement that meets a lock in vain is taken apart, until what is locked is alone: an error about one key is
    /// no verdict on another.
    pub(crate) async fn ask_all<R: Sync>(
        &self,
        operation: &Keyed<R>,
        requests: &[(usize, &R)],
        batch: &mut Batch<Reply>,
    ) {
        let mut parts: Vec<_> = requests.chunks(MOST).map(|part| (part, self.lock_timeout)).collect();
        while let Some((part, patience)) = parts.pop() {
            let asked: Vec<_> = part.iter().map(|(_, request)| *request).collect();
            match self.ask(operation, &asked, patience).await {
                Ok(replies) => {
                    for ((place, _), reply) in part.iter().zip(replies) {
                        batch.answer(*place, reply);
                    }
                }
                Err(error) if part.len() > 1 && AdapterError::of(&error) == Some(&AdapterError::Locked) => {
                    let (one, other) = part.split_at(part.len() / 2);
                    parts.extend([(one, LEAST_PATIENCE), (other, LEAST_PATIENCE)]);
                }
                Err(error) => part.iter().for_each(|(place, _)| batch.answer(*place, Err(error.clone()))),
            }
        }
    }
}

/// A statement, and what is bound to it for one request or many.
pub(crate) struct Binding<'r, R> {
    statement: Statement,
    requests: &'r [&'r R],
}

impl<'r, R> Binding<'r, R> {
    pub(crate) fn new(text: &Text, requests: &'r [&'r R]) -> Self {
        Self { statement: statement(if requests.len() == 1 { &text.one } else { &text.many }), requests }
    }

    /// A parameter for all of them.
    pub(crate) fn bind<T>(self, value: T) -> Self
    where
        T: Encode<'static, Postgres> + Type<Postgres> + Send + 'static,
    {
        Self { statement: self.statement.bind(value), ..self }
    }

    /// A column: one value, or an array of them.
    pub(crate) fn column<T>(self, of: impl Fn(&R) -> T) -> Self
    where
        T: Encode<'static, Postgres> + Type<Postgres> + Send + 'static,
        Vec<T>: Encode<'static, Postgres> + Type<Postgres> + Send,
    {
        let Self { statement, requests } = self;
        let statement = match requests {
            [one] => statement.bind(of(one)),
            many => statement.bind(many.iter().map(|request| of(request)).collect::<Vec<_>>()),
        };
        Self { statement, requests }
    }

    pub(crate) fn into_statement(self) -> Statement {
        self.statement
    }
}

pub(crate) fn statement(text: &Arc<str>) -> Statement {
    sqlx::query(AssertSqlSafe(text.clone()))
}

/// How long to wait for a lock, as a setting of the server: shorter where a lease of one of these ttls is asked for.
pub(crate) fn patience(ttls: impl IntoIterator<Item = Duration>, longest: Duration) -> String {
    format!("{}ms", timeout::patience(ttls, longest, LEAST_PATIENCE).as_millis())
}

pub(crate) fn key(key: &Key) -> String {
    key.as_str().into()
}

pub(crate) fn bytes(session: Session) -> Vec<u8> {
    session_to_bytes(session).into()
}

pub(crate) fn value(value: Option<&Value>) -> Option<String> {
    Some(value?.as_str().into())
}
