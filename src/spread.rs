//! Processes that share the keys of a group.
//!
//! Each process of the spread holds a lease of a place, `<name>/member/<i>`, like any other lease of the storage: who holds
//! one is there. From the list of them each computes by itself who is to lead which key. That is a preference, no verdict:
//! the lease of the key decides, as ever. Who is preferred claims at once; all others let it go first, for the ttl.
//!
//! What another leads comes over gently: the process to which it belongs *asks* for it, in the value of its own lease, for a
//! few keys at a time. So nothing is moved to a process that does not campaign for it.

mod present;
mod rendezvous;
mod sharing;

use alloc::format;
use alloc::string::String;
use core::time::Duration;

use crate::builder::BuildError;
use crate::text::checked;
use present::MAX_WEIGHT;
pub(crate) use sharing::{Facts, Sharing};

/// The longest name: with what follows it, it is a key.
const MAX_NAME: usize = 240;

/// How many processes can share: so many places there are.
pub(crate) const PLACES: u16 = 1_000;

/// Lets the processes of a [`Group`](crate::Group) share its keys about evenly.
///
/// All groups of one name, over the same storage, are one spread, of up to 1,000 processes. Each has to have an
/// [id](crate::GroupBuilder::id) of its own, and should have the same keys: of each key one of them is to go first, by a hash of ids and key, so that each has its share
/// by weight and no more than a tenth above it (rounded up). When one goes or dies the others take its keys over and share them;
/// when one comes it takes its share from all, gently: [so many a minute](Self::moves_per_minute), each handed over when the work
/// under it has ended. While nobody comes or goes nothing moves.
///
/// It is a preference: the lease of each key alone says who leads it. Where the one that is to go first does not, another leads
/// after the key has been free for its [ttl](crate::Config::ttl).
///
/// ```
/// use lessor::{Builder, Group, MemoryStorage, Spread};
///
/// # smol::block_on(async {
/// let storage = MemoryStorage::new();
/// let mut groups = Vec::new();
/// for id in ["node-a", "node-b"] {
///     let spread = Spread::new("shards").ttl(std::time::Duration::from_millis(500));
///     let (group, driver) = Group::builder().id(id).spread(spread).build(storage.clone())?;
///     smol::spawn(driver.run()).detach();
///     for shard in 0..20 {
///         group.add(Builder::new(format!("shard/{shard}")))?;
///     }
///     groups.push(group);
/// }
/// // Each reign that begins here: spawn its work. It ends with the reign.
/// let leadership = groups[0].reigns().next().await.unwrap();
/// assert!(leadership.run(async { 6 * 7 }).await.is_ok());
/// while groups.iter().any(|group| group.status().leading < 9) {
///     groups[1].reigns().next().await;
/// }
/// assert_eq!(groups[0].status().leading + groups[1].status().leading, 20);
/// # Ok::<(), lessor::BuildError>(())
/// # }).unwrap();
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "it is for `GroupBuilder::spread`"]
pub struct Spread {
    pub(crate) name: String,
    pub(crate) weight: u32,
    /// `None`: a fifth of the keys.
    pub(crate) moves_per_minute: Option<u32>,
    pub(crate) ttl: Duration,
}

impl Spread {
    /// A spread of this name, 1 to 240 bytes. Its processes hold leases with keys that begin with it: `<name>/member/`.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), weight: 1, moves_per_minute: None, ttl: Duration::from_secs(10) }
    }

    /// How much this process takes, compared with the others: 1 by default, 100 at most. One of weight 2 has twice as many keys
    /// as one of weight 1. Zero: none, as long as there are others with more.
    pub fn weight(self, weight: u32) -> Self {
        Self { weight, ..self }
    }

    /// How many keys this process asks others for in a minute, at most, where they lead what belongs here. Default a fifth of
    /// the group's keys, and at least 60: so a process that comes among four others or more has its share after a minute. Zero: none, it
    /// waits until they are free.
    ///
    /// They are asked for evenly, at each look a few, and no more than 128 at a time that have not come yet: work under a key may
    /// take its time to end. (So at a ttl of 10 s, with a look every 2 s, no more than 3,840 a minute whatever is set.) What nobody leads is claimed at once, without a limit.
    pub fn moves_per_minute(self, moves: u32) -> Self {
        Self { moves_per_minute: Some(moves), ..self }
    }

    /// How long a process counts as there after it was heard of last. Default 10 s; as that of a candidate
    /// ([`Config::ttl`](crate::Config::ttl)).
    ///
    /// A fifth of it is the interval at which each process looks who is there: one [`List`](crate::storage::List) request. A process
    /// that begins waits for as long before it claims what is its own, so that those that begin with it are counted.
    pub fn ttl(self, ttl: Duration) -> Self {
        Self { ttl, ..self }
    }

    /// What the places are called together.
    pub(crate) fn place(&self) -> String {
        format!("{}/member", self.name)
    }

    /// How the keys of the places begin.
    pub(crate) fn prefix(&self) -> String {
        format!("{}/member/", self.name)
    }

    pub(crate) fn interval(&self) -> Duration {
        self.ttl / 5
    }

    pub(crate) fn validate(&self) -> Result<(), BuildError> {
        checked("name of a spread", &self.name, 1, MAX_NAME)?;
        if self.weight > MAX_WEIGHT {
            return Err(BuildError::TooHeavy { weight: self.weight, most: MAX_WEIGHT });
        }
        Ok(())
    }
}
