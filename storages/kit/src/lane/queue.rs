//! What waits, and what of it departs next. No clock, no lock, no I/O: instants go in.

#[cfg(test)]
pub(super) mod counted;
#[cfg(test)]
mod model_tests;

use core::ops::Bound;
use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use lessor::storage::Request;
use lessor::{Instant, Key};

use super::order::{Class, Rank, due, patience, size};
use super::pace::Pace;

/// The most bytes of a flight, about.
const MOST_BYTES: usize = 1 << 20;

/// A class is there for this many times its patience after its last request: about two ttls.
const REMEMBERED: u32 = 10;

/// In tests each look at one is counted.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(not(test), derive(PartialEq, Eq, PartialOrd, Ord, Hash))]
pub(super) struct Id(pub(super) u64);

/// A request that has an asker. It waits, or is in flight.
#[derive(Debug)]
#[cfg_attr(test, derive(Clone))]
pub(super) struct Member {
    pub(super) request: Request,
    pub(super) asker: Asker,
}

/// Who asked, and how that went so far.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asker {
    pub(super) id: Id,
    pub(super) asked: Instant,
    /// It is not sent after this: the answer would come too late.
    give_up: Instant,
    /// It was in flight on a connection that turned out to be broken.
    pub(super) repeated: bool,
    alone: bool,
}

impl Member {
    pub(super) fn patience(&self) -> Duration {
        patience(&self.request)
    }

    fn rank(&self) -> Rank {
        if self.asker.alone { Rank::Alone } else { Rank::of(&self.request) }
    }

    fn class(&self) -> Class {
        Class::of(self.patience())
    }

    fn place(&self) -> Place {
        Place { rank: self.rank(), due: due(&self.request, self.asker.asked), id: self.asker.id }
    }
}

/// Where one stands in the line of its class.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    rank: Rank,
    due: Instant,
    id: Id,
}

/// What departs together.
#[derive(Debug)]
pub(super) struct Departure {
    pub(super) members: Vec<Member>,
    pub(super) class: Class,
    /// Whether it may wait for a lock.
    pub(super) alone: bool,
}

/// The tracks of the lane, as far as they matter for what may depart.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tracks<'a> {
    pub(super) count: usize,
    /// The classes in flight, each as often as it is, and whether it waits for a lock.
    pub(super) flying: &'a [(Class, bool)],
}

/// Those of a class that wait.
#[derive(Debug, Default)]
struct Line {
    order: BTreeSet<Place>,
    pace: Pace,
    /// The class counts as present until then.
    present_until: Instant,
}

#[derive(Debug, Default)]
pub(super) struct Queue {
    waiting: HashMap<Id, Member>,
    lines: BTreeMap<Class, Line>,
    /// The keys that are in flight, and who waits for each of them to land.
    in_flight: HashMap<Key, BTreeSet<Id>>,
    give_up: BTreeSet<(Instant, Id)>,
}

impl Queue {
    /// How many wait.
    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Nothing waits or flies, and no index has an entry left. (Classes that were lately seen are no entries.)
    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        let lines_are = self.lines.values().all(|line| line.order.is_empty());
        lines_are && self.waiting.is_empty() && self.in_flight.is_empty() && self.give_up.is_empty()
    }

    pub(super) fn push(&mut self, id: Id, request: Request, now: Instant) {
        let patience = patience(&request);
        let line = self.lines.entry(Class::of(patience)).or_default();
        line.present_until = line.present_until.max(now.saturating_add(patience.saturating_mul(REMEMBERED)));
        if let Request::Renew(renewal) = &request {
            line.pace.renewal_came(renewal, due(&request, now), now);
        }
        let give_up = now.saturating_add(patience.saturating_sub(line.pace.reserve(patience)));
        let asker = Asker { id, asked: now, give_up, repeated: false, alone: false };
        self.insert(Member { request, asker });
    }

    /// It has met a lock: it comes again when nothing else waits, and may wait for the lock then.
    pub(super) fn push_alone(&mut self, member: Member) {
        let Member { request, asker } = member;
        self.insert(Member { request, asker: Asker { alone: true, ..asker } });
    }

    /// Its connection was broken: it goes again, once.
    pub(super) fn push_again(&mut self, member: Member) {
        let Member { request, asker } = member;
        self.insert(Member { request, asker: Asker { repeated: true, ..asker } });
    }

    fn insert(&mut self, member: Member) {
        let Asker { id, give_up, .. } = member.asker;
        self.give_up.insert((give_up, id));
        // In the line of its class, or with the others whose key is in flight.
        if let Some(parked) = member.request.key().and_then(|key| self.in_flight.get_mut(key)) {
            parked.insert(id);
        } else {
            let line = self.lines.entry(member.class()).or_default();
            if member.asker.repeated {
                line.insert_again(member.place());
            } else {
                line.order.insert(member.place());
            }
        }
        self.waiting.insert(id, member);
    }

    /// Nobody waits for it any more, or it has its answer. `None`: it is not here.
    pub(super) fn remove(&mut self, id: Id) -> Option<Member> {
        let member = self.take(id)?;
        if let Some(parked) = member.request.key().and_then(|key| self.in_flight.get_mut(key)) {
            parked.remove(&id);
        }
        Some(member)
    }

    /// Out of its line.
    fn take(&mut self, id: Id) -> Option<Member> {
        let member = self.waiting.remove(&id)?;
        self.give_up.remove(&(member.asker.give_up, id));
        if let Some(line) = self.lines.get_mut(&member.class()) {
            line.order.remove(&member.place());
        }
        Some(member)
    }

    /// Those that cannot be answered in time any more. They are gone from here.
    pub(super) fn take_overdue(&mut self, now: Instant) -> Vec<Member> {
        let mut overdue = Vec::new();
        while self.give_up.first().is_some_and(|(at, _)| *at <= now) {
            let first = self.give_up.pop_first();
            overdue.extend(first.and_then(|(_, id)| self.remove(id)));
        }
        overdue
    }

    /// Everything that waits. It is gone from here.
    pub(super) fn take_all(&mut self) -> Vec<Member> {
        self.give_up.clear();
        self.lines.values_mut().for_each(|line| line.order.clear());
        self.in_flight.values_mut().for_each(BTreeSet::clear);
        self.waiting.drain().map(|(_, member)| member).collect()
    }

    /// When something here is due: a departure that was held back, or the end of somebody's patience.
    pub(super) fn next_due(&self, now: Instant) -> Option<Instant> {
        let lines = self.lines.values().filter(|line| line.has_renewals());
        let held_back = lines.filter_map(|line| line.pace.ripe_at()).chain(self.absences());
        held_back.filter(|at| *at > now).chain(self.give_up.first().map(|(at, _)| *at)).min()
    }

    /// When classes count as present no more for which those that wait leave a track free.
    fn absences(&self) -> impl Iterator<Item = Instant> {
        let shorter = self.lines.values().take_while(|line| line.order.is_empty());
        let somebody_waits = self.lines.values().any(|line| !line.order.is_empty());
        shorter.filter(move |_| somebody_waits).map(|line| line.present_until)
    }

    /// What departs next, if a track is free. Its keys are in flight from then on, until they [land](Self::land).
    pub(super) fn depart(&mut self, now: Instant, tracks: Tracks<'_>) -> Option<Departure> {
        self.lines.retain(|_, line| !line.order.is_empty() || line.present_until > now);
        let locks = tracks.flying.iter().any(|(_, waits_for_lock)| *waits_for_lock);
        let shortest = self.shortest(tracks);
        loop {
            let allowed = |class: &Class| *class <= shortest || tracks.has_room_beside(shortest);
            let lines = self.lines.iter().filter(|(class, _)| allowed(class));
            let firsts = lines.filter_map(|(class, line)| line.first(now, locks).map(|place| (place, *class)));
            let (first, class) = firsts.min()?;
            if self.park(class, first) {
                continue;
            }
            let departure = self.board(class, first);
            if let Some(line) = self.lines.get_mut(&class) {
                let more = line.has_renewals();
                line.pace.departed(first.rank == Rank::Renewal, more, now);
            }
            return Some(departure);
        }
    }

    /// The class with the least patience: waiting, in flight, or lately seen.
    fn shortest(&self, tracks: Tracks<'_>) -> Class {
        let flying = tracks.flying.iter().map(|(class, _)| *class).min();
        let waiting = self.lines.keys().next().copied();
        flying.into_iter().chain(waiting).min().unwrap_or_else(|| Class::of(Duration::MAX))
    }

    /// Puts it aside if its key is in flight.
    fn park(&mut self, class: Class, place: Place) -> bool {
        let key = self.waiting.get(&place.id).and_then(|member| member.request.key());
        let Some(parked) = key.and_then(|key| self.in_flight.get_mut(key)) else { return false };
        parked.insert(place.id);
        if let Some(line) = self.lines.get_mut(&class) {
            line.order.remove(&place);
        }
        true
    }

    /// The first one, and those behind it that may come with it.
    fn board(&mut self, class: Class, first: Place) -> Departure {
        let alone = first.rank == Rank::Alone;
        let mut members: Vec<Member> = Vec::new();
        let most_keys = self.lines.get(&class).map_or(1, |line| line.pace.most_keys());
        let (mut bytes, mut next) = (0, Some(first));
        while let Some(place) = next {
            // Before it leaves the line.
            next = self.behind(class, place);
            if self.park(class, place) {
                continue;
            }
            let Some(member) = self.waiting.get(&place.id) else { continue };
            let size = size(&member.request);
            if let Some(first) = members.first() {
                if alone || !is_shared(&first.request) || members.len() >= most_keys || bytes + size > MOST_BYTES {
                    break;
                }
                if member.request.operation() != first.request.operation() {
                    continue;
                }
            }
            bytes += size;
            if let Some(key) = member.request.key() {
                self.in_flight.insert(key.clone(), BTreeSet::new());
            }
            members.extend(self.take(place.id));
        }
        Departure { members, class, alone }
    }

    /// The next one of its rank.
    fn behind(&self, class: Class, place: Place) -> Option<Place> {
        let order = &self.lines.get(&class)?.order;
        let next = order.range((Bound::Excluded(place), Bound::Unbounded)).next().copied()?;
        (next.rank == place.rank).then_some(next)
    }

    /// Who waits for this key to land, and since when.
    pub(super) fn parked(&self, key: &Key) -> impl Iterator<Item = (Id, Instant)> {
        let parked = self.in_flight.get(key).into_iter().flatten().copied();
        parked.filter_map(|id| Some((id, self.waiting.get(&id)?.asker.asked)))
    }

    pub(super) fn request(&self, id: Id) -> Option<&Request> {
        self.waiting.get(&id).map(|member| &member.request)
    }

    /// The key is not in flight any more: whoever waited for that lines up.
    pub(super) fn land(&mut self, key: &Key) {
        let parked = self.in_flight.remove(key).into_iter().flatten();
        let places: Vec<_> =
            parked.filter_map(|id| self.waiting.get(&id)).map(|member| (member.class(), member.place())).collect();
        for (class, place) in places {
            self.lines.entry(class).or_default().insert_again(place);
        }
    }

    /// Nothing is in flight any more, whatever was.
    pub(super) fn land_all(&mut self) {
        let keys: Vec<_> = self.in_flight.keys().cloned().collect();
        keys.iter().for_each(|key| self.land(key));
    }

    /// A flight of this class was answered after so long.
    pub(super) fn answered_after(&mut self, class: Class, took: Duration, keys: usize, patience: Duration) {
        if let Some(line) = self.lines.get_mut(&class) {
            line.pace.answered_after(took, keys, patience);
        }
    }
}

impl Tracks<'_> {
    /// Whether another flight of a longer class leaves a track for the shortest one.
    fn has_room_beside(self, shortest: Class) -> bool {
        let longer = self.flying.iter().filter(|(class, _)| *class > shortest).count();
        self.count == 1 || longer + 1 < self.count
    }
}

impl Line {
    /// One that has waited before.
    fn insert_again(&mut self, place: Place) {
        self.order.insert(place);
        if place.rank == Rank::Renewal {
            self.pace.renewal_came_back();
        }
    }

    fn has_renewals(&self) -> bool {
        self.order.first().is_some_and(|place| place.rank == Rank::Renewal)
    }

    /// The first one that may depart.
    fn first(&self, now: Instant, a_lock_is_waited_for: bool) -> Option<Place> {
        let ripe = self.pace.is_ripe(now) || self.order.len() >= self.pace.most_keys();
        let from = if ripe { Rank::Renewal } else { Rank::Release };
        let first = self.order.range(Place { rank: from, due: Instant::default(), id: Id(0) }..).next().copied()?;
        (first.rank != Rank::Alone || !a_lock_is_waited_for).then_some(first)
    }
}

/// Whether it may travel with others.
const fn is_shared(request: &Request) -> bool {
    !matches!(request, Request::Revoke(_) | Request::List(_))
}
