//! Leases over any store that can compare and swap: etcd, NATS, an object store, a table of rows with versions.
//!
//! None of these has a clock that a condition could use, and none is needed. A [`RegisterStorage`] keeps one
//! [record](super::Record) for each key in a *register*: a place that is read whole with its revision, and written on the condition
//! that the revision is still that one. An author implements [`Registers`], about a hundred lines; everything else is here.
//!
//! # Expiry is a write
//! A clock is needed for one thing only: to say when the lease of another may be taken that nobody gave up. Whoever has
//! seen a revision stand still for the whole ttl of its record, by its own monotonic clock, may swap just that revision: to
//! its own grant, or to the same record marked as ended. So all handles agree about what is held: an end is in the store, in line
//! with all renewals. No dates are kept, and no two clocks are compared.
//!
//! The record has no dates, then: its clock begins anew with each write. `expires_ms` counts from the write, so it is the ttl, or 0 for
//! what has ended, or less than the ttl for a lease that was revoked: what the one who revoked it had seen to be left. `since_ms` is 0, since nobody knows the [age](crate::Lease::age) of a term here.
//!
//! # What a store has to keep
//! The proof that two never lead stands on these, and only on these:
//!
//! 1. A swap is atomic for its register, and succeeds if and only if the current revision is the expected one. It is durable before
//!    it is answered.
//! 2. A revision names one write for ever. (A hash of the content is enough: no two records of a key are equal, since
//!    their [version](crate::storage::Version) moves with each write, and a mark shows.)
//! 3. Bytes and revision are of one reading, and of a write that was committed.
//! 4. The bytes are what was written, and all of it.
//! 5. Registers are not deleted: no time to live, no rule that expires objects, no cleaning by hand while candidates run.
//! 6. An answer that is not known is an error. A swap whose outcome is open is never sent again below, to be answered as a
//!    conflict with itself: clients that try again by themselves are to be told not to, for writes.
//! 7. Reads see what was written through this handle before; else a leader hears that it has lost what it holds. They may be stale
//!    otherwise: that costs time, and never safety, since every grant, renewal and mark is a swap. Whoever reads the newest again after an
//!    older answer goes on counting from when that was first seen.
//! 8. After a restore from a backup terms may go back, as in any storage that forgets.
//!
//! # What a handle has to keep
//! 1. A sight of a revision begins when the answer that showed it is there: never when it was asked for, which may be before the write.
//! 2. A mark or a take-over is a swap of the very revision that stood still, for its whole ttl, rounded up; the clock is
//!    read before, and by its [resolution](crate::Timer::resolution) less is taken to have passed.
//! 3. The clock never goes forward by itself. One that stops while the machine sleeps only waits longer.
//! 4. A sight is kept by revision *and* content: what comes back under an old revision is seen anew.
//!
//! The holder stops by its own clock a [margin](crate::Config::margin) before its ttl is over, counted from before it sent; others count
//! the whole ttl from after they saw. So the margin covers how far two clocks' rates differ, as it does with every other storage.
//! A swap that is applied late is the same as one that was judged late: what it was judged by holds for the revision that it names.
//!
//! # What it costs
//! | | requests |
//! |---|---|
//! | a renewal | one swap |
//! | a follower's poll | one read; none while a [watch](Registers::watch) stands and nothing has changed |
//! | a grant of what was released, or has ended | one swap |
//! | a lost race | one read more |
//! | a leader that has crashed | whoever looks marks it once |
//!
//! A process that has never looked at a key waits for a whole ttl from its first look before it takes over from a leader that is gone: followers that
//! look all the time do not, but whoever polls sees the last renewal up to a poll's interval after it came, and takes over as much later. And `time_left` counts from when this handle saw the write, so it may show up to a poll's interval too much.

mod error;
mod rounds;
mod seen;
mod step;
mod store;
mod watch;

#[doc(hidden)]
pub use seen::{Sight, Sights};
pub use store::RegisterStorage;
pub use watch::Watch;

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt;

use async_trait::async_trait;
use futures::StreamExt;
use futures::stream;

use super::{List, StorageError};
use crate::maybe_send::MaybeSendSync;
use crate::text::Key;

/// How many requests of a batch are under way at a time, where a store has no batches of its own.
const TOGETHER: usize = 16;

/// A store of registers: what an author implements for an engine that can compare and swap.
///
/// The [module](self) says what it has to keep. A register holds bytes that are not looked into: a name for each key, a
/// revision for each write. [`RegisterStorage`] makes a [`Storage`](crate::Storage) of it.
///
/// Keys are up to 256 bytes of UTF-8 without control characters, and any two that differ in a byte are two: what an engine's
/// names cannot hold is to be escaped. Bytes are at most 5 KiB.
///
/// ```
/// use std::collections::BTreeMap;
/// use std::sync::Mutex;
/// use lessor::storage::List;
/// use lessor::storage::registers::{RegisterStorage, Registers, Stored, Swap};
/// use lessor::{Key, StorageError, SystemTimer, async_trait};
///
/// /// Anything that can compare and swap. In earnest it is on another machine.
/// #[derive(Default)]
/// struct Shelf(Mutex<BTreeMap<Key, Stored<u64>>>);
///
/// #[cfg_attr(not(any(target_family = "wasm", target_os = "none")), async_trait)]
/// #[cfg_attr(any(target_family = "wasm", target_os = "none"), async_trait(?Send))]
/// impl Registers for Shelf {
///     type Revision = u64;
///
///     fn name(&self) -> &str {
///         "the shelf"
///     }
///
///     async fn read(&self, key: &Key) -> Result<Option<Stored<u64>>, StorageError> {
///         Ok(self.0.lock().unwrap().get(key).cloned())
///     }
///
///     async fn swap(&self, swap: &Swap<u64>) -> Result<Option<u64>, StorageError> {
///         let mut shelf = self.0.lock().unwrap();
///         let current = shelf.get(&swap.key).map(|stored| stored.revision);
///         if current != swap.expected {
///             return Ok(None);
///         }
///         let revision = current.unwrap_or(0) + 1;
///         shelf.insert(swap.key.clone(), Stored::new(swap.bytes.clone(), revision));
///         Ok(Some(revision))
///     }
///
///     async fn list(&self, _: &List) -> Result<Vec<(Key, Stored<u64>)>, StorageError> {
///         Ok(self.0.lock().unwrap().iter().map(|(key, stored)| (key.clone(), stored.clone())).collect())
///     }
///
///     async fn check(&self) -> Result<(), StorageError> {
///         Ok(())
///     }
/// }
///
/// # smol::block_on(async {
/// let storage = RegisterStorage::new(Shelf::default());
/// let (candidate, driver) = lessor::Builder::new("k").build(storage)?;
/// smol::spawn(driver.run()).detach();
/// assert_eq!(candidate.elected().await?.term(), lessor::Term::FIRST);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
///
/// # Cancel safety
/// A dropped read does nothing. A dropped swap may or may not have been applied, as one that failed.
#[cfg_attr(not(any(target_family = "wasm", target_os = "none")), async_trait)]
#[cfg_attr(any(target_family = "wasm", target_os = "none"), async_trait(?Send))]
pub trait Registers: MaybeSendSync {
    /// What names a write of a register, for ever: a number, a tag.
    type Revision: Clone + PartialEq + MaybeSendSync + 'static;

    /// What it is called in errors: the engine, and perhaps where its registers are.
    fn name(&self) -> &str;

    /// What is in the register of this key, and its revision. `None`: it was never written.
    ///
    /// # Errors
    /// [`StorageError`].
    async fn read(&self, key: &Key) -> Result<Option<Stored<Self::Revision>>, StorageError>;

    /// Writes the register, if its revision is the expected one. Answers the new revision; `None`: it has moved.
    ///
    /// # Errors
    /// [`StorageError`]: whether it was written is open.
    async fn swap(&self, swap: &Swap<Self::Revision>) -> Result<Option<Self::Revision>, StorageError>;

    /// Many reads, each by itself; answers in their order. No key comes twice.
    ///
    /// By default up to 16 at a time. An engine that can answer many at once does so here.
    async fn read_all(&self, keys: &[Key]) -> Vec<Result<Option<Stored<Self::Revision>>, StorageError>> {
        let reads: Vec<_> = keys.iter().map(|key| self.read(key)).collect();
        stream::iter(reads).buffered(TOGETHER).collect().await
    }

    /// Many swaps, each by itself: one that has moved is nothing to the others. Answers in their order. No key comes twice.
    ///
    /// By default up to 16 at a time. An engine that can carry out many at once does so here.
    async fn swap_all(&self, swaps: &[Swap<Self::Revision>]) -> Vec<Result<Option<Self::Revision>, StorageError>> {
        let swaps: Vec<_> = swaps.iter().map(|swap| self.swap(swap)).collect();
        stream::iter(swaps).buffered(TOGETHER).collect().await
    }

    /// The registers whose keys begin with the list's prefix, from its start on, in the order of the bytes of their keys: at least
    /// the first [`page_size`](List::page_size)` + 1` of them, as far as there are so many. What is beyond that, or
    /// does not belong to it, is left out by who asks.
    ///
    /// # Errors
    /// [`StorageError`].
    async fn list(&self, list: &List) -> Result<Vec<(Key, Stored<Self::Revision>)>, StorageError>;

    /// Tells of what is written to the register of this key, whoever writes it: see [`Watch`]. `None`, the default: the engine
    /// cannot, and followers poll.
    fn watch(&self, key: &Key) -> Option<Watch<Self::Revision>> {
        let _ = key;
        None
    }

    /// Whether the store can be reached and used: for programs that want to fail at their start.
    ///
    /// # Errors
    /// [`StorageError`] says what is missing.
    async fn check(&self) -> Result<(), StorageError>;
}

/// What is in a register.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stored<R> {
    /// The bytes that were written.
    pub bytes: Vec<u8>,
    /// The write that they are of.
    pub revision: R,
}

impl<R> Stored<R> {
    /// These bytes, of this write.
    #[must_use]
    pub const fn new(bytes: Vec<u8>, revision: R) -> Self {
        Self { bytes, revision }
    }
}

/// A write, on a condition.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Swap<R> {
    /// Of the register of this key.
    pub key: Key,
    /// If this is still its revision. `None`: if it was never written.
    pub expected: Option<R>,
    /// What is written: a [record](super::Record::from_bytes). Stores that show it to people may take it apart.
    pub bytes: Vec<u8>,
}

impl<R> Swap<R> {
    /// These bytes for this key, if its revision is still the expected one.
    #[must_use]
    pub const fn new(key: Key, expected: Option<R>, bytes: Vec<u8>) -> Self {
        Self { key, expected, bytes }
    }
}

// Without the bytes: there is a session in them, which is a secret.
impl<R: fmt::Debug> fmt::Debug for Stored<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stored").field("revision", &self.revision).finish_non_exhaustive()
    }
}

impl<R: fmt::Debug> fmt::Debug for Swap<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Swap").field("key", &self.key).field("expected", &self.expected).finish_non_exhaustive()
    }
}
