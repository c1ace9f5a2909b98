//! What the leader is needed for: a table into which only the newest reign may write.

use std::path::Path;
use std::time::Duration;

use lessor::{Fence, Term};
use lessor_sqlite::rusqlite::{Connection, ErrorCode, Result, TransactionBehavior};

/// The name under which the fence knows the table.
const RESOURCE: &str = "work_log";

pub(crate) struct Ledger(Connection);

/// A write, accepted or refused.
pub(crate) struct Entry {
    pub(crate) node: String,
    pub(crate) term: i64,
    pub(crate) accepted: bool,
}

impl Ledger {
    /// In the same file as the leases, through a connection of its own.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let connection = Connection::open(path)?;
        connection.busy_timeout(Duration::from_secs(10))?;
        // What is written has to survive the process, not the machine.
        connection.pragma_update(None, "synchronous", "NORMAL")?;
        Ok(Self(connection))
    }

    pub(crate) fn create(&self) -> Result<()> {
        self.0.execute_batch(Fence::CREATE_TABLE)?;
        self.0.execute_batch(
            "CREATE TABLE work_log (
                number   INTEGER PRIMARY KEY AUTOINCREMENT,
                node     TEXT    NOT NULL,
                term     INTEGER NOT NULL,
                accepted INTEGER NOT NULL
            )",
        )
    }

    /// Writes if the fence admits the term. Question and write are one transaction: nothing comes in between.
    ///
    /// A refused write usually is just rolled back. Here it is noted as refused, for the check to see.
    pub(crate) fn write(&mut self, node: &str, term: Term, ignore_fence: bool) -> Result<bool> {
        let term = i64::from(term);
        let transaction = self.0.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let admitted = transaction.execute(Fence::ADMIT, (RESOURCE, term))? == 1;
        let accepted = admitted || ignore_fence;
        transaction
            .execute("INSERT INTO work_log (node, term, accepted) VALUES (?1, ?2, ?3)", (node, term, accepted))?;
        transaction.commit()?;
        Ok(accepted)
    }

    /// All writes, in the order in which they were committed.
    pub(crate) fn entries(&self) -> Result<Vec<Entry>> {
        let mut statement = self.0.prepare("SELECT node, term, accepted FROM work_log ORDER BY number")?;
        let entries =
            statement.query_map((), |row| Ok(Entry { node: row.get(0)?, term: row.get(1)?, accepted: row.get(2)? }))?;
        entries.collect()
    }

    /// Whether anybody can write, that is, whether no frozen process holds the file's lock.
    pub(crate) fn can_be_written(&mut self) -> Result<bool> {
        self.0.busy_timeout(Duration::from_millis(100))?;
        let transaction = self.0.transaction_with_behavior(TransactionBehavior::Immediate);
        match transaction {
            Ok(transaction) => transaction.rollback().map(|()| true),
            Err(error) if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) => Ok(false),
            Err(error) => Err(error),
        }
    }
}
