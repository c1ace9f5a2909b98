//! Leases in an etcd cluster: a storage for [lessor], for processes anywhere that reach one of its members.
//!
//! [`EtcdStorage`] keeps one small record for each key, as a [register](lessor::storage::registers) whose revision is etcd's own. It
//! **needs `protoc` when it is built** (Debian's `protobuf-compiler`), as [`etcd_client`] does.
//!
//! ```no_run
//! use lessor::Builder;
//! use lessor_etcd::EtcdStorage;
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let storage = EtcdStorage::new(["http://etcd-1:2379", "http://etcd-2:2379", "http://etcd-3:2379"])?;
//! let (candidate, driver) = Builder::new("nightly-report").build(storage)?;
//! # let _ = (candidate, driver);
//! # Ok(())
//! # }
//! ```
//!
//! etcd 3.4 and 3.5 are tested, on one server and on clusters of three.
//!
//! # What is sent
//! | | |
//! |---|---|
//! | a read | `Range` of one key, linearizable: through the cluster's leader, which asks a majority whether it still is |
//! | a write | `Txn`: if the key's `mod_revision` is the expected one (0: it was never written), put it |
//! | the reads of a batch ([`call_all`](lessor::Storage::call_all)) | a `Txn` of up to 128 ranges, which is read only, and so no write to the log |
//! | the writes of a batch | a `Txn` of up to 127 such transactions: each has its condition, and together they are one write to the log. Candidates ask one by one, each for itself, and nobody waits for anybody |
//! | a list | `Range` of the prefix, with a limit |
//! | wake-ups | one `Watch` stream, with a watcher for each key that is followed |
//!
//! A server that takes fewer operations (`--max-txn-ops`) is asked in smaller parts from its first refusal on. A key is the prefix
//! and the key's text, its value the [record as text](lessor::storage::Record::to_bytes), which people can read with `etcdctl`: it has the
//! session in it, which is a secret.
//!
//! # What survives
//! etcd answers a write when it is in the log of a majority, and that on disk. So leases and terms outlive every crash that leaves a majority its
//! disks. After a restore from a snapshot terms go back, as in any storage that forgets: stop all candidates before. Do not delete keys while
//! candidates run.
//!
//! **Not on etcd 3.5.0 to 3.5.2**: a member of these that is killed may come back without a write that the others have. It judges conditions by
//! what it has then, and two may lead, each in the same term. Their makers say not to use them; nor 3.5.3 to 3.5.5 where a member may be killed while it is
//! defragmented, nor 3.4.20, 3.4.21 and 3.5.5 where members are added with users and passwords on. Take 3.4.22 or later, or 3.5.6 or later.
//!
//! # Time
//! No clock of etcd's is asked. Whoever has seen a record stand still for its whole ttl on its own monotonic clock ends it by a write of just
//! that revision: [`registers`](lessor::storage::registers) has the rules, and why they suffice. So the age of a term is not known, and
//! what a handle says is left of a lease counts from when it saw the lease. etcd's own leases are not used; the README says why, with
//! measurements.
//!
//! # Connections and executors
//! There is one connection for all keys of a storage and its clones: to one member, any of those that are named at first. The next one is up when it
//! breaks, when it says that it has no leader, and when somebody has given up waiting while nothing came on it; a member that
//! cannot be reached is passed over within the request. Reads are sent again where an answer is missing. **Writes are not**: their outcome is open then, and is told as an error; only
//! what was refused for its token, or never sent, is sent once more. Nor does the client below repeat anything. A token that has run out costs one login, on the
//! same connection; watches that stand go on, and all begin anew on a new connection with the next one that is added.
//!
//! All who wait for a connection share the attempt, which goes on when they give up; then the next member is tried beside it. Each member may take its share of
//! 10 s, and 2 s at least. A failure is shared, too: it is told to all who ask in a pause of 50 ms to 1 s, 1 s where somebody has to change something first.
//!
//! A connection on which something is awaited, as watches do, and which is silent for 10 s is asked for a sign of life, and given up 5 s later. A request
//! that its caller drops is cancelled.
//!
//! etcd-client is made for tokio: its tasks run on one thread, `lessor-tokio`, which storages on NATS and object stores in the same process share. So every executor will
//! do, and a connection outlives a runtime of the program's. A timeout is the caller's: the candidate's [request timeout](lessor::Config::request_timeout).
//!
//! # Wake-ups
//! Followers are woken when a key is granted, released, revoked or marked as ended, by whatever process; renewals wake nobody, and are heard of all the same: a follower that is told of each
//! write need not ask whether the lease is still held. They are [complete](lessor::Wakeups::complete), so the default [retry
//! interval](lessor::Config::retry_interval) is the ttl. A stream that was lost, or whose revisions were compacted, is made anew after a pause
//! (50 ms at first, up to 5 s), begins with a look, and wakes once. It demands that its member knows a leader, and ends otherwise. Nothing relies on it.
//!
//! # Errors
//! An [`AdapterError`] is inside each [`StorageError`](lessor::StorageError). Permanent are a wrong password, a missing right, a certificate that is not
//! trusted, a database that is full (`NOSPACE`), and requests that are too large for how the server is set; transient are a member that cannot be
//! reached, a cluster without a leader, and whatever it had no time for.
//!
//! # Reading the source
//! `cluster` (where it is), `once` (one connection, and no second), `connection` (to one member), `link` (the current one, and the next), `registers` (reads and swaps), `watch` (the stream), `error`,
//! `layout` (names), `storage`, `builder`.
#![cfg_attr(docsrs, feature(doc_cfg))]
// A library does not panic.
#![warn(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod builder;
mod cluster;
mod connection;
mod error;
mod layout;
mod link;
mod once;
mod registers;
mod storage;
mod watch;

pub use builder::EtcdBuilder;
pub use etcd_client;
pub use lessor_kit::error::AdapterError;
pub use storage::EtcdStorage;

/// The README's code compiles.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}
