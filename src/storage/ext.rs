//! Each operation by its own name and with its own answer.

use core::future::Future;

use super::list::{List, Page};
use super::request::{Claim, Get, Release, Renewal, Request, Revoke};
use super::{Acquired, Renewed, Reply, Storage, StorageError};
use crate::lease::Lease;
use crate::maybe_send::MaybeSend;
use crate::text::Key;

/// The operations of a [`Storage`], typed: one [call](Storage::call) each. Every storage has them.
///
/// ```
/// use core::time::Duration;
/// use lessor::storage::{Acquired, Claim, List, Session};
/// use lessor::{Id, Key, MemoryStorage, StorageExt};
///
/// # smol::block_on(async {
/// let storage = MemoryStorage::new();
/// let (key, id) = (Key::new("k")?, Id::new("node-a")?);
/// let claim = Claim::new(key.clone(), id, Session::from_bits(0x5eed), Duration::from_secs(10));
/// assert!(matches!(storage.acquire(claim).await?, Acquired::Granted { .. }));
/// assert_eq!(storage.list(List::new()).await?.entries.len(), 1);
///
/// let before = storage.revoke(&key).await?.unwrap();
/// assert_eq!(before.id.unwrap().as_str(), "node-a");
/// assert!(!storage.get(&key).await?.unwrap().is_live());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
///
/// # Cancel safety
/// A dropped operation may or may not have been applied, like one that failed.
pub trait StorageExt: Storage + sealed::Sealed {
    /// Asks for a key.
    ///
    /// # Errors
    /// [`StorageError`]; whether the claim was applied is then open.
    #[doc(alias = "SetNX")]
    fn acquire(&self, claim: Claim) -> impl Future<Output = Result<Acquired, StorageError>> + MaybeSend {
        answer(self, claim, |reply| if let Reply::Acquired(acquired) = reply { Some(acquired) } else { None })
    }

    /// Extends a live lease of this session and term.
    ///
    /// # Errors
    /// [`StorageError`]; whether the renewal was applied is then open.
    fn renew(&self, renewal: Renewal) -> impl Future<Output = Result<Renewed, StorageError>> + MaybeSend {
        answer(self, renewal, |reply| if let Reply::Renewed(renewed) = reply { Some(renewed) } else { None })
    }

    /// Gives up what a session holds.
    ///
    /// # Errors
    /// [`StorageError`]; whether the release was applied is then open.
    fn release(&self, release: Release) -> impl Future<Output = Result<(), StorageError>> + MaybeSend {
        answer(self, release, |reply| matches!(reply, Reply::Released).then_some(()))
    }

    /// What can be seen of a key. `None`: it was never granted.
    ///
    /// # Errors
    /// [`StorageError`].
    fn get(&self, key: &Key) -> impl Future<Output = Result<Option<Lease>, StorageError>> + MaybeSend {
        answer(self, Get::new(key.clone()), |reply| if let Reply::Got(lease) = reply { Some(lease) } else { None })
    }

    /// Takes the lease from its holder, and answers what it was before: see [`Revoke`]. `None`: nobody held it in the
    /// term that was meant.
    ///
    /// # Errors
    /// [`StorageError`]; whether it was applied is then open.
    fn revoke(
        &self,
        revoke: impl Into<Revoke>,
    ) -> impl Future<Output = Result<Option<Lease>, StorageError>> + MaybeSend {
        let revoked = |reply| if let Reply::Revoked(before) = reply { Some(before) } else { None };
        answer(self, revoke.into(), revoked)
    }

    /// A page of the leases that there are.
    ///
    /// # Errors
    /// [`StorageError`].
    fn list(&self, list: List) -> impl Future<Output = Result<Page, StorageError>> + MaybeSend {
        answer(self, list, |reply| if let Reply::Listed(page) = reply { Some(page) } else { None })
    }
}

impl<S: Storage + ?Sized> StorageExt for S {}

async fn answer<S: Storage + ?Sized, A>(
    storage: &S,
    request: impl Into<Request>,
    fit: fn(Reply) -> Option<A>,
) -> Result<A, StorageError> {
    let call = storage.call(request.into());
    fit(call.await?).ok_or_else(StorageError::unfit)
}

mod sealed {
    #[expect(unnameable_types, reason = "so that nobody else implements the operations")]
    pub trait Sealed {}
    impl<S: super::Storage + ?Sized> Sealed for S {}
}
