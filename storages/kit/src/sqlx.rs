//! Connections through sqlx (feature `sqlx`). The types are those of sqlx 0.9.

use core::fmt;

use ::sqlx::pool::PoolConnection;
use ::sqlx::{Database, Error, Pool, Result};

/// PostgreSQL's code for a prepared statement whose columns have changed. [`Connection::end`] then closes the
/// connection, and the statement with it: the next try works.
pub const STALE_STATEMENT: &str = "0A000";

/// A connection that is closed unless what was asked on it came to an [end](Self::end).
///
/// The pool would hand it on in the middle of a transaction, or while it waits for a lock; or first wait for a sign of
/// life, up to a quarter of an hour if the server is gone without a word.
///
/// ```no_run
/// use lessor_kit::sqlx::Connection;
///
/// async fn ping<D>(pool: &sqlx::Pool<D>) -> sqlx::Result<()>
/// where
///     D: sqlx::Database,
///     D::Connection: sqlx::Connection,
/// {
///     use sqlx::Connection as _;
///
///     let mut connection = Connection::of(pool).await?;
///     // Dropped here, while nothing is answered, it would be closed.
///     let answer = connection.get().ping().await;
///     connection.end(answer)
/// }
/// ```
pub struct Connection<D: Database> {
    lent: PoolConnection<D>,
    over: bool,
}

impl<D: Database> Connection<D> {
    /// Takes a connection from the pool, as soon as there is one.
    ///
    /// # Errors
    /// As [`Pool::acquire`].
    pub async fn of(pool: &Pool<D>) -> Result<Self> {
        Ok(Self { lent: pool.acquire().await?, over: false })
    }

    /// The connection, to run statements on.
    pub fn get(&mut self) -> &mut D::Connection {
        &mut self.lent
    }

    /// Gives it back to the pool after an answer, and after an error of the server, which has undone the statement. Any
    /// other error closes it.
    ///
    /// # Errors
    /// The answer's.
    pub fn end<T>(mut self, answer: Result<T>) -> Result<T> {
        self.over = is_over(&answer);
        answer
    }
}

/// Whether the connection is as it was before.
fn is_over<T>(answer: &Result<T>) -> bool {
    match answer {
        Ok(_) => true,
        Err(Error::Database(error)) => error.code().is_none_or(|code| code != STALE_STATEMENT),
        Err(_) => false,
    }
}

impl<D: Database> Drop for Connection<D> {
    fn drop(&mut self) {
        if !self.over {
            self.lent.close_on_drop();
        }
    }
}

impl<D: Database> fmt::Debug for Connection<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("over", &self.over).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ::sqlx::error::{DatabaseError, ErrorKind};
    use std::borrow::Cow;

    #[derive(Debug)]
    struct Said(Option<&'static str>);

    impl fmt::Display for Said {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("no")
        }
    }

    impl core::error::Error for Said {}

    impl DatabaseError for Said {
        fn message(&self) -> &str {
            "no"
        }

        fn code(&self) -> Option<Cow<'_, str>> {
            self.0.map(Cow::Borrowed)
        }

        fn as_error(&self) -> &(dyn core::error::Error + Send + Sync + 'static) {
            self
        }

        fn as_error_mut(&mut self) -> &mut (dyn core::error::Error + Send + Sync + 'static) {
            self
        }

        fn into_error(self: Box<Self>) -> Box<dyn core::error::Error + Send + Sync + 'static> {
            self
        }

        fn kind(&self) -> ErrorKind {
            ErrorKind::Other
        }
    }

    #[test]
    fn only_what_was_answered_goes_back() {
        let said = |code| Err::<(), _>(Error::Database(Box::new(Said(code))));
        assert!(is_over(&Ok(())));
        assert!(is_over(&said(Some("40001"))));
        assert!(is_over(&said(None)));
        assert!(!is_over(&said(Some(STALE_STATEMENT))));
        assert!(!is_over(&Err::<(), _>(Error::WorkerCrashed)));
        assert!(!is_over(&Err::<(), _>(Error::Io(std::io::ErrorKind::ConnectionReset.into()))));
    }
}
