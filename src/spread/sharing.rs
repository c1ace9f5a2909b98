//! One process's part in sharing keys, without I/O: what was seen goes in, who is to go first and what to hand over comes out.

use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::vec::Vec;
use core::mem;
use core::time::Duration;

use super::Spread;
use super::present::{self, MAX_WANTED, Present, Sightings};
use super::rendezvous::{Taker, assign, hash};
use crate::config::Config;
use crate::storage::{Entry, Page};
use crate::text::{Id, Key, Value};
use crate::time::Instant;

const MINUTE: Duration = Duration::from_secs(60);

/// So many keys are asked for in a minute where nothing is set, however few there are.
const LEAST_MOVES: usize = 60;

/// One process's part.
#[derive(Debug)]
pub(crate) struct Sharing {
    me: Id,
    weight: u32,
    /// `None`: a fifth of the keys.
    moves_per_minute: Option<u32>,
    /// From one look at the others to the next.
    interval: Duration,
    /// By the hash of its key.
    shares: BTreeMap<u64, Share>,
    present: Vec<Present>,
    sightings: Sightings,
    /// By how much clocks may be apart after a ttl.
    margin: Duration,
    /// Since when this process has been seen among them, by a look that began when it had its place.
    joined_at: Option<Instant>,
    /// How long after that it takes part: where many begin together, the first would else take everything.
    settles_within: Duration,
    /// Whether it was settled when it was last decided.
    was_settled: bool,
    /// Whether the shares have to be computed anew.
    is_stale: bool,
    next_look: Instant,
    /// What a look has found so far.
    found: Vec<Entry>,
    /// The hashes of the keys that others are asked to hand over.
    wants: BTreeSet<u64>,
    /// When keys were asked for, in the last minute.
    asked_at: VecDeque<Instant>,
}

/// A key of the group.
#[derive(Debug)]
struct Share {
    member: u32,
    /// Who is to lead it: a place in `present`.
    first: Option<usize>,
    /// What the candidate was told.
    goes_first: Option<bool>,
}

/// What is known of a key's candidate.
#[derive(Clone, Debug)]
pub(crate) struct Facts {
    /// It leads, and does not hand over.
    pub(crate) leads: bool,
    /// Who leads as far as it knows.
    pub(crate) leader: Option<Id>,
}

/// What is to be done.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Decided {
    /// Which candidates go first from now on, and which let others go first.
    pub(crate) goes_first: Vec<(u32, bool)>,
    /// Which are to hand over, and to whom.
    pub(crate) hand_over: Vec<(u32, Id)>,
    /// What the lease of this process is to say from now on.
    pub(crate) says: Option<Value>,
}

impl Sharing {
    pub(crate) fn new(me: Id, spread: &Spread, now: Instant) -> Self {
        Self {
            me,
            weight: spread.weight,
            moves_per_minute: spread.moves_per_minute,
            interval: spread.interval(),
            shares: BTreeMap::new(),
            present: Vec::new(),
            sightings: Sightings::default(),
            margin: Config::with_ttl(spread.ttl).margin,
            joined_at: None,
            settles_within: spread.interval(),
            was_settled: false,
            is_stale: false,
            next_look: now,
            found: Vec::new(),
            wants: BTreeSet::new(),
            asked_at: VecDeque::new(),
        }
    }

    /// The group has this key, with its candidate at that place.
    pub(crate) fn add(&mut self, key: &Key, member: u32) {
        self.shares.insert(hash(key.as_str().as_bytes()), Share { member, first: None, goes_first: None });
        self.is_stale = true;
    }

    pub(crate) fn remove(&mut self, key: &Key) {
        self.is_stale |= self.shares.remove(&hash(key.as_str().as_bytes())).is_some();
    }

    /// From one look to the next; nobody waits longer for an answer.
    pub(crate) const fn interval(&self) -> Duration {
        self.interval
    }

    /// When to look who is there.
    pub(crate) const fn next_look(&self) -> Instant {
        self.next_look
    }

    /// This process is not there any more, as far as it knows itself: once it is again it may know less than it did.
    ///
    /// Most likely the storage was away, for others too: these may still wait before they ask again.
    pub(crate) fn unseated(&mut self) {
        self.joined_at = None;
        self.settles_within = self.interval * 2;
    }

    /// Nobody knows how much time has passed, nor what the others have done meanwhile: it looks now, and knows them once it has
    /// been there for long enough again.
    pub(crate) fn clock_went_back(&mut self, now: Instant) {
        self.unseated();
        self.found.clear();
        self.sightings = Sightings::default();
        self.asked_at.iter_mut().for_each(|at| *at = now.min(*at));
        self.next_look = now;
    }

    /// Something may have changed: look soon.
    pub(crate) fn look_at(&mut self, at: Instant) {
        self.next_look = self.next_look.min(at);
    }

    /// Who is there, as far as is known.
    pub(crate) fn present(&self) -> impl Iterator<Item = &Id> {
        self.present.iter().map(|present| &present.id)
    }

    /// A page was answered. Where the next one begins, if there is more; else whether others are there than before.
    ///
    /// A page that was asked for before this process had its place, or before it lost the last one, may show it all the same: that is how
    /// it was, and says nothing of who has come since.
    pub(crate) fn found(&mut self, page: Page, is_seated: bool, now: Instant) -> Result<bool, Key> {
        self.found.extend(page.entries);
        if let Some(next) = page.next {
            return Err(next);
        }
        let present = self.sightings.present(mem::take(&mut self.found), self.margin, now);
        let are = |present: &[Present]| present.iter().map(|one| (one.id.clone(), one.weight)).collect::<Vec<_>>();
        let changed = are(&self.present) != are(&present);
        self.is_stale |= changed;
        self.present = present;
        let is_there = is_seated && self.present().any(|id| *id == self.me);
        self.joined_at = self.joined_at.filter(|_| is_there).or_else(|| is_there.then_some(now));
        self.looked(now);
        Ok(changed)
    }

    /// The next look: after the interval, or when the first lease of another ends, if that is sooner.
    fn looked(&mut self, now: Instant) {
        let grain = self.interval / 20;
        let ends = self.present.iter().filter(|one| one.id != self.me).map(|one| one.until.saturating_add(grain)).min();
        let soonest = now.saturating_add(grain);
        let latest = now.saturating_add(self.interval);
        self.next_look = ends.map_or(latest, |ends| ends.clamp(soonest, latest));
    }

    /// A look failed: what was known stays. A storage that is away says nothing of who is there.
    pub(crate) fn failed(&mut self, now: Instant) {
        self.found.clear();
        self.next_look = now.saturating_add(self.interval);
    }

    /// Whether this process has been there for long enough to know the others.
    fn is_settled(&self, now: Instant) -> bool {
        self.joined_at.is_some_and(|joined| now.saturating_duration_since(joined) >= self.settles_within)
    }

    /// When it will be settled, where that has not been decided on yet.
    pub(crate) fn settles_at(&self) -> Option<Instant> {
        self.joined_at.filter(|_| !self.was_settled).map(|joined| joined.saturating_add(self.settles_within))
    }

    /// What is to be done now, given what is known of each candidate.
    pub(crate) fn decide(&mut self, now: Instant, facts: impl Fn(u32) -> Facts) -> Decided {
        let mut decided = Decided::default();
        self.compute_if_stale();
        let settled = self.is_settled(now);
        self.was_settled = settled;
        let me = self.present.iter().position(|one| one.id == self.me);
        for share in self.shares.values_mut() {
            let goes_first = settled && me.is_some() && share.first == me;
            if share.goes_first.replace(goes_first) != Some(goes_first) {
                decided.goes_first.push((share.member, goes_first));
            }
        }
        for (place, other) in self.present.iter().enumerate().filter(|(place, _)| Some(*place) != me) {
            // Only what this process, too, takes to be that one's: where two see different processes, nothing moves.
            let shares = other.wants.iter().filter_map(|want| self.shares.get(want));
            let theirs = shares.filter(|share| share.first == Some(place) && facts(share.member).leads);
            decided.hand_over.extend(theirs.map(|share| (share.member, other.id.clone())));
        }
        if self.want(now, facts) {
            decided.says = self.says();
        }
        decided
    }

    /// What the lease of this process is to say.
    pub(crate) fn says(&self) -> Option<Value> {
        present::written(self.weight, self.wants.iter().copied())
    }

    /// Asks for what is to be led here and is led by another of those who are there: not for more in a minute than is allowed,
    /// and evenly. Whether that is something else than before.
    fn want(&mut self, now: Instant, facts: impl Fn(u32) -> Facts) -> bool {
        let before = self.wants.len();
        let Self { shares, present, wants, me, .. } = self;
        let elsewhere = |share: &Share| {
            let leader = facts(share.member).leader.filter(|leader| leader != me);
            share.goes_first == Some(true) && leader.is_some_and(|leader| present.iter().any(|one| one.id == leader))
        };
        wants.retain(|want| shares.get(want).is_some_and(elsewhere));
        let mut changed = wants.len() != before;
        self.asked_at.retain(|at| now.saturating_duration_since(*at) < MINUTE);
        let a_minute = self.moves_per_minute.map_or_else(|| LEAST_MOVES.max(shares.len() / 5), |moves| moves as usize);
        let left = a_minute.saturating_sub(self.asked_at.len());
        let at_once = (a_minute as u128 * self.interval.as_nanos()).div_ceil(MINUTE.as_nanos());
        let more = left.min(usize::try_from(at_once).unwrap_or(usize::MAX)).min(MAX_WANTED.saturating_sub(wants.len()));
        let others = shares.iter().filter(|(hash, share)| elsewhere(share) && !wants.contains(hash));
        let others: Vec<u64> = others.map(|(hash, _)| *hash).take(more).collect();
        for other in others {
            self.wants.insert(other);
            self.asked_at.push_back(now);
            changed = true;
        }
        changed
    }

    fn compute_if_stale(&mut self) {
        if mem::take(&mut self.is_stale) {
            let taken = self.computed(|_| true);
            for (share, first) in
                self.shares.values_mut().zip(taken.into_iter().map(Some).chain(core::iter::repeat(None)))
            {
                share.first = first;
            }
        }
    }

    /// Who of those that count is to lead each key, in the order of their hashes.
    fn computed(&self, counts: impl Fn(&Present) -> bool) -> Vec<usize> {
        let (places, takers): (Vec<_>, Vec<_>) = self
            .present
            .iter()
            .enumerate()
            .filter(|(_, one)| counts(one))
            .map(|(place, one)| (place, Taker { id: one.hash, weight: one.weight }))
            .unzip();
        let keys: Vec<_> = self.shares.keys().copied().collect();
        assign(&keys, &takers).into_iter().filter_map(|taker| places.get(taker).copied()).collect()
    }

    /// Who is to lead each key once this process is gone. Nobody, if it is alone.
    pub(crate) fn successors(&self) -> Vec<(u32, Id)> {
        let next = self.computed(|one| one.id != self.me);
        let named = self
            .shares
            .values()
            .zip(next)
            .filter_map(|(share, next)| Some((share.member, self.present.get(next)?.id.clone())));
        named.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lease::Lease;
    use crate::term::{Term, Version};

    const SECOND: Duration = Duration::from_secs(1);

    /// What this process is to lead, so long after a look that shows it alone.
    fn goes_first(sharing: &mut Sharing, is_seated: bool, after: Duration, now: &mut Instant) -> bool {
        let ttl = SECOND * 60;
        let lease =
            Lease { id: Some(sharing.me.clone()), time_left: ttl, ..Lease::new(Term::FIRST, Version::FIRST, ttl) };
        let page = Page::new(alloc::vec![Entry::new(Key::new("town/member/0").unwrap(), lease)], None);
        sharing.found(page, is_seated, *now).unwrap();
        *now = now.saturating_add(after);
        sharing.decide(*now, |_| Facts { leads: false, leader: None });
        sharing.shares.values().all(|share| share.goes_first == Some(true))
    }

    /// What a look shows that began before this process came to its place, or before it lost the last one, is how it was.
    #[test]
    fn it_takes_part_once_a_look_from_its_place_shows_it() {
        let mut now = Instant::from_origin(SECOND);
        let spread = Spread::new("town");
        let (short, long) = (spread.interval() / 2, spread.interval() * 3);
        let mut sharing = Sharing::new(Id::new("a").unwrap(), &spread, now);
        sharing.add(&Key::new("k").unwrap(), 1);
        assert!(!goes_first(&mut sharing, false, long, &mut now), "from before");
        assert!(!goes_first(&mut sharing, true, short, &mut now), "it has just come");
        assert!(goes_first(&mut sharing, true, long, &mut now));
        sharing.unseated();
        assert!(!goes_first(&mut sharing, false, long, &mut now), "from before it lost its place");
        assert!(goes_first(&mut sharing, true, long, &mut now));
    }

    /// It looks at once, and asks for what is its own again, not only when the clock shows once more what it did.
    #[test]
    fn a_clock_that_went_back_holds_up_nothing() {
        let spread = Spread::new("town").moves_per_minute(1);
        let settled = spread.interval() * 3;
        let before = Instant::from_origin(SECOND * 7_200);
        let mut sharing = Sharing::new(Id::new("a").unwrap(), &spread, before);
        (0..20).for_each(|number| sharing.add(&Key::new(alloc::format!("{number}")).unwrap(), number));
        let look = |sharing: &mut Sharing, now: Instant| {
            let entry = |(place, id): (u32, &str)| {
                let id = Some(Id::new(id).unwrap());
                let lease =
                    Lease { id, time_left: SECOND * 60, ..Lease::new(Term::FIRST, Version::FIRST, SECOND * 60) };
                Entry::new(Key::new(alloc::format!("town/member/{place}")).unwrap(), lease)
            };
            sharing.found(Page::new([(0, "a"), (1, "b")].map(entry).into(), None), true, now).unwrap();
        };
        let asks = |sharing: &mut Sharing, now: Instant| {
            let leader = Some(Id::new("b").unwrap());
            sharing.decide(now, |_| Facts { leads: false, leader: leader.clone() });
            sharing.wants.len()
        };
        let came = |sharing: &mut Sharing, now| sharing.decide(now, |_| Facts { leads: true, leader: None });
        look(&mut sharing, before);
        let now = before.saturating_add(settled);
        assert_eq!(asks(&mut sharing, now), 1);
        came(&mut sharing, now);
        assert_eq!(asks(&mut sharing, now), 0, "one in a minute");

        let now = now.saturating_sub(SECOND * 3_600);
        sharing.clock_went_back(now);
        assert_eq!(sharing.next_look(), now);
        assert!(!sharing.is_settled(now), "who else is there it has to find out");
        look(&mut sharing, now);
        let now = now.saturating_add(MINUTE);
        assert_eq!(asks(&mut sharing, now), 1);
    }
}
