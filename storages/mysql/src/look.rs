//! How rows are read.

use std::collections::BTreeMap;

use lessor::storage::{List, Page};
use lessor::{Key, Lease, StorageError};
use lessor_kit::error::AdapterError;
use lessor_kit::row::{Columns, Field, Reading};
use lessor_kit::sqlx::Connection;
use sqlx::mysql::MySqlRow;
use sqlx::{Decode, MySql, Row};

use crate::error::nothing_is_committed;
use crate::statement::Statement;
use crate::storage::{Leases, MOST_KEYS};

impl Leases {
    /// What is there, in the order of the keys. Locks nothing, and waits for nobody.
    pub(crate) async fn look(&self, keys: &[&Key]) -> Vec<Result<Reading, StorageError>> {
        let mut readings = Vec::with_capacity(keys.len());
        for keys in keys.chunks(MOST_KEYS) {
            match self.look_at(keys).await {
                Ok(some) => readings.extend(some),
                Err(error) => readings.extend(keys.iter().map(|_| Err(error.clone()))),
            }
        }
        readings
    }

    async fn look_at(&self, keys: &[&Key]) -> Result<Vec<Result<Reading, StorageError>>, StorageError> {
        let rows = self.fetch(&self.statements.look(keys)).await?;
        let explain = |error| self.explain(error);
        let mut found = BTreeMap::new();
        for row in &rows {
            found.insert(get::<&[u8]>(row, "key").map_err(explain)?.unwrap_or_default(), row);
        }
        let readings = keys.iter().map(|key| match found.get(key.as_str().as_bytes()) {
            Some(row) => Ok(Reading::new(key.as_str(), &columns(row).map_err(explain)?).map_err(StorageError::from)),
            None => Ok(Ok(Reading::absent(0))),
        });
        readings.collect()
    }

    /// A page of the leases that there are. A row that cannot be read is an error, which names its key.
    pub(crate) async fn list(&self, list: &List) -> Result<Page, StorageError> {
        let rows = self.fetch(&self.statements.list(list)).await?;
        let leases: Result<Vec<_>, _> = rows.iter().map(|row| self.entry(row)).collect();
        Ok(list.page(leases?.into_iter().flatten()))
    }

    fn entry(&self, row: &MySqlRow) -> Result<Option<(Key, Lease)>, StorageError> {
        let explain = |error| self.explain(error);
        let key = get::<&[u8]>(row, "key").map_err(explain)?.unwrap_or_default();
        let key = str::from_utf8(key).ok().and_then(|key| Key::new(key).ok()).ok_or_else(|| {
            AdapterError::unreadable(&String::from_utf8_lossy(key), "key", "1 to 256 bytes of UTF-8 on one line")
        })?;
        let Reading { record, now_ms, .. } = Reading::new(key.as_str(), &columns(row).map_err(explain)?)?;
        Ok(record.map(|record| (key, record.lease(now_ms))))
    }

    async fn fetch(&self, statement: &Statement) -> Result<Vec<MySqlRow>, StorageError> {
        let explain = |error| self.explain(error);
        let mut connection = Connection::of(&self.pool).await.map_err(explain)?;
        let rows = statement.prepared().fetch_all(connection.get()).await;
        let rows = connection.end(rows).map_err(explain)?;
        for row in &rows {
            if get::<i64>(row, "autocommit").map_err(explain)? == Some(0) {
                return Err(nothing_is_committed().into());
            }
        }
        Ok(rows)
    }
}

fn columns(row: &MySqlRow) -> sqlx::Result<Columns<'_>> {
    let number = |column| Ok::<_, sqlx::Error>(Field::from(get::<i64>(row, column)?));
    let text = |column| Ok::<_, sqlx::Error>(Field::from(get::<&str>(row, column)?));
    let mut columns = Columns::default();
    columns.session = get::<&[u8]>(row, "session")?.into();
    columns.id = text("id")?;
    columns.term = number("term")?;
    columns.version = number("version")?;
    columns.ttl = number("ttl")?;
    columns.expires = number("expires")?;
    columns.since = number("since")?;
    columns.value = text("value")?;
    columns.now = number("now")?;
    Ok(columns)
}

/// Without a look at the type: texts come as bytes, whatever the character set of the connection.
fn get<'r, T: Decode<'r, MySql>>(row: &'r MySqlRow, column: &str) -> sqlx::Result<Option<T>> {
    row.try_get_unchecked::<Option<T>, _>(column)
}
