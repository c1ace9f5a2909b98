//! Values for statements.

use core::time::Duration;
use std::sync::Arc;

use lessor::storage::Session;
use lessor::{Key, Value};
use lessor_kit::encoding::session_to_bytes;
use sqlx::postgres::PgArguments;
use sqlx::query::Query;
use sqlx::{AssertSqlSafe, Encode, Postgres, Type};

pub(crate) type Statement = Query<'static, Postgres, PgArguments>;

pub(crate) fn statement(text: &Arc<str>) -> Statement {
    sqlx::query(AssertSqlSafe(text.clone()))
}

/// A statement for many requests: one array for each of their columns.
pub(crate) struct Columns<'r, R> {
    statement: Statement,
    requests: &'r [&'r R],
}

impl<'r, R> Columns<'r, R> {
    pub(crate) fn new(text: &Arc<str>, requests: &'r [&'r R]) -> Self {
        Self { statement: statement(text), requests }
    }

    /// A parameter for all of them.
    pub(crate) fn bind<T>(self, value: T) -> Self
    where
        T: Encode<'static, Postgres> + Type<Postgres> + Send + 'static,
    {
        Self { statement: self.statement.bind(value), ..self }
    }

    pub(crate) fn column<T>(self, of: impl Fn(&R) -> T) -> Self
    where
        Vec<T>: Encode<'static, Postgres> + Type<Postgres> + Send + 'static,
    {
        let values: Vec<T> = self.requests.iter().map(|request| of(request)).collect();
        self.bind(values)
    }

    pub(crate) fn into_statement(self) -> Statement {
        self.statement
    }
}

/// A limit for locks, as a setting of the server.
pub(crate) fn limit(patience: Duration) -> String {
    format!("{}ms", patience.as_millis())
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
