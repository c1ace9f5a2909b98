//! The state of a key, without its secret.

use alloc::string::ToString;
use core::fmt;
use core::time::Duration;

use crate::term::{Term, Version};
use crate::text::{Id, Value};

/// What others may see of a key.
///
/// A snapshot: `time_left` and `age` were true when the storage answered. A handle ([`Candidate::leader`](crate::Candidate::leader))
/// carries both on to now by the candidate's clock. Its own lease it shows by its own clock altogether: `time_left` is then
/// that to its deadline, so less by the margin. There is no session in a lease: it can be shown to anyone.
///
/// ```
/// use lessor::{Builder, Key, MemoryStorage, StorageExt};
///
/// # smol::block_on(async {
/// let storage = MemoryStorage::new();
/// let (candidate, driver) = Builder::new("api").id("node-a").value("10.0.0.7:8080").build(storage.clone())?;
/// smol::spawn(driver.run()).detach();
/// let leadership = candidate.elected().await?;
///
/// let lease = storage.get(&Key::new("api")?).await?.unwrap();
/// assert!(lease.is_live());
/// assert_eq!((lease.id.unwrap().as_str(), lease.term), ("node-a", leadership.term()));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Lease {
    /// Who was granted it, also after it has expired. `None`: it was released or revoked.
    pub id: Option<Id>,
    /// The newest term: of the newest grant, or of a revoke after it.
    pub term: Term,
    /// Moves at every write: grant, renewal, release, revoke.
    pub version: Version,
    /// For how long the newest grant, renewal or reservation was given.
    pub ttl: Duration,
    /// How much of that was left when the storage answered. Zero: expired or released. Where nobody has the key, and yet some is
    /// left: it was released in favour of somebody, and is reserved for so long; or it was revoked, and nobody is granted it for so long.
    pub time_left: Duration,
    /// How long ago the term was granted, by the storage's clock. `None`: nobody holds the lease, or the storage does
    /// not know.
    pub age: Option<Duration>,
    /// What the holder published. It stays after a release.
    pub value: Option<Value>,
}

impl Lease {
    /// A lease that nobody holds: for storages, which set what else they know.
    #[must_use]
    pub const fn new(term: Term, version: Version, ttl: Duration) -> Self {
        Self { id: None, term, version, ttl, time_left: Duration::ZERO, age: None, value: None }
    }

    /// Whether it was held, and had not expired, when the storage answered.
    #[must_use]
    pub const fn is_live(&self) -> bool {
        self.id.is_some() && !self.time_left.is_zero()
    }
}

impl fmt::Display for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let id = self.id.as_ref().map_or_else(|| "nobody".to_string(), ToString::to_string);
        write!(f, "{id}, term {}, {:?} left", self.term, self.time_left)
    }
}
