//! The connection and what is done with it, on the storage's own thread.

use core::slice;
use core::time::Duration;
use std::path::{Path, absolute};
use std::sync::Arc;

use lessor::storage::{Record, Reply, Request, Subscribers};
use lessor::{Key, StorageError, Term};
use lessor_kit::batch::Batch;
use lessor_kit::error::AdapterError;
use lessor_kit::timeout::patience;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, Transaction, TransactionBehavior};

use crate::error::{Failed, explain, is_busy};
use crate::files::{self, Files};
use crate::name;
use crate::table::Table;
use crate::wakeups::Followed;

/// A connection and what is done with it.
pub(crate) struct Worker {
    connection: Connection,
    table: Table,
    busy_timeout: Duration,
    /// `None`: the database is in memory.
    files: Option<Files>,
    /// SQLite's count of changes of tables, as it was when the layout of this one was last looked at.
    schema: Option<i64>,
    followed: Followed,
}

/// Opening and migrating wait for another connection's lock at least so long: processes begin together, each of them writes, and
/// nobody waits for a lease yet.
const BEGINNING: Duration = Duration::from_secs(5);

/// A check at the beginning, too; but leases may wait behind it, which wait no longer themselves.
const CHECKING: Duration = Duration::from_secs(1);

pub(crate) type Answer = Result<Reply, StorageError>;

impl Worker {
    pub(crate) fn open(
        path: &Path,
        table: Table,
        busy: Duration,
        subscribers: Arc<Subscribers>,
    ) -> Result<Self, StorageError> {
        name::checked(path)?;
        let named = if name::is_uri(path) || name::is_memory(path) { None } else { absolute(path).ok() };
        let open = || {
            let connection = Connection::open(path).map_err(|error| explained(error, &table, named.as_deref()))?;
            name::names_what_is_open(path, &connection)?;
            Ok(connection)
        };
        let (connection, files) = files::opened(named.as_deref(), open)?;
        let entered = connection.busy_timeout(busy.max(BEGINNING)).and_then(|()| enter_wal(&connection));
        entered.map_err(|error| explained(error, &table, files.as_ref().and_then(Files::name)))?;
        Self::with(connection, files, table, busy, subscribers)
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
        let files = files::of(&connection)?;
        Self::with(connection, files, table, busy_timeout, subscribers)
    }

    fn with(
        connection: Connection,
        mut files: Option<Files>,
        table: Table,
        busy_timeout: Duration,
        subscribers: Arc<Subscribers>,
    ) -> Result<Self, StorageError> {
        // EXTRA is FULL in WAL mode. In the other modes it also makes the end of the journal survive a power loss. With its plans
        // pinned (QPSG) SQLite does not plan a statement anew for each key that is bound to it, which takes eight times as long
        // as the statement.
        connection
            .busy_timeout(busy_timeout)
            .and_then(|()| connection.pragma_update(None, "synchronous", "EXTRA"))
            .and_then(|()| connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true).map(drop))
            .and_then(|()| files.as_mut().map_or(Ok(()), |files| files.find_log(&connection)))
            .map_err(|error| explained(error, &table, files.as_ref().and_then(Files::name)))?;
        if files.is_some() {
            let mode = connection.pragma_query_value(None, "journal_mode", |row| row.get::<_, String>(0));
            let mode = mode.map_err(|error| explained(error, &table, files.as_ref().and_then(Files::name)))?;
            if matches!(&*mode, "off" | "memory") {
                let problem = "a crash in the middle of a commit leaves the file torn: its journal is not on the disk";
                let remedy = "set WAL, or another mode that keeps it there";
                return Err(AdapterError::wrong_setup("journal_mode", mode, problem, remedy).into());
            }
        }
        let path = connection.path().filter(|path| !path.is_empty()).map(Path::new);
        let followed = Followed::new(subscribers, path);
        Ok(Self { connection, table, busy_timeout, files, schema: None, followed })
    }

    pub(crate) fn migrate(&mut self) -> Result<(), StorageError> {
        self.migrated().map_err(|failed| self.explained(failed))
    }

    /// Without a lock where the table is there.
    fn migrated(&self) -> Result<(), Failed> {
        unmoved(self.files.as_ref())?;
        self.connection.busy_timeout(self.busy_timeout.max(BEGINNING))?;
        self.connection.execute_batch(&self.table.create)?;
        self.table.is_known(&self.connection)?.map_err(|unknown| Failed::Otherwise(unknown.into()))
    }

    pub(crate) fn check(&mut self) -> Result<(), StorageError> {
        self.checked().map_err(|failed| self.explained(failed))
    }

    fn checked(&mut self) -> Result<(), Failed> {
        self.connection.busy_timeout(self.busy_timeout.max(CHECKING))?;
        let transaction = begin(&mut self.connection, &mut self.files, &self.table, &mut self.schema)?;
        let read_back = self.table.probe(&transaction)?;
        transaction.rollback()?;
        read_back.map(|_| ()).map_err(|unreadable| Failed::Otherwise(unreadable.into()))
    }

    fn explained(&self, failed: Failed) -> StorageError {
        failed.explained(|error| explained(error, &self.table, self.files.as_ref().and_then(Files::name)))
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
        if asked.len() > 1 && decided.as_ref().is_err_and(Failed::may_be_of_one) {
            return asked.iter().flat_map(|requests| self.answer(slice::from_ref(requests))).collect();
        }
        if let Err(failed) = decided {
            let error = self.explained(failed);
            for (batch, requests) in batches.iter_mut().zip(asked) {
                batch.answer_open(requests.iter().map(|_| Err(error.clone())));
            }
        }
        batches.into_iter().map(Batch::into_answers).collect()
    }

    fn decide_all(&mut self, asked: &[Vec<Request>], batches: &mut [Batch<Reply>]) -> Result<(), Failed> {
        unmoved(self.files.as_ref())?;
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
    fn decide(&mut self, requests: &[&Request]) -> Result<Vec<Answer>, Failed> {
        let mut handed_over = Vec::new();
        let mut decide = |connection: &Connection| -> rusqlite::Result<Vec<Answer>> {
            let requests = requests.iter();
            requests.map(|request| decide_one(&self.table, connection, request, &mut handed_over)).collect()
        };
        if requests.iter().all(|request| matches!(request, Request::List(_))) {
            return Ok(decide(&self.connection)?);
        }
        let transaction = begin(&mut self.connection, &mut self.files, &self.table, &mut self.schema)?;
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

fn explained(error: rusqlite::Error, table: &Table, file: Option<&Path>) -> StorageError {
    explain(error, &table.name, "call SqliteStorage::migrate() once to create it", file)
}

/// Begins a transaction that has the write lock: one that reads first and then writes fails when another commits in
/// between. It rolls back when it is dropped, after a failed commit too.
///
/// Files and table are looked at when the lock is had: it may have been waited for.
fn begin<'c>(
    connection: &'c mut Connection,
    files: &mut Option<Files>,
    table: &Table,
    schema: &mut Option<i64>,
) -> Result<Transaction<'c>, Failed> {
    end_former(connection)?;
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    unmoved(files.as_ref())?;
    if let Some(files) = files {
        // Your own connection may write none at first.
        files.find_log(&transaction)?;
    }
    let now = transaction.prepare_cached("PRAGMA main.schema_version")?.query_row([], |row| row.get(0))?;
    if *schema != Some(now) {
        table.is_known(&transaction)?.map_err(|unknown| Failed::Otherwise(unknown.into()))?;
        *schema = Some(now);
    }
    Ok(transaction)
}

fn unmoved(files: Option<&Files>) -> Result<(), Failed> {
    files.map_or(Ok(()), Files::check).map_err(Failed::Otherwise)
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
