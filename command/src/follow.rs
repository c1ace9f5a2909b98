//! Follows keys: what they were, what they are, and what happened in between.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::stream::{SelectAll, StreamExt};
use futures::{FutureExt, Stream};
use lessor::storage::{Entry, Get, Reply, Request};
use lessor::{Key, Lease};
use serde::Serialize;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval};

use crate::exit::Exit;
use crate::list;
use crate::storage::Asking;

/// How many woken keys are looked at together.
const TOGETHER: usize = 256;
/// How many keys are looked at as soon as they wake it; the others, at each look at all of them.
const WOKEN: usize = 10_000;

/// What happened to a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Change {
    /// It is as it is: it was not looked at before.
    Seen,
    /// Somebody was granted it.
    Granted,
    /// Its leader gave it up.
    Released,
    /// Its leader did not renew it in time.
    Expired,
    /// Its term is over, and nobody leads in the next one: it was revoked, or granted and given up since the last look.
    Ended,
}

impl Change {
    pub(crate) const fn words(self) -> &'static str {
        match self {
            Self::Seen => "seen",
            Self::Granted => "granted",
            Self::Released => "released",
            Self::Expired => "expired",
            Self::Ended => "ended",
        }
    }

    /// From the lease that was seen to the one that is. `None`: it changed no hands.
    fn between(before: Option<&Lease>, lease: &Lease) -> Option<Self> {
        let Some(before) = before else { return Some(Self::Seen) };
        if lease.term > before.term {
            return Some(if lease.id.is_some() { Self::Granted } else { Self::Ended });
        }
        match (&before.id, &lease.id) {
            (Some(_), None) => Some(Self::Released),
            (Some(_), Some(_)) if before.is_live() && !lease.is_live() => Some(Self::Expired),
            _ => None,
        }
    }
}

/// A change, and what the key is now.
#[derive(Clone, Debug)]
pub(crate) struct News {
    pub(crate) key: Key,
    pub(crate) change: Change,
    /// How many terms there were since the last look that this has not seen. `None`: terms of this storage do not follow one another.
    pub(crate) unseen: Option<u64>,
    pub(crate) lease: Lease,
}

/// A lease, and when it was looked at.
#[derive(Clone, Debug)]
pub(crate) struct Known {
    pub(crate) lease: Lease,
    at: Instant,
}

impl Known {
    /// As it is by now, if nothing happened.
    pub(crate) fn now(&self) -> Lease {
        let passed = self.at.elapsed();
        let mut lease = self.lease.clone();
        lease.time_left = lease.time_left.saturating_sub(passed);
        lease.age = lease.age.map(|age| age.saturating_add(passed));
        lease
    }
}

/// Keys that begin with a prefix.
pub(crate) struct Follower {
    asking: Asking,
    prefix: String,
    known: BTreeMap<Key, Known>,
    woken: SelectAll<Box<dyn Stream<Item = Key> + Send + Unpin>>,
    looks: Interval,
}

impl Follower {
    /// Looks at all of them at such intervals, and at each that the storage wakes it for.
    pub(crate) fn new(asking: Asking, prefix: String, each: Duration) -> Self {
        let mut looks = interval(each);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self { asking, prefix, known: BTreeMap::new(), woken: SelectAll::new(), looks }
    }

    /// All that is known, by key.
    pub(crate) const fn known(&self) -> &BTreeMap<Key, Known> {
        &self.known
    }

    /// What is new, in the order of the keys: perhaps nothing. `until` bounds the wait for something to look at, and no look.
    ///
    /// # Cancel safety
    /// News are lost if it is dropped while the storage is asked: only who wants no more of them drops it.
    pub(crate) async fn next<O>(&mut self, until: impl Future<Output = O>) -> Result<Result<Vec<News>, Exit>, O> {
        let keys = tokio::select! {
            biased;
            over = until => return Err(over),
            _ = self.looks.tick() => None,
            Some(key) = self.woken.next() => Some(self.all_woken(key)),
        };
        Ok(match keys {
            None => self.look_at_all().await,
            Some(keys) => self.look_at(keys).await,
        })
    }

    /// With what woke it at the same time.
    fn all_woken(&mut self, first: Key) -> Vec<Key> {
        let mut keys = vec![first];
        while keys.len() < TOGETHER
            && let Some(Some(key)) = self.woken.next().now_or_never()
        {
            keys.push(key);
        }
        keys.sort();
        keys.dedup();
        keys
    }

    async fn look_at_all(&mut self) -> Result<Vec<News>, Exit> {
        let entries = list::all(&self.asking, &self.prefix).await?;
        let at = Instant::now();
        Ok(entries.into_iter().filter_map(|Entry { key, lease, .. }| self.take(key, lease, at)).collect())
    }

    async fn look_at(&mut self, keys: Vec<Key>) -> Result<Vec<News>, Exit> {
        let gets: Vec<Request> = keys.iter().map(|key| Get::new(key.clone()).into()).collect();
        let asked = async { Ok(self.asking.storage.call_all(gets).await) };
        let (replies, at) = (self.asking.ask(asked).await?, Instant::now());
        let mut news = Vec::new();
        for (key, reply) in keys.into_iter().zip(replies) {
            if let Reply::Got(Some(lease)) = reply.map_err(crate::storage::failed)? {
                news.extend(self.take(key, lease, at));
            }
        }
        Ok(news)
    }

    fn take(&mut self, key: Key, lease: Lease, at: Instant) -> Option<News> {
        let before = self.known.get(&key).map(|known| &known.lease);
        // Looks may overtake one another.
        if before.is_some_and(|before| lease.term < before.term || lease.version < before.version) {
            return None;
        }
        let change = Change::between(before, &lease);
        let terms = before.map_or(0, |before| lease.term.get() - before.term.get());
        if before.is_none() && self.woken.len() < WOKEN {
            let woken = key.clone();
            self.woken.push(Box::new(self.asking.storage.subscribe(&key).map(move |()| woken.clone())));
        }
        self.known.insert(key.clone(), Known { lease: lease.clone(), at });
        change.map(|change| News {
            key,
            change,
            unseen: self.asking.counts_terms().then(|| terms.saturating_sub(1)),
            lease,
        })
    }
}
