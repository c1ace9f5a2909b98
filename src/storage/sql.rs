//! What the adapters of SQL servers share: connections, batches, the row of a key, and why a fenced write is rolled back.

use alloc::string::String;
use alloc::vec::Vec;
use core::error::Error;
use core::fmt;
use core::time::Duration;

use sqlx::pool::PoolConnection;
use sqlx::{Database, Pool};

use super::{Distinct, StorageError};
use crate::fence::Stale;
use crate::lease::{Holder, Key, Session, Term, Value, Version};
use crate::record::{Claim, Record, whole_ms};

/// A connection that is closed unless what was asked on it came to an end.
///
/// The pool would hand it on in the middle of a transaction, or while it waits for a lock; and before that wait for a sign
/// of life, for a quarter of an hour where the other side has gone silently.
pub(super) struct Connection<D: Database> {
    lent: PoolConnection<D>,
    over: bool,
}

impl<D: Database> Connection<D> {
    pub(super) async fn of(pool: &Pool<D>) -> sqlx::Result<Self> {
        Ok(Self { lent: pool.acquire().await?, over: false })
    }

    pub(super) fn get(&mut self) -> &mut D::Connection {
        &mut self.lent
    }

    /// The pool has it back after an answer, and after an error of the server, which has undone the statement.
    pub(super) fn end<T>(mut self, answer: sqlx::Result<T>) -> sqlx::Result<T> {
        self.over = match &answer {
            Ok(_) => true,
            // What is prepared on it does not fit the table any more.
            Err(sqlx::Error::Database(error)) => error.code().is_none_or(|code| code != STALE_STATEMENT),
            Err(_) => false,
        };
        answer
    }
}

impl<D: Database> Drop for Connection<D> {
    fn drop(&mut self) {
        if !self.over {
            self.lent.close_on_drop();
        }
    }
}

/// PostgreSQL: the columns of a prepared statement have changed.
pub(super) const STALE_STATEMENT: &str = "0A000";

/// The table of fences.
pub(super) const FENCES: &str = "lessor_fences";

/// The requests of a batch that are asked: each key once.
pub(super) struct Batch(Vec<Result<(), StorageError>>);

impl Batch {
    pub(super) fn of<'a>(keys: impl Iterator<Item = &'a Key>) -> Self {
        let mut distinct = Distinct::default();
        Self(keys.map(|key| distinct.admit(key)).collect())
    }

    pub(super) fn open<'a, R>(&self, requests: &'a [R]) -> Vec<&'a R> {
        requests.iter().zip(&self.0).filter(|(_, admitted)| admitted.is_ok()).map(|(request, _)| request).collect()
    }

    /// The answers of those that were asked, and an error in the place of each that was not.
    pub(super) fn answers<A>(self, answers: Vec<Result<A, StorageError>>) -> Vec<Result<A, StorageError>> {
        let mut answers = answers.into_iter();
        let unanswered = || Err(StorageError::transient("the server's answer does not fit the statement"));
        self.0.into_iter().map(|admitted| admitted.and_then(|()| answers.next().unwrap_or_else(unanswered))).collect()
    }
}

/// 1 ms at least, and 285,000 years at most, which can be added to any time.
pub(super) fn ttl_ms(ttl: Duration) -> i64 {
    whole_ms(ttl).clamp(1, (1 << 53) - 1).cast_signed()
}

/// A storage waits for a lock no longer than a tenth of the ttl: a candidate waits for a fifth.
pub(super) fn patience<'a>(claims: impl Iterator<Item = &'a Claim>, longest: Duration, least: Duration) -> Duration {
    claims.map(|claim| claim.ttl / 10).fold(longest, Duration::min).max(least)
}

/// The columns of a row as they came.
pub(super) struct Columns<'r> {
    pub(super) session: Option<&'r [u8]>,
    pub(super) holder: Option<&'r str>,
    pub(super) term: i64,
    pub(super) version: Option<i64>,
    pub(super) ttl: Option<i64>,
    pub(super) expires: Option<i64>,
    pub(super) value: Option<&'r str>,
    pub(super) now: Option<i64>,
}

/// What one statement saw of a key: the row, and the server's clock.
#[derive(Debug)]
pub(super) struct Reading {
    pub(super) record: Option<Record>,
    pub(super) now_ms: u64,
}

impl Reading {
    /// No row.
    pub(super) const NOTHING: Self = Self { record: None, now_ms: 0 };

    /// Another program may have written the row.
    pub(super) fn of(columns: &Columns<'_>, key: &Key) -> Result<Self, UnreadableRow> {
        let unreadable = |column, expected| UnreadableRow { key: key.as_str().into(), column, expected };
        let number = |number: Option<i64>, column| {
            let number = number.and_then(|number| u64::try_from(number).ok());
            number.ok_or_else(|| unreadable(column, "a whole number of at least 0"))
        };
        let bits = |bytes: &[u8]| Some(Session::from_bits(u128::from_be_bytes(bytes.try_into().ok()?)));
        Ok(Self {
            record: Some(Record {
                session: match columns.session {
                    None => None,
                    Some(bytes) => Some(bits(bytes).ok_or_else(|| unreadable("session", "16 bytes or NULL"))?),
                },
                holder: columns
                    .holder
                    .and_then(|id| Holder::new(id).ok())
                    .ok_or_else(|| unreadable("holder", "a candidate's id"))?,
                term: u64::try_from(columns.term)
                    .ok()
                    .and_then(Term::new)
                    .ok_or_else(|| unreadable("term", "1 to 2^53 - 1"))?,
                version: Version::new(number(columns.version, "version")?),
                ttl_ms: number(columns.ttl, "ttl")?,
                expires_ms: number(columns.expires, "expires")?,
                value: columns
                    .value
                    .map(Value::new)
                    .transpose()
                    .map_err(|_| unreadable("value", "a published value or NULL"))?,
            }),
            now_ms: number(columns.now, "(the server's clock)")?,
        })
    }
}

/// A row that no storage wrote. Its key is not granted to anyone until somebody mends or deletes it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct UnreadableRow {
    /// The row's key.
    pub key: String,
    /// The column that cannot be read. Its content is not shown: it may be a session.
    pub column: &'static str,
    /// What it should hold.
    pub expected: &'static str,
}

impl fmt::Display for UnreadableRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { key, column, expected } = self;
        write!(f, "the row of key {key:?} cannot be read: column {column} does not hold {expected}")
    }
}

impl Error for UnreadableRow {}

/// Why a write has to be rolled back.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NotAdmitted {
    /// A newer term was here.
    Stale(Stale),
    /// The fence could not be asked.
    Failed(StorageError),
}

impl fmt::Display for NotAdmitted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stale(stale) => stale.fmt(f),
            Self::Failed(error) => error.fmt(f),
        }
    }
}

impl Error for NotAdmitted {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Stale(_) => None,
            Self::Failed(error) => error.source(),
        }
    }
}
