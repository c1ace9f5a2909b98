//! Whether everything is there, and does what it should.

use lessor::storage::{Claim, Record, Release, Renewal};
use lessor::{Key, StorageError, Term};
use lessor_kit::error::AdapterError;
use lessor_kit::trial;
use sqlx::Row;
use sqlx::mysql::MySqlConnection;
use sqlx::mysql::MySqlRow;

use crate::address::Link;
use crate::error::{Failure, is_no_right};
use crate::row;
use crate::server::Primary;
use crate::setup::{close, run};
use crate::statement::Script;
use crate::statements::{FREE, READ_CLOCK, SEE};
use crate::transaction::Step;

const COLUMNS: &str = "`key`, session, id, term, version, ttl, expires, since, value";

/// What the server has to take at once, in bytes. A flight's text is shorter.
pub(crate) const LONGEST_TEXT: i64 = 8 << 20;

impl Primary {
    /// Whether everything is there, and this user may use it.
    pub(crate) async fn check(&self) -> Result<(), StorageError> {
        let mut link = self.open().await?;
        let checked = self.check_all(&mut link).await;
        close(link.connection).await;
        checked
    }

    async fn check_all(&self, link: &mut Link) -> Result<(), StorageError> {
        self.check_rights(&mut link.connection).await?;
        self.check_settings(&mut link.connection).await?;
        self.try_everything(link).await
    }

    /// Each statement is refused, or not, before it would do anything.
    async fn check_rights(&self, connection: &mut MySqlConnection) -> Result<(), StorageError> {
        let table = self.table.quoted();
        for (right, sql) in [
            ("SELECT", format!("SELECT {COLUMNS} FROM {table} WHERE 1 = 0")),
            ("INSERT", format!("INSERT INTO {table} ({COLUMNS}) SELECT {COLUMNS} FROM {table} WHERE 1 = 0")),
            ("UPDATE", format!("UPDATE {table} SET version = version WHERE 1 = 0")),
            ("UPDATE", format!("SELECT version FROM {table} WHERE 1 = 0 FOR UPDATE SKIP LOCKED")),
        ] {
            match run(connection, sql).await {
                Err(error) if is_no_right(&error) => {
                    let advice = format!("GRANT {right} ON {table} to the user");
                    return Err(AdapterError::no_right(right, table).advising(advice).into());
                }
                done => done.map_err(|error| self.explain(error))?,
            }
        }
        Ok(())
    }

    /// Whether what is written is kept, all or nothing, and a long text is taken.
    async fn check_settings(&self, connection: &mut MySqlConnection) -> Result<(), StorageError> {
        let explain = |error| self.explain(error);
        let found: MySqlRow = sqlx::query(
            "SELECT (SELECT CAST(engine AS BINARY) FROM information_schema.tables
                     WHERE table_schema = COALESCE(?, DATABASE()) AND table_name = ?) AS engine,
                    CAST(@@max_allowed_packet AS SIGNED) AS longest,
                    CAST(@@innodb_flush_log_at_trx_commit AS SIGNED) AS flushed",
        )
        .bind(self.table.database())
        .bind(self.table.name())
        .fetch_one(connection)
        .await
        .map_err(explain)?;
        let longest = found.try_get_unchecked::<i64, _>("longest").map_err(explain)?;
        if longest < LONGEST_TEXT {
            let problem = "requests for many keys, which are sent as one text, may not fit into a packet";
            let remedy = format!("set it to {LONGEST_TEXT} or more");
            return Err(AdapterError::wrong_setup("max_allowed_packet", longest.to_string(), problem, remedy).into());
        }
        if found.try_get_unchecked::<i64, _>("flushed").map_err(explain)? == 0 {
            let problem = "the server keeps its last commits in its memory: where it is killed, terms are given again";
            let remedy = "set it to 1, or to 2 where its machine does not crash";
            return Err(AdapterError::wrong_setup("innodb_flush_log_at_trx_commit", "0", problem, remedy).into());
        }
        match found.try_get_unchecked::<Option<&str>, _>("engine").map_err(explain)? {
            Some(engine) if !engine.eq_ignore_ascii_case("InnoDB") => Err(self.no_transactions(engine).into()),
            // A temporary table, say, is not listed: it is there, since it could be asked.
            _ => Ok(()),
        }
    }

    /// What was written is not there.
    fn changed(&self, what: &'static str) -> AdapterError {
        let table = self.table.quoted();
        let problem = format!("the table {table} does not keep what is written to it: a trigger changes it, perhaps");
        let remedy = "leave it as MySqlBuilder::migration_sql() creates it, without triggers, or name another \
                      (MySqlBuilder::table)";
        AdapterError::wrong_setup("operation", what, problem, remedy)
    }

    fn no_transactions(&self, engine: &str) -> AdapterError {
        let table = self.table.quoted();
        let problem = format!("the table {table} is kept by an engine without transactions");
        AdapterError::wrong_setup("engine", engine, problem, format!("ALTER TABLE {table} ENGINE = InnoDB"))
    }

    /// What candidates do, with keys that nobody has, in a transaction that is rolled back: nobody sees any of it, or
    /// waits for it.
    async fn try_everything(&self, link: &mut Link) -> Result<(), StorageError> {
        let [claim, other] = [trial::claim(), trial::claim()];
        let (claim, other) = (claim.map_err(StorageError::permanent)?, other.map_err(StorageError::permanent)?);
        let done = self.run(link, self.reign(&claim, &other)?).await;
        self.run(link, Script::default().sql("ROLLBACK")).await.map_err(|error| self.explain(error))?;
        let steps = done.map_err(|error| self.explain(error))?;
        for (step, (what, wanted)) in steps.iter().zip(REIGN) {
            if wanted.is_some_and(|rows| rows != step.result.rows_affected().max(step.rows.len() as u64)) {
                return Err(self.changed(what).into());
            }
        }
        let seen = steps.get(LOOK).and_then(|step: &Step| step.rows.first());
        let reading = row::reading(seen, claim.key.as_str()).map_err(told)??;
        if reading.record.is_none_or(|record| record.id != claim.id || record.session.is_some()) {
            return Err(self.changed("look").into());
        }
        let left = self.look(link, &[&claim.key]).await.map_err(told)?;
        match left.into_iter().next() {
            Some(Ok(reading)) if reading.record.is_none() => Ok(()),
            _ => Err(self.no_transactions("not known").into()),
        }
    }

    /// Each kind of statement once.
    fn reign(&self, claim: &Claim, other: &Claim) -> Result<Script, StorageError> {
        let statements = &self.statements;
        let keys: [&Key; 2] = [&claim.key, &other.key];
        let release = |claim: &Claim| Release::new(claim.key.clone(), claim.session);
        Ok(statements
            .transaction(&keys)
            .sql(&statements.about(READ_CLOCK, &[]))
            .statement(&statements.create(&claim.key, &first(claim)?))
            .statement(&statements.create_or_leave(&other.key, &first(other)?))
            .statement(&statements.renew(&renewal(claim)))
            .sql(&statements.renew_same(other.ttl, &[&renewal(other)]))
            .sql(&statements.about(SEE, &keys))
            .statement(&statements.release(&release(claim)))
            .sql(&statements.release_same(&[&release(other)]))
            .sql(&statements.about(FREE, &keys))
            .statement(&statements.look(&claim.key)))
    }
}

/// What each statement of [`Primary::reign`] belongs to, and how many rows it writes, or finds, if that says something.
const REIGN: [(&str, Option<u64>); 12] = [
    ("begin", None),
    ("lock", Some(0)),
    ("clock", None),
    ("claim", Some(1)),
    ("claim", Some(1)),
    ("renewal", Some(1)),
    ("renewal", Some(1)),
    ("claim", Some(2)),
    ("release", Some(1)),
    ("release", Some(1)),
    ("lock", Some(2)),
    ("look", Some(1)),
];

/// Which of them is the look.
const LOOK: usize = REIGN.len() - 1;

fn first(claim: &Claim) -> Result<Record, StorageError> {
    let verdict = Record::judge(None, &claim.clone().into(), 0, Term::FIRST);
    verdict.write.ok_or_else(|| AdapterError::Unfit.into())
}

fn renewal(claim: &Claim) -> Renewal {
    let Claim { key, id, session, ttl, value, .. } = claim.clone();
    Renewal::new(key, id, session, Term::FIRST, ttl).value(value)
}

fn told(failure: Failure) -> StorageError {
    match failure {
        Failure::Locked => AdapterError::Locked.into(),
        Failure::Refused(error) | Failure::OfOne(error) | Failure::Broken(error) => error,
    }
}
