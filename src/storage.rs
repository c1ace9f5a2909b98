//! The seam: what a candidate asks of shared storage.
//!
//! A [`Storage`] answers [`Request`]s with [`Reply`]s. [`Record::judge`] says which reply; an adapter either runs it
//! under a lock or mirrors it in the words of its engine, and proves that with the conformance suite (feature
//! `conformance`). [The guide](crate::guide) has a page on writing one.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;

use async_trait::async_trait;

use crate::text::Key;

mod batch;
#[cfg(feature = "conformance")]
pub mod conformance;
mod error;
mod ext;
mod list;
mod memory;
mod record;
mod refusals;
pub mod registers;
mod reply;
mod request;
mod session;
mod subscribers;
mod topic;
mod wakeups;
mod written;

pub use batch::{DuplicateKey, UniqueKeys, one_by_one};
pub use error::{ErrorKind, StorageError, Unsupported};
pub use ext::StorageExt;
pub use list::{Entry, List, Page};
pub use memory::MemoryStorage;
#[cfg(feature = "serde")]
pub(crate) use record::whole_ms;
pub use record::{Record, Verdict};
pub use refusals::Refusals;
pub use reply::{Acquired, Renewed, Reply};
pub use request::{Claim, Get, Operation, Release, Renewal, Request, Revoke, Successor, Takeover};
pub use session::Session;
pub use subscribers::Subscribers;
pub use wakeups::Wakeups;
pub use written::InvalidRecord;

pub use crate::maybe_send::{MaybeSend, MaybeSendSync};
pub use crate::term::Version;

/// What a storage answers to one request.
pub(crate) type Answer = Result<Reply, StorageError>;

/// Shared storage for leases.
///
/// Each request to a key is one atomic step, judged by the storage's one clock: durations travel, never dates.
/// [`Record::judge`] says what each does; an adapter either runs it under a lock or mirrors it, and proves that with
/// the conformance suite (feature `conformance`).
///
/// Any error leaves open whether the request was applied, is going to be, or never will: the callers allow for it.
///
/// Every method is required, so that a wrapper cannot forget to pass one on. [`StorageExt`] has the operations by
/// name.
///
/// Natively a storage is `Send + Sync`; on wasm and bare metal nothing is asked. An adapter for both repeats the pair
/// of attributes that this trait carries:
///
/// ```
/// use std::collections::BTreeMap;
/// use std::sync::Mutex;
/// use lessor::storage::{Record, Reply, Request, one_by_one};
/// use lessor::{Key, Storage, StorageError, SystemTimer, Term, Timer, Wakeups, async_trait};
///
/// #[derive(Default)]
/// struct Mine(Mutex<BTreeMap<Key, Record>>);
///
/// #[cfg_attr(not(any(target_family = "wasm", target_os = "none")), async_trait)]
/// #[cfg_attr(any(target_family = "wasm", target_os = "none"), async_trait(?Send))]
/// impl Storage for Mine {
///     /// One atomic step under a lock. The clock is read when the lock is there: a wait for it has to count.
///     async fn call(&self, request: Request) -> Result<Reply, StorageError> {
///         let mut records = self.0.lock().map_err(|_| StorageError::permanent("a panic left the records behind"))?;
///         let now_ms = SystemTimer::new().now().since_origin().as_millis() as u64;
///         if let Request::List(list) = &request {
///             let leases = records.iter().map(|(key, record)| (key.clone(), record.lease(now_ms)));
///             return Ok(Reply::Listed(list.page(leases)));
///         }
///         let key = request.key().ok_or_else(|| StorageError::unsupported(&request))?;
///         let verdict = Record::judge(records.get(key), &request, now_ms, Term::FIRST);
///         records.extend(verdict.write.map(|record| (key.clone(), record)));
///         Ok(verdict.reply)
///     }
///
///     async fn call_all(&self, requests: Vec<Request>) -> Vec<Result<Reply, StorageError>> {
///         one_by_one(self, requests).await
///     }
///
///     fn subscribe(&self, _: &Key) -> Wakeups {
///         Wakeups::never()
///     }
///
///     async fn check(&self) -> Result<(), StorageError> {
///         Ok(())
///     }
/// }
///
/// # smol::block_on(async {
/// let (candidate, driver) = lessor::Builder::new("k").build(Mine::default())?;
/// smol::spawn(driver.run()).detach();
/// assert_eq!(candidate.elected().await?.term(), Term::FIRST);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
///
/// # Cancel safety
/// A dropped call may or may not have been applied, like one that failed.
#[cfg_attr(not(any(target_family = "wasm", target_os = "none")), async_trait)]
#[cfg_attr(any(target_family = "wasm", target_os = "none"), async_trait(?Send))]
pub trait Storage: MaybeSendSync {
    /// Answers one request.
    ///
    /// # Errors
    /// [`StorageError`]; whether the request was applied is then open.
    async fn call(&self, request: Request) -> Result<Reply, StorageError>;

    /// Answers many requests, mixed: as many answers as requests, in their order. Each is atomic by itself; nothing is
    /// promised across keys. An error in one is no verdict on another.
    ///
    /// For operators and for layers over many keys: a candidate is about one key, and sends one request at a time. A
    /// key that occurs a second time is an error in its place ([`DuplicateKey`]). Storages without batches of their
    /// own take [`one_by_one`].
    async fn call_all(&self, requests: Vec<Request>) -> Vec<Result<Reply, StorageError>>;

    /// Wake-ups for a key: a hint that asking now is worth it, never relied upon. [`Wakeups::never`] where the storage
    /// has none.
    ///
    /// They come when [`Record::wakes_followers`] says so: the lease was released, revoked or granted to another, or a
    /// new term began; not at renewals. And after a lost connection to the storage was made anew, if that may have been
    /// missed. They coalesce, and one is kept while nobody polls. A subscription does not keep the storage alive: its
    /// wake-ups end with it.
    ///
    /// Where they tell of all that, whoever does it, the storage says so with [`Wakeups::complete`], and a follower hardly asks
    /// any more. A storage that hears only of its own process's grants and releases must not say it.
    ///
    /// Subscribe, then ask: a subscription may take effect only when a request that was sent after it is answered. A
    /// builder subscribes when it builds.
    fn subscribe(&self, key: &Key) -> Wakeups;

    /// Whether the storage can be reached, may be used and has what it needs (its table, say): for programs that want
    /// to fail at their start. A candidate needs no check: it tries until it is stopped.
    ///
    /// It comes to an end by itself, also where a server says nothing: those of this project that ask one wait for ten seconds.
    ///
    /// # Errors
    /// [`StorageError`] says what is missing.
    async fn check(&self) -> Result<(), StorageError>;
}

macro_rules! delegate {
    ($($pointer:ty),*) => {$(
        #[cfg_attr(not(any(target_family = "wasm", target_os = "none")), async_trait)]
        #[cfg_attr(any(target_family = "wasm", target_os = "none"), async_trait(?Send))]
        impl<S: Storage + ?Sized> Storage for $pointer {
            async fn call(&self, request: Request) -> Result<Reply, StorageError> {
                (**self).call(request).await
            }
            async fn call_all(&self, requests: Vec<Request>) -> Vec<Result<Reply, StorageError>> {
                (**self).call_all(requests).await
            }
            fn subscribe(&self, key: &Key) -> Wakeups {
                (**self).subscribe(key)
            }
            async fn check(&self) -> Result<(), StorageError> {
                (**self).check().await
            }
        }
    )*};
}

delegate!(&S, Box<S>, Arc<S>);
