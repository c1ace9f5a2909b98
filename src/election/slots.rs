//! Slots: which of them a candidate asks for.
//!
//! It asks for one at a time, and goes on to the next only where no request is in flight and nothing is in doubt: a claim
//! that may have been applied is repeated for the same slot, else one session would hold two.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use core::mem;

use super::{Election, Sighting, Vacancy};
use crate::lease::Lease;
use crate::slots::{InvalidSlots, Slots};
use crate::term::Term;
use crate::text::Key;
use crate::time::Instant;

/// At which slot a candidate is, and what it knows of the others.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Places {
    slots: Slots,
    at: u16,
    /// The key of that one.
    key: Key,
    /// Whether the session was granted that one: then it is for no other.
    bound: bool,
    /// What it saw of the others. To forget the newest term of one would let an old reign's term come back there.
    seen: BTreeMap<u16, Seen>,
    /// When each of those that were asked for since the round began is worth another look.
    again: BTreeMap<u16, Instant>,
    /// Whose leader it shows.
    shown: u16,
}

/// What is kept of a slot that the candidate is not at.
#[derive(Clone, Debug, PartialEq)]
struct Seen {
    known: Option<Term>,
    sighting: Option<Box<Sighting>>,
    vacancy: Vacancy,
}

impl Places {
    /// Each of them may have become free.
    fn begin_round(&mut self) {
        self.again.clear();
    }

    /// Which of them to ask for next, and when: one that was not asked for in this round; else the one that is worth it
    /// first.
    fn next(&self, now: Instant) -> Option<(Instant, u16)> {
        let (at, count) = (u32::from(self.at), u32::from(self.slots.count()));
        let in_turn = (1..=count).filter_map(|step| u16::try_from((at + step) % count).ok());
        let unasked = in_turn.into_iter().find(|number| !self.again.contains_key(number));
        let soonest = || self.again.iter().map(|(number, at)| (*at, *number)).min();
        unasked.map(|number| (now, number)).or_else(soonest)
    }
}

impl Election {
    /// A candidate that leads any one of so many slots of its key (1 to 1,000), each of which has a key of its own. To be
    /// called before anything else. An observer has no slots.
    ///
    /// [`Builder::slots`](crate::Builder::slots) says more.
    ///
    /// # Errors
    /// [`InvalidSlots`]: too many or none, or a key that leaves no room for theirs.
    pub fn with_slots(self, count: u16) -> Result<Self, InvalidSlots> {
        let slots = Slots::of(&self.key, count)?;
        let key = self.key.clone();
        Ok(self.seated(key, slots))
    }

    /// A candidate for one of these slots, whose key is called that. One that goes on from a ticket is at its slot, others at the first or at
    /// any.
    pub(crate) fn seated(mut self, key: Key, slots: Slots) -> Self {
        if self.profile.id.is_none() {
            return self;
        }
        let own = slots.number(&self.key).filter(|_| self.may_hold);
        let at = own.or_else(|| slots.first()).unwrap_or_else(|| self.pace.one_of(slots.count()));
        // The key was checked with the slots.
        if let Ok(its_key) = slots.key(at) {
            let (seen, again) = (BTreeMap::new(), BTreeMap::new());
            let bound = own.is_some();
            self.places = Some(Box::new(Places { slots, at, key: its_key, bound, seen, again, shown: at }));
        }
        self.key = key;
        self
    }

    /// The number of the slot that it leads or asks for. `None`: its key has no slots.
    #[must_use]
    pub fn slot(&self) -> Option<u16> {
        self.places.as_ref().map(|places| places.at)
    }

    /// The key of the slot that it leads or asks for, as its requests name it; without slots, its [key](Self::key).
    #[must_use]
    pub fn slot_key(&self) -> &Key {
        self.places.as_ref().map_or(&self.key, |places| &places.key)
    }

    /// Something happened: the next request is due, and the round begins anew.
    pub(super) fn wake(&mut self) {
        self.looks_again = false;
        self.next_at = self.now;
        self.begin_round();
    }

    pub(super) fn begin_round(&mut self) {
        if let Some(places) = &mut self.places {
            places.begin_round();
        }
    }

    /// What was seen of the key, or of each of its slots, but for the terms.
    pub(super) fn forget_times(&mut self) {
        (self.sighting, self.vacancy) = (None, Vacancy::Unseen);
        if let Some(places) = &mut self.places {
            for seen in places.seen.values_mut() {
                (seen.sighting, seen.vacancy) = (None, Vacancy::Unseen);
            }
        }
        self.begin_round();
    }

    /// The slot that it is at is not to be had, and worth another look then. On to the next one: at once where that was not
    /// asked for yet. Answers when to ask.
    pub(super) fn next_slot(&mut self, again_at: Instant) -> Instant {
        let Some(places) = self.places.as_mut().filter(|_| !self.may_hold && again_at > self.now) else {
            return again_at;
        };
        places.again.insert(places.at, again_at);
        let Some((at, number)) = places.next(self.now) else { return again_at };
        self.go_to(number);
        at
    }

    /// The session was granted the slot that it is at; or it is a new one, that was granted nothing.
    pub(super) fn bind_to_its_slot(&mut self, bound: bool) {
        if let Some(places) = &mut self.places {
            places.bound = bound;
        }
    }

    fn go_to(&mut self, number: u16) {
        let Some(places) = self.places.as_mut().filter(|places| places.at != number) else { return };
        let Ok(key) = places.slots.key(number) else { return };
        // What is known of a slot's terms goes no further than this instance, and a storage whose clock steps back takes an old
        // lease for live: to the next instance, with the same session, it would give a term again that has ended.
        if mem::take(&mut places.bound) {
            self.session = None;
        }
        let seen = Seen {
            known: self.known.take(),
            sighting: self.sighting.take(),
            vacancy: mem::replace(&mut self.vacancy, Vacancy::Unseen),
        };
        places.seen.insert(mem::replace(&mut places.at, number), seen);
        places.key = key;
        if let Some(seen) = places.seen.remove(&number) {
            (self.known, self.sighting, self.vacancy) = (seen.known, seen.sighting, seen.vacancy);
        }
    }

    /// Whether this is news of the leader that is shown. Where there are many, one of them is, for as long as it leads.
    pub(super) fn is_of_the_shown(&mut self, lease: Option<&Lease>) -> bool {
        let (leads, knows) = (self.phase.reign().is_some(), self.knows_a_leader());
        let Some(places) = self.places.as_mut().filter(|places| places.shown != places.at) else { return true };
        let shows = leads || (!knows && lease.is_some());
        if shows {
            places.shown = places.at;
        }
        shows
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;
    use crate::config::Config;
    use crate::election::{Input, Output};
    use crate::storage::{Acquired, Reply, Session};
    use crate::term::Version;
    use crate::text::Id;
    use core::time::Duration;

    /// Places in order are asked for from the first on.
    #[test]
    fn places_are_taken_in_order() {
        let now = Instant::from_origin(Duration::from_secs(1));
        let (key, id) = (Key::new("g/member").unwrap(), Id::new("a").unwrap());
        let election = Election::new(key.clone(), id, Config::default(), Session::from_bits(1), 7, now).unwrap();
        let mut election = election.seated(key, Slots::in_order("g/member/", 3).unwrap());
        let mut asked = Vec::new();
        while let Output::Request { id, request } = election.poll_output(now) {
            asked.extend(request.key().cloned());
            election.handle_input(now, Input::Reply { id, reply: Ok(Reply::Acquired(held())) });
        }
        assert_eq!(asked, ["g/member/0", "g/member/1", "g/member/2"]);
        assert_eq!(election.key(), "g/member");
    }

    /// A storage that grants nothing at all is asked for one of them: it would say the same of each.
    #[test]
    fn what_grants_nothing_is_asked_once() {
        let mut now = Instant::from_origin(Duration::from_secs(1));
        let (key, id) = (Key::new("g/member").unwrap(), Id::new("a").unwrap());
        let election = Election::new(key.clone(), id, Config::default(), Session::from_bits(1), 7, now).unwrap();
        let mut election = election.seated(key, Slots::in_order("g/member/", 1_000).unwrap());
        for _ in 0..3 {
            let mut asked = 0;
            while let Output::Request { id, request } = election.poll_output(now) {
                assert_eq!(request.key().unwrap(), "g/member/0");
                let reply = Reply::Acquired(Acquired::refused(None, Duration::from_secs(5)));
                election.handle_input(now, Input::Reply { id, reply: Ok(reply) });
                asked += 1;
            }
            assert_eq!(asked, 1);
            now = election.next_timeout();
        }
    }

    fn held() -> Acquired {
        let lease = Lease {
            time_left: Duration::from_secs(5),
            ..Lease::new(Term::FIRST, Version::FIRST, Duration::from_secs(10))
        };
        Acquired::refused(Some(lease), Duration::from_secs(5))
    }
}
