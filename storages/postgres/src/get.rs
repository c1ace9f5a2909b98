//! Looks at a key.

use core::time::Duration;

use lessor::StorageError;
use lessor::storage::{Get, Reply};
use sqlx::postgres::PgRow;

use crate::keyed::{Binding, Keyed, Statement, key};
use crate::row;
use crate::statements::{CLOCK, COLUMNS, Text};
use crate::storage::Inner;

pub(crate) const GET: Keyed<Get> = Keyed { statement, reply };

fn statement(storage: &Inner, gets: &[&Get], _: Duration) -> Statement {
    Binding::new(&storage.statements.get, gets).column(|get| key(&get.key)).into_statement()
}

fn reply(get: &Get, row: Option<&PgRow>) -> Result<Reply, StorageError> {
    let reading = row::reading(row, get.key.as_str())?;
    Ok(Reply::Got(reading.record.map(|record| record.lease(reading.now_ms))))
}

pub(crate) fn text(table: &str) -> Text {
    Text::new(1, &[("key", "text")], |keys| {
        format!(
            "WITH claim AS (
    {keys}
)
SELECT c.place, {COLUMNS}, {CLOCK} AS now
FROM claim AS c JOIN {table} AS l ON l.key = c.key"
        )
    })
}
