//! Many requests at once.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;
use core::error::Error;
use core::fmt;

use super::{Reply, Request, Storage, StorageError};
use crate::debug::debug_as_displayed;
use crate::text::Key;

/// [`Storage::call_all`] for storages that have no batches of their own: asks one after the other.
///
/// A key that occurs a second time is an error in its place.
///
/// # Cancel safety
/// Dropped, what was asked by then may have been applied, and the rest is not asked.
pub async fn one_by_one<S: Storage + ?Sized>(storage: &S, requests: Vec<Request>) -> Vec<Result<Reply, StorageError>> {
    let mut unique = UniqueKeys::default();
    let admitted: Vec<_> =
        requests.iter().map(|request| request.key().map_or(Ok(()), |key| unique.first_time(key))).collect();
    let mut replies = Vec::with_capacity(requests.len());
    for (request, admitted) in requests.into_iter().zip(admitted) {
        replies.push(match admitted {
            Ok(()) => storage.call(request).await,
            Err(error) => Err(error),
        });
    }
    replies
}

/// Tells whether a key comes up in a batch for the first time: for adapters with batches of their own.
///
/// ```
/// use lessor::Key;
/// use lessor::storage::{UniqueKeys, ErrorKind};
///
/// let keys = [Key::new("a")?, Key::new("a")?];
/// let mut unique = UniqueKeys::default();
/// assert!(unique.first_time(&keys[0]).is_ok());
/// assert_eq!(unique.first_time(&keys[1]).unwrap_err().kind(), ErrorKind::Permanent);
/// # Ok::<(), lessor::InvalidText>(())
/// ```
#[derive(Debug, Default)]
pub struct UniqueKeys<'a>(BTreeSet<&'a Key>);

impl<'a> UniqueKeys<'a> {
    /// Lets a key pass the first time.
    ///
    /// # Errors
    /// What to answer where the key occurs again: a permanent error caused by [`DuplicateKey`].
    pub fn first_time(&mut self, key: &'a Key) -> Result<(), StorageError> {
        if self.0.insert(key) { Ok(()) } else { Err(StorageError::permanent(DuplicateKey(key.clone()))) }
    }
}

/// A key that occurs more than once in a batch.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct DuplicateKey(pub Key);

impl fmt::Display for DuplicateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "key {:?} occurs more than once in the batch", self.0.as_str())
    }
}

impl Error for DuplicateKey {}

debug_as_displayed!(DuplicateKey);
