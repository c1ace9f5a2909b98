//! The loop of a lane: opens connections, sends what is next, hands out answers.

use core::future::pending;
use core::pin::pin;
use core::task::{Context, Poll};
use core::time::Duration;
use std::sync::Arc;

use futures::FutureExt;
use futures::future::{Either, poll_fn, select};
use lessor::storage::{ErrorKind, Reply, Request};
use lessor::time::AnyTimer;
use lessor::{Instant, Key, StorageError, Timer};

use super::boxed::BoxFuture;
use super::hub::{Answered, Hub};
use super::queue::{Asker, Id, Member, Queue, Tracks};
use super::server::{Answer, Broken, Flight, Server};
use super::track::{Busy, Came, Landed, Line, Track};
use crate::backoff::Backoff;
use crate::error::AdapterError;
use crate::repeat::Repeat;
use crate::row::Reading;

/// How long opening a connection may take before another attempt is made.
pub const CONNECT_PATIENCE: Duration = Duration::from_secs(10);

/// The pauses between attempts to connect: short, since leases run out meanwhile.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// What part of its patience a flight that is alone may wait for a lock: the answer has to come while somebody waits for it,
/// and before its connection is taken for silent.
const LOCK_SHARE: u32 = 2;

/// The same where there is no other connection, and everybody waits meanwhile.
const LOCK_SHARE_OF_ONLY: u32 = 20;

type Opening<S> = BoxFuture<Result<<S as Server>::Connection, StorageError>>;

pub(super) struct Dispatcher<S: Server> {
    server: Arc<S>,
    hub: Arc<Hub>,
    timer: AnyTimer,
    tracks: Vec<Track<S>>,
    opening: Option<Opening<S>>,
    backoff: Backoff,
    /// No attempt to connect before this.
    next_attempt: Instant,
    /// A flight that was given up may still be under way on the server until then: no other one is given up before.
    left_behind_until: Instant,
    /// Why there is no connection.
    no_connection: Option<StorageError>,
    random: fn() -> u32,
}

impl<S: Server> Dispatcher<S> {
    pub(super) fn new(server: Arc<S>, hub: Arc<Hub>, timer: AnyTimer, tracks: usize, random: fn() -> u32) -> Self {
        Self {
            server,
            hub,
            timer,
            tracks: (0..tracks.max(1)).map(|_| Track::Closed).collect(),
            opening: None,
            backoff: Backoff::new(FIRST_PAUSE, LONGEST_PAUSE),
            next_attempt: Instant::default(),
            left_behind_until: Instant::default(),
            no_connection: None,
            random,
        }
    }

    /// Until the lane is closed.
    pub(super) async fn run(mut self) {
        // A thread that panicked may have left some.
        self.hub.lock().queue.land_all();
        while !self.hub.is_closed() {
            let due = self.settle();
            let hub = self.hub.clone();
            let now = self.timer.now();
            let sleep = due.map(|due| self.timer.sleep(due.saturating_duration_since(now)));
            let mut sleep = pin!(async {
                match sleep {
                    Some(sleep) => sleep.map(drop).await,
                    None => pending().await,
                }
            });
            let mut changed = pin!(hub.changed());
            poll_fn(|cx| {
                let happened = self.poll_connections(cx) | changed.as_mut().poll(cx).is_ready();
                if happened { Poll::Ready(()) } else { sleep.as_mut().poll(cx) }
            })
            .await;
        }
    }

    /// Does what can be done now, and tells when to look again if nothing happens.
    fn settle(&mut self) -> Option<Instant> {
        let now = self.timer.now();
        self.give_up_overdue(now);
        self.notice_silence(now);
        self.depart(now);
        if !self.wants_connection(now) {
            self.opening = None;
        }
        self.open(now);
        let waits = self.hub.lock().queue.next_due(now);
        let silent = self.busy().filter(|busy| !busy.is_silent).map(|busy| busy.silent_at);
        let attempt = (self.opening.is_none() && self.wants_connection(now)).then_some(self.next_attempt);
        let is_silent = self.busy().any(|busy| busy.is_silent) && self.left_behind_until > now;
        let giving_up = is_silent.then_some(self.left_behind_until);
        silent.chain(waits).chain(attempt).chain(giving_up).min()
    }

    fn busy(&self) -> impl Iterator<Item = &Busy<S>> {
        self.tracks.iter().filter_map(|track| match track {
            Track::Busy(busy) => Some(busy),
            _ => None,
        })
    }

    // === what waits ===

    fn give_up_overdue(&mut self, now: Instant) {
        let overdue = {
            let mut state = self.hub.lock();
            let overdue = state.queue.take_overdue(now);
            state.traffic.not_sent += overdue.len() as u64;
            overdue
        };
        let answers: Vec<_> =
            overdue.iter().map(|member| (member.asker.id, Err(self.not_sent(&member.asker, now)))).collect();
        self.hub.answer(answers);
    }

    fn not_sent(&self, asker: &Asker, now: Instant) -> StorageError {
        let waited = now.saturating_duration_since(asker.asked);
        match &self.no_connection {
            Some(why) => StorageError::not_sent(waited, why.clone()),
            None if self.tracks.iter().all(|track| matches!(track, Track::Closed)) => {
                StorageError::not_sent(waited, StorageError::transient("there is no connection yet"))
            }
            None => StorageError::not_sent(waited, StorageError::transient("others were before it")),
        }
    }

    fn depart(&mut self, now: Instant) {
        while let Some(place) = self.idle_track() {
            let flying: Vec<_> = self.busy().map(|busy| (busy.aboard.class, busy.aboard.waits_for_lock)).collect();
            let tracks = Tracks { count: self.tracks.len(), flying: &flying };
            let departure = {
                let mut state = self.hub.lock();
                let departure = state.queue.depart(now, tracks);
                if let Some(departure) = &departure {
                    state.traffic.flights += 1;
                    state.traffic.requests += departure.members.len() as u64;
                }
                departure
            };
            let server = self.server.clone();
            let Some(departure) = departure else {
                if self.server.has_hints() && tracks.flying.is_empty() {
                    self.board(place, |line| Busy::hints(server, line, now));
                }
                return;
            };
            let alone = departure.members.first().filter(|_| departure.alone);
            let share = if self.tracks.len() > 1 { LOCK_SHARE } else { LOCK_SHARE_OF_ONLY };
            let lock_patience = alone.map(|member| member.patience() / share);
            self.board(place, |line| Busy::flight(server, line, departure, lock_patience, now));
        }
    }

    /// The one that was heard of least lately: so none is idle for so long that a firewall forgets it.
    fn idle_track(&self) -> Option<usize> {
        let idle = self.tracks.iter().enumerate().filter_map(|(place, track)| match track {
            Track::Idle(line) => Some((line.heard, place)),
            _ => None,
        });
        idle.min().map(|(_, place)| place)
    }

    fn board(&mut self, place: usize, busy: impl FnOnce(Line<S>) -> Busy<S>) {
        if let Some(track) = self.tracks.get_mut(place)
            && let Track::Idle(line) = core::mem::replace(track, Track::Closed)
        {
            *track = Track::Busy(busy(line));
        }
    }

    // === connections ===

    /// A flight that nobody waits for any more has not landed. A server that is slow will answer it yet; from one that
    /// is gone, or a connection that somebody forgot, nothing will come. So a new connection is opened meanwhile, and
    /// whichever is there first is used. What is idle since before is suspected of the same.
    fn notice_silence(&mut self, now: Instant) {
        let mut silent_since = None;
        for track in &mut self.tracks {
            if let Track::Busy(busy) = track
                && !busy.is_silent
                && busy.silent_at <= now
            {
                busy.is_silent = true;
                silent_since = silent_since.max(Some(busy.departed));
                let patience = busy.silent_at.saturating_duration_since(busy.departed);
                let keys = busy.aboard.ids.len();
                self.hub.lock().queue.answered_after(busy.aboard.class, patience, keys, patience);
            }
        }
        let Some(since) = silent_since else { return };
        self.hub.lock().traffic.silent += 1;
        self.close_idle(since);
    }

    /// Those that were not heard of since then.
    fn close_idle(&mut self, since: Instant) {
        for track in &mut self.tracks {
            if matches!(track, Track::Idle(line) if line.heard <= since) {
                *track = Track::Closed;
            }
        }
    }

    fn wants_connection(&self, now: Instant) -> bool {
        self.tracks.iter().any(|track| match track {
            Track::Closed => true,
            Track::Busy(busy) => busy.is_silent && self.left_behind_until <= now,
            Track::Idle(_) => false,
        })
    }

    /// One at a time.
    fn open(&mut self, now: Instant) {
        if self.opening.is_some() || !self.wants_connection(now) || now < self.next_attempt {
            return;
        }
        let (server, limit) = (self.server.clone(), self.timer.sleep(CONNECT_PATIENCE));
        self.opening = Some(Box::pin(async move {
            match select(pin!(server.connect()), limit).await {
                Either::Left((opened, _)) => opened,
                Either::Right(_) => {
                    let problem = format!("no connection within {CONNECT_PATIENCE:?}");
                    Err(StorageError::transient(problem))
                }
            }
        }));
    }

    fn opened(&mut self, connection: S::Connection) {
        self.no_connection = None;
        self.hub.lock().traffic.connected += 1;
        let line = Line { connection, has_answered: false, heard: self.timer.now() };
        let closed = self.tracks.iter().position(|track| matches!(track, Track::Closed));
        let silent = || self.tracks.iter().position(|track| matches!(track, Track::Busy(busy) if busy.is_silent));
        // All have come back meanwhile: then it is closed again.
        let Some(place) = closed.or_else(silent) else { return };
        if let Some(track) = self.tracks.get_mut(place)
            && let Track::Busy(Busy { aboard, .. }) = core::mem::replace(track, Track::Idle(line))
        {
            self.left_behind_until = self.timer.now().saturating_add(self.server.lingers());
            self.free(&aboard.keys);
            // Nobody should be left; and if so, it hears what its own limit would have said.
            let late = StorageError::transient("the connection went silent");
            self.hub.answer(aboard.ids.into_iter().map(|id| (id, Err(late.clone()))));
        }
    }

    /// Before the next attempt to connect.
    fn pause(&mut self, after: &StorageError) {
        if after.kind() == ErrorKind::Permanent {
            self.backoff.lengthen();
        }
        self.next_attempt = self.timer.now().saturating_add(self.backoff.pause((self.random)()));
    }

    fn not_opened(&mut self, error: StorageError) {
        self.pause(&error);
        let waiting = {
            let mut state = self.hub.lock();
            state.traffic.not_connected += 1;
            // Where another connection works, it serves them.
            let works = self.tracks.iter().any(|track| match track {
                Track::Idle(_) => true,
                Track::Busy(busy) => !busy.is_silent,
                Track::Closed => false,
            });
            if works { Vec::new() } else { state.queue.take_all() }
        };
        self.hub.answer(waiting.iter().map(|member| (member.asker.id, Err(error.clone()))));
        self.no_connection = Some(error);
    }

    // === what happens ===

    fn poll_connections(&mut self, cx: &mut Context<'_>) -> bool {
        let mut happened = false;
        for place in 0..self.tracks.len() {
            if let Some(Track::Busy(busy)) = self.tracks.get_mut(place)
                && let Poll::Ready(landed) = busy.landing.as_mut().poll(cx)
            {
                self.landed(place, landed);
                happened = true;
            }
        }
        if let Some(opening) = &mut self.opening
            && let Poll::Ready(opened) = opening.as_mut().poll(cx)
        {
            self.opening = None;
            match opened {
                Ok(connection) => self.opened(connection),
                Err(error) => self.not_opened(error),
            }
            happened = true;
        }
        happened
    }

    fn landed(&mut self, place: usize, landed: Landed<S>) {
        let now = self.timer.now();
        let Landed { line, came } = landed;
        let Some(track) = self.tracks.get_mut(place) else { return };
        let Track::Busy(busy) = core::mem::replace(track, Track::Closed) else { return };
        let broken = match came {
            Came::Answers { flight, askers, answers: Ok(answers) } => {
                let took = now.saturating_duration_since(busy.departed);
                let patience = busy.silent_at.saturating_duration_since(busy.departed);
                self.hub.lock().queue.answered_after(busy.aboard.class, took, askers.len(), patience);
                self.answered(members(flight, askers), answers, busy.aboard.waits_for_lock, busy.departed);
                self.backoff.reset();
                None
            }
            Came::Answers { flight, askers, answers: Err(Broken(error)) } => {
                self.broke(members(flight, askers), &error);
                Some(error)
            }
            Came::Hints(done) => done.err().map(|Broken(error)| error),
        };
        self.free(&busy.aboard.keys);
        if let Some(error) = broken {
            // Whatever has ended this one, a restart say, may have ended them too.
            self.close_idle(busy.departed);
            if !line.has_answered {
                // As good as not opened: without a pause it would be asked in a circle.
                self.pause(&error);
            }
        } else if let Some(track) = self.tracks.get_mut(place) {
            *track = Track::Idle(Line { has_answered: true, heard: now, ..line });
        }
    }

    fn answered(&self, members: Vec<Member>, answers: Vec<Answer>, waited_for_lock: bool, departed: Instant) {
        let (mut replies, mut landed) = (Vec::new(), Vec::new());
        let (mut answers, now) = (answers.into_iter(), self.timer.now());
        for member in members {
            match answers.next().unwrap_or_else(|| Answer::done(Err(AdapterError::Unfit.into()))) {
                Answer::Done { reply, seen } => {
                    if let Ok(reply) = &reply {
                        self.hub.refusals.note(&member.request, reply, departed, now);
                    }
                    if seen.is_some() || matches!(member.request, Request::Acquire(_)) {
                        landed.extend(member.request.key().cloned().map(|key| (key, seen)));
                    }
                    replies.push((member.asker.id, reply));
                }
                Answer::Locked if waited_for_lock => replies.push((member.asker.id, Err(AdapterError::Locked.into()))),
                Answer::Locked => self.hub.again(member, Queue::push_alone),
            }
        }
        self.answer_others(&landed, departed, now, &mut replies);
        self.hub.answer(replies);
    }

    /// What was read of a key answers whoever asked for it before and needs no write; and whoever asked meanwhile, and
    /// need not know how it is now.
    fn answer_others(
        &self,
        landed: &[(Key, Option<Reading>)],
        departed: Instant,
        now: Instant,
        replies: &mut Vec<(Id, Answered)>,
    ) {
        let mut done = Vec::new();
        let mut state = self.hub.lock();
        let parked = landed.iter().flat_map(|(key, seen)| state.queue.parked(key).map(move |one| (one, seen)));
        for ((id, asked), seen) in parked.collect::<Vec<_>>() {
            let Some(request) = state.queue.request(id) else { continue };
            let seen = seen.as_ref().filter(|_| asked <= departed).and_then(|seen| seen.settles(request));
            let settled = seen.filter(|reply| matches!(reply, Reply::Acquired(_) | Reply::Got(_)));
            if let Some(reply) = settled.or_else(|| self.hub.refusals.answer(request, now)) {
                replies.push((id, Ok(reply)));
                done.extend(state.queue.remove(id));
            }
        }
        state.traffic.shared += done.len() as u64;
        drop(state);
        drop(done);
    }

    /// It may mean no more than that the connection was closed while it was idle: what was on it goes again, once, where it
    /// [may](Repeat::of).
    fn broke(&self, members: Vec<Member>, error: &StorageError) {
        let may_repeat = |member: &Member| !member.asker.repeated && Repeat::of(&member.request) == Repeat::Anytime;
        let (again, over): (Vec<_>, Vec<_>) = members.into_iter().partition(may_repeat);
        self.hub.lock().traffic.repeated += again.len() as u64;
        for member in again {
            self.hub.again(member, Queue::push_again);
        }
        self.hub.answer(over.iter().map(|member| {
            let error = match Repeat::of(&member.request) {
                Repeat::Unapplied => AdapterError::in_doubt(member.request.operation(), error).into(),
                Repeat::Anytime => error.clone(),
            };
            (member.asker.id, Err(error))
        }));
    }

    fn free(&self, keys: &[Key]) {
        let mut state = self.hub.lock();
        keys.iter().for_each(|key| state.queue.land(key));
    }
}

fn members(flight: Flight, askers: Vec<Asker>) -> Vec<Member> {
    flight.requests.into_iter().zip(askers).map(|(request, asker)| Member { request, asker }).collect()
}
