//! A row under suspicion: another program may have written it.

use lessor::Key;
use lessor_kit::error::AdapterError;
use lessor_kit::row::{Columns, Field, Reading};
use rusqlite::Row;
use rusqlite::types::ValueRef;

use crate::table::Read;

/// Reads the clock and the record from the columns in the order in which the table's statements select them. Without a
/// key there is no row.
pub(crate) fn reading(row: &Row<'_>, key: &str) -> Read<Reading> {
    if field(row, 1)? == Field::Null {
        return Ok(clock(row, key)?.map(Reading::absent));
    }
    let mut columns = Columns::default();
    columns.now = field(row, 0)?;
    columns.session = field(row, 2)?;
    columns.id = field(row, 3)?;
    columns.term = field(row, 4)?;
    columns.version = field(row, 5)?;
    columns.ttl = field(row, 6)?;
    columns.expires = field(row, 7)?;
    columns.since = field(row, 8)?;
    columns.value = field(row, 9)?;
    Ok(Reading::new(key, &columns))
}

/// `None`: no candidate can have asked for such a key.
pub(crate) fn key(row: &Row<'_>) -> rusqlite::Result<Option<Key>> {
    let Field::Text(key) = field(row, 1)? else { return Ok(None) };
    Ok(Key::new(key).ok())
}

fn clock(row: &Row<'_>, key: &str) -> Read<u64> {
    let unreadable = || AdapterError::unreadable(key, "clock", "a time after 1970");
    let Field::Number(now_ms) = field(row, 0)? else { return Ok(Err(unreadable())) };
    Ok(u64::try_from(now_ms).map_err(|_| unreadable()))
}

fn field<'r>(row: &'r Row<'_>, index: usize) -> rusqlite::Result<Field<'r>> {
    Ok(match row.get_ref(index)? {
        ValueRef::Null => Field::Null,
        ValueRef::Integer(number) => Field::Number(number),
        ValueRef::Text(text) => str::from_utf8(text).map_or(Field::Other, Field::Text),
        ValueRef::Blob(bytes) => Field::Bytes(bytes),
        ValueRef::Real(_) => Field::Other,
    })
}
