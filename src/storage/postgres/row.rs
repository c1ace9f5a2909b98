use sqlx::postgres::PgRow;
use sqlx::{Decode, Postgres, Row, Type};

use super::error::UnreadableRow;
use crate::lease::{Holder, Key, Session, Term, Value, Version};
use crate::record::Record;

/// What one statement saw of a key: the row, and the server's clock.
#[derive(Debug)]
pub(super) struct Reading {
    pub(super) record: Option<Record>,
    pub(super) now_ms: u64,
}

impl Reading {
    /// No row.
    pub(super) const NOTHING: Self = Self { record: None, now_ms: 0 };

    /// The outer error is the driver's, the inner one this row's: another program may have written it.
    pub(super) fn of(row: &PgRow, key: &Key) -> sqlx::Result<Result<Self, UnreadableRow>> {
        let Some(term) = get::<i64>(row, "term")? else { return Ok(Ok(Self::NOTHING)) };
        let session: Option<&[u8]> = get(row, "session")?;
        let holder: Option<&str> = get(row, "holder")?;
        let value: Option<&str> = get(row, "value")?;
        let [version, ttl, expires, now] = ["version", "ttl", "expires", "now"].map(|column| get::<i64>(row, column));
        let (version, ttl, expires, now) = (version?, ttl?, expires?, now?);
        let unreadable = |column, expected| UnreadableRow { key: key.as_str().into(), column, expected };
        let number = |number: Option<i64>, column| {
            let number = number.and_then(|number| u64::try_from(number).ok());
            number.ok_or_else(|| unreadable(column, "a whole number of at least 0"))
        };
        let bits = |bytes: &[u8]| Some(Session::from_bits(u128::from_be_bytes(bytes.try_into().ok()?)));
        let record = || {
            Ok(Self {
                record: Some(Record {
                    session: match session {
                        None => None,
                        Some(bytes) => Some(bits(bytes).ok_or_else(|| unreadable("session", "16 bytes or NULL"))?),
                    },
                    holder: holder
                        .and_then(|id| Holder::new(id).ok())
                        .ok_or_else(|| unreadable("holder", "a candidate's id"))?,
                    term: u64::try_from(term)
                        .ok()
                        .and_then(Term::new)
                        .ok_or_else(|| unreadable("term", "1 to 2^53 - 1"))?,
                    version: Version::new(number(version, "version")?),
                    ttl_ms: number(ttl, "ttl")?,
                    expires_ms: number(expires, "expires")?,
                    value: value
                        .map(Value::new)
                        .transpose()
                        .map_err(|_| unreadable("value", "a published value or NULL"))?,
                }),
                now_ms: number(now, "(the server's clock)")?,
            })
        };
        Ok(record())
    }
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
