//! Leases in an SQLite file: for the processes of one machine.
//!
//! [`SqliteStorage`] keeps one small row for each key in a table of an SQLite database, its own file or one that your
//! program has anyway. It needs no server and no async runtime.
//!
//! # One machine, local disks
//! All candidates have to run on one machine and open the file on a local file system. SQLite keeps processes apart
//! by file locks, which network file systems (NFS, SMB, and most of what is shared into containers and virtual
//! machines) do not keep well enough: two leaders and a broken file are to be expected there
//! (<https://sqlite.org/howtocorrupt.html>). Containers of one host may share a volume of that host. Do not delete,
//! replace or restore the file while candidates run: those that have the old file open would go on in it.
//!
//! # What survives
//! A grant, a renewal or a release is on the disk before it is answered: [`open`](SqliteStorage::open) sets WAL mode,
//! and every connection `synchronous` to `EXTRA` (which is `FULL` in WAL mode). Terms go on growing after a crash of
//! a process, of the machine, or a power loss, as far as the disk keeps what it says it has written. A leader that
//! crashes is replaced when its lease expires; the file needs no clean-up.
//!
//! # Time
//! Expiry is judged by the machine's wall clock, which SQLite reads in the same statement as the row, in whole
//! milliseconds. After a step back a lease shows no more than its ttl, and a leader that is gone is replaced by a
//! candidate that saw its version unchanged for a ttl and margin on its own clock. A step forward ends leases early, so
//! that two may lead: where that can happen, set [`takeover_guard`](crate::Config::takeover_guard).
//!
//! # Locks
//! A refused claim and a look read the last commit and take no lock that others would wait for. Everything else is
//! one short
//! `BEGIN IMMEDIATE` transaction. Where another connection holds the write lock, it is waited for during the busy timeout: 250 ms by
//! default, and at most a tenth of the claim's ttl, so that the answer comes before the candidate gives up. Then the
//! operation fails with a [transient](crate::ErrorKind::Transient) error and the candidate tries again. Keep your own
//! write transactions in this file shorter than that.
//!
//! # Wake-ups
//! Followers are woken when a key is granted or released; renewals wake nobody. Within clones of one storage that
//! always works. Other storages, in this and in other processes, are told through the file system: who commits makes
//! and at once removes an empty file (`<database>-lessor-turn`), and who follows watches the directory. The watch
//! begins with the first follower, and for each key before the answer to whatever is asked after its
//! [`subscribe`](Storage::subscribe).
//!
//! | where the file is | followers in other processes |
//! |---|---|
//! | Linux, local file system | woken (inotify), unless the limits on watches are used up |
//! | macOS, Windows, BSD | should be woken (by what crate `notify` uses there); not tested |
//! | overlay of another layer, FUSE, shares into a virtual machine | often not woken |
//! | a directory that the processes may not write | not woken (SQLite itself hardly works there) |
//! | in memory | there are no other processes |
//!
//! A follower that is not woken asks at its [retry interval](crate::Config::retry_interval): wake-ups make a
//! hand-over faster, nothing relies on them.
//!
//! # The table
//! [`migrate`](SqliteStorage::migrate) creates it; [`schema`](SqliteBuilder::schema) is its SQL, for your own
//! migrations:
//!
//! ```
//! use lessor::SqliteStorage;
//!
//! assert_eq!(SqliteStorage::builder().schema(), r#"CREATE TABLE IF NOT EXISTS main."lessor_leases" (
//!     key     TEXT    NOT NULL PRIMARY KEY,
//!     session BLOB,             -- 16 bytes, a secret; NULL: released
//!     holder  TEXT    NOT NULL, -- the candidate's id
//!     term    INTEGER NOT NULL, -- 1 to 2^53 - 1, never falls
//!     version INTEGER NOT NULL, -- moves at every write
//!     ttl     INTEGER NOT NULL, -- ms
//!     expires INTEGER NOT NULL, -- ms since 1970, by this machine's clock
//!     value   TEXT
//! ) STRICT, WITHOUT ROWID;"#);
//! ```
//!
//! Rows are never deleted: they keep the terms. You may read them. Where your own data is in the same file, a write
//! that only the newest leader can do, whatever its clock and its pauses, is one statement (`?3` is the leader's
//! term):
//!
//! ```sql
//! UPDATE report SET body = ?1 WHERE id = ?2 AND ?3 = (SELECT term FROM lessor_leases WHERE key = 'nightly-report')
//! ```

use alloc::boxed::Box;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::slice;
use core::sync::atomic::{AtomicBool, Ordering};
use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use async_trait::async_trait;
use futures::channel::oneshot;
pub use rusqlite;
use rusqlite::Connection;

use super::{Storage, StorageError, Topics, Wakeups, by_requests};
use crate::lease::{Key, Lease, Session, Term};
use crate::record::{Acquired, Claim, Renewed};

mod builder;
mod error;
mod request;
mod table;
mod watch;
mod worker;

pub use builder::SqliteBuilder;
pub use error::{InvalidTable, MissingTable, UnreadableRow};

use error::ThreadGone;
use request::Request;
use worker::Worker;

/// Leases in an SQLite file, shared by the processes of one machine.
///
/// The [module](self) says where it works, what survives and what it costs.
///
/// Clones share one connection and the thread that uses it, so that no executor's thread ever waits for a lock or a
/// disk. The thread ends, and with it the watch for wake-ups, when the last clone is gone and its work is done.
///
/// ```
/// use lessor::{SqliteStorage, Storage};
///
/// # futures::executor::block_on(async {
/// # let directory = tempfile::tempdir()?;
/// # let path = directory.path().join("leases.db");
/// let storage = SqliteStorage::open(path).await?;
/// storage.migrate().await?;
/// storage.check().await?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
#[derive(Clone)]
pub struct SqliteStorage(Arc<Shared>);

struct Shared {
    jobs: Sender<Job>,
    topics: Arc<Topics>,
    table: String,
}

type Job = Box<dyn FnOnce(&mut Worker) + Send>;

/// Everything that may touch the disk happens on the thread, the first connection too.
async fn start(
    table: String,
    connect: impl FnOnce(Arc<Topics>) -> Result<Worker, StorageError> + Send + 'static,
) -> Result<SqliteStorage, StorageError> {
    let topics = Arc::new(Topics::new());
    let (jobs, queue) = channel();
    let (connected, answer) = oneshot::channel();
    let thread_topics = topics.clone();
    thread::Builder::new()
        .name("lessor-sqlite".into())
        .spawn(move || match connect(thread_topics) {
            Ok(worker) => {
                if connected.send(Ok(())).is_ok() {
                    work(worker, &queue);
                }
            }
            Err(error) => drop(connected.send(Err(error))),
        })
        .map_err(StorageError::transient)?;
    answer.await.unwrap_or_else(|_| Err(StorageError::permanent(ThreadGone)))?;
    Ok(SqliteStorage(Arc::new(Shared { jobs, topics, table })))
}

/// Until the last storage and its jobs are gone.
fn work(mut worker: Worker, queue: &Receiver<Job>) {
    for job in queue {
        job(&mut worker);
    }
}

impl SqliteStorage {
    /// Opens the file, creates it if it is missing, and sets WAL mode.
    ///
    /// The path may be a `file:` URI, and `:memory:` for a database that only this storage and its clones see. The
    /// table is not looked at: call [`migrate`](Self::migrate), or [`check`](Storage::check).
    ///
    /// # Errors
    /// [`StorageError`]: permanent if the file cannot be opened or is no database, transient if other processes kept
    /// it locked.
    ///
    /// # Cancel safety
    /// A dropped call opens nothing for long; the file may have been created.
    pub async fn open(path: impl AsRef<Path>) -> Result<Self, StorageError> {
        Self::builder().open(path).await
    }

    /// Uses your own connection, say to a database that your program has anyway.
    ///
    /// It gets its own busy timeout and `synchronous = EXTRA`. The journal mode stays as it is; set WAL mode
    /// unless you have a reason not to, since in the others a reader and a writer wait for each other.
    ///
    /// ```
    /// use lessor::SqliteStorage;
    /// use lessor::storage::sqlite::rusqlite::Connection;
    ///
    /// # futures::executor::block_on(async {
    /// let storage = SqliteStorage::from_connection(Connection::open_in_memory()?).await?;
    /// storage.migrate().await?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # }).unwrap();
    /// ```
    ///
    /// # Errors
    /// [`StorageError`], permanent if the connection is in a transaction.
    ///
    /// # Cancel safety
    /// A dropped call closes the connection.
    pub async fn from_connection(connection: Connection) -> Result<Self, StorageError> {
        Self::builder().connection(connection).await
    }

    /// The table `lessor_leases` and a busy timeout of 250 ms, to be changed.
    pub fn builder() -> SqliteBuilder {
        SqliteBuilder::new()
    }

    /// Creates the table if it is missing. Any number of processes may do that at any time.
    ///
    /// # Errors
    /// [`StorageError`].
    ///
    /// # Cancel safety
    /// A dropped call may or may not create the table.
    pub async fn migrate(&self) -> Result<(), StorageError> {
        self.run(Worker::migrate).await
    }

    /// Runs it on the thread, unless whoever wants to know has gone before its turn comes.
    async fn run<A: Send + 'static>(
        &self,
        job: impl FnOnce(&mut Worker) -> Result<A, StorageError> + Send + 'static,
    ) -> Result<A, StorageError> {
        let (reply, answer) = oneshot::channel();
        let job: Job = Box::new(move |worker| {
            if !reply.is_canceled() {
                let _ = reply.send(job(worker));
            }
        });
        self.0.jobs.send(job).map_err(|_| StorageError::permanent(ThreadGone))?;
        answer.await.unwrap_or_else(|_| Err(StorageError::permanent(ThreadGone)))
    }

    /// Has the thread look for what others changed: once for all changes before it gets to it. Does not keep the
    /// storage alive.
    fn look_later(&self) -> impl Fn() + Send + 'static {
        let shared = Arc::downgrade(&self.0);
        let waiting = Arc::new(AtomicBool::new(false));
        move || {
            if waiting.swap(true, Ordering::AcqRel) {
                return;
            }
            let waiting = waiting.clone();
            let look = move |worker: &mut Worker| {
                waiting.store(false, Ordering::Release);
                worker.look();
            };
            if let Some(shared) = shared.upgrade() {
                let _ = shared.jobs.send(Box::new(look));
            }
        }
    }

    async fn ask_all<R: Request>(&self, requests: &[R]) -> Vec<Result<R::Answer, StorageError>> {
        let asked = requests.to_vec();
        let answers = self.run(move |worker| Ok(worker.answer(&asked))).await;
        answers.unwrap_or_else(|error| requests.iter().map(|_| Err(error.clone())).collect())
    }

    async fn ask<R: Request>(&self, request: &R) -> Result<R::Answer, StorageError> {
        let answers = self.ask_all(slice::from_ref(request)).await;
        answers.into_iter().next().unwrap_or_else(|| Err(StorageError::permanent(ThreadGone)))
    }
}

by_requests! {
    SqliteStorage,

    fn subscribe(&self, key: &Key) -> Wakeups {
        let wakeups = self.0.topics.subscribe(key);
        let key = key.clone();
        let changed = self.look_later();
        let _ = self.0.jobs.send(Box::new(move |worker| worker.follow(key, changed)));
        wakeups
    }

    /// Whether the file can be written and the table keeps what is written: writes a row, reads it back and takes it
    /// back.
    async fn check(&self) -> Result<(), StorageError> {
        self.run(Worker::check).await
    }
}

impl fmt::Debug for SqliteStorage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteStorage").field("table", &self.0.table).finish_non_exhaustive()
    }
}
