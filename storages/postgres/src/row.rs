//! What the columns of an answer mean.

use lessor::storage::Version;
use lessor::{Key, StorageError, Term};
use lessor_kit::error::AdapterError;
use lessor_kit::row::{Columns, Reading};
use sqlx::postgres::PgRow;
use sqlx::{Decode, Postgres, Row, Type};

/// The record of this key, and the clock. Without a row, or where the key has none: absent.
pub(crate) fn reading(row: Option<&PgRow>, key: &str) -> Result<Reading, StorageError> {
    let Some(row) = row else { return Ok(Reading::absent(0)) };
    let term: Option<i64> = column(row, "term")?;
    if term.is_none() {
        return Ok(Reading::absent(0));
    }
    let mut columns = Columns::default();
    columns.session = column::<&[u8]>(row, "session")?.into();
    columns.id = column::<&str>(row, "id")?.into();
    columns.term = term.into();
    columns.version = column::<i64>(row, "version")?.into();
    columns.ttl = column::<i64>(row, "ttl")?.into();
    columns.expires = column::<i64>(row, "expires")?.into();
    columns.since = column::<i64>(row, "since")?.into();
    columns.value = column::<&str>(row, "value")?.into();
    columns.now = column::<i64>(row, "now")?.into();
    Ok(Reading::new(key, &columns)?)
}

/// The key of the row.
pub(crate) fn key(row: &PgRow) -> Result<Key, StorageError> {
    let key = column::<&str>(row, "key")?.unwrap_or_default();
    Key::new(key).map_err(|_| AdapterError::unreadable(key, "key", "a key").into())
}

/// A term that the statement gave. `None`: it gave none.
pub(crate) fn term(row: &PgRow, name: &str) -> Result<Option<Term>, StorageError> {
    Ok(column::<i64>(row, name)?.and_then(|term| Term::new(u64::try_from(term).ok()?)))
}

/// A version that the statement gave. `None`: it gave none.
pub(crate) fn version(row: &PgRow, name: &str) -> Result<Option<Version>, StorageError> {
    Ok(column::<i64>(row, name)?.map(|version| Version::new(version.cast_unsigned())))
}

/// The row of each of so many requests, told apart by their `place`, from 1 on.
pub(crate) fn placed(rows: &[PgRow], requests: usize) -> Result<Vec<Option<&PgRow>>, StorageError> {
    let mut placed = vec![None; requests];
    for row in rows {
        let place = column::<i64>(row, "place")?.and_then(|place| usize::try_from(place).ok()?.checked_sub(1));
        if let Some(open) = place.and_then(|place| placed.get_mut(place)) {
            *open = Some(row);
        }
    }
    Ok(placed)
}

/// A column of another type, or a missing one, does not mend by itself.
pub(crate) fn column<'r, T>(row: &'r PgRow, name: &str) -> Result<Option<T>, StorageError>
where
    T: Decode<'r, Postgres> + Type<Postgres>,
{
    row.try_get(name).map_err(StorageError::permanent)
}
