//! The resource's side: refuse what comes from an earlier reign.

use core::fmt;

use crate::debug::debug_as_displayed;
use crate::mutex::Mutex;
use crate::term::Term;

/// Remembers the newest term that a resource has seen, and refuses older ones.
///
/// This is the only thing that covers a paused process or a write already under way: the lease of whoever sends it
/// may be long over, and only the resource itself can tell (Kleppmann, "How to do distributed locking", 2016;
/// Burrows, "The Chubby lock service", 2006, section 2.4: sequencers).
///
/// This type guards something in the memory of one process. A database guards itself: run [`ADMIT`](Self::ADMIT) in
/// the transaction of the write and roll back unless it changed one row. MySQL has words of its own:
/// [`MYSQL_ADMIT`](Self::MYSQL_ADMIT).
///
/// ```
/// use lessor::{Fence, Term};
///
/// let fence = Fence::new();
/// let (first, second) = (Term::new(1).unwrap(), Term::new(2).unwrap());
/// fence.admit(first).unwrap();
/// fence.admit(second).unwrap();
/// fence.admit(second).unwrap();
/// assert_eq!(fence.admit(first).unwrap_err().newest, second);
/// ```
#[derive(Debug, Default)]
pub struct Fence(Mutex<Option<Term>>);

impl Fence {
    /// A table for fences, for PostgreSQL and SQLite.
    pub const CREATE_TABLE: &str =
        "CREATE TABLE IF NOT EXISTS lessor_fences (resource TEXT PRIMARY KEY, term BIGINT NOT NULL)";

    /// Admits term `$2` to resource `$1`, for PostgreSQL and SQLite: changes one row if the term is not outdated,
    /// none if it is.
    ///
    /// It has to run in the same transaction as the write, before it: its row lock keeps a newer term waiting until
    /// the write is committed.
    pub const ADMIT: &str = "INSERT INTO lessor_fences (resource, term) VALUES ($1, $2) \
        ON CONFLICT (resource) DO UPDATE SET term = excluded.term WHERE lessor_fences.term <= excluded.term";

    /// A table for fences, for MySQL and MariaDB.
    pub const MYSQL_CREATE_TABLE: &str = "CREATE TABLE IF NOT EXISTS lessor_fences \
        (resource VARBINARY(255) PRIMARY KEY, term BIGINT NOT NULL) ENGINE = InnoDB";

    /// Takes note of term `?` (second and third) for resource `?` (first), for MySQL and MariaDB, unless a newer one is
    /// noted. [`MYSQL_NEWEST`](Self::MYSQL_NEWEST) says afterwards whether it is admitted.
    ///
    /// Both have to run in the same transaction as the write, before it: the row lock keeps a newer term waiting until the
    /// write is committed.
    pub const MYSQL_ADMIT: &str = "INSERT INTO lessor_fences (resource, term) VALUES (?, ?) \
        ON DUPLICATE KEY UPDATE term = GREATEST(term, ?)";

    /// The newest term of resource `?`, for MySQL and MariaDB, after [`MYSQL_ADMIT`](Self::MYSQL_ADMIT): roll back unless
    /// it is yours.
    pub const MYSQL_NEWEST: &str = "SELECT term FROM lessor_fences WHERE resource = ? FOR UPDATE";

    /// A fence that has seen nothing.
    #[must_use]
    pub const fn new() -> Self {
        Self(Mutex::new(None))
    }

    /// Does this write if its term is admitted, in one step: no newer term is admitted meanwhile.
    ///
    /// It runs under a lock: keep it short, and do not come back to this fence in it.
    ///
    /// ```
    /// use std::sync::atomic::{AtomicU64, Ordering};
    /// use lessor::{Fence, Term};
    ///
    /// let (fence, total) = (Fence::new(), AtomicU64::new(0));
    /// fence.admit_with(Term::FIRST, || total.fetch_add(7, Ordering::Relaxed))?;
    /// # Ok::<(), lessor::Stale>(())
    /// ```
    ///
    /// # Errors
    /// [`Stale`] if a newer term has been seen: then the write is not done.
    pub fn admit_with<R>(&self, term: Term, write: impl FnOnce() -> R) -> Result<R, Stale> {
        let mut newest = self.0.lock();
        if let Some(newest) = newest.filter(|newest| *newest > term) {
            return Err(Stale { term, newest });
        }
        *newest = Some(term);
        Ok(write())
    }

    /// Admits a term: none that is older from now on. For a write that is to be done in one step with this there is
    /// [`admit_with`](Self::admit_with): between this and a write of its own a newer term may come.
    ///
    /// # Errors
    /// [`Stale`] if a newer term has been seen.
    pub fn admit(&self, term: Term) -> Result<(), Stale> {
        self.admit_with(term, || ())
    }
}

/// A write came from an earlier reign.
#[derive(Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stale {
    /// The term of the write.
    pub term: Term,
    /// The newest that the fence has seen.
    pub newest: Term,
}

impl fmt::Display for Stale {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "term {} is outdated: term {} has been seen; never send it again", self.term, self.newest)
    }
}

impl core::error::Error for Stale {}

debug_as_displayed!(Stale);
