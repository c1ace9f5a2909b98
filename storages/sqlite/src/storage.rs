//! The storage: a handle on the thread that has the connection.

use core::fmt;
use core::sync::atomic::{AtomicBool, Ordering};
use std::path::Path;
use std::sync::Arc;

use lessor::storage::{Reply, Request, Subscribers};
use lessor::{Key, Storage, StorageError, Wakeups, async_trait};
use lessor_kit::error::AdapterError;
use rusqlite::Connection;

use crate::builder::SqliteBuilder;
use crate::thread::Thread;
use crate::worker::Worker;

/// Leases in an SQLite file, shared by the processes of one machine.
///
/// The [crate's documentation](crate) says where it works, what survives and what it costs.
///
/// Clones share one connection and the thread that uses it, so that no executor's thread ever waits for a lock or a
/// disk. The thread ends, and with it the watch for wake-ups, when the last clone is gone and its work is done.
///
/// ```
/// use lessor::Storage;
/// use lessor_sqlite::SqliteStorage;
///
/// # smol::block_on(async {
/// # let directory = tempfile::tempdir()?;
/// # let path = directory.path().join("leases.db");
/// let storage = SqliteStorage::open(path).await?;
/// storage.migrate().await?;
/// storage.check().await?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
#[derive(Clone)]
pub struct SqliteStorage(Arc<Inner>);

struct Inner {
    thread: Thread,
    subscribers: Arc<Subscribers>,
    table: String,
}

impl SqliteStorage {
    /// Opens the file, creates it if it is missing, and sets WAL mode.
    ///
    /// The path may be a `file:` URI, and `:memory:` for a database that only this storage and its clones see. An empty path,
    /// and a URI without one, are refused: SQLite would make a database of this process alone. The table is not looked at:
    /// call [`migrate`](Self::migrate), or [`check`](Storage::check).
    ///
    /// # Errors
    /// [`StorageError`]: permanent if the file cannot be opened, is no database, has several names or is
    /// [mounted by itself](crate#one-machine-local-disks), transient if other processes kept it locked.
    ///
    /// # Cancel safety
    /// A dropped call closes what it opened; the file may have been created.
    pub async fn open(path: impl AsRef<Path>) -> Result<Self, StorageError> {
        Self::builder().open(path).await
    }

    /// Uses your own connection, for example to a database that your program already has.
    ///
    /// Its busy timeout is changed, `synchronous` is set to `EXTRA`, and the plans of its statements are pinned
    /// (`SQLITE_DBCONFIG_ENABLE_QPSG`: SQLite plans without the values that are bound). The journal mode stays as it is; set WAL mode
    /// unless you have a reason not to: in other modes readers and writers wait for each other.
    ///
    /// ```
    /// use lessor_sqlite::SqliteStorage;
    /// use lessor_sqlite::rusqlite::Connection;
    ///
    /// # smol::block_on(async {
    /// let storage = SqliteStorage::new(Connection::open_in_memory()?).await?;
    /// storage.migrate().await?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # }).unwrap();
    /// ```
    ///
    /// # Errors
    /// [`StorageError`], permanent if the connection is in a transaction, if it keeps the journal of a file in memory or keeps
    /// none (`journal_mode` `MEMORY`, `OFF`), or if its file has several names or is
    /// [mounted by itself](crate#one-machine-local-disks).
    ///
    /// # Cancel safety
    /// A dropped call closes the connection.
    pub async fn new(connection: Connection) -> Result<Self, StorageError> {
        Self::builder().build(connection).await
    }

    /// Settings to change: at first the table `lessor_leases` and a busy timeout of 250 ms.
    pub fn builder() -> SqliteBuilder {
        SqliteBuilder::new()
    }

    /// Creates the table if it is missing. Any number of processes may do that at any time.
    ///
    /// # Errors
    /// [`StorageError`]: transient if others kept the file locked, permanent if it cannot be written.
    ///
    /// # Cancel safety
    /// A dropped call may or may not create the table.
    pub async fn migrate(&self) -> Result<(), StorageError> {
        self.0.thread.run(Worker::migrate).await?
    }

    pub(crate) async fn start(
        table: String,
        connect: impl FnOnce(Arc<Subscribers>) -> Result<Worker, StorageError> + Send + 'static,
    ) -> Result<Self, StorageError> {
        let subscribers = Arc::new(Subscribers::new());
        let thread = Thread::start({
            let subscribers = subscribers.clone();
            move || connect(subscribers)
        });
        Ok(Self(Arc::new(Inner { thread: thread.await?, subscribers, table })))
    }

    /// Has the thread look for what others changed: once for all changes before it gets to it. Does not keep the
    /// storage alive.
    fn look_later(&self) -> impl Fn() + Send + 'static {
        let storage = Arc::downgrade(&self.0);
        let waiting = Arc::new(AtomicBool::new(false));
        move || {
            if waiting.swap(true, Ordering::AcqRel) {
                return;
            }
            let waiting = waiting.clone();
            let look = move |worker: &mut Worker| {
                // Before the look: a change that it may miss asks for another.
                waiting.store(false, Ordering::Release);
                worker.look();
            };
            if let Some(storage) = storage.upgrade() {
                storage.thread.run_later(look);
            }
        }
    }
}

#[async_trait]
impl Storage for SqliteStorage {
    async fn call(&self, request: Request) -> Result<Reply, StorageError> {
        let replies = self.call_all(vec![request]).await;
        replies.into_iter().next().unwrap_or_else(|| Err(AdapterError::Unfit.into()))
    }

    /// At most one transaction, together with what else waits for the thread by then: that one fails or succeeds as a
    /// whole.
    async fn call_all(&self, requests: Vec<Request>) -> Vec<Result<Reply, StorageError>> {
        let count = requests.len();
        let replies = self.0.thread.ask(requests).await;
        replies.unwrap_or_else(|ended| vec![Err(ended); count])
    }

    fn subscribe(&self, key: &Key) -> Wakeups {
        let wakeups = self.0.subscribers.subscribe(key);
        let key = key.clone();
        let changed = self.look_later();
        self.0.thread.run_later(move |worker| worker.follow(key, changed));
        wakeups
    }

    /// Whether the file can be written and the table keeps what is written: writes a row, reads it, and rolls it back.
    async fn check(&self) -> Result<(), StorageError> {
        self.0.thread.run(Worker::check).await?
    }
}

impl fmt::Debug for SqliteStorage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteStorage").field("table", &self.0.table).finish_non_exhaustive()
    }
}
