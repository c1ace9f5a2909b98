//! A group's part in a spread: it looks who is there, and lets its candidates go first, let others go first, or hand over.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::mem;
use core::task::{Context, Poll, Waker};
use core::time::Duration;

use super::driver::GroupDriver;
use super::rouse::NOBODY;
use super::{GroupEvent, Hub};
use crate::builder::{BuildError, Builder};
use crate::candidate::Candidate;
use crate::election::Event;
use crate::maybe_send::BoxFuture;
use crate::shared::{Shared, Wishes};
use crate::spread::{Facts, PLACES, Sharing, Spread};
use crate::storage::{Answer, List, Reply, Storage, Wakeups};
use crate::text::Key;
use crate::time::{Instant, Timer};

pub(super) struct Spreading<T: Timer> {
    sharing: Sharing,
    prefix: String,
    /// Leads the place of this process. It is no candidate of the group: nobody sees it there.
    seat: Candidate<T>,
    /// Where it is among the members, from when it was adopted until it is gone.
    place: Option<u32>,
    is_over: bool,
    /// The seat was elected, and it was not noticed yet that it has lost its place.
    is_seated: bool,
    look: Option<Look>,
    /// It is being polled. Found afterwards: the storage panicked.
    is_polling: bool,
    waker: Waker,
    /// Keys came or went, or time did, since it was last decided.
    is_undecided: bool,
    has_left: bool,
}

/// A page of the list of those who are there, which was asked for.
struct Look {
    call: BoxFuture<Answer>,
    /// When nobody waits for it any more.
    until: Instant,
    /// The process had its place when the first page was asked for, and has not lost it since.
    is_seated: bool,
}

impl<T: Timer + Clone> Spreading<T> {
    /// The driver adopts its seat as the first of its members.
    pub(super) fn begin(spread: &Spread, hub: &Hub<T>) -> Result<Self, BuildError> {
        spread.validate()?;
        let sharing = Sharing::new(hub.id.clone(), spread, hub.timer.now());
        let mut builder = Builder::new(spread.place()).places(spread.prefix(), PLACES).ttl(spread.ttl);
        if let Some(value) = sharing.says() {
            builder = builder.value(value);
        }
        // It renews in its own time: what the keys of the group are renewed by may be another. And nothing is told of a thousand
        // places: it rarely looks for another one.
        let (seat, newcomer) = hub.recruit(builder, |election| election, |_| Wakeups::never())?;
        hub.state.lock().arrive(newcomer);
        hub.rouse.driver();
        let waker = hub.rouse.waker(NOBODY);
        let prefix = spread.prefix();
        Ok(Self {
            sharing,
            prefix,
            seat,
            place: None,
            is_over: false,
            is_seated: false,
            look: None,
            is_polling: false,
            waker,
            is_undecided: false,
            has_left: false,
        })
    }
}

impl<T: Timer> Spreading<T> {
    /// Whether the seat is the member at this place.
    pub(super) fn is_seat(&self, place: u32) -> bool {
        self.place == Some(place)
    }

    /// The lease of the place is given back.
    pub(super) const fn seat_is_gone(&mut self) {
        (self.place, self.is_over) = (None, true);
    }

    pub(super) const fn is_over(&self) -> bool {
        self.is_over
    }

    pub(super) fn remove(&mut self, key: &Key) {
        self.sharing.remove(key);
        self.is_undecided = true;
    }

    /// What happened to the seat.
    pub(super) fn seat_told(&mut self, event: &Event, now: Instant) {
        match event {
            Event::Elected { .. } => {
                self.is_seated = true;
                self.sharing.look_at(now);
            }
            Event::Lost { .. } => self.unseat(),
            _ => {}
        }
    }

    /// It has lost its place, which is told once.
    fn unseat(&mut self) {
        if mem::take(&mut self.is_seated) {
            self.sharing.unseated();
            if let Some(look) = &mut self.look {
                look.is_seated = false;
            }
            self.is_undecided = true;
        }
    }

    /// Whoever stood still for long goes by no old view, not even until it comes to its seat.
    fn ask_the_clock(&mut self) {
        if self.is_seated && !self.seat.is_leader() {
            self.unseat();
        }
    }

    /// What is planned by the clock is planned anew, and nobody waits any longer for a page that was asked for.
    pub(super) fn clock_went_back(&mut self, now: Instant) {
        self.sharing.clock_went_back(now);
        self.look = None;
        self.is_undecided = true;
    }

    /// When it is to be looked at again.
    pub(super) fn due(&self) -> Instant {
        let look = self.look.as_ref().map_or_else(|| self.sharing.next_look(), |look| look.until);
        self.sharing.settles_at().map_or(look, |settles| settles.min(look))
    }

    /// Whether it waits for the storage.
    pub(super) const fn is_calling(&self) -> bool {
        self.look.is_some()
    }

    /// Looks who is there, if that is due. Whether others are there than before.
    fn look(&mut self, now: Instant, mut call: impl FnMut(List) -> BoxFuture<Answer>) -> bool {
        let prefix = &self.prefix;
        let mut ask = |start, patience, is_seated| {
            let list = List::new().prefix(prefix.clone()).start(start).limit(List::MAX_LIMIT);
            Some(Look { call: call(list), until: now.saturating_add(patience), is_seated })
        };
        if mem::take(&mut self.is_polling) {
            // The storage panicked.
            self.sharing.failed(now);
            self.is_undecided = true;
        }
        if self.look.is_none() && self.sharing.next_look() <= now {
            self.look = ask(None, self.sharing.interval(), self.is_seated);
        }
        // Taken out, so that what panics is not polled again.
        while let Some(mut look) = self.look.take() {
            self.is_polling = true;
            let polled = look.call.as_mut().poll(&mut Context::from_waker(&self.waker));
            self.is_polling = false;
            match polled {
                Poll::Pending if now < look.until => {
                    self.look = Some(look);
                    return false;
                }
                Poll::Ready(Ok(Reply::Listed(page))) => match self.sharing.found(page, look.is_seated, now) {
                    Ok(changed) => {
                        self.is_undecided = true;
                        if self.is_seated && !look.is_seated {
                            // It came to its place meanwhile: the next look may show it there.
                            self.sharing.look_at(now);
                        }
                        return changed;
                    }
                    Err(next) => self.look = ask(Some(next), self.sharing.interval(), look.is_seated),
                },
                _ => {
                    self.sharing.failed(now);
                    self.is_undecided = true;
                }
            }
        }
        false
    }
}

impl<S: Storage + 'static, T: Timer> GroupDriver<S, T> {
    /// Where the seat is among the members, if there is one.
    pub(super) fn seat(&self) -> Option<u32> {
        self.spreading.as_ref()?.place
    }

    /// A member was adopted: its key is one of those that are shared, and until that was thought about it lets others go first.
    pub(super) fn share(&mut self, place: u32, shared: &Arc<Shared<T>>) {
        let Some(spreading) = &mut self.spreading else { return };
        if spreading.seat.is_of(shared) {
            spreading.place = Some(place);
            return;
        }
        spreading.sharing.add(&shared.key, place);
        spreading.is_undecided = true;
        self.let_go_first(place, false);
    }

    /// Does what is due for the spread, if the group is part of one. Whether something was.
    pub(super) fn spread(&mut self, now: Instant) -> bool {
        let Some(spreading) = &mut self.spreading else { return false };
        spreading.ask_the_clock();
        let storage = &self.storage;
        let changed = spreading.look(now, |list| {
            let storage = storage.clone();
            Box::pin(async move { storage.call(list.into()).await })
        });
        if changed {
            let present: Vec<_> = spreading.sharing.present().cloned().collect();
            self.hub.state.lock().processes.clone_from(&present);
            self.hub.tell(GroupEvent::Processes(present));
        }
        let is_due = spreading.is_undecided || spreading.sharing.settles_at().is_some_and(|at| at <= now);
        if is_due && let Some(mut spreading) = self.spreading.take() {
            spreading.is_undecided = false;
            self.carry_out(&mut spreading, now);
            self.spreading = Some(spreading);
        }
        is_due
    }

    fn carry_out(&mut self, spreading: &mut Spreading<T>, now: Instant) {
        let facts = |place: u32| {
            let member = self.members.get(place as usize).and_then(Option::as_ref);
            let state = member.map(|member| member.candidacy.shared.state.lock());
            let election = state.as_ref().map(|state| &state.election);
            Facts {
                leads: election.is_some_and(|election| election.is_leader(now)),
                leader: election.and_then(|election| election.leader_at(now)?.id),
            }
        };
        let decided = spreading.sharing.decide(now, facts);
        for (place, goes_first) in decided.goes_first {
            self.let_go_first(place, goes_first);
        }
        for (place, to) in decided.hand_over {
            self.ask_member(place, |wishes| _ = wishes.transfer(to, true));
        }
        if let Some(says) = decided.says {
            spreading.seat.publish(says);
        }
    }

    /// Claims at once, or lets others go first, for the ttl.
    fn let_go_first(&mut self, place: u32, goes_first: bool) {
        let Some(Some(member)) = self.members.get(place as usize) else { return };
        let config = &member.candidacy.shared.profile.config;
        let delay = if goes_first { Duration::ZERO } else { config.ttl };
        self.ask_member(place, |wishes| wishes.set_claim_delay(delay));
    }

    fn ask_member(&mut self, place: u32, wish: impl FnOnce(&mut Wishes)) {
        if let Some(Some(member)) = self.members.get(place as usize) {
            member.candidacy.shared.ask(wish);
            self.unsettle(place);
        }
    }

    /// The group stops: each key goes to whom it belongs once this process is gone. The others see that it goes before they see
    /// what it led.
    pub(super) fn leave_spread(&mut self) {
        let Some(spreading) = self.spreading.as_mut().filter(|spreading| !spreading.has_left) else { return };
        spreading.has_left = true;
        let successors = spreading.sharing.successors();
        spreading.seat.stop();
        for (place, to) in successors {
            self.ask_member(place, |wishes| {
                wishes.stop();
                wishes.transfer(to, false);
            });
        }
    }
}
