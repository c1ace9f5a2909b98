//! One connection of a lane, and what is on it.

use core::time::Duration;
use std::sync::Arc;

use lessor::{Instant, Key};

use super::boxed::BoxFuture;
use super::order::{Class, USUAL_PATIENCE};
use super::queue::{Asker, Departure, Id, Member};
use super::server::{Answer, Broken, Flight, Server};

/// The place of one connection.
pub(super) enum Track<S: Server> {
    /// There is none. It is opened anew.
    Closed,
    /// It is open, and nothing is on it.
    Idle(Line<S>),
    /// Something is under way.
    Busy(Busy<S>),
}

/// An open connection.
pub(super) struct Line<S: Server> {
    pub(super) connection: S::Connection,
    /// Whether it has ever answered.
    pub(super) has_answered: bool,
    /// When it was last heard of.
    pub(super) heard: Instant,
}

/// A flight, and what has to be known of it in case that it never lands.
pub(super) struct Busy<S: Server> {
    pub(super) landing: Landing<S>,
    pub(super) aboard: Aboard,
    pub(super) departed: Instant,
    /// By then everybody who waits for it has given up. What is silent for longer is taken for dead.
    pub(super) silent_at: Instant,
    pub(super) is_silent: bool,
}

pub(super) type Landing<S> = BoxFuture<Landed<S>>;

/// Who and what is in flight.
#[derive(Debug)]
pub(super) struct Aboard {
    pub(super) class: Class,
    pub(super) waits_for_lock: bool,
    pub(super) ids: Vec<Id>,
    pub(super) keys: Vec<Key>,
}

/// A flight that came to its end.
pub(super) struct Landed<S: Server> {
    pub(super) line: Line<S>,
    pub(super) came: Came,
}

pub(super) enum Came {
    Answers { flight: Flight, askers: Vec<Asker>, answers: Result<Vec<Answer>, Broken> },
    Hints(Result<(), Broken>),
}

impl<S: Server> Busy<S> {
    /// `lock_patience`: how long it may wait for a lock, if it is alone.
    pub(super) fn flight(
        server: Arc<S>,
        mut line: Line<S>,
        departure: Departure,
        lock_patience: Option<Duration>,
        now: Instant,
    ) -> Self {
        let Departure { members, class, alone } = departure;
        let patience = members.iter().map(Member::patience).max().unwrap_or(USUAL_PATIENCE);
        let keys = members.iter().filter_map(|member| member.request.key()).cloned().collect();
        let ids = members.iter().map(|member| member.asker.id).collect();
        let (requests, askers) = members.into_iter().map(|member| (member.request, member.asker)).unzip();
        let flight = Flight { requests, lock_patience };
        let landing = Box::pin(async move {
            let answers = server.send(&mut line.connection, &flight).await;
            Landed { line, came: Came::Answers { flight, askers, answers } }
        });
        let aboard = Aboard { class, waits_for_lock: alone, ids, keys };
        Self { landing, aboard, departed: now, silent_at: now.saturating_add(patience), is_silent: false }
    }

    pub(super) fn hints(server: Arc<S>, mut line: Line<S>, now: Instant) -> Self {
        let landing = Box::pin(async move {
            let done = server.send_hints(&mut line.connection).await;
            Landed { line, came: Came::Hints(done) }
        });
        let class = Class::of(USUAL_PATIENCE);
        let aboard = Aboard { class, waits_for_lock: false, ids: Vec::new(), keys: Vec::new() };
        Self { landing, aboard, departed: now, silent_at: now.saturating_add(USUAL_PATIENCE), is_silent: false }
    }
}
