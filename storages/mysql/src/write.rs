//! How rows are written: each alone, or many in one transaction.

use core::slice;
use core::time::Duration;

use lessor::{Key, StorageError};
use lessor_kit::batch::Batch;
use lessor_kit::sqlx::Connection;
use lessor_kit::timeout::within;
use sqlx::mysql::MySqlQueryResult;

use crate::error::{is_duplicate, is_locked};
use crate::statement::Statement;
use crate::storage::{LEAST_PATIENCE, Leases};

/// A statement that writes the row of a key, or nothing.
#[derive(Clone, Debug)]
pub(crate) struct Write<'k> {
    pub(crate) key: &'k Key,
    pub(crate) statement: Statement,
    /// Whether it is the key's first row.
    pub(crate) inserts: bool,
}

impl<'k> Write<'k> {
    pub(crate) const fn insert(key: &'k Key, statement: Statement) -> Self {
        Self { key, statement, inserts: true }
    }

    pub(crate) const fn update(key: &'k Key, statement: Statement) -> Self {
        Self { key, statement, inserts: false }
    }
}

/// What became of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The row is written. A renewal says its new version, in the place of the last inserted id.
    Written { said: u64 },
    /// The row is not as the statement asks for. Nothing was written.
    Unmet,
    /// A first row: there is one already.
    Taken,
}

impl Outcome {
    pub(crate) fn of(result: &MySqlQueryResult) -> Self {
        if result.rows_affected() > 0 { Self::Written { said: result.last_insert_id() } } else { Self::Unmet }
    }
}

/// After so many first rows that waited for others in vain the rest is not tried: the answer has to come in time.
const MOST_IN_VAIN: usize = 4;

impl Leases {
    /// In the order of the writes. Keys occur once.
    pub(crate) async fn write(&self, writes: &[Write<'_>], patience: Duration) -> Vec<Result<Outcome, StorageError>> {
        let mut outcomes = Batch::new(writes.iter().map(|write| Some(write.key)));
        let (inserts, updates): (Vec<_>, Vec<_>) =
            outcomes.open(writes).into_iter().partition(|(_, write)| write.inserts);
        self.write_at_once(&updates, patience, &mut outcomes).await;
        self.write_one_by_one(&inserts, patience, &mut outcomes).await;
        outcomes.into_answers()
    }

    async fn write_at_once(&self, writes: &[(usize, &Write<'_>)], patience: Duration, outcomes: &mut Batch<Outcome>) {
        match writes {
            [(place, write)] if !self.left_behind.contains(write.key) => {
                outcomes.answer(*place, self.write_alone(write, patience).await);
            }
            _ => self.write_together(writes, patience, outcomes).await,
        }
    }

    /// For first rows: an insert may have to wait for another's, and must not hold locks meanwhile.
    async fn write_one_by_one(
        &self,
        inserts: &[(usize, &Write<'_>)],
        patience: Duration,
        outcomes: &mut Batch<Outcome>,
    ) {
        let mut patience = patience;
        let mut in_vain = 0;
        for insert in inserts {
            let (place, Write { key, .. }) = insert;
            if in_vain == MOST_IN_VAIN {
                outcomes.answer(*place, Err(StorageError::timed_out(patience)));
                continue;
            }
            self.write_at_once(slice::from_ref(insert), patience, outcomes).await;
            if self.left_behind.contains(key) {
                in_vain += 1;
                patience = LEAST_PATIENCE;
            }
        }
    }

    /// One statement, committed by itself: one round trip. It waits for the lock of another.
    ///
    /// Given up, it waits on there, and its connection is closed.
    async fn write_alone(&self, write: &Write<'_>, patience: Duration) -> Result<Outcome, StorageError> {
        let mut connection = Connection::of(&self.pool).await.map_err(|error| self.explain(error))?;
        let in_flight = self.left_behind.begin(write.key);
        let result = within(patience, write.statement.prepared().execute(connection.get())).await?;
        if !result.as_ref().is_err_and(is_locked) {
            in_flight.answered();
        }
        match connection.end(result) {
            Ok(result) => Ok(Outcome::of(&result)),
            Err(error) if is_duplicate(&error) => Ok(Outcome::Taken),
            Err(error) => Err(self.explain(error)),
        }
    }
}
