//! What claims were refused for lately: it answers who asks next.

use alloc::collections::BTreeMap;
use core::time::Duration;

use super::reply::{Acquired, Reply};
use super::request::{Claim, Request};
use crate::lease::Lease;
use crate::mutex::Mutex;
use crate::text::Key;
use crate::time::Instant;

/// What claims were refused for lately, key by key: it answers claims that [may be answered](Claim::max_age) by what
/// another heard.
///
/// For adapters, behind which many candidates of a process, or of many processes, follow the same keys: however many
/// they are, the storage is asked as often as by one. It holds live leases, and each for as long as it lasts.
///
/// ```
/// use core::time::Duration;
/// use lessor::storage::{Acquired, Claim, Refusals, Reply, Session};
/// use lessor::{Id, Instant, Key, Lease, Term};
/// # use lessor::storage::Version;
///
/// let (refusals, now) = (Refusals::new(), Instant::from_origin(Duration::from_secs(1)));
/// let claim = Claim::new(Key::new("k")?, Id::new("node-a")?, Session::from_bits(0x5eed), Duration::from_secs(10));
/// let request = claim.max_age(Duration::from_secs(5)).into();
/// assert_eq!(refusals.answer(&request, now), None, "nobody has asked yet");
///
/// # let mut lease = Lease::new(Term::FIRST, Version::new(1), Duration::from_secs(10));
/// # (lease.id, lease.time_left) = (Some(Id::new("node-b")?), Duration::from_secs(8));
/// // The storage is asked, and says that node-b leads for another 8 s.
/// let reply = Reply::Acquired(Acquired::refused(Some(lease.clone()), lease.time_left));
/// refusals.note(&request, now, &reply);
///
/// // Whoever asks 3 s later hears the same, and that 5 s are left.
/// let answer = refusals.answer(&request, now.saturating_add(Duration::from_secs(3)));
/// assert!(matches!(answer, Some(Reply::Acquired(Acquired::Refused { retry_after, .. })) if retry_after.as_secs() == 5));
/// # Ok::<(), lessor::InvalidText>(())
/// ```
#[derive(Debug, Default)]
pub struct Refusals(Mutex<Recent>);

#[derive(Debug, Default)]
struct Recent {
    by_key: BTreeMap<Key, Refusal>,
    /// How many there may be before those are forgotten whose lease has run out.
    room: usize,
}

#[derive(Debug)]
struct Refusal {
    lease: Lease,
    /// Not before this it was so.
    as_of: Instant,
}

impl Refusal {
    fn time_left(&self, now: Instant) -> Duration {
        self.lease.time_left.saturating_sub(now.saturating_duration_since(self.as_of))
    }
}

impl Refusals {
    /// Nothing was refused yet.
    #[must_use]
    pub const fn new() -> Self {
        Self(Mutex::new(Recent { by_key: BTreeMap::new(), room: 0 }))
    }

    /// The answer, if this is a claim that may be answered by what is known here.
    #[must_use]
    pub fn answer(&self, request: &Request, now: Instant) -> Option<Reply> {
        let Request::Acquire(Claim { key, max_age: Some(max_age), .. }) = request else { return None };
        let recent = self.0.lock();
        let refusal = recent.by_key.get(key)?;
        let (passed, time_left) = (now.saturating_duration_since(refusal.as_of), refusal.time_left(now));
        if passed > *max_age || time_left.is_zero() {
            return None;
        }
        let age = refusal.lease.age.map(|age| age.saturating_add(passed));
        let lease = Lease { time_left, age, ..refusal.lease.clone() };
        Some(Reply::Acquired(Acquired::Refused { lease: Some(lease), retry_after: time_left }))
    }

    /// Takes in what the storage said to a request that was sent at this instant, or later.
    pub fn note(&self, request: &Request, sent: Instant, reply: &Reply) {
        let former = match (request, reply) {
            (Request::Acquire(claim), Reply::Acquired(Acquired::Refused { lease: Some(lease), retry_after })) => {
                // Of what is reserved, or spared by the claim, another may hear something else.
                if claim.max_age.is_none() || !lease.is_live() || *retry_after != lease.time_left {
                    return;
                }
                self.keep(&claim.key, Refusal { lease: lease.clone(), as_of: sent })
            }
            (Request::Acquire(Claim { key, .. }), Reply::Acquired(_)) => self.0.lock().by_key.remove(key),
            (Request::Release(release), _) => self.0.lock().by_key.remove(&release.key),
            (Request::Revoke(revoke), _) => self.0.lock().by_key.remove(&revoke.key),
            _ => None,
        };
        // After the lock was given back.
        drop(former);
    }

    fn keep(&self, key: &Key, refusal: Refusal) -> Option<Refusal> {
        let mut recent = self.0.lock();
        let Recent { by_key, room } = &mut *recent;
        if by_key.get(key).is_some_and(|newer| newer.as_of > refusal.as_of) {
            return Some(refusal);
        }
        if by_key.len() >= *room {
            let now = refusal.as_of;
            by_key.retain(|_, refusal| !refusal.time_left(now).is_zero());
            *room = 2 * by_key.len() + 8;
        }
        by_key.insert(key.clone(), refusal)
    }
}

#[cfg(test)]
mod tests {
    use super::super::request::{Release, Successor};
    use super::super::session::Session;
    use super::*;
    use crate::term::{Term, Version};
    use crate::text::Id;

    const fn secs(secs: u64) -> Duration {
        Duration::from_secs(secs)
    }

    fn at(time: u64) -> Instant {
        Instant::from_origin(secs(time))
    }

    fn claim(key: &str) -> Claim {
        let (key, id) = (Key::new(key).unwrap(), Id::new("b").unwrap());
        Claim::new(key, id, Session::from_bits(2), secs(10))
    }

    fn looks(key: &str, max_age: u64) -> Request {
        claim(key).max_age(secs(max_age)).into()
    }

    fn lease(time_left: u64) -> Lease {
        let lease = Lease::new(Term::FIRST, Version::new(1), secs(10));
        Lease { id: Some(Id::new("a").unwrap()), time_left: secs(time_left), ..lease }
    }

    fn refused(lease: Lease) -> Reply {
        Reply::Acquired(Acquired::Refused { retry_after: lease.time_left, lease: Some(lease) })
    }

    fn known(time_left: u64) -> Refusals {
        let refusals = Refusals::new();
        refusals.note(&looks("k", 5), at(100), &refused(lease(time_left)));
        refusals
    }

    #[test]
    fn it_ages() {
        let refusals = known(8);
        assert_eq!(refusals.answer(&looks("k", 5), at(105)), Some(refused(lease(3))));
        assert_eq!(refusals.answer(&looks("k", 4), at(105)), None, "too old for this one");
        assert_eq!(refusals.answer(&looks("k", 9), at(108)), None, "the lease may be over");
        assert_eq!(refusals.answer(&looks("l", 5), at(101)), None, "another key");
        assert_eq!(refusals.answer(&claim("k").into(), at(100)), None, "it wants to know how it is now");
        assert_eq!(refusals.answer(&looks("k", 5), at(99)), Some(refused(lease(8))), "clocks differ a little");
    }

    #[test]
    fn only_what_holds_for_all() {
        let reserved = Lease { id: None, ..lease(8) };
        let spared = Reply::Acquired(Acquired::Refused { retry_after: secs(4), lease: Some(lease(8)) });
        let unseen = Reply::Acquired(Acquired::Refused { retry_after: secs(4), lease: None });
        for reply in [refused(reserved), spared, unseen, refused(lease(0))] {
            let refusals = Refusals::new();
            refusals.note(&looks("k", 5), at(100), &reply);
            assert_eq!(refusals.answer(&looks("k", 5), at(100)), None, "{reply:?}");
        }
        let refusals = Refusals::new();
        refusals.note(&claim("k").into(), at(100), &refused(lease(8)));
        assert_eq!(refusals.answer(&looks("k", 5), at(100)), None, "who claims once has no followers");
    }

    #[test]
    fn what_changes_the_lease_is_the_end_of_it() {
        let release = Release::new(Key::new("k").unwrap(), Session::from_bits(1));
        let next = Successor::new(Id::new("c").unwrap(), secs(1));
        let granted = Reply::Acquired(Acquired::Granted { term: Term::FIRST, version: Version::new(2) });
        for (request, reply) in [
            (looks("k", 5), granted),
            (release.clone().into(), Reply::Released),
            (release.successor(Some(next)).into(), Reply::Released),
            (super::super::request::Revoke::new(Key::new("k").unwrap()).into(), Reply::Revoked(None)),
        ] {
            let refusals = known(8);
            refusals.note(&request, at(101), &reply);
            assert_eq!(refusals.answer(&looks("k", 5), at(101)), None, "{request:?}");
        }
    }

    #[test]
    fn the_newest_counts() {
        let refusals = known(8);
        refusals.note(&looks("k", 5), at(99), &refused(lease(5)));
        assert_eq!(refusals.answer(&looks("k", 5), at(101)), Some(refused(lease(7))));
        refusals.note(&looks("k", 5), at(102), &refused(lease(10)));
        assert_eq!(refusals.answer(&looks("k", 5), at(103)), Some(refused(lease(9))));
    }

    #[test]
    fn what_has_run_out_is_forgotten() {
        let refusals = Refusals::new();
        for number in 0..1_000_u64 {
            refusals.note(&looks(&alloc::format!("k{number}"), 5), at(number), &refused(lease(3)));
        }
        assert!(refusals.0.lock().by_key.len() < 20);
    }
}
