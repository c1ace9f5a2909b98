//! The connection and what is done with it, on the storage's own thread.

use core::slice;
use core::time::Duration;
use std::path::Path;
use std::sync::Arc;

use lessor::storage::{Record, Reply, Request, Subscribers};
use lessor::{Key, StorageError, Term};
use lessor_kit::batch::Batch;
use lessor_kit::timeout::patience;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, Transaction, TransactionBehavior};

use crate::error::{explain, is_busy};
use crate::table::Table;
use crate::wakeups::Followed;

/// A connection and what is done with it.
pub(crate) struct Worker {
    connection: Connection,
    table: Table,
    busy_timeout: Duration,
    followed: Followed,
}

pub(crate) type Answer = Result<Reply, StorageError>;

impl Worker {
    pub(crate) fn open(
        path: &Path,
        table: Table,
        busy: Duration,
        subscribers: Arc<Subscribers>,
    ) -> Result<Self, StorageError> {
        let connect = || {
            let connection = Connection::open(path)?;
            connection.busy_timeout(busy)?;
            enter_wal(&connection)?;
            Ok(connection)
        };
        let connection = connect().map_err(|error| explained(error, &table))?;
        Self::new(connection, table, busy, subscribers)
    }

    pub(crate) fn new(
        connection: Connection,
        table: Table,
        busy_timeout: Duration,
        subscribers: Arc<Subscribers>,
    ) -> Result<Self, StorageError> {
        if !connection.is_autocommit() {
            return Err(StorageError::permanent("the connection is in a transaction: end it before handing it over"));
        }
        // EXTRA is FULL in WAL mode. In the other modes it also makes the end of the journal survive a power loss. With its plans
        // pinned (QPSG) SQLite does not plan a statement anew for each key that is bound to it, which takes eight times as long
        // as the statement.
        connection
            .busy_timeout(busy_timeout)
            .and_then(|()| connection.pragma_update(None, "synchronous", "EXTRA"))
            .and_then(|()| connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true).map(drop))
            .map_err(|error| explained(error, &table))?;
        let path = connection.path().filter(|path| !path.is_empty()).map(Path::new);
        let followed = Followed::new(subscribers, path);
        Ok(Self { connection, table, busy_timeout, followed })
    }

    pub(crate) fn migrate(&mut self) -> Result<(), StorageError> {
        let Self { connection, table, busy_timeout, .. } = self;
        let migrated = connection.busy_timeout(*busy_timeout).and_then(|()| connection.execute_batch(&table.create));
        migrated.map_err(|error| explained(error, table))
    }

    pub(crate) fn check(&mut self) -> Result<(), StorageError> {
        let Self { connection, table, busy_timeout, .. } = self;
        let mut probe = || {
            connection.busy_timeout(*busy_timeout)?;
            let transaction = begin(connection)?;
            let read_back = table.probe(&transaction)?;
            transaction.rollback()?;
            Ok(read_back)
        };
        probe().map_err(|error| explained(error, table))?.map(|_| ()).map_err(StorageError::from)
    }

    pub(crate) fn follow(&mut self, key: Key, changed: impl Fn() + Send + 'static) {
        self.followed.follow(key, &self.connection, &self.table, changed);
    }

    pub(crate) fn look(&mut self) {
        self.followed.look(&self.connection, &self.table);
    }

    /// Answers all that was asked, each in order, a key that occurs again in it with an error in its place: in one
    /// transaction, which fails or succeeds as a whole.
    ///
    /// Where it fails for another reason than a lock each is tried alone: an error about one key is no verdict on
    /// those of others.
    pub(crate) fn answer(&mut self, asked: &[Vec<Request>]) -> Vec<Vec<Answer>> {
        let mut batches: Vec<_> = asked.iter().map(|requests| Batch::new(requests.iter().map(Request::key))).collect();
        let decided = self.decide_all(asked, &mut batches);
        if asked.len() > 1 && decided.as_ref().is_err_and(|error| !is_busy(error)) {
            return asked.iter().flat_map(|requests| self.answer(slice::from_ref(requests))).collect();
        }
        if let Err(error) = decided {
            let error = explained(error, &self.table);
            for (batch, requests) in batches.iter_mut().zip(asked) {
                batch.answer_open(requests.iter().map(|_| Err(error.clone())));
            }
        }
        batches.into_iter().map(Batch::into_answers).collect()
    }

    fn decide_all(&mut self, asked: &[Vec<Request>], batches: &mut [Batch<Reply>]) -> rusqlite::Result<()> {
        let patience = asked.iter().map(|requests| self.patience(requests)).min();
        self.connection.busy_timeout(patience.unwrap_or(self.busy_timeout))?;
        end_former(&self.connection)?;
        // Many in one transaction: each by itself would open the log anew, which takes longer than the look.
        let together = asked.len() > 1 || asked.iter().any(|requests| requests.len() > 1);
        let looks = together.then(|| self.connection.unchecked_transaction()).transpose()?;
        for (requests, batch) in asked.iter().zip(&mut *batches) {
            self.look_first(requests, batch)?;
        }
        looks.map_or(Ok(()), Transaction::commit)?;
        let open: Vec<_> = asked.iter().zip(&*batches).map(|(requests, batch)| batch.open(requests)).collect();
        let requests: Vec<_> = open.iter().flatten().map(|(_, request)| *request).collect();
        let mut answers = self.decide(&requests)?.into_iter();
        for (open, batch) in open.iter().zip(batches) {
            batch.answer_open(answers.by_ref().take(open.len()));
        }
        Ok(())
    }

    /// How long these may wait for the write lock: the answer has to come while the candidate still waits for it.
    pub(crate) fn patience(&self, requests: &[Request]) -> Duration {
        let ttls = requests.iter().filter_map(|request| match request {
            Request::Acquire(claim) => Some(claim.ttl),
            Request::Renew(renewal) => Some(renewal.ttl),
            _ => None,
        });
        let least = self.busy_timeout.min(Duration::from_millis(1));
        patience(ttls, self.busy_timeout, least)
    }

    /// Looks without the write lock where that is often or always enough: a refused claim must lock nothing. What is
    /// seen was committed, so an answer that writes nothing was right at that moment.
    fn look_first(&self, requests: &[Request], batch: &mut Batch<Reply>) -> rusqlite::Result<()> {
        for (place, request) in batch.open(requests) {
            let (Request::Acquire(_) | Request::Get(_), Some(key)) = (request, request.key()) else { continue };
            match self.table.read(&self.connection, key.as_str())? {
                Err(unreadable) => batch.answer(place, Err(unreadable.into())),
                Ok(seen) => {
                    let verdict = Record::judge(seen.record.as_ref(), request, seen.now_ms, Term::FIRST);
                    if verdict.write.is_none() {
                        batch.answer(place, Ok(verdict.reply));
                    }
                }
            }
        }
        Ok(())
    }

    /// One transaction for all that is left to do, unless that is only lists.
    fn decide(&mut self, requests: &[&Request]) -> rusqlite::Result<Vec<Answer>> {
        let mut handed_over = Vec::new();
        let mut decide = |connection: &Connection| {
            let requests = requests.iter();
            requests.map(|request| decide_one(&self.table, connection, request, &mut handed_over)).collect()
        };
        if requests.iter().all(|request| matches!(request, Request::List(_))) {
            return decide(&self.connection);
        }
        let transaction = begin(&mut self.connection)?;
        let answers = decide(&transaction)?;
        transaction.commit()?;
        self.followed.committed(&handed_over);
        Ok(answers)
    }
}

/// Record and clock are read after the transaction has got its lock.
fn decide_one(
    table: &Table,
    connection: &Connection,
    request: &Request,
    handed_over: &mut Vec<(Key, Record)>,
) -> rusqlite::Result<Answer> {
    if let Request::List(list) = request {
        return Ok(table.list(connection, list)?.map(Reply::Listed).map_err(StorageError::from));
    }
    let Some(key) = request.key() else { return Ok(Err(StorageError::unsupported(request))) };
    let seen = match table.read(connection, key.as_str())? {
        Ok(seen) => seen,
        Err(unreadable) => return Ok(Err(unreadable.into())),
    };
    let verdict = Record::judge(seen.record.as_ref(), request, seen.now_ms, Term::FIRST);
    if let Some(record) = verdict.write {
        table.write(connection, key, &record)?;
        if record.wakes_followers(seen.record.as_ref()) {
            handed_over.push((key.clone(), record));
        }
    }
    Ok(Ok(verdict.reply))
}

fn explained(error: rusqlite::Error, table: &Table) -> StorageError {
    explain(error, &table.name, "call SqliteStorage::migrate() once to create it")
}

/// Begins a transaction that has the write lock: one that reads first and then writes fails when another commits in
/// between. It rolls back when it is dropped, after a failed commit too.
fn begin(connection: &mut Connection) -> rusqlite::Result<Transaction<'_>> {
    end_former(connection)?;
    connection.transaction_with_behavior(TransactionBehavior::Immediate)
}

/// Ends a transaction whose rollback failed, as it can when the disk does.
fn end_former(connection: &Connection) -> rusqlite::Result<()> {
    if connection.is_autocommit() { Ok(()) } else { connection.execute_batch("ROLLBACK") }
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
    use rusqlite::StatementStatus;

    /// R5: what was answered is on the disk. Only the connection itself can tell.
    #[test]
    fn every_connection_syncs() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("leases.db");
        let busy = Duration::from_millis(250);
        let own = Connection::open(&path).unwrap();
        own.pragma_update(None, "synchronous", "OFF").unwrap();
        let subscribers = Arc::new(Subscribers::new());
        let workers = [
            Worker::open(&path, Table::standard(), busy, subscribers.clone()).unwrap(),
            Worker::new(own, Table::standard(), busy, subscribers).unwrap(),
        ];
        for worker in workers {
            let synchronous = |row: &rusqlite::Row<'_>| row.get::<_, i64>(0);
            assert_eq!(worker.connection.pragma_query_value(None, "synchronous", synchronous).unwrap(), 3);
        }
    }

    /// A statement is planned once, whatever keys it is asked for: to plan it takes much longer than to run it.
    #[test]
    fn statements_are_planned_once() {
        let connection = Connection::open_in_memory().unwrap();
        let busy = Duration::from_millis(250);
        let mut worker = Worker::new(connection, Table::standard(), busy, Arc::new(Subscribers::new())).unwrap();
        worker.migrate().unwrap();
        for key in ["a", "b", "c"] {
            worker.table.read(&worker.connection, key).unwrap().unwrap();
        }
        let statement = worker.connection.prepare_cached(&worker.table.select).unwrap();
        assert!(statement.get_status(StatementStatus::Run) >= 3);
        assert_eq!(statement.get_status(StatementStatus::RePrepare), 0);
    }
}
