//! Looks at keys.

use lessor::storage::{Get, Reply};
use lessor::{Key, StorageError};
use lessor_kit::lane::Answer;
use lessor_kit::row::Reading;
use sqlx::postgres::PgConnection;

use crate::binding::{Columns, key, statement};
use crate::error::Failure;
use crate::row;
use crate::server::Primary;
use crate::statements::{CLOCK, COLUMNS, Text, many};

impl Primary {
    /// What is there, in the order of the keys. Locks nothing, and waits for nobody.
    pub(crate) async fn look(
        &self,
        connection: &mut PgConnection,
        keys: &[&Key],
    ) -> Result<Vec<Result<Reading, StorageError>>, Failure> {
        let text = &self.statements.get;
        let statement = match keys {
            [one] => statement(&text.one).bind(key(one)),
            keys => Columns::new(&text.many, keys).column(key).into_statement(),
        };
        let rows = self.fetch(connection, statement).await?;
        let placed = row::placed(&rows, keys.len())?;
        Ok(keys.iter().zip(placed).map(|(key, row)| row::reading(row, key.as_str())).collect())
    }

    pub(crate) async fn get(&self, connection: &mut PgConnection, gets: &[&Get]) -> Result<Vec<Answer>, Failure> {
        let keys: Vec<_> = gets.iter().map(|get| &get.key).collect();
        let readings = self.look(connection, &keys).await?;
        Ok(readings.into_iter().map(answer).collect())
    }
}

fn answer(reading: Result<Reading, StorageError>) -> Answer {
    match reading {
        Ok(reading) => {
            let lease = reading.record.as_ref().map(|record| record.lease(reading.now_ms));
            Answer::seen(Reply::Got(lease), reading)
        }
        Err(error) => Answer::done(Err(error)),
    }
}

pub(crate) fn text(table: &str) -> Text {
    let one = format!("SELECT 1::bigint AS place, {COLUMNS}, {CLOCK} AS now\nFROM {table} AS l WHERE l.key = $1");
    let many = format!(
        "SELECT c.place, l.*, {CLOCK} AS now
FROM {}, LATERAL (
    SELECT {COLUMNS} FROM {table} AS l WHERE l.key = c.key OFFSET 0
) AS l",
        many(1, &[("key", "text")])
    );
    Text { one: one.into(), many: many.into() }
}
