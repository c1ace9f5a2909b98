//! Whether who leads is known to live.
//!
//! etcd, NATS and buckets keep no dates: what is seen there for the first time may be the lease of one who leads, or what one has left that
//! is gone. It shows when the lease is renewed, or has stood still for its ttl: then it is granted to who claims it. (A lease that tells its
//! [age](lessor::Lease::age) is of a storage that has a clock, and knows by itself.)

use std::collections::BTreeMap;
use std::sync::Arc;

use lessor::storage::{Acquired, Reply, Request, Version};
use lessor::{Key, Lease, Storage, StorageError, Term, Wakeups, async_trait};
use tokio::sync::watch;

/// What the answers of a storage have shown. Clones are the same.
#[derive(Clone)]
pub(super) struct Sights(Arc<watch::Sender<BTreeMap<Key, Sight>>>);

/// Of a lease that another holds, or held.
struct Sight {
    /// When it was seen first.
    written: (Term, Version),
    /// It was written again since.
    lives: bool,
}

impl Sights {
    pub(super) fn none() -> Self {
        Self(Arc::new(watch::Sender::new(BTreeMap::new())))
    }

    /// The same storage, whose answers are looked at.
    pub(super) fn of(&self, storage: Arc<dyn Storage>) -> Arc<dyn Storage> {
        Arc::new(Witnessed { storage, sights: self.clone() })
    }

    /// Whether somebody was seen to hold a lease who may be gone.
    pub(super) fn are_in_doubt(&self) -> bool {
        self.0.borrow().values().any(|sight| !sight.lives)
    }

    /// Until that is not so, or no more.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing.
    pub(super) async fn are_sure(&self) {
        let _ = self.0.subscribe().wait_for(|seen| seen.values().all(|sight| sight.lives)).await;
    }

    fn hear(&self, key: Option<&Key>, reply: &Result<Reply, StorageError>) {
        let Some(key) = key else { return };
        match reply {
            Ok(Reply::Acquired(Acquired::Refused { lease: Some(lease), .. }) | Reply::Got(Some(lease))) => {
                self.see(key, lease);
            }
            // Whoever comes after this process is seen anew.
            Ok(Reply::Acquired(Acquired::Granted { .. })) => {
                self.0.send_if_modified(|seen| seen.remove(key).is_some());
            }
            _ => {}
        }
    }

    /// What is free or has ended is claimed: that it was given up tells nothing of who comes next.
    fn see(&self, key: &Key, lease: &Lease) {
        let written = (lease.term, lease.version);
        self.0.send_if_modified(|seen| match seen.get_mut(key) {
            _ if !lease.is_live() => false,
            Some(sight) if !sight.lives && sight.written != written => {
                sight.lives = true;
                true
            }
            None if lease.age.is_none() => seen.insert(key.clone(), Sight { written, lives: false }).is_none(),
            _ => false,
        });
    }
}

struct Witnessed {
    storage: Arc<dyn Storage>,
    sights: Sights,
}

#[async_trait]
impl Storage for Witnessed {
    async fn call(&self, request: Request) -> Result<Reply, StorageError> {
        let key = request.key().cloned();
        let reply = self.storage.call(request).await;
        self.sights.hear(key.as_ref(), &reply);
        reply
    }

    async fn call_all(&self, requests: Vec<Request>) -> Vec<Result<Reply, StorageError>> {
        let keys: Vec<_> = requests.iter().map(|request| request.key().cloned()).collect();
        let replies = self.storage.call_all(requests).await;
        keys.iter().zip(&replies).for_each(|(key, reply)| self.sights.hear(key.as_ref(), reply));
        replies
    }

    fn subscribe(&self, key: &Key) -> Wakeups {
        self.storage.subscribe(key)
    }

    async fn check(&self) -> Result<(), StorageError> {
        self.storage.check().await
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use lessor::Id;

    use super::*;

    fn seen(version: u64, change: impl FnOnce(&mut Lease)) -> Result<Reply, StorageError> {
        let ttl = Duration::from_secs(10);
        let mut lease = Lease::new(Term::FIRST, Version::new(version), ttl);
        (lease.id, lease.time_left) = (Id::new("a").ok(), ttl);
        change(&mut lease);
        Ok(Reply::Acquired(Acquired::refused(Some(lease), ttl)))
    }

    /// What was released is claimed: that it has changed says nothing of who comes next.
    #[test]
    fn who_was_seen_to_renew_lives() {
        let (sights, key) = (Sights::none(), Key::new("k").unwrap());
        let hear = |reply| sights.hear(Some(&key), &reply);
        assert!(!sights.are_in_doubt());
        hear(seen(7, |lease| lease.time_left = Duration::ZERO));
        assert!(!sights.are_in_doubt(), "nobody holds it");
        hear(seen(7, |_| {}));
        hear(seen(7, |_| {}));
        hear(seen(8, |lease| lease.id = None));
        assert!(sights.are_in_doubt());
        hear(seen(8, |_| {}));
        assert!(!sights.are_in_doubt());
        hear(Ok(Reply::Acquired(Acquired::granted(Term::FIRST, Version::new(9)))));
        hear(seen(10, |_| {}));
        assert!(sights.are_in_doubt(), "it was seen for the first time since");
    }

    #[test]
    fn a_storage_with_a_clock_is_in_no_doubt() {
        let (sights, key) = (Sights::none(), Key::new("k").unwrap());
        sights.hear(Some(&key), &seen(7, |lease| lease.age = Some(Duration::ZERO)));
        assert!(!sights.are_in_doubt());
    }
}
