//! The one loop for all candidates of a group.

use alloc::boxed::Box;
use alloc::collections::{BTreeSet, VecDeque};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::future::Future;
use core::mem;
use core::pin::pin;
use core::task::{Context, Poll};
use core::time::Duration;

use futures::future::poll_fn;

use super::member::Member;
use super::overload::{Held, to_give_up};
use super::spreading::Spreading;
use super::{GroupEvent, GroupStatus, Hub};
use crate::candidacy::Next;
use crate::config::Config;
use crate::election::{Event, Input};
use crate::entropy::Entropy;
use crate::stopped::Stopped;
use crate::storage::{Request, Storage};
use crate::telemetry::Report;
use crate::time::{AnyTimer, Instant, Timer};

/// So many members are settled before others on the executor's thread get their turn.
const AT_ONCE: usize = 256;

/// Members that are due within the same grain of time are looked at together.
const GRAIN: Duration = Duration::from_millis(2);

/// Runs the candidates of a [`Group`](super::Group): spawn [`run`](Self::run), or call [`step`](Self::step) from where no
/// loop survives.
///
/// It never ends because of a failing storage, only when the group is stopped. Dropping it is safe at any point: nobody
/// believes in its leadership any more, all who wait get an answer.
#[must_use = "a group makes no progress unless its driver runs"]
pub struct GroupDriver<S, T: Timer = AnyTimer> {
    pub(super) hub: Arc<Hub<T>>,
    pub(super) storage: Arc<S>,
    entropy: Entropy,
    pub(super) members: Vec<Option<Member<T>>>,
    /// Places of members that are free again.
    free: Vec<usize>,
    timetable: BTreeSet<(Instant, usize)>,
    unsettled: VecDeque<usize>,
    /// When all leases are renewed together. `None`: none is held.
    tick: Option<Instant>,
    /// How many renewals got through since the last one.
    renewed: usize,
    pub(super) spreading: Option<Box<Spreading<T>>>,
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
            timetable: BTreeSet::new(),
            unsettled: VecDeque::new(),
            tick: None,
            renewed: 0,
            spreading: spreading.map(Box::new),
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
                while self.progress(cx) > 0 {}
                Poll::Ready(())
            })
            .await;
            if self.is_done() {
                break None;
            }
            let now = self.hub.timer.now();
            let due = self.next_due().unwrap_or_else(|| now.saturating_add(Config::MAX_DURATION));
            let looks = self.spreading.as_ref().is_some_and(|spreading| spreading.is_calling());
            if !looks && !self.members.iter().flatten().any(Member::is_calling) {
                break Some(due.saturating_duration_since(now).max(Duration::from_millis(1)));
            }
            self.wait(Some(due)).await;
        };
        GroupStep { wake_in, status: self.status() }
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

    fn status(&self) -> GroupStatus {
        let mut status = GroupStatus::default();
        let seat = self.seat();
        let members = self.members.iter().enumerate().filter(|(place, _)| Some(*place) != seat);
        for member in members.filter_map(|(_, member)| member.as_ref()) {
            let of = member.candidacy.shared.status();
            status.candidates += 1;
            status.leading += usize::from(of.role == crate::election::Role::Leader);
            status.ending += usize::from(of.role == crate::election::Role::Ending);
            status.in_jeopardy += usize::from(of.jeopardy);
        }
        status
    }

    fn next_due(&self) -> Option<Instant> {
        let first = self.timetable.first().map(|(at, _)| at.saturating_add(GRAIN));
        let spread = self.spreading.as_ref().map(|spreading| spreading.due());
        first.into_iter().chain(self.tick).chain(spread).min()
    }

    /// Until `due`, or until something happened.
    async fn wait(&mut self, due: Option<Instant>) {
        let mut sleep = pin!(None);
        let mut something_happened = false;
        poll_fn(|cx| {
            let mut settled = 0;
            loop {
                match self.progress(cx) {
                    // The instant to wait for is another now.
                    0 if something_happened => return Poll::Ready(()),
                    0 => break,
                    some => settled += some,
                }
                something_happened = true;
                if settled >= AT_ONCE {
                    // Others on this thread get their turn.
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
            }
            let Some(due) = due else { return Poll::Pending };
            if sleep.is_none() {
                let timer = &self.hub.timer;
                sleep.set(Some(timer.sleep(due.saturating_duration_since(timer.now()))));
            }
            sleep.as_mut().as_pin_mut().map_or(Poll::Pending, |sleep| sleep.poll(cx).map(drop))
        })
        .await;
    }

    /// Does what can be done now, for some members: for how many. What the group itself is asked for counts as one: it may
    /// be to end, with no member left who could tell.
    fn progress(&mut self, cx: &mut Context<'_>) -> usize {
        let (roused, is_asked) = self.hub.rouse.take(cx);
        for place in roused {
            if let Some(Some(member)) = self.members.get_mut(place) {
                member.look();
                self.unsettle(place);
            }
        }
        if is_asked {
            self.adopt();
            if self.hub.state.lock().is_stopping {
                self.leave_spread();
            }
        }
        let now = self.hub.timer.now();
        let has_spread = self.spread(now);
        self.renew_all_if_due(now);
        while let Some((at, place)) = self.timetable.first().copied()
            && at <= now
        {
            self.timetable.pop_first();
            if let Some(Some(member)) = self.members.get_mut(place) {
                member.due = None;
                self.unsettle(place);
            }
        }
        // In turn: who comes back all the time has to wait for those who were there before.
        let some: Vec<_> = self.unsettled.drain(..self.unsettled.len().min(AT_ONCE)).collect();
        let settled = some.len();
        for place in some {
            self.settle(place);
        }
        settled + usize::from(is_asked || has_spread)
    }

    fn adopt(&mut self) {
        let newcomers = mem::take(&mut self.hub.state.lock().newcomers);
        for newcomer in newcomers {
            let place = self.free.pop().unwrap_or_else(|| {
                self.members.push(None);
                self.members.len() - 1
            });
            let mut member = Member::new(newcomer, self.hub.rouse.waker(place));
            member.look();
            let shared = member.candidacy.shared.clone();
            if let Some(free) = self.members.get_mut(place) {
                *free = Some(member);
            }
            self.unsettle(place);
            self.share(place, &shared);
        }
    }

    pub(super) fn unsettle(&mut self, place: usize) {
        if let Some(Some(member)) = self.members.get_mut(place)
            && !mem::replace(&mut member.is_unsettled, true)
        {
            self.unsettled.push_back(place);
        }
    }

    fn settle(&mut self, place: usize) {
        let Self { hub, storage, entropy, members, timetable, renewed, spreading, .. } = self;
        let Some(Some(member)) = members.get_mut(place) else { return };
        member.is_unsettled = false;
        let key = member.candidacy.shared.key.clone();
        let is_seat = spreading.as_ref().is_some_and(|spreading| spreading.is_seat(place));
        let listeners = if is_seat { Vec::new() } else { hub.listeners() };
        let call = |request: Request, report: &Report| {
            let storage = storage.clone();
            report.within(Box::pin(async move { storage.call(request).await }))
        };
        let told = |events: &[Event]| {
            for event in events {
                match event {
                    Event::Renewed { .. } => {
                        *renewed += usize::from(!is_seat);
                        continue;
                    }
                    _ if is_seat => {
                        if let Some(spreading) = spreading.as_mut() {
                            spreading.seat_told(event, hub.timer.now());
                        }
                    }
                    Event::Elected { .. } => hub.tell_begun(&key),
                    _ => {}
                }
                for listener in &listeners {
                    listener.push(GroupEvent::Of { key: key.clone(), event: event.clone() });
                }
            }
        };
        let next = member.settle(entropy, call, told);
        listeners.iter().for_each(|listener| listener.notify());
        if let Some(due) = member.due.take() {
            timetable.remove(&(due, place));
        }
        match next {
            Next::At(at) => {
                member.due = Some(at);
                timetable.insert((at, place));
                if self.tick.is_none() && !is_seat && self.holds(place) {
                    self.plan_tick(place);
                }
            }
            Next::Done => {
                if let Some(gone) = self.members.get_mut(place) {
                    *gone = None;
                }
                self.free.push(place);
                match &mut self.spreading {
                    Some(spreading) if is_seat => spreading.seat_is_gone(),
                    Some(spreading) => spreading.remove(&key),
                    None => {}
                }
                if !is_seat {
                    self.hub.forget(&key);
                }
            }
        }
    }

    fn holds(&self, place: usize) -> bool {
        matches!(self.members.get(place), Some(Some(member)) if member.holds())
    }

    /// A renew interval from now, a tenth less or more.
    fn plan_tick(&mut self, place: usize) {
        let Some(Some(member)) = self.members.get(place) else { return };
        let interval = member.candidacy.election().config().renew_interval;
        let fraction = (self.entropy)() as f64 / u64::MAX as f64;
        let jittered = interval.mul_f64(1.0 - Config::JITTER + 2.0 * Config::JITTER * fraction);
        let at = self.hub.timer.now().saturating_add(jittered);
        self.tick = Some(self.tick.map_or(at, |tick| tick.min(at)));
    }

    /// All leases are renewed at the same time: so they travel together.
    fn renew_all_if_due(&mut self, now: Instant) {
        if self.tick.is_none_or(|tick| tick > now) {
            return;
        }
        self.tick = None;
        self.give_up_if_overloaded(now);
        let mut shortest: Option<(Duration, usize)> = None;
        let seat = self.seat();
        for place in (0..self.members.len()).filter(|place| Some(*place) != seat) {
            let Some(Some(member)) = self.members.get_mut(place) else { continue };
            if !member.holds() {
                continue;
            }
            let interval = member.candidacy.election().config().renew_interval;
            shortest = Some(shortest.map_or((interval, place), |shortest| shortest.min((interval, place))));
            member.candidacy.input(Input::Renew);
            self.unsettle(place);
        }
        if let Some((_, place)) = shortest {
            self.plan_tick(place);
        }
    }

    fn give_up_if_overloaded(&mut self, now: Instant) {
        let renewed = mem::take(&mut self.renewed);
        let seat = self.seat();
        let places = self.members.iter().enumerate().filter(|(place, _)| Some(*place) != seat);
        let held = places.filter_map(|(place, member)| {
            let election = member.as_ref()?.candidacy.election();
            let (began, deadline, in_jeopardy) = election.reign()?;
            // What is over cannot be handed over.
            let left = deadline.saturating_duration_since(now);
            if left.is_zero() {
                return None;
            }
            // What hands over already is not given up again.
            let in_danger = in_jeopardy && left < election.config().ttl / 3 && !election.is_handing_over();
            Some(Held { member: place, began, in_danger, not_sent: election.was_not_sent() })
        });
        let held: Vec<_> = held.collect();
        let (in_danger, given_up) = to_give_up(&held, renewed);
        if in_danger == 0 {
            return;
        }
        self.hub.tell(GroupEvent::Overloaded { in_danger, held: held.len() });
        for place in given_up {
            if let Some(Some(member)) = self.members.get_mut(place) {
                member.candidacy.input(Input::Resign);
                self.unsettle(place);
            }
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
