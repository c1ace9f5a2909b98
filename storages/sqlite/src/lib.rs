//! Leases in an SQLite file: a storage for [lessor], for the processes of one machine.
//!
//! [`SqliteStorage`] keeps one small row for each key in a table of an SQLite database: its own file, or one that your
//! program already has. It needs no server and no async runtime.
//!
//! ```
//! use lessor::Builder;
//! use lessor_sqlite::SqliteStorage;
//!
//! # smol::block_on(async {
//! # let directory = tempfile::tempdir()?;
//! # let path = directory.path().join("leases.db");
//! let storage = SqliteStorage::open(path).await?;
//! storage.migrate().await?;
//! let (candidate, driver) = Builder::new("nightly-report").build(storage)?;
//! smol::spawn(driver.run()).detach();
//!
//! let leadership = candidate.elected().await?;
//! assert_eq!(leadership.term().get(), 1);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # }).unwrap();
//! ```
//!
//! # One machine, local disks
//! All candidates have to run on one machine and open the file on a local file system. SQLite keeps processes apart
//! by file locks, which do not work reliably on network file systems (NFS, SMB, and most of what is shared into
//! containers and virtual machines): expect two leaders and a corrupt file there
//! (<https://sqlite.org/howtocorrupt.html>).
//!
//! Containers of one host may share a *folder* of that host. Never mount the file alone: SQLite keeps a log beside it
//! (`-wal`, `-shm`), and each container would have its own. For the same reason the file may have one name only, no hard
//! links. Both are refused when the storage is opened (hard links on Unix, mounts on Linux).
//!
//! Do not delete, move, replace or restore the file or its log while candidates run: those that have the old one open go
//! on using it. Before each answer the storage looks whether the names still lead to what it has open (on Unix; Windows
//! keeps open files in place), and where they do not everything fails with a permanent error. A leader has its lease in
//! the old file, and leads on until its own deadline: wait for that, or stop all programs first.
//!
//! # What survives
//! A grant, a renewal or a release is on the disk before it is answered: [`open`](SqliteStorage::open) sets WAL mode,
//! and every connection `synchronous` to `EXTRA` (which is `FULL` in WAL mode). A connection of your own that keeps the journal
//! of a file in memory, or none, is refused. Terms go on growing after a crash of
//! a process, of the machine, or a power loss, if the disk keeps what it reports as written. A leader that
//! crashes is replaced when its lease expires; the file needs no clean-up.
//!
//! # Time
//! Expiry is judged by the machine's wall clock, which SQLite reads in the same statement as the row, in whole
//! milliseconds. After the clock steps back, a lease shows at most its ttl as time left, and a leader that is gone is
//! replaced by a candidate that saw the version unchanged for the ttl and a margin on its own clock. A step forward
//! ends leases early, so that two may lead: where that can happen, set
//! [`takeover_guard`](lessor::Config::takeover_guard).
//!
//! # Locks
//! A refused claim, a look and a list read the last commit and take no lock that others would wait for. Everything else
//! is one short `BEGIN IMMEDIATE` transaction, for all requests that wait for the storage's thread by then (those that may wait
//! for a lock equally long, renewals first): what a commit costs is mostly to wait for the disk, so ten thousand keys of a
//! process are a few dozen commits. Where another
//! connection holds the write lock, the transaction waits for the [busy timeout](SqliteBuilder::busy_timeout): 250 ms by
//! default, and at most a tenth of the ttl of a claim or a renewal, so that the reply comes before the candidate gives
//! up. After that the request fails with a [transient](lessor::storage::ErrorKind::Transient) error, and the candidate
//! tries again. Keep your own write transactions in this file shorter than that.
//!
//! # Wake-ups
//! Followers are woken when a key is granted, released or revoked; renewals wake nobody. Among clones of one storage
//! that always works. Other storages, in this and in other processes, are told through the file system: the storage
//! that commits makes and at once removes an empty file (`<database>-lessor-wakeup`), and those with followers watch
//! the directory. The watch begins with the first follower. It covers a key before any request is answered that was
//! made after the [`subscribe`](lessor::Storage::subscribe) to it.
//!
//! | where the file is | followers in other processes |
//! |---|---|
//! | Linux, local file system | woken (inotify), unless the limits on watches are used up |
//! | macOS, Windows, BSD | should be woken (through the crate `notify`); not tested |
//! | lower layers of an overlay, FUSE, shares into a virtual machine | often not woken |
//! | a directory that the processes may not write | not woken (SQLite itself hardly works there) |
//! | in memory | there are no other processes |
//!
//! Where the folder cannot be watched at all the log says so once (feature `tracing` of `lessor`).
//!
//! A follower that is not woken asks at its [retry interval](lessor::Config::retry_interval): wake-ups make hand-overs
//! faster, but nothing relies on them. Since no file system says whether it tells, followers here ask every fifth of the
//! ttl unless you set it otherwise; a poll is a read of the file.
//!
//! # The table
//! [`migrate`](SqliteStorage::migrate) creates it; [`migration_sql`](SqliteBuilder::migration_sql) is its SQL, for your
//! own migrations:
//!
//! ```
//! use lessor_sqlite::SqliteStorage;
//!
//! assert_eq!(SqliteStorage::builder().migration_sql(), r#"CREATE TABLE IF NOT EXISTS main."lessor_leases" ( -- layout 1
//!     key     TEXT    NOT NULL PRIMARY KEY,
//!     session BLOB,             -- 16 bytes, a secret; NULL: released, zeros: revoked, held by nobody until it ends
//!     id      TEXT    NOT NULL, -- the candidate's; after a release in favour of another, that one's
//!     term    INTEGER NOT NULL, -- 1 to 2^53 - 1, never falls
//!     version INTEGER NOT NULL, -- moves at every write
//!     ttl     INTEGER NOT NULL, -- ms
//!     expires INTEGER NOT NULL, -- ms since 1970, by this machine's clock; released: until when it is reserved
//!     since   INTEGER NOT NULL, -- likewise, when the term was granted
//!     value   TEXT
//! ) STRICT, WITHOUT ROWID;"#);
//! ```
//!
//! Rows are never deleted: they keep the terms. You may read them. A row that cannot be read, because another program wrote
//! it, is granted to nobody until somebody mends it; the error names its key and column.
//!
//! The comment says which layout the table has, and SQLite keeps it. A later version of this crate that needs another table
//! gives it the next number, and this version then refuses it: all fails with a permanent error that says so. A table
//! without the comment has the first layout.
//!
//! # Fencing
//! A write to an SQLite database that only the newest leader can do, whatever its clock and its pauses, begins with
//! [`admit`]. Where your data is in the same file as the leases, one statement is enough (`?3` is the leader's term):
//!
//! ```sql
//! UPDATE report SET body = ?1 WHERE id = ?2 AND ?3 = (SELECT term FROM lessor_leases WHERE key = 'nightly-report')
//! ```
//!
//! # Versions
//! [`rusqlite`] is re-exported, since the storage takes your connection: any version from 0.38 to 0.43, and your
//! program may choose which. Feature `bundled`, on by default, compiles SQLite in. Without it the system's SQLite is
//! linked, which has to be 3.37 or later.
// A library does not panic.
#![warn(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod admit;
mod builder;
mod error;
mod files;
mod name;
mod row;
mod storage;
mod table;
mod thread;
mod wakeups;
mod worker;

pub use admit::admit;
pub use builder::SqliteBuilder;
pub use lessor_kit::error::AdapterError;
pub use lessor_kit::fence::NotAdmitted;
pub use rusqlite;
pub use storage::SqliteStorage;

/// The README's code compiles and runs.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}
