use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;
use std::path::Path;

use rusqlite::{Connection, Transaction, TransactionBehavior};

use super::error::{explain, is_busy};
use super::request::Request;
use super::table::{Reading, Table};
use super::watch::Watch;
use crate::lease::Key;
use crate::record::Verdict;
use crate::storage::{Distinct, StorageError, Topics};

/// A connection and what is done with it, on the storage's own thread.
pub(super) struct Worker {
    connection: Connection,
    table: Table,
    busy_timeout: Duration,
    watch: Watch,
}

/// A request on its way to an answer.
enum Step<'a, R: Request> {
    Open(&'a R),
    Settled(Result<R::Answer, StorageError>),
}

impl Worker {
    pub(super) fn open(path: &Path, table: Table, busy: Duration, topics: Arc<Topics>) -> Result<Self, StorageError> {
        let connect = || {
            let connection = Connection::open(path)?;
            connection.busy_timeout(busy)?;
            enter_wal(&connection)?;
            Ok(connection)
        };
        let connection = connect().map_err(|error| explain(error, &table.name))?;
        Self::new(connection, table, busy, topics)
    }

    pub(super) fn new(
        connection: Connection,
        table: Table,
        busy_timeout: Duration,
        topics: Arc<Topics>,
    ) -> Result<Self, StorageError> {
        if !connection.is_autocommit() {
            return Err(StorageError::permanent("the connection is in a transaction: end it before handing it over"));
        }
        // EXTRA is FULL in WAL mode. In the other modes it also makes the end of the journal survive a power loss.
        connection
            .busy_timeout(busy_timeout)
            .and_then(|()| connection.pragma_update(None, "synchronous", "EXTRA"))
            .map_err(|error| explain(error, &table.name))?;
        let path = connection.path().filter(|path| !path.is_empty()).map(Path::new);
        let watch = Watch::new(topics, path);
        Ok(Self { connection, table, busy_timeout, watch })
    }

    pub(super) fn migrate(&mut self) -> Result<(), StorageError> {
        let Self { connection, table, busy_timeout, .. } = self;
        let migrated = connection.busy_timeout(*busy_timeout).and_then(|()| connection.execute_batch(&table.create));
        migrated.map_err(|error| explain(error, &table.name))
    }

    pub(super) fn check(&mut self) -> Result<(), StorageError> {
        let Self { connection, table, busy_timeout, .. } = self;
        let mut probe = || {
            connection.busy_timeout(*busy_timeout)?;
            let transaction = begin(connection)?;
            let read_back = table.probe(&transaction)?;
            transaction.rollback()?;
            Ok(read_back)
        };
        probe().map_err(|error| explain(error, &table.name))?.map(|_| ()).map_err(StorageError::permanent)
    }

    pub(super) fn follow(&mut self, key: Key, changed: impl Fn() + Send + 'static) {
        self.watch.follow(key, &self.connection, &self.table, changed);
    }

    pub(super) fn look(&mut self) {
        self.watch.look(&self.connection, &self.table);
    }

    /// Answers in order, a key that occurs again with an error in its place.
    pub(super) fn answer<R: Request>(&mut self, requests: &[R]) -> Vec<Result<R::Answer, StorageError>> {
        let mut distinct = Distinct::default();
        let mut steps: Vec<_> = requests
            .iter()
            .map(|request| match distinct.admit(request.key()) {
                Ok(()) => Step::Open(request),
                Err(duplicate) => Step::Settled(Err(duplicate)),
            })
            .collect();
        let patience = requests.iter().filter_map(Request::patience).fold(self.busy_timeout, Duration::min);
        let outcome = self.look_first(&mut steps, patience).and_then(|()| self.decide(&steps));
        outcome.unwrap_or_else(|error| {
            let error = explain(error, &self.table.name);
            steps.iter().map(|step| step.settled().unwrap_or_else(|| Err(error.clone()))).collect()
        })
    }

    fn look_first<R: Request>(&self, steps: &mut [Step<'_, R>], patience: Duration) -> rusqlite::Result<()> {
        self.connection.busy_timeout(patience)?;
        if !R::LOOKS_FIRST {
            return Ok(());
        }
        for step in steps {
            let Step::Open(request) = step else { continue };
            match self.table.read(&self.connection, request.key().as_str())? {
                Err(unreadable) => *step = Step::Settled(Err(StorageError::permanent(unreadable))),
                Ok(reading) => {
                    let verdict = request.judge(reading.record.as_ref(), reading.now_ms);
                    if verdict.write.is_none() {
                        *step = Step::Settled(Ok(verdict.answer));
                    }
                }
            }
        }
        Ok(())
    }

    /// One transaction for all that is open. Record and clock are read after it has got its lock.
    fn decide<R: Request>(&mut self, steps: &[Step<'_, R>]) -> rusqlite::Result<Vec<Result<R::Answer, StorageError>>> {
        if let Some(answers) = steps.iter().map(Step::settled).collect() {
            return Ok(answers);
        }
        let transaction = begin(&mut self.connection)?;
        let mut handed_over = Vec::new();
        let mut answers = Vec::with_capacity(steps.len());
        for step in steps {
            answers.push(match step {
                Step::Settled(answer) => answer.clone(),
                Step::Open(request) => match self.table.read(&transaction, request.key().as_str())? {
                    Err(unreadable) => Err(StorageError::permanent(unreadable)),
                    Ok(Reading { record, now_ms }) => {
                        let Verdict { answer, write } = request.judge(record.as_ref(), now_ms);
                        if let Some(write) = write {
                            self.table.write(&transaction, request.key(), &write)?;
                            if record.is_none_or(|old| (old.term, old.session) != (write.term, write.session)) {
                                handed_over.push((request.key().clone(), write));
                            }
                        }
                        Ok(answer)
                    }
                },
            });
        }
        transaction.commit()?;
        self.watch.committed(&handed_over);
        Ok(answers)
    }
}

impl<R: Request> Step<'_, R> {
    fn settled(&self) -> Option<Result<R::Answer, StorageError>> {
        match self {
            Self::Open(_) => None,
            Self::Settled(answer) => Some(answer.clone()),
        }
    }
}

/// Begins a transaction that has the write lock: one that reads first and then writes fails when another commits in
/// between. It rolls back when it is dropped, after a failed commit too.
fn begin(connection: &mut Connection) -> rusqlite::Result<Transaction<'_>> {
    if !connection.is_autocommit() {
        // A rollback failed, as it can when the disk does.
        connection.execute_batch("ROLLBACK")?;
    }
    connection.transaction_with_behavior(TransactionBehavior::Immediate)
}

/// Switches the file to WAL mode, in which readers and the writer do not wait for each other.
///
/// While another process is about to switch, SQLite refuses at once instead of waiting, so that they do not wait for
/// each other. An empty transaction does wait until that process is done; it has then switched for all.
fn enter_wal(connection: &Connection) -> rusqlite::Result<()> {
    let switch = || connection.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()));
    for _ in 0..4 {
        match switch() {
            Err(error) if is_busy(&error) => connection.execute_batch("BEGIN IMMEDIATE; COMMIT")?,
            done => return done,
        }
    }
    switch()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// R5: what was answered is on the disk. Only the connection itself can tell.
    #[test]
    fn every_connection_syncs() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("leases.db");
        let busy = Duration::from_millis(250);
        let own = Connection::open(&path).unwrap();
        own.pragma_update(None, "synchronous", "OFF").unwrap();
        let topics = Arc::new(Topics::new());
        let workers = [
            Worker::open(&path, Table::standard(), busy, topics.clone()).unwrap(),
            Worker::new(own, Table::standard(), busy, topics).unwrap(),
        ];
        for worker in workers {
            let synchronous = |row: &rusqlite::Row<'_>| row.get::<_, i64>(0);
            assert_eq!(worker.connection.pragma_query_value(None, "synchronous", synchronous).unwrap(), 3);
        }
    }
}
