//! Leases in a MySQL or MariaDB database: for processes anywhere that reach one primary server.
//!
//! [`MySqlStorage`] keeps one small row for each key in a table, and works on the [`sqlx`] pool that your program
//! has anyway:
//!
//! ```no_run
//! use lessor::storage::mysql::sqlx::MySqlPool;
//! use lessor::{Builder, MySqlStorage};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let storage = MySqlStorage::new(MySqlPool::connect("mysql://app@db.example.com/app").await?);
//! storage.migrate().await?;
//! let (candidate, driver) = Builder::new("nightly-report").build(storage)?;
//! # let _ = (candidate, driver);
//! # Ok(())
//! # }
//! ```
//!
//! MySQL 8.0 or later, MariaDB 10.3 or later, tested with MariaDB 10.11; what the statements use is documented alike for
//! both. The table is InnoDB's. The library needs Rust 1.94 with this feature, as sqlx does.
//!
//! # Executors and TLS
//! It works under every executor. sqlx looks at each call whether it runs within tokio: with feature `tokio` it then
//! uses tokio's sockets, otherwise and everywhere else those of smol, which need nobody to run them. TLS is a feature
//! of sqlx that your program sets: `sqlx = { version = "0.9", default-features = false, features = ["tls-rustls"] }`.
//! MySQL's own way to check a password (`caching_sha2_password`) needs TLS, a Unix socket or sqlx's feature `mysql-rsa`.
//!
//! # What survives
//! A grant, a renewal or a release is committed before it is answered. A killed server loses nothing. A crash of its
//! machine loses nothing with `innodb_flush_log_at_trx_commit = 1`, the default, and `sync_binlog = 1` where there is a
//! binary log; no session can ask for that by itself, so see to it. With other values the last second may be lost.
//!
//! A failover to an *asynchronous* replica may lose more; to a semi-synchronous one too, once it has fallen back to
//! asynchronous. Then a term may be granted twice, and no lease is worth more than what was copied: wait out the longest
//! ttl before the replica serves. With a binary log, log rows (`binlog_format` `ROW` or `MIXED`): statements alone would
//! have other times on a replica.
//!
//! Where several servers take writes (Galera, group replication), give the storage a way to one of them. Each has a clock
//! of its own, and may show what it does not know yet; conflicts are found at the commit, and fail as transient.
//!
//! # Time
//! Expiry is judged by the server's wall clock, in whole milliseconds, read by each statement after any wait for a lock.
//! After a step back a lease shows no more than its ttl, and a leader that is gone is replaced by a candidate that saw
//! its version unchanged for a ttl and margin on its own clock. A step forward ends leases early, so that two may lead:
//! where that can happen, set [`takeover_guard`](crate::Config::takeover_guard).
//!
//! Time zones and summer time have no part in it, whatever the server's or the session's. `clock` stands for:
//!
//! ```sql
//! ((TIMESTAMPDIFF(MICROSECOND, '1970-01-01', UTC_TIMESTAMP(6))
//!  + IF(TIMESTAMPDIFF(MICROSECOND, NOW(6), SYSDATE(6)) BETWEEN 0 AND 600000000,
//!  TIMESTAMPDIFF(MICROSECOND, NOW(6), SYSDATE(6)), 0)) DIV 1000)
//! ```
//!
//! `UTC_TIMESTAMP` and `NOW` are when the statement began, and only `SYSDATE` is the time of asking; that is local time,
//! of which an hour comes twice in a year. So it says only how much time has passed since the statement began: in a wait
//! for a lock, say. Where local time was set meanwhile, or the server makes `SYSDATE` the same as `NOW`
//! (`--sysdate-is-now`), that counts as nothing. A verdict is then of the time when the statement began: a leader may
//! be told that it leads on though its lease ended while it waited, but never with a lease that is longer than it
//! thinks, and never beside another, whose grant would have changed the row.
//!
//! # What it costs
//! A look, a refused claim, a renewal and a release are one statement and one round trip, after the first of a connection,
//! which prepares it. A grant is a look and a statement: two round trips, once in a reign. A renewal that fails is
//! followed by a look. A pool that tests its connections before it hands them out (`test_before_acquire`, which sqlx sets
//! by default) adds one; without it the first operation after a broken connection fails, and the candidate tries again.
//!
//! A batch of up to 256 keys is one transaction, sent as one text: it begins and ends on the server, so that no lock is
//! ever held while a candidate is waited for. Sessions are not part of that text, which sqlx logs if it is slow.
//!
//! # Locks
//! A look and a refused claim write nothing, and wait for nobody's lock. Everything else waits for the commit of another
//! transaction on the same row during the [lock timeout](MySqlBuilder::lock_timeout), a claim or a
//! renewal at most a tenth of its ttl, so that the answer comes before the candidate gives up. (A release has no ttl: below
//! a ttl of 5 s set the lock timeout below the request timeout.) Then it fails with a [transient](crate::ErrorKind::Transient)
//! error and the candidate tries again.
//!
//! The server's own limit (`innodb_lock_wait_timeout`) has whole seconds, and is not changed. A statement that is given up
//! waits on there, and its connection is closed; what it does in the end is what a late message would do. The next
//! ones for this key ask for the lock with `NOWAIT` until they get it: one such statement for a key is left behind, not one
//! with each try. Batches ask with `NOWAIT` from the beginning; where a row is locked, the others go on without it. Since
//! nothing that holds a lock waits for another, no two of them wait for one another.
//!
//! # Wake-ups
//! Followers are woken when this storage or a clone of it is granted or releases a key: those in the same process. The
//! server tells nobody: followers elsewhere ask at their [retry interval](crate::Config::retry_interval) and when
//! the lease ends.
//!
//! # The table
//! [`migrate`](MySqlStorage::migrate) creates it; [`migration_sql`](MySqlBuilder::migration_sql) is its SQL, for your
//! own migrations. The program's user then needs `SELECT`, `INSERT` and `UPDATE` on the table; [`check`](Storage::check)
//! says what is missing.
//!
//! ```
//! use lessor::MySqlStorage;
//!
//! assert_eq!(MySqlStorage::builder().migration_sql(), r#"CREATE TABLE IF NOT EXISTS `lessor_leases` (
//!     `key`   varbinary(256) PRIMARY KEY, -- UTF-8, compared byte by byte
//!     session binary(16),                 -- a secret; NULL: released
//!     holder  varchar(128) NOT NULL,      -- the candidate's id
//!     term    bigint       NOT NULL CHECK (term BETWEEN 1 AND 9007199254740991), -- never falls
//!     version bigint       NOT NULL,      -- moves at every write
//!     ttl     bigint       NOT NULL,      -- ms
//!     expires bigint       NOT NULL,      -- ms since 1970, by the server's clock
//!     value   varchar(4096)
//! ) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;"#);
//! ```
//!
//! Rows are never deleted: they keep the terms. You may read them: ``SELECT CONVERT(`key` USING utf8mb4), holder ..``.
//!
//! # Fencing
//! A write in the same database that only the newest leader can do, whatever its clock and its pauses, begins with
//! [`admit`]. Do not lock the lease's row for that: its leader could not renew meanwhile.
//!
//! # The statements, and why they are safe
//! Each is a transaction of its own. A claim looks first: a `SELECT` without a lock, in no transaction, so that it sees what
//! was last committed, whatever the isolation level. [`Record::acquire`](crate::Record::acquire) judges what was seen. Where that refuses,
//! it is the answer. Where it grants, the record goes in the place of what was seen, if that is still there:
//!
//! ```sql
//! INSERT INTO lessor_leases (`key`, session, holder, term, version, ttl, expires, value)
//! SELECT CAST(? AS BINARY), CAST(? AS BINARY), CONVERT(CAST(? AS BINARY) USING utf8mb4), ?, ?, ?,
//!     clock + ?, CONVERT(CAST(? AS BINARY) USING utf8mb4)
//! FROM DUAL WHERE @@autocommit = 1
//! ```
//!
//! ```sql
//! UPDATE lessor_leases AS l SET
//!     l.session = ?, l.holder = CONVERT(CAST(? AS BINARY) USING utf8mb4),
//!     l.value = CONVERT(CAST(? AS BINARY) USING utf8mb4),
//!     l.term = ?, l.version = ?, l.ttl = ?, l.expires = clock + ?
//! WHERE l.`key` = ? AND l.version = ? AND l.term = ? AND l.session <=> ? AND (? OR l.expires > clock)
//!     AND @@autocommit = 1
//! ```
//!
//! * Each write moves the version. So the row is what was judged, or it is not written, and the claim is answered with what
//!   was seen before; the candidate asks again. That it was judged a moment ago takes nothing away: what was expired or
//!   released stays so until the version moves. Only a claim that is granted once more in its term asks for a lease
//!   that lives, and so it is asked again (`? OR ..` is 0 then).
//! * InnoDB locks the row that the primary key names before the conditions are looked at, and they are looked at in the newest
//!   version, in every isolation level; so does the clock, which is read for that row. No time that was
//!   computed before the wait is written.
//! * *Two first claims*: the second waits for the first's commit, and finds the key there: it is told to ask again. If the
//!   first comes to nothing, the second's row is inserted as it was proposed: its lease ends a ttl after it was asked for.
//! * `@@autocommit` is 1, or nothing is written: else nothing would be committed.
//!
//! A renewal does not look. It says the new version in the place of the last inserted id, which comes with the answer:
//!
//! ```sql
//! UPDATE lessor_leases AS l SET
//!     l.holder = CONVERT(CAST(? AS BINARY) USING utf8mb4),
//!     l.value = CONVERT(CAST(? AS BINARY) USING utf8mb4),
//!     l.version = LAST_INSERT_ID(l.version + 1), l.ttl = GREATEST(?, LEAST(l.expires - clock, l.ttl)),
//!     l.expires = clock + GREATEST(?, LEAST(l.expires - clock, l.ttl))
//! WHERE l.`key` = ? AND l.session = ? AND l.term = ? AND l.expires > clock AND @@autocommit = 1
//! ```
//!
//! Session, term and time are compared in the locked row, after any wait. MySQL assigns from left to right, and later
//! expressions see what earlier ones assigned; MariaDB has a mode (`SIMULTANEOUS_ASSIGNMENT`) where they do not. Here
//! `expires` is the same in both.
//!
//! A release is:
//!
//! ```sql
//! UPDATE lessor_leases AS l SET l.session = NULL, l.version = l.version + 1
//! WHERE l.`key` = ? AND l.session = ? AND @@autocommit = 1
//! ```

use alloc::boxed::Box;
use alloc::collections::BTreeSet;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;

use async_trait::async_trait;
pub use sqlx;
use sqlx::mysql::MySqlPool;

use super::sql::{self, Batch, Reading};
use super::{Storage, StorageError, Topics, Wakeups};
use crate::lease::{Key, Lease, Session, Term, Version};
use crate::lock::Mutex;
use crate::record::{Acquired, Claim, Record, Renewed};

mod admit;
mod builder;
mod connection;
mod error;
mod look;
mod setup;
mod statement;
mod table;
mod write;

pub use super::sql::{NotAdmitted, UnreadableRow};
pub use admit::admit;
pub use builder::MySqlBuilder;
pub use error::{InvalidName, Locked, NotReady, Refused};

use connection::Done;
use error::explain;
use statement::Statements;
use table::Table;
use write::Write;

/// The shortest time to wait for an answer.
const LEAST_PATIENCE: Duration = Duration::from_millis(50);

/// Leases in a MySQL or MariaDB table, through your own pool.
///
/// The [module](self) says what it runs and what survives. Clones share the pool, and wake one another's followers.
#[derive(Clone)]
pub struct MySqlStorage(Arc<Shared>);

struct Shared {
    pool: MySqlPool,
    table: Table,
    statements: Statements,
    lock_timeout: Duration,
    /// The keys about which a statement may wait on the server.
    locked: Mutex<BTreeSet<Key>>,
    topics: Topics,
}

impl Shared {
    fn explain(&self, error: sqlx::Error) -> StorageError {
        explain(error, &self.table.quoted())
    }

    fn patience<'a>(&self, claims: impl Iterator<Item = &'a Claim>) -> Duration {
        sql::patience(claims, self.lock_timeout, LEAST_PATIENCE)
    }
}

/// What is written for a claim, and what it is answered then.
struct Grant<'c> {
    place: usize,
    claim: &'c Claim,
    answer: Acquired,
    /// What was seen, and may be there no more. `None`: nothing.
    seen: Option<(Record, u64)>,
    write: Record,
}

impl Grant<'_> {
    /// Another was faster: what was seen is what was there before.
    fn lost(&self) -> Acquired {
        let lease = self.seen.as_ref().map(|(record, now_ms)| record.lease(*now_ms));
        Acquired::Held { lease, retry_after: Duration::ZERO }
    }

    fn statement<'g>(&'g self, statements: &Statements) -> Write<'g> {
        let (key, write) = (&self.claim.key, &self.write);
        let statement = match &self.seen {
            None => statements.create(key, write),
            // The term of a reign is repeated only while its lease lives.
            Some((seen, _)) => statements.grant(key, seen, write, seen.term == write.term),
        };
        Write { key, statement }
    }
}

impl MySqlStorage {
    /// Uses your pool, and the table `lessor_leases` in the database of its connections. Nothing is sent yet.
    #[must_use]
    pub fn new(pool: MySqlPool) -> Self {
        Self::builder().pool(pool)
    }

    /// The table `lessor_leases` and a lock timeout of 1 s, to be changed.
    pub fn builder() -> MySqlBuilder {
        MySqlBuilder::new()
    }

    /// Judges what is seen, and writes where that grants.
    async fn claim(&self, claims: &[&Claim]) -> Vec<Result<Acquired, StorageError>> {
        let shared = &*self.0;
        let keys: Vec<_> = claims.iter().map(|claim| &claim.key).collect();
        let readings = shared.look(&keys).await;
        let mut grants = Vec::new();
        let mut answers = Vec::with_capacity(claims.len());
        for ((place, claim), reading) in claims.iter().enumerate().zip(readings) {
            answers.push(reading.map(|Reading { record, now_ms }| {
                let verdict = Record::acquire(record.as_ref(), claim, now_ms, Term::FIRST);
                if let Some(write) = verdict.write {
                    let seen = record.map(|record| (record, now_ms));
                    grants.push(Grant { place, claim, answer: verdict.answer.clone(), seen, write });
                }
                verdict.answer
            }));
        }
        let patience = shared.patience(grants.iter().map(|grant| grant.claim));
        let (changes, firsts): (Vec<_>, Vec<_>) = grants.into_iter().partition(|grant| grant.seen.is_some());
        for (grants, first) in [(changes, false), (firsts, true)] {
            let writes: Vec<_> = grants.iter().map(|grant| grant.statement(&shared.statements)).collect();
            let written = if first {
                shared.create(&writes, patience).await
            } else {
                shared.write(&writes, patience).await.into_iter().map(Some).collect()
            };
            for (grant, written) in grants.iter().zip(written) {
                let answer = match written {
                    Some(Ok(Done { wrote: true, .. })) => Ok(self.granted(grant)),
                    Some(Ok(_)) if first => Err(StorageError::permanent(NotReady::NoAutocommit)),
                    Some(Ok(_)) | None => Ok(grant.lost()),
                    Some(Err(error)) => Err(error),
                };
                if let Some(place) = answers.get_mut(grant.place) {
                    *place = answer;
                }
            }
        }
        answers
    }

    fn granted(&self, grant: &Grant<'_>) -> Acquired {
        if grant.seen.as_ref().is_none_or(|(seen, _)| seen.term != grant.write.term) {
            self.0.topics.wake(&grant.claim.key);
        }
        grant.answer.clone()
    }

    /// Writes, and looks only where nothing was written.
    async fn extend(&self, renewals: &[&(Claim, Term)]) -> Vec<Result<Renewed, StorageError>> {
        let shared = &*self.0;
        let patience = shared.patience(renewals.iter().map(|(claim, _)| claim));
        let writes = renewals.iter().map(|(claim, term)| {
            let statement = shared.statements.renew(claim, *term);
            Write { key: &claim.key, statement }
        });
        let writes: Vec<_> = writes.collect();
        let written = shared.write(&writes, patience).await;
        let lost = written.iter().zip(renewals).filter(|(written, _)| matches!(written, Ok(done) if !done.wrote));
        let lost: Vec<_> = lost.map(|(_, (claim, _))| &claim.key).collect();
        let mut seen = shared.look(&lost).await.into_iter();
        let unanswered = || Err(StorageError::transient("the server's answer does not fit the statement"));
        let answer = |written: Result<Done, StorageError>| match written? {
            Done { wrote: true, said } => Ok(Renewed::Extended { version: Version::new(said) }),
            _ => {
                let Reading { record, now_ms } = seen.next().unwrap_or_else(unanswered)?;
                Ok(Renewed::Lost(record.map(|record| record.lease(now_ms))))
            }
        };
        written.into_iter().map(answer).collect()
    }

    async fn give_up(&self, releases: &[&(Key, Session)]) -> Vec<Result<(), StorageError>> {
        let shared = &*self.0;
        let writes = releases.iter().map(|(key, session)| {
            let statement = shared.statements.release(key, *session);
            Write { key, statement }
        });
        let writes: Vec<_> = writes.collect();
        let mut released = Vec::with_capacity(releases.len());
        for (done, write) in shared.write(&writes, shared.patience([].into_iter())).await.into_iter().zip(&writes) {
            released.push(match done {
                Ok(Done { wrote: true, .. }) => {
                    shared.topics.wake(write.key);
                    Ok(())
                }
                Ok(_) => Ok(()),
                Err(error) => Err(error),
            });
        }
        released
    }

    async fn see(&self, keys: &[&Key]) -> Vec<Result<Option<Lease>, StorageError>> {
        let readings = self.0.look(keys).await.into_iter();
        let lease = |Reading { record, now_ms }| record.map(|record: Record| record.lease(now_ms));
        readings.map(|reading| reading.map(lease)).collect()
    }
}

fn only<A>(mut answers: Vec<Result<A, StorageError>>) -> Result<A, StorageError> {
    answers.pop().unwrap_or_else(|| Err(StorageError::transient("the statement was not answered")))
}

#[async_trait]
impl Storage for MySqlStorage {
    async fn acquire(&self, claim: &Claim) -> Result<Acquired, StorageError> {
        only(self.claim(&[claim]).await)
    }

    async fn renew(&self, claim: &Claim, term: Term) -> Result<Renewed, StorageError> {
        only(self.extend(&[&(claim.clone(), term)]).await)
    }

    async fn release(&self, key: &Key, session: Session) -> Result<(), StorageError> {
        only(self.give_up(&[&(key.clone(), session)]).await)
    }

    async fn get(&self, key: &Key) -> Result<Option<Lease>, StorageError> {
        only(self.see(&[key]).await)
    }

    /// One look and at most two transactions for up to 256 claims.
    async fn acquire_all(&self, claims: &[Claim]) -> Vec<Result<Acquired, StorageError>> {
        let batch = Batch::of(claims.iter().map(|claim| &claim.key));
        let answers = self.claim(&batch.open(claims)).await;
        batch.answers(answers)
    }

    /// One transaction for up to 256 renewals.
    async fn renew_all(&self, renewals: &[(Claim, Term)]) -> Vec<Result<Renewed, StorageError>> {
        let batch = Batch::of(renewals.iter().map(|(claim, _)| &claim.key));
        let answers = self.extend(&batch.open(renewals)).await;
        batch.answers(answers)
    }

    /// One transaction for up to 256 releases.
    async fn release_all(&self, releases: &[(Key, Session)]) -> Vec<Result<(), StorageError>> {
        let batch = Batch::of(releases.iter().map(|(key, _)| key));
        let answers = self.give_up(&batch.open(releases)).await;
        batch.answers(answers)
    }

    /// One statement for up to 256 keys.
    async fn get_all(&self, keys: &[Key]) -> Vec<Result<Option<Lease>, StorageError>> {
        let batch = Batch::of(keys.iter());
        let answers = self.see(&batch.open(keys)).await;
        batch.answers(answers)
    }

    /// Told of grants and releases by this storage and its clones alone.
    fn subscribe(&self, key: &Key) -> Wakeups {
        self.0.topics.subscribe(key)
    }

    /// Whether the table is there and fits, may be read and written, and each statement is committed. Writes nothing.
    async fn check(&self) -> Result<(), StorageError> {
        self.look_over().await
    }
}

impl fmt::Debug for MySqlStorage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MySqlStorage").field("table", &self.0.table.quoted()).finish_non_exhaustive()
    }
}
