use sqlx::postgres::PgRow;
use sqlx::{Decode, Postgres, Row, Type};

use crate::lease::{Key, Term, Version};
use crate::storage::sql::{Columns, Reading, UnreadableRow};

/// The outer error is the driver's, the inner one this row's.
pub(super) fn reading(row: &PgRow, key: &Key) -> sqlx::Result<Result<Reading, UnreadableRow>> {
    let Some(term) = get(row, "term")? else { return Ok(Ok(Reading::NOTHING)) };
    let columns = Columns {
        session: get(row, "session")?,
        holder: get(row, "holder")?,
        term,
        version: get(row, "version")?,
        ttl: get(row, "ttl")?,
        expires: get(row, "expires")?,
        value: get(row, "value")?,
        now: get(row, "now")?,
    };
    Ok(Reading::of(&columns, key))
}

/// A term that the statement gave.
pub(super) fn term(row: &PgRow, column: &str) -> sqlx::Result<Option<Term>> {
    Ok(get::<i64>(row, column)?.and_then(|term| Term::new(u64::try_from(term).ok()?)))
}

/// A version that the statement gave.
pub(super) fn version(row: &PgRow, column: &str) -> sqlx::Result<Option<Version>> {
    Ok(get::<i64>(row, column)?.map(|version| Version::new(version.cast_unsigned())))
}

fn get<'r, T: Decode<'r, Postgres> + Type<Postgres>>(row: &'r PgRow, column: &str) -> sqlx::Result<Option<T>> {
    row.try_get::<Option<T>, _>(column)
}
