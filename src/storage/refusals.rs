//! What claims were refused for lately: it answers who asks next.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use core::time::Duration;

use super::reply::{Acquired, Reply};
use super::request::{Claim, Get, Release, Request, Revoke};
use super::session::Session;
use crate::lease::Lease;
use crate::mutex::Mutex;
use crate::text::Key;
use crate::time::Instant;

/// What claims were refused for lately, key by key: it answers claims that [may be answered](Claim::max_age) by what
/// another heard.
///
/// For adapters behind which many candidates of a process follow the same keys: however many they are, the storage is
/// asked for a key at most about four times in a retry interval. It is a cache of refusals, and of nothing else: what is
/// granted, reserved, released or looked at goes to the storage.
///
/// One for each set of records, shared by all clones of a handle. [`answer`](Self::answer) comes before a request is sent,
/// after the adapter's own checks of it; [`note`](Self::note) after *each* answer of the storage, since a grant, a release or a revoke is the
/// end of what was known. The instants are of one clock, best of one that goes on while the machine sleeps.
///
/// ```
/// use core::time::Duration;
/// use lessor::storage::{Acquired, Claim, Refusals, Reply, Session};
/// use lessor::{Id, Instant, Key, Lease, Term};
/// # use lessor::storage::Version;
///
/// let refusals = Refusals::new();
/// let at = |secs| Instant::from_origin(Duration::from_secs(secs));
/// let follower = |id, session| {
///     let claim = Claim::new(Key::new("k")?, Id::new(id)?, Session::from_bits(session), Duration::from_secs(10));
///     Ok::<_, lessor::InvalidText>(claim.max_age(Duration::from_secs(3)).into())
/// };
/// # let mut lease = Lease::new(Term::FIRST, Version::new(1), Duration::from_secs(10));
/// # (lease.id, lease.time_left) = (Some(Id::new("node-b")?), Duration::from_secs(8));
/// // Two followers ask the storage, which says that node-b leads for another 8 s.
/// for follower in [follower("node-a", 1)?, follower("node-c", 2)?] {
///     assert_eq!(refusals.answer(&follower, at(100)), None);
///     let reply = Reply::Acquired(Acquired::refused(Some(lease.clone()), lease.time_left));
///     refusals.note(&follower, &reply, at(100), at(100));
/// }
/// // Whoever asks 3 s later hears the same, and that 5 s are left.
/// let answer = refusals.answer(&follower("node-d", 3)?, at(103));
/// assert!(matches!(answer, Some(Reply::Acquired(Acquired::Refused { retry_after, .. })) if retry_after.as_secs() == 5));
/// # Ok::<(), lessor::InvalidText>(())
/// ```
#[derive(Debug, Default)]
#[doc(alias = "cache")]
pub struct Refusals(Mutex<Recent>);

/// A follower that has not looked for so long counts as gone.
const REMEMBERED: Duration = Duration::from_secs(60);

#[derive(Debug, Default)]
struct Recent {
    by_key: BTreeMap<Key, Entry>,
    /// How many there may be before those are forgotten that say nothing any more.
    room: usize,
    /// When some key was changed from here: an answer to what was sent before that may be older.
    changed: Instant,
}

#[derive(Debug)]
struct Entry {
    known: Known,
    /// It was so at this instant, or later.
    sent: Instant,
    /// It was so at this instant, or before.
    heard: Instant,
}

#[derive(Debug)]
enum Known {
    /// This one follows the key. There is nothing to keep for it alone.
    FollowedBy(Session),
    /// Another leads, and several follow.
    Held(Box<Lease>),
}

impl Entry {
    /// As for who asked the storage itself: from when the answer is there.
    fn time_left(&self, now: Instant) -> Duration {
        let lasts = if let Known::Held(lease) = &self.known { lease.time_left } else { REMEMBERED };
        lasts.saturating_sub(now.saturating_duration_since(self.heard))
    }
}

impl Refusals {
    /// Nothing was refused yet.
    #[must_use]
    pub const fn new() -> Self {
        Self(Mutex::new(Recent { by_key: BTreeMap::new(), room: 0, changed: Instant::from_origin(Duration::ZERO) }))
    }

    /// The answer at this instant, if this is a claim that may be answered by what is known here.
    #[must_use]
    pub fn answer(&self, request: &Request, now: Instant) -> Option<Reply> {
        let Request::Acquire(Claim { key, id, max_age: Some(max_age), .. }) = request else { return None };
        let recent = self.0.lock();
        let entry = recent.by_key.get(key)?;
        let Known::Held(lease) = &entry.known else { return None };
        let time_left = entry.time_left(now);
        // Its own: an earlier claim of its may have got through after all.
        let is_its_own = lease.id.as_ref() == Some(id);
        if is_its_own || time_left.is_zero() || now.saturating_duration_since(entry.sent) > *max_age {
            return None;
        }
        let age = lease.age.map(|age| age.saturating_add(now.saturating_duration_since(entry.heard)));
        let lease = Lease { time_left, age, ..Lease::clone(lease) };
        Some(Reply::Acquired(Acquired::Refused { lease: Some(lease), retry_after: time_left }))
    }

    /// Takes in what the storage answered to a request: `sent` is an instant before that was sent, `heard` one after the
    /// answer came.
    pub fn note(&self, request: &Request, reply: &Reply, sent: Instant, heard: Instant) {
        let (key, follower, lease) = match (request, reply) {
            (Request::Acquire(claim), Reply::Acquired(Acquired::Refused { lease, retry_after })) => {
                // Of what is reserved, or spared by the claim, another may hear something else.
                let lease = lease.as_ref().filter(|lease| lease.is_live() && *retry_after == lease.time_left);
                (&claim.key, claim.max_age.map(|_| claim.session), lease)
            }
            (Request::Get(Get { key, .. }), Reply::Got(lease)) => {
                (key, None, lease.as_ref().filter(|lease| lease.is_live()))
            }
            (Request::Acquire(Claim { key, .. }), _)
            | (Request::Release(Release { key, .. }), _)
            | (Request::Revoke(Revoke { key, .. }), _) => {
                let former = self.0.lock().change(key, heard);
                // After the lock was given back.
                return drop(former);
            }
            _ => return,
        };
        let former = self.0.lock().take_in(key, follower, lease, sent, heard);
        drop(former);
    }
}

/// Each answers what is to be dropped.
impl Recent {
    fn change(&mut self, key: &Key, heard: Instant) -> Option<Entry> {
        self.changed = self.changed.max(heard);
        self.by_key.remove(key)
    }

    fn take_in(
        &mut self,
        key: &Key,
        follower: Option<Session>,
        lease: Option<&Lease>,
        sent: Instant,
        heard: Instant,
    ) -> Option<Entry> {
        let before = self.by_key.get(key);
        if sent < self.changed || before.is_some_and(|before| before.sent > sent) {
            return None;
        }
        let Some(lease) = lease else { return self.by_key.remove(key) };
        let known = match before.map(|before| &before.known) {
            None => Known::FollowedBy(follower?),
            Some(Known::FollowedBy(one)) if follower.is_none_or(|session| session == *one) => Known::FollowedBy(*one),
            Some(_) => Known::Held(Box::new(lease.clone())),
        };
        if self.by_key.len() >= self.room {
            self.by_key.retain(|_, entry| !entry.time_left(heard).is_zero());
            self.room = 2 * self.by_key.len() + 8;
        }
        self.by_key.insert(key.clone(), Entry { known, sent, heard })
    }
}

#[cfg(test)]
mod tests {
    use super::super::request::Successor;
    use super::*;
    use crate::term::{Term, Version};
    use crate::text::Id;

    const fn secs(secs: u64) -> Duration {
        Duration::from_secs(secs)
    }

    fn at(time: u64) -> Instant {
        Instant::from_origin(secs(time))
    }

    fn key() -> Key {
        Key::new("k").unwrap()
    }

    fn claim(session: u128) -> Claim {
        Claim::new(key(), Id::new("b").unwrap(), Session::from_bits(session), secs(10))
    }

    fn looks(session: u128) -> Request {
        claim(session).max_age(secs(5)).into()
    }

    fn lease(time_left: u64) -> Lease {
        let lease = Lease::new(Term::FIRST, Version::new(1), secs(10));
        Lease { id: Some(Id::new("a").unwrap()), time_left: secs(time_left), ..lease }
    }

    fn refused(lease: Lease) -> Reply {
        Reply::Acquired(Acquired::Refused { retry_after: lease.time_left, lease: Some(lease) })
    }

    /// Two have looked at 100 s.
    fn known(time_left: u64) -> Refusals {
        let refusals = Refusals::new();
        for session in [1, 2] {
            refusals.note(&looks(session), &refused(lease(time_left)), at(100), at(100));
        }
        refusals
    }

    #[track_caller]
    fn knows_nothing(refusals: &Refusals, now: Instant) {
        assert_eq!(refusals.answer(&looks(3), now), None);
    }

    #[test]
    fn it_ages() {
        let refusals = known(8);
        assert_eq!(refusals.answer(&looks(3), at(105)), Some(refused(lease(3))));
        assert_eq!(refusals.answer(&claim(3).max_age(secs(4)).into(), at(105)), None, "too old for this one");
        assert_eq!(refusals.answer(&claim(3).max_age(secs(9)).into(), at(108)), None, "the lease may be over");
        assert_eq!(refusals.answer(&claim(3).into(), at(100)), None, "it wants to know how it is now");
        assert_eq!(refusals.answer(&looks(3), at(99)), Some(refused(lease(8))), "clocks differ a little");
        let other = Claim { key: Key::new("l").unwrap(), ..claim(3).max_age(secs(5)) };
        assert_eq!(refusals.answer(&other.into(), at(101)), None, "another key");
    }

    /// How old it is counts from before it was asked, what is left from when it was heard: nobody takes a lease for over
    /// sooner than who asked itself.
    #[test]
    fn the_way_takes_its_time() {
        let refusals = known(8);
        refusals.note(&looks(3), &refused(lease(8)), at(100), at(103));
        assert_eq!(refusals.answer(&looks(1), at(104)), Some(refused(lease(7))));
        knows_nothing(&refusals, at(106));
    }

    /// The lease that it claims may be its own: a claim that was given up has got through after all.
    #[test]
    fn its_own_lease_is_no_refusal() {
        let refusals = known(8);
        let own = Claim { id: Id::new("a").unwrap(), ..claim(3).max_age(secs(5)) };
        assert_eq!(refusals.answer(&own.into(), at(101)), None);
    }

    /// One alone has nothing to share.
    #[test]
    fn one_follower() {
        let refusals = Refusals::new();
        for time in 100..110 {
            refusals.note(&looks(1), &refused(lease(8)), at(time), at(time));
            knows_nothing(&refusals, at(time));
        }
        refusals.note(&claim(2).into(), &refused(lease(8)), at(110), at(110));
        knows_nothing(&refusals, at(110));
    }

    /// What holds for one claim only is not kept, and nothing older than it.
    #[test]
    fn only_what_holds_for_all() {
        let reserved = Lease { id: None, ..lease(8) };
        let spared = Reply::Acquired(Acquired::Refused { retry_after: secs(4), lease: Some(lease(8)) });
        let unseen = Reply::Acquired(Acquired::Refused { retry_after: secs(4), lease: None });
        for reply in [refused(reserved), spared, unseen, refused(lease(0))] {
            let refusals = known(8);
            refusals.note(&claim(4).into(), &reply, at(101), at(101));
            knows_nothing(&refusals, at(101));
        }
        let refusals = known(8);
        refusals.note(&Get::new(key()).into(), &Reply::Got(None), at(101), at(101));
        knows_nothing(&refusals, at(101));
    }

    #[test]
    fn what_changes_the_lease_is_the_end_of_it() {
        let release = Release::new(key(), Session::from_bits(1));
        let next = Successor::new(Id::new("c").unwrap(), secs(1));
        let granted = Reply::Acquired(Acquired::Granted { term: Term::FIRST, version: Version::new(2) });
        for (request, reply) in [
            (looks(3), granted),
            (release.clone().into(), Reply::Released),
            (release.successor(Some(next)).into(), Reply::Released),
            (Revoke::new(key()).into(), Reply::Revoked(None)),
        ] {
            let refusals = known(8);
            refusals.note(&request, &reply, at(101), at(103));
            knows_nothing(&refusals, at(103));
            // What was read before it is heard afterwards.
            for session in [1, 2, 3] {
                refusals.note(&looks(session), &refused(lease(8)), at(102), at(104));
                knows_nothing(&refusals, at(104));
            }
        }
    }

    #[test]
    fn the_newest_counts() {
        let refusals = known(8);
        refusals.note(&looks(1), &refused(lease(5)), at(99), at(101));
        assert_eq!(refusals.answer(&looks(3), at(101)), Some(refused(lease(7))));
        for newer in [looks(1), claim(4).into()] {
            refusals.note(&newer, &refused(lease(10)), at(102), at(102));
            assert_eq!(refusals.answer(&looks(3), at(103)), Some(refused(lease(9))));
        }
        refusals.note(&Get::new(key()).into(), &Reply::Got(Some(lease(9))), at(103), at(103));
        assert_eq!(refusals.answer(&looks(3), at(103)), Some(refused(lease(9))));
    }

    #[test]
    fn what_says_nothing_any_more_is_forgotten() {
        let refusals = Refusals::new();
        for number in 0..1_000_u64 {
            let looks = |session| {
                let key = Key::new(alloc::format!("k{number}")).unwrap();
                Claim { key, ..claim(session).max_age(secs(5)) }.into()
            };
            for session in 1..=1 + u128::from(number % 2) {
                refusals.note(&looks(session), &refused(lease(3)), at(100 * number), at(100 * number));
            }
        }
        assert!(refusals.0.lock().by_key.len() < 20);
    }
}
