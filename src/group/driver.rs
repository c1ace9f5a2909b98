//! The one loop for all candidates of a group.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::future::Future;
use core::mem;
use core::pin::pin;
use core::task::{Context, Poll};
use core::time::Duration;

use futures::future::poll_fn;

use super::counts::Counts;
use super::member::{Member, Standing};
use super::renewing::Sweep;
use super::spreading::Spreading;
use super::timetable::{Timetable, grain};
use super::{AT_ONCE, GroupEvent, GroupStatus, Hub};
use crate::config::Config;
use crate::driver::Rounds;
use crate::election::Event;
use crate::entropy::Entropy;
use crate::stopped::Stopped;
use crate::storage::{Request, Storage};
use crate::telemetry::Report;
use crate::text::Key;
use crate::time::{AnyTimer, Instant, SET_BACK, Timer};

/// Runs the candidates of a [`Group`](super::Group): spawn [`run`](Self::run), or call [`step`](Self::step) from where no
/// loop survives.
///
/// It never ends because of a failing storage, only when the group is stopped. Dropping it is safe at any point: nobody
/// believes in its leadership any more, all who wait get an answer.
#[must_use = "a group makes no progress unless its driver runs"]
pub struct GroupDriver<S, T: Timer = AnyTimer> {
    pub(super) hub: Arc<Hub<T>>,
    pub(super) storage: Arc<S>,
    pub(super) entropy: Entropy,
    pub(super) members: Vec<Option<Member<T>>>,
    /// Places of members that are free again.
    free: Vec<u32>,
    timetable: Timetable,
    /// The newest reading of the clock, since that went back last.
    looked_at: Instant,
    unsettled: VecDeque<u32>,
    /// Those whose wake-ups had no end when they were looked at: others have their turn before they are again.
    again: VecDeque<u32>,
    /// How often it went on without waiting for anything.
    rounds: Rounds,
    /// The one that is being settled. Found afterwards: its storage panicked.
    settling: Option<u32>,
    /// When leases are renewed together. `None`: none is held, or that is under way.
    pub(super) tick: Option<Instant>,
    /// By which interval that was planned.
    pub(super) interval: Duration,
    pub(super) renewing: Option<Sweep>,
    /// They are due, and so many members are settled before.
    before_renewals: Option<usize>,
    /// How many renewals got through since the last one.
    pub(super) renewed: usize,
    pub(super) spreading: Option<Box<Spreading<T>>>,
    pub(super) counts: Counts,
    /// Room for what a member tells.
    events: Vec<Event>,
}

/// Where a [`GroupDriver::step`] left off.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct GroupStep {
    /// Come back after this, at least 1 ms. `None`: stopped, there is nothing more to do.
    pub wake_in: Option<Duration>,
    /// How the group is.
    pub status: GroupStatus,
}

impl<S: Storage + 'static, T: Timer> GroupDriver<S, T> {
    pub(super) fn new(hub: Arc<Hub<T>>, storage: Arc<S>, spreading: Option<Spreading<T>>) -> Self {
        Self {
            entropy: hub.entropy(),
            hub,
            storage,
            members: Vec::new(),
            free: Vec::new(),
            timetable: Timetable::default(),
            looked_at: Instant::default(),
            unsettled: VecDeque::new(),
            again: VecDeque::new(),
            rounds: Rounds::default(),
            settling: None,
            tick: None,
            interval: Duration::ZERO,
            renewing: None,
            before_renewals: None,
            renewed: 0,
            spreading: spreading.map(Box::new),
            counts: Counts::default(),
            events: Vec::new(),
        }
    }

    /// Runs until the group is stopped, or its last handle is dropped.
    ///
    /// # Cancel safety
    /// Dropping the future drops the driver, which is safe at any point.
    #[expect(clippy::manual_async_fn, reason = "so that the future holds the driver once")]
    pub fn run(mut self) -> impl Future<Output = ()> {
        async move { self.drive().await }
    }

    /// Runs until `stop` ends; then hands all keys over, and returns. What a service spawns and joins.
    ///
    /// # Cancel safety
    /// Dropping the future drops the driver, which is safe at any point.
    #[expect(clippy::manual_async_fn, reason = "so that the future holds the driver once")]
    pub fn run_until(mut self, stop: impl Future) -> impl Future<Output = ()> {
        async move {
            let hub = self.hub.clone();
            let mut stop = pin!(stop);
            let mut drive = pin!(self.drive());
            let mut stopping = false;
            poll_fn(|cx| {
                if !stopping && stop.as_mut().poll(cx).is_ready() {
                    stopping = true;
                    hub.stop();
                }
                drive.as_mut().poll(cx)
            })
            .await;
        }
    }

    /// Does what is due now, waits for the storage's answers, and says when to come back: as
    /// [`Driver::step`](crate::Driver::step), for many. What is asked of the group meanwhile is done in the next step: who
    /// [adds](super::Group::add) a candidate steps again.
    ///
    /// # Cancel safety
    /// Requests that were under way go on in the next step.
    pub async fn step(&mut self) -> GroupStep {
        let wake_in = loop {
            poll_fn(|cx| {
                self.look_again();
                while self.progress(cx) > 0 {}
                Poll::Ready(())
            })
            .await;
            if self.is_done() {
                break None;
            }
            let now = self.hub.timer.now().max(self.looked_at);
            let due = self.next_due().unwrap_or_else(|| now.saturating_add(Config::MAX_DURATION));
            let looks = self.spreading.as_ref().is_some_and(|spreading| spreading.is_calling());
            if !looks && self.counts.calling == 0 {
                break Some(due.saturating_duration_since(now).max(Duration::from_millis(1)));
            }
            self.wait(Some(due)).await;
        };
        GroupStep { wake_in, status: self.counts.status() }
    }

    async fn drive(&mut self) {
        while !self.is_done() {
            let due = self.next_due();
            self.wait(due).await;
        }
    }

    fn is_done(&self) -> bool {
        let is_done = {
            let state = self.hub.state.lock();
            state.is_stopping && state.newcomers.is_empty() && state.candidates.is_empty()
        };
        let is_done = is_done && self.spreading.as_ref().is_none_or(|spreading| spreading.is_over());
        if is_done {
            self.hub.close(Stopped::Shutdown);
        }
        is_done
    }

    fn next_due(&self) -> Option<Instant> {
        let spread = self.spreading.as_ref().map(|spreading| spreading.due());
        self.timetable.first().into_iter().chain(self.tick).chain(spread).min()
    }

    /// Until `due`, or until something happened.
    async fn wait(&mut self, due: Option<Instant>) {
        let mut sleep = pin!(None);
        let mut something_happened = false;
        poll_fn(|cx| {
            let mut settled = 0;
            self.look_again();
            loop {
                match self.progress(cx) {
                    // The instant to wait for is another now.
                    0 if something_happened => return self.rounds.go_on(cx),
                    0 => break,
                    some => settled += some,
                }
                something_happened = true;
                if settled >= AT_ONCE {
                    // Others on this thread get their turn.
                    self.rounds = Rounds::default();
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
            }
            self.rounds = Rounds::default();
            let Some(due) = due else { return Poll::Pending };
            if sleep.is_none() {
                let timer = &self.hub.timer;
                // No longer than by the reading that `due` follows from: the clock may have gone back since.
                let now = timer.now().max(self.looked_at);
                sleep.set(Some(timer.sleep(due.saturating_duration_since(now))));
            }
            sleep.as_mut().as_pin_mut().map_or(Poll::Pending, |sleep| sleep.poll(cx).map(drop))
        })
        .await;
    }

    /// Does what can be done now, for some members: for how many. What the group itself is asked for counts as one: it may
    /// be to end, with no member left who could tell.
    fn progress(&mut self, cx: &mut Context<'_>) -> usize {
        if let Some(place) = self.settling.take() {
            self.unsettle(place);
        }
        let (roused, is_asked) = self.hub.rouse.take(cx);
        for place in roused {
            self.look(place);
        }
        let mut are_more = false;
        if is_asked {
            are_more = self.adopt();
            if self.hub.state.lock().is_stopping {
                self.leave_spread();
            }
        }
        let now = self.hub.timer.now();
        let went_back = self.look_at_clock(now);
        // By all of its keys: by some of them others would seem to have to lead the rest.
        let has_spread = !are_more && self.spread(now);
        self.come_up(now);
        let is_due = self.tick.is_some_and(|tick| tick <= now);
        // Answers that are there by then come first: by what they say a lease may be in no danger any more.
        let before = self.before_renewals.take().filter(|_| is_due).unwrap_or(self.unsettled.len());
        // In turn: who comes back all the time has to wait for those who were there before.
        let (mut now, mut settled) = (Some(now), 0);
        while settled < AT_ONCE
            && let Some(place) = self.unsettled.pop_front()
        {
            now = self.settle(place, now);
            settled += 1;
        }
        if is_due {
            match before.saturating_sub(settled) {
                0 => self.begin_renewals(),
                left => self.before_renewals = Some(left),
            }
        }
        settled += self.renew_some(AT_ONCE - settled, now);
        settled + usize::from(is_asked || has_spread || went_back)
    }

    fn look(&mut self, place: u32) {
        let Some(member) = self.member(place) else { return };
        if member.look() && !mem::replace(&mut member.has_more, true) {
            self.again.push_back(place);
        }
        self.unsettle(place);
    }

    /// Those whose wake-ups had no end.
    fn look_again(&mut self) {
        for _ in 0..self.again.len() {
            if let Some(place) = self.again.pop_front()
                && let Some(member) = self.member(place)
            {
                member.has_more = false;
                self.look(place);
            }
        }
    }

    /// Whether the clock went back. Then whatever is planned by it would come too late by so much: each member looks for itself
    /// what it makes of that, and all is planned anew.
    fn look_at_clock(&mut self, now: Instant) -> bool {
        if now >= self.looked_at.saturating_sub(SET_BACK) {
            self.looked_at = self.looked_at.max(now);
            return false;
        }
        self.looked_at = now;
        self.timetable = Timetable::default();
        (self.tick, self.renewing, self.before_renewals) = (None, None, None);
        for place in 0..self.members.len() as u32 {
            if let Some(member) = self.member(place) {
                member.entered = None;
                self.unsettle(place);
            }
        }
        if let Some(spreading) = &mut self.spreading {
            spreading.clock_went_back(now);
        }
        true
    }

    pub(super) fn member(&mut self, place: u32) -> Option<&mut Member<T>> {
        self.members.get_mut(place as usize)?.as_mut()
    }

    /// Takes up those that have no place yet: some of them. Whether there are more.
    fn adopt(&mut self) -> bool {
        let (newcomers, are_more) = {
            let mut state = self.hub.state.lock();
            (state.newcomers.pop_front(), !state.newcomers.is_empty())
        };
        for newcomer in newcomers.into_iter().flatten() {
            let place = self.free.pop().unwrap_or_else(|| {
                self.members.push(None);
                (self.members.len() - 1) as u32
            });
            let member = Member::new(newcomer, self.hub.rouse.waker(place));
            let shared = member.candidacy.shared.clone();
            if let Some(free) = self.members.get_mut(place as usize) {
                *free = Some(member);
            }
            self.look(place);
            self.share(place, &shared);
            self.counts.candidates += usize::from(self.seat() != Some(place));
        }
        if are_more {
            self.hub.rouse.driver();
        }
        are_more
    }

    /// Those whose time has come by the timetable.
    fn come_up(&mut self, now: Instant) {
        while let Some((at, places)) = self.timetable.pop(now) {
            for place in places {
                let Some(member) = self.member(place) else { continue };
                // Else it was entered anew since.
                if member.entered == Some(at) {
                    member.entered = None;
                    if member.due <= now { self.unsettle(place) } else { self.enter(place) }
                }
            }
        }
    }

    fn enter(&mut self, place: u32) {
        let Some(member) = self.members.get_mut(place as usize).and_then(Option::as_mut) else { return };
        let at = grain(member.due);
        if member.entered.is_none_or(|entered| at < entered) {
            member.entered = Some(at);
            self.timetable.enter(at, place);
        }
    }

    pub(super) fn unsettle(&mut self, place: u32) {
        if let Some(member) = self.member(place)
            && !mem::replace(&mut member.is_unsettled, true)
        {
            self.unsettled.push_back(place);
        }
    }

    /// `now` is the newest reading of the clock, if there is one that the first request may count from. Answers that which came
    /// last in turn: what is done for one member between two readings is little, and an earlier one is always safe.
    pub(super) fn settle(&mut self, place: u32, now: Option<Instant>) -> Option<Instant> {
        let Self { hub, storage, entropy, members, renewed, counts, events, spreading, .. } = self;
        let member = members.get_mut(place as usize)?.as_mut()?;
        member.is_unsettled = false;
        self.settling = Some(place);
        let is_seat = spreading.as_ref().is_some_and(|spreading| spreading.is_seat(place));
        let call = |request: Request, report: &Report| {
            let storage = storage.clone();
            report.within(Box::pin(async move { storage.call(request).await }))
        };
        let told = |key: &Key, events: &[Event]| {
            let others = events.iter().filter(|event| !matches!(event, Event::Renewed { .. }));
            if let Some(spreading) = spreading.as_mut().filter(|_| is_seat) {
                others.for_each(|event| spreading.seat_told(event, hub.timer.now()));
                return;
            }
            let count = others.clone().count();
            *renewed += events.len() - count;
            if count > 0 {
                if events.iter().any(|event| matches!(event, Event::Elected { .. })) {
                    hub.tell_begun(key);
                }
                hub.tell_all(others.map(|event| GroupEvent::Of { key: key.clone(), event: event.clone() }));
            }
        };
        let before = member.standing;
        let next = member.settle(now, entropy, events, call, told);
        self.settling = None;
        if is_seat {
            // It is no candidate of the group, and renews in its own time.
            member.standing = Standing { is_calling: member.standing.is_calling, ..Standing::default() };
        }
        counts.changed(before, member.standing);
        let Some((due, now)) = next else {
            self.forget(place);
            return None;
        };
        member.due = due;
        self.looked_at = self.looked_at.max(now);
        let interval = member.standing.holds.then_some(member.candidacy.shared.profile.config.renew_interval);
        self.enter(place);
        if let Some(interval) = interval
            && self.tick.is_none()
            && self.renewing.is_none()
        {
            self.plan_tick(now, interval);
        }
        Some(now)
    }

    fn forget(&mut self, place: u32) {
        let gone = self.members.get_mut(place as usize).and_then(Option::take);
        if let Some(gone) = gone {
            self.free.push(place);
            let shared = gone.candidacy.shared.clone();
            drop(gone);
            match &mut self.spreading {
                Some(spreading) if spreading.is_seat(place) => return spreading.seat_is_gone(),
                Some(spreading) => spreading.remove(&shared.key),
                None => {}
            }
            self.counts.candidates -= 1;
            self.hub.forget(&shared.key);
        }
    }
}

impl<S, T: Timer> Drop for GroupDriver<S, T> {
    fn drop(&mut self) {
        // Each of them ends before anybody hears that the group has.
        self.members.clear();
        self.hub.close(Stopped::DriverDropped);
    }
}

impl<S, T: Timer> fmt::Debug for GroupDriver<S, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GroupDriver").field("members", &(self.members.len() - self.free.len())).finish_non_exhaustive()
    }
}
