//! Rows, read with checks: another program may have written them.

use lessor::Key;
use lessor::storage::Session;
use lessor_kit::encoding::session_from_bytes;
use lessor_kit::error::AdapterError;
use lessor_kit::row::{Columns, Field, Reading};
use sqlx::mysql::MySqlRow;
use sqlx::{Decode, MySql, Row};

use crate::error::Failure;

/// The row of this key. `None`: there is none.
pub(crate) fn reading(row: Option<&MySqlRow>, key: &str) -> Result<Result<Reading, AdapterError>, Failure> {
    let Some(row) = row else { return Ok(Ok(Reading::absent(0))) };
    Ok(Reading::new(key, &columns(row)?))
}

fn columns(row: &MySqlRow) -> Result<Columns<'_>, Failure> {
    let number = |name| Ok::<_, Failure>(Field::from(column::<i64>(row, name)?));
    let text = |name| Ok::<_, Failure>(Field::from(column::<&str>(row, name)?));
    let mut columns = Columns::default();
    columns.session = column::<&[u8]>(row, "session")?.into();
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

/// Its bytes, whatever they are.
pub(crate) fn key_bytes(row: &MySqlRow) -> Result<&[u8], Failure> {
    Ok(column::<&[u8]>(row, "key")?.unwrap_or_default())
}

pub(crate) fn key(row: &MySqlRow) -> Result<Key, Failure> {
    let bytes = key_bytes(row)?;
    let key = str::from_utf8(bytes).ok().and_then(|key| Key::new(key).ok());
    key.ok_or_else(|| {
        let shown = String::from_utf8_lossy(bytes);
        Failure::Refused(AdapterError::unreadable(&shown, "key", "1 to 256 bytes of UTF-8 on one line").into())
    })
}

/// `None`: nobody's, or not readable.
pub(crate) fn session(row: &MySqlRow) -> Result<Option<Session>, Failure> {
    Ok(column::<&[u8]>(row, "session")?.and_then(session_from_bytes))
}

/// Without a look at the type: texts may come as bytes.
pub(crate) fn column<'r, T: Decode<'r, MySql>>(row: &'r MySqlRow, name: &str) -> Result<Option<T>, Failure> {
    row.try_get_unchecked::<Option<T>, _>(name).map_err(Failure::unfit)
}
