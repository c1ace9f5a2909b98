//! The row of a key, read with checks: another program may have written it.

use lessor::storage::{Record, Reply, Request, Session, Version};
use lessor::{Id, Term, Value};

use crate::encoding::session_from_bytes;
use crate::error::AdapterError;

/// What a column holds. From an `Option` of a number, a text or bytes, `None` is [`Null`](Self::Null).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Field<'r> {
    /// Nothing.
    #[default]
    Null,
    /// A whole number.
    Number(i64),
    /// A text.
    Text(&'r str),
    /// Bytes.
    Bytes(&'r [u8]),
    /// Of a type that no column of the table has.
    Other,
}

impl From<Option<i64>> for Field<'_> {
    fn from(number: Option<i64>) -> Self {
        number.map_or(Self::Null, Self::Number)
    }
}

impl<'r> From<Option<&'r str>> for Field<'r> {
    fn from(text: Option<&'r str>) -> Self {
        text.map_or(Self::Null, Self::Text)
    }
}

impl<'r> From<Option<&'r [u8]>> for Field<'r> {
    fn from(bytes: Option<&'r [u8]>) -> Self {
        bytes.map_or(Self::Null, Self::Bytes)
    }
}

/// The columns of a row as they came, and the clock that was read with them. Columns that are not set are
/// [`Field::Null`].
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct Columns<'r> {
    /// The 16 bytes of the session. NULL: released; zeros: revoked, held by nobody until it ends.
    pub session: Field<'r>,
    /// The candidate's id.
    pub id: Field<'r>,
    /// From 1 to 2^53 - 1.
    pub term: Field<'r>,
    /// Moves at every write.
    pub version: Field<'r>,
    /// In ms.
    pub ttl: Field<'r>,
    /// When the lease ends, in ms by the server's clock.
    pub expires: Field<'r>,
    /// When the term was granted, in ms by the server's clock.
    pub since: Field<'r>,
    /// What the leader published, or NULL.
    pub value: Field<'r>,
    /// The server's clock, in ms.
    pub now: Field<'r>,
}

/// What one statement saw of a key: the record, and the server's clock.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Reading {
    /// The record. `None`: there is none.
    pub record: Option<Record>,
    /// The server's clock, in ms. Without a record it may be 0.
    pub now_ms: u64,
}

impl Reading {
    /// There is no row for the key. If the clock is not known, 0 will do: nothing is computed from it.
    #[must_use]
    pub const fn absent(now_ms: u64) -> Self {
        Self { record: None, now_ms }
    }

    /// What a look answers, if the request needs no more than that: nothing is to be written for it.
    ///
    /// ```
    /// use lessor::Key;
    /// use lessor::storage::{Get, Reply};
    /// use lessor_kit::row::Reading;
    ///
    /// let look = Get::new(Key::new("nightly-report")?);
    /// assert_eq!(Reading::absent(0).settles(&look.into()), Some(Reply::Got(None)));
    /// # Ok::<(), lessor::InvalidText>(())
    /// ```
    #[must_use]
    pub fn settles(&self, request: &Request) -> Option<Reply> {
        let verdict = Record::judge(self.record.as_ref(), request, self.now_ms, Term::FIRST);
        verdict.write.is_none().then_some(verdict.reply)
    }

    /// Reads the row of this key.
    ///
    /// ```
    /// use lessor_kit::row::{Columns, Reading};
    ///
    /// let mut columns = Columns::default();
    /// columns.id = Some("node-a").into();
    /// columns.term = Some(7).into();
    /// columns.version = Some(3).into();
    /// columns.ttl = Some(5_000).into();
    /// columns.expires = Some(12_000).into();
    /// columns.since = Some(1_000).into();
    /// columns.now = Some(8_000).into();
    /// let reading = Reading::new("nightly-report", &columns)?;
    /// assert_eq!(reading.now_ms, 8_000);
    /// assert_eq!(reading.record.unwrap().term.get(), 7);
    /// # Ok::<(), lessor_kit::error::AdapterError>(())
    /// ```
    ///
    /// # Errors
    /// [`AdapterError::Unreadable`] names the first column that does not hold what it should.
    pub fn new(key: &str, columns: &Columns<'_>) -> Result<Self, AdapterError> {
        let unreadable = |field, expected| AdapterError::unreadable(key, field, expected);
        let number = |column, field| match column {
            Field::Number(number) => u64::try_from(number).map_err(|_| unreadable(field, NUMBER)),
            _ => Err(unreadable(field, NUMBER)),
        };
        let session = session(columns.session).ok_or_else(|| unreadable("session", "16 bytes or NULL"))?;
        let id = id(columns.id).ok_or_else(|| unreadable("id", "a candidate's id"))?;
        let term = term(columns.term).ok_or_else(|| unreadable("term", "a number from 1 to 2^53 - 1"))?;
        let version = Version::new(number(columns.version, "version")?);
        let (ttl_ms, expires_ms) = (number(columns.ttl, "ttl")?, number(columns.expires, "expires")?);
        let mut record = Record::restore(session, id, term, version, ttl_ms, expires_ms);
        record.since_ms = number(columns.since, "since")?;
        record.value = value(columns.value).ok_or_else(|| unreadable("value", "a published value or NULL"))?;
        Ok(Self { record: Some(record), now_ms: number(columns.now, "clock")? })
    }
}

const NUMBER: &str = "a whole number of at least 0";

fn session(column: Field<'_>) -> Option<Option<Session>> {
    match column {
        Field::Null => Some(None),
        Field::Bytes(bytes) => session_from_bytes(bytes).map(Some),
        _ => None,
    }
}

fn id(column: Field<'_>) -> Option<Id> {
    let Field::Text(id) = column else { return None };
    Id::new(id).ok()
}

fn term(column: Field<'_>) -> Option<Term> {
    let Field::Number(term) = column else { return None };
    Term::new(u64::try_from(term).ok()?)
}

fn value(column: Field<'_>) -> Option<Option<Value>> {
    match column {
        Field::Null => Some(None),
        Field::Text(value) => Value::new(value).ok().map(Some),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SESSION: &[u8] = &[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7];

    fn columns() -> Columns<'static> {
        Columns {
            session: Field::Bytes(SESSION),
            id: Field::Text("node-a"),
            term: Field::Number(1),
            version: Field::Number(2),
            ttl: Field::Number(3),
            expires: Field::Number(4),
            since: Field::Number(5),
            value: Field::Text("v"),
            now: Field::Number(6),
        }
    }

    #[test]
    fn a_row_is_a_record() {
        let id = Id::new("node-a").unwrap();
        let mut record = Record::restore(Some(Session::from_bits(7)), id, Term::FIRST, Version::new(2), 3, 4);
        record.since_ms = 5;
        record.value = Some(Value::new("v").unwrap());
        assert_eq!(Reading::new("k", &columns()), Ok(Reading { record: Some(record), now_ms: 6 }));
        let released = Columns { session: Field::Null, value: Field::Null, ..columns() };
        let record = Reading::new("k", &released).unwrap().record.unwrap();
        assert_eq!((record.session, record.value), (None, None));
        assert_eq!(Reading::absent(9), Reading { record: None, now_ms: 9 });
    }

    #[test]
    fn each_column_is_suspected() {
        const NEGATIVE: Field<'_> = Field::Number(-1);
        for (field, row) in [
            ("session", Columns { session: Field::Bytes(&[7]), ..columns() }),
            ("session", Columns { session: Field::Text("0123456789abcdef"), ..columns() }),
            ("id", Columns { id: Field::Text(""), ..columns() }),
            ("id", Columns { id: Field::Null, ..columns() }),
            ("id", Columns { id: Field::Number(1), ..columns() }),
            ("term", Columns { term: Field::Number(0), ..columns() }),
            ("term", Columns { term: Field::Number(1 << 53), ..columns() }),
            ("term", Columns { term: Field::Text("1"), ..columns() }),
            ("version", Columns { version: NEGATIVE, ..columns() }),
            ("ttl", Columns { ttl: NEGATIVE, ..columns() }),
            ("ttl", Columns { ttl: Field::Null, ..columns() }),
            ("expires", Columns { expires: NEGATIVE, ..columns() }),
            ("since", Columns { since: NEGATIVE, ..columns() }),
            ("value", Columns { value: Field::Text("two\nlines"), ..columns() }),
            ("value", Columns { value: Field::Other, ..columns() }),
            ("clock", Columns { now: Field::Null, ..columns() }),
        ] {
            let error = Reading::new("k", &row).unwrap_err();
            assert!(matches!(&error, AdapterError::Unreadable { field: found, .. } if *found == field), "{error}");
        }
    }

    #[test]
    fn drivers_give_options() {
        assert_eq!(Field::from(Some(1)), Field::Number(1));
        assert_eq!(Field::from(Some("a")), Field::Text("a"));
        assert_eq!(Field::from(Some(&b"a"[..])), Field::Bytes(b"a"));
        assert_eq!(Field::from(None::<i64>), Field::Null);
        assert_eq!(Field::from(None::<&str>), Field::Null);
        assert_eq!(Field::from(None::<&[u8]>), Field::Null);
    }
}
