//! How rows are read.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use sqlx::mysql::MySqlRow;
use sqlx::{Decode, MySql, Row};

use super::Shared;
use super::error::NotReady;
use super::write::MOST;
use crate::lease::Key;
use crate::storage::StorageError;
use crate::storage::sql::{Columns, Connection, Reading};

impl Shared {
    /// In the order of the keys. Locks nothing and waits for nobody.
    pub(super) async fn look(&self, keys: &[&Key]) -> Vec<Result<Reading, StorageError>> {
        let mut readings = Vec::with_capacity(keys.len());
        for keys in keys.chunks(MOST) {
            match self.look_at(keys).await {
                Ok(some) => readings.extend(some),
                Err(error) => readings.extend(keys.iter().map(|_| Err(error.clone()))),
            }
        }
        readings
    }

    async fn look_at(&self, keys: &[&Key]) -> Result<Vec<Result<Reading, StorageError>>, StorageError> {
        let explain = |error| self.explain(error);
        let mut connection = Connection::of(&self.pool).await.map_err(explain)?;
        let rows = self.statements.look(keys).prepared().fetch_all(connection.get()).await;
        let rows = connection.end(rows).map_err(explain)?;
        let mut found = BTreeMap::new();
        for row in &rows {
            if get::<i64>(row, "autocommit").map_err(explain)? == Some(0) {
                return Err(StorageError::permanent(NotReady::NoAutocommit));
            }
            found.insert(get::<&[u8]>(row, "key").map_err(explain)?.unwrap_or_default(), row);
        }
        let readings = keys.iter().map(|key| match found.get(key.as_str().as_bytes()) {
            Some(row) => reading(row, key).map_err(explain)?,
            None => Ok(Reading::NOTHING),
        });
        Ok(readings.collect())
    }
}

/// The outer error is the driver's, the inner one this row's.
fn reading(row: &MySqlRow, key: &Key) -> sqlx::Result<Result<Reading, StorageError>> {
    let columns = Columns {
        session: get(row, "session")?,
        holder: get(row, "holder")?,
        // None that a storage wrote.
        term: get(row, "term")?.unwrap_or(0),
        version: get(row, "version")?,
        ttl: get(row, "ttl")?,
        expires: get(row, "expires")?,
        value: get(row, "value")?,
        now: get(row, "now")?,
    };
    Ok(Reading::of(&columns, key).map_err(StorageError::permanent))
}

/// Without a look at the type: texts come as bytes, whatever the character set of the connection.
fn get<'r, T: Decode<'r, MySql>>(row: &'r MySqlRow, column: &str) -> sqlx::Result<Option<T>> {
    row.try_get_unchecked::<Option<T>, _>(column)
}
