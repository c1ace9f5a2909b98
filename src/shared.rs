//! What a driver and its handles share: the driver tells what happened, the handles read and ask.

use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::fmt;
use core::mem;
#[cfg(feature = "tracing")]
use core::sync::atomic::Ordering;
use core::sync::atomic::{AtomicBool, AtomicUsize};
use core::task::{Context, Waker};

use event_listener::{Event as Signal, EventListener};

use crate::config::Config;
use crate::deadline::Deadline;
use crate::election::{Election, Event, Input, LostReason, Output, RequestId, Role, Status};
use crate::events::{Events, Queue};
use crate::lease::Lease;
use crate::mutex::{Mutex, MutexGuard};
use crate::profile::Profile;
use crate::shared_reign::SharedReign;
use crate::stopped::Stopped;
use crate::storage::Answer;
use crate::term::Term;
use crate::text::{Id, Key};
use crate::time::{Instant, Timer};

mod handle;
mod state;
mod wishes;

pub(crate) use handle::{Handle, Kept};
pub(crate) use state::{News, Present, State};
pub(crate) use wishes::{ValueState, Wishes};

pub(crate) struct Shared<T> {
    pub(crate) timer: T,
    pub(crate) key: Key,
    pub(crate) profile: Arc<Profile>,
    /// Until when the candidate leads and takes on new work: one for all its reigns. Each [`SharedReign`] has a deadline of
    /// its own beside it, which lasts through the hand-over.
    pub(crate) leading: Deadline,
    /// How many handles there are: without any it stops.
    handles: AtomicUsize,
    /// It stops since the last of them is gone, and for nothing else.
    is_unused: AtomicBool,
    pub(crate) state: Mutex<State>,
}

#[cfg_attr(not(any(feature = "tracing", feature = "metrics")), expect(dead_code, reason = "for log and metrics"))]
/// Whom it is about: what does not change in a candidate's or an observer's life.
pub(crate) struct Subject<'a> {
    pub(crate) key: &'a Key,
    /// `None`: an observer.
    pub(crate) id: Option<&'a Id>,
    pub(crate) config: &'a Config,
    /// It stops since its last handle is gone.
    #[cfg(feature = "tracing")]
    pub(crate) is_unused: bool,
}

/// Where an election stands, and what is to be done now.
#[must_use]
pub(crate) struct Advanced {
    /// What comes after the events.
    pub(crate) output: Output,
    /// When it is due after that, if nothing happens before.
    pub(crate) due: Instant,
    pub(crate) in_flight: Option<RequestId>,
    /// Whether it holds a lease that has to be renewed.
    pub(crate) holds: bool,
    /// Whether it hands that over.
    pub(crate) is_ending: bool,
    /// Whether its last renewal failed.
    pub(crate) in_jeopardy: bool,
    /// Whether anybody was told: who hears something may ask for something at once.
    pub(crate) was_heard: bool,
}

impl<T: Timer> Shared<T> {
    pub(crate) fn new(timer: T, profile: Arc<Profile>, election: Election) -> Self {
        let key = election.key().clone();
        let state = State {
            wishes: None,
            election,
            reign: None,
            leader_changes: 0,
            closed: None,
            queues: None,
            changed: Signal::new(),
            is_awaited: false,
            is_asked: false,
            driver: None,
        };
        let leading = Deadline::none(profile.config.longest_reign());
        let (handles, is_unused) = (AtomicUsize::new(0), AtomicBool::new(false));
        Self { timer, key, profile, leading, handles, is_unused, state: Mutex::new(state) }
    }

    pub(crate) fn subject(&self) -> Subject<'_> {
        Subject {
            key: &self.key,
            id: self.profile.id.as_ref(),
            config: &self.profile.config,
            #[cfg(feature = "tracing")]
            is_unused: self.is_unused.load(Ordering::Relaxed),
        }
    }

    // === the handles' side ===

    /// Whether the candidate leads and takes on new work: compares the deadline with the clock.
    pub(crate) fn is_leader(&self) -> bool {
        self.leading.is_ahead(|| self.timer.now())
    }

    /// Waits until `ready` finds something. Cancel safe.
    pub(crate) async fn wait_for<R>(&self, mut ready: impl FnMut(&State, Instant) -> Option<R>) -> R {
        loop {
            let now = self.timer.now();
            // Looks and listens under one lock: no change comes in between.
            let change = {
                let mut state = self.state.lock();
                match ready(&state, now) {
                    Some(found) => return found,
                    None => state.listen(),
                }
            };
            change.await;
        }
    }

    pub(crate) fn change(&self) -> EventListener {
        self.state.lock().listen()
    }

    pub(crate) fn ask<R>(&self, wish: impl FnOnce(&mut Wishes) -> R) -> R {
        let (wished, driver) = {
            let mut state = self.state.lock();
            (wish(state.wishes()), state.rouse())
        };
        driver.into_iter().for_each(Waker::wake);
        wished
    }

    /// The driver is to look around.
    pub(crate) fn rouse(&self) {
        let driver = self.state.lock().rouse();
        driver.into_iter().for_each(Waker::wake);
    }

    /// The state as it is now, whatever the driver last had time to say.
    pub(crate) fn status(&self) -> Status {
        let now = self.timer.now();
        self.state.lock().status(now)
    }

    /// Who leads as far as is known, with the time that is left by now.
    pub(crate) fn leader(&self) -> Option<Lease> {
        let now = self.timer.now();
        self.state.lock().leader(now)
    }

    /// Who leads, once that has changed since `seen`.
    async fn leader_changed(&self, seen: u32) -> Result<(u32, Option<Lease>), Stopped> {
        self.wait_for(|state, now| match state.leader_changes {
            changes if changes != seen => Some(Ok((changes, state.leader(now)))),
            _ => state.closed.map(Err),
        })
        .await
    }

    pub(crate) fn events(&self) -> Events {
        let now = self.timer.now();
        let mut state = self.state.lock();
        // Its driver has yet to tell of the end; to this listener it never began.
        let over = if state.holds_a_term(now) { None } else { state.election.status().term };
        let queue = Arc::new(Queue::without(over));
        // It is new: nothing has to make room.
        present_as_events(&state, now).into_iter().flatten().for_each(|event| queue.push(event, &mut Vec::new()));
        if state.closed.is_none() {
            let queues = state.queues.get_or_insert_default();
            queues.retain(|queue| queue.strong_count() > 0);
            queues.push(Arc::downgrade(&queue));
        }
        Events::new(queue)
    }

    // === the driver's side ===

    /// Whether somebody has asked for something since the last time. If not, whoever does wakes this task.
    pub(crate) fn poll_asked(&self, cx: &Context<'_>) -> bool {
        let is_known = |state: &State| state.driver.as_ref().is_some_and(|driver| driver.will_wake(cx.waker()));
        {
            let mut state = self.state.lock();
            if mem::take(&mut state.is_asked) {
                return true;
            }
            if is_known(&state) {
                return false;
            }
        }
        // To clone a waker and to drop one is foreign code.
        let waker = cx.waker().clone();
        let mut state = self.state.lock();
        let former = state.driver.replace(waker);
        let is_asked = mem::take(&mut state.is_asked);
        drop(state);
        drop(former);
        is_asked
    }

    /// Moves the election on: by the news, by what was asked for, and by the time that has passed. The handles see what
    /// happened and the state after it in one step; what they were told is added to `events`.
    pub(crate) fn advance(&self, now: Instant, news: &mut News, events: &mut Vec<Event>) -> Advanced {
        let failed = |(_, reply): &(RequestId, Answer)| reply.as_ref().err().cloned();
        // An adapter's errors are not dropped under the lock: that is foreign code.
        let _error = news.reply.as_ref().and_then(failed);
        let _former_error;
        let mut guard = self.state.lock();
        let state = &mut *guard;
        _former_error = state.election.last_error().cloned();
        let before = state.progress();
        state.take_news(now, news);
        state.take_wishes(now);
        let output = loop {
            state.tell_if_drained(now);
            match state.election.poll_output(now) {
                Output::Event(event) => match self.apply(state, &event) {
                    None => events.push(event),
                    // Over before anything else is asked for.
                    Some(term) => state.election.handle_input(now, Input::Expired(term)),
                },
                output => break output,
            }
        };
        let progressed = before != state.progress();
        let reign = state.election.reign();
        Advanced {
            due: if let Output::Timeout(at) = output { at } else { state.election.next_timeout() },
            output,
            in_flight: state.election.in_flight(),
            holds: reign.is_some(),
            is_ending: reign.is_some() && state.election.is_handing_over(),
            in_jeopardy: reign.is_some_and(|(_, _, in_jeopardy)| in_jeopardy),
            was_heard: (progressed || !events.is_empty()) && announce(guard, events),
        }
    }

    /// The driver is gone: nothing stays true, and nobody waits any longer. Answers what happened thereby.
    pub(crate) fn abandon(&self) -> Vec<Event> {
        let mut events = Vec::new();
        let mut state = self.state.lock();
        // Nobody wakes it any more. To drop a waker is foreign code.
        let driver = state.driver.take();
        if state.closed.is_some() {
            drop(state);
            return events;
        }
        if let Some(reign) = &state.reign {
            events.push(Event::Lost { term: reign.term(), reason: LostReason::DriverDropped });
        }
        if state.election.knows_a_leader() {
            events.push(Event::LeaderChanged(None));
        }
        events.push(Event::Stopped);
        state.closed = Some(Stopped::DriverDropped);
        for event in &events {
            let _ = self.apply(&mut state, event);
        }
        announce(state, &events);
        drop(driver);
        events
    }

    /// Answers a term that was renewed after somebody had seen its end: it is over, and nobody hears of the renewal.
    fn apply(&self, state: &mut State, event: &Event) -> Option<Term> {
        match event {
            Event::Elected { term, deadline, .. } => {
                let farthest = self.profile.config.longest_reign();
                state.reign = Some(Arc::new(SharedReign::new(*term, *deadline, farthest)));
                self.leading.set(*deadline);
            }
            Event::Renewed { term, deadline } => {
                let extended = state.reign.as_ref().is_some_and(|reign| {
                    reign.deadline().extend(*deadline) && (reign.is_ending() || self.leading.extend(*deadline))
                });
                return (!extended).then_some(*term);
            }
            Event::Ending { reason, .. } => {
                self.leading.clear();
                if let Some(reign) = &state.reign {
                    reign.begin_ending(*reason);
                }
            }
            Event::Lost { reason, .. } => {
                self.leading.clear();
                if let Some(reign) = state.reign.take() {
                    reign.lose(*reason);
                }
            }
            Event::LeaderChanged(_) => state.leader_changes = state.leader_changes.wrapping_add(1),
            Event::Stopped => {
                state.closed.get_or_insert(Stopped::Shutdown);
            }
            Event::Jeopardy { .. } | Event::StorageFailed { .. } | Event::Missed(_) => {}
        }
        None
    }
}

/// Tells whoever listens, after the lock is given back. Whether anybody did.
fn announce(mut state: MutexGuard<'_, State>, events: &[Event]) -> bool {
    let queues: Vec<_> = state.queues.iter().flat_map(|queues| queues.iter()).filter_map(Weak::upgrade).collect();
    let mut dropped = Vec::new();
    for event in events {
        queues.iter().for_each(|queue| queue.push(event.clone(), &mut dropped));
    }
    let changed = mem::take(&mut state.is_awaited).then(|| mem::take(&mut state.changed));
    drop(state);
    drop(dropped);
    queues.iter().for_each(|queue| queue.notify());
    changed.iter().for_each(|changed| {
        changed.notify(usize::MAX);
    });
    changed.is_some() || !queues.is_empty()
}

/// What a new listener has to know.
fn present_as_events(state: &State, now: Instant) -> [Option<Event>; 5] {
    let Status { role, term, deadline, jeopardy, leader, .. } = state.status(now);
    let reign = term.zip(deadline);
    let reason = state.reign.as_ref().map(|reign| reign.reason());
    let slot = state.election.slot();
    let ending = term.filter(|_| role == Role::Ending).zip(reason);
    [
        Some(Event::LeaderChanged(leader)),
        reign.map(|(term, deadline)| Event::Elected { term, deadline, slot }),
        reign.filter(|_| jeopardy).map(|(term, deadline)| Event::Jeopardy { term, deadline }),
        ending.map(|(term, reason)| Event::Ending { term, reason }),
        state.closed.map(|_| Event::Stopped),
    ]
}

impl<T> fmt::Debug for Shared<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Written after the lock: what an error of the storage shows, and what it is written to, is foreign code.
        let election = self.state.lock().election.clone();
        f.debug_struct("Shared").field("election", &election).finish_non_exhaustive()
    }
}

#[cfg(all(test, feature = "std"))]
mod tests {
    use super::*;
    use crate::storage::Session;
    use crate::time::ManualTimer;
    use alloc::boxed::Box;
    use core::future::Future;
    use core::sync::atomic::{AtomicBool, Ordering};
    use core::task::Poll;
    use std::thread;

    struct Woken(AtomicBool);

    impl alloc::task::Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.store(true, Ordering::SeqCst);
        }
    }

    /// A change that comes in the moment between the look and the listening wakes whoever waits: the other thread changes it
    /// as soon as the look has begun, and is held up by the lock until it is listened to.
    #[test]
    fn what_changes_after_the_look_wakes() {
        for seed in 0..if cfg!(miri) { 5 } else { 3_000 } {
            let timer = ManualTimer::new();
            let (key, id) = (Key::new("k").unwrap(), Id::new("a").unwrap());
            let config = Arc::new(Config::default());
            let profile = Arc::new(Profile::new(Some(id.clone()), config.clone()));
            let election = Election::new(key, id, config, Session::from_bits(1), seed, timer.now()).unwrap();
            let shared = Arc::new(Shared::new(timer, profile, election));
            let looked = Arc::new(AtomicBool::new(false));
            let changing = {
                let (shared, looked) = (shared.clone(), looked.clone());
                thread::spawn(move || {
                    while !looked.load(Ordering::SeqCst) {
                        core::hint::spin_loop();
                    }
                    shared.abandon();
                })
            };
            let mut waiting = Box::pin(shared.wait_for(|state, _| {
                looked.store(true, Ordering::SeqCst);
                state.closed
            }));
            let woken = Arc::new(Woken(AtomicBool::new(false)));
            let waker = Waker::from(woken.clone());
            let polled = waiting.as_mut().poll(&mut Context::from_waker(&waker));
            changing.join().unwrap();
            let hears = polled != Poll::Pending || woken.0.load(Ordering::SeqCst);
            assert!(hears, "nobody wakes it");
            if polled.is_pending() {
                let polled = waiting.as_mut().poll(&mut Context::from_waker(&waker));
                assert_eq!(polled, Poll::Ready(Stopped::DriverDropped));
            }
        }
    }
}
