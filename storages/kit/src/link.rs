//! The one connection of a storage: made when it is needed, and anew, to the next server, when it fails.
//!
//! For clients on whose connection everything is under way at the same time. Where a connection has one request at a time, a
//! `Lane` (feature `lane`) is what is needed.
//!
//! # Who connects
//! Whoever needs a connection. All who wait share the attempt and its outcome, a failure too: any of them drives it, so it stops for
//! nobody who is not polled, and it goes on for the next one when those who waited have given up.
//!
//! Where there are several servers, the next one is tried when one cannot be reached, and beside one that has not answered by the time
//! that somebody gives up. Whichever is there first is taken. Each has its share of the time of a [check](crate::timeout::CHECK).
//!
//! # When none comes about
//! The failure is everybody's for a pause of 50 ms to 1 s, growing from one to the next and in part random; always long where
//! somebody has to [change something](lessor::storage::ErrorKind::Permanent), a password, say.

mod line;
mod round;
mod silence;

use core::fmt;
use core::time::Duration;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use lessor::storage::ErrorKind;
use lessor::{Instant, StorageError, SystemTimer, Timer};

pub use line::{Connection, Line};
pub use silence::SilenceWatch;

use crate::backoff::Backoff;
use crate::timeout::{CHECK, TimedOut};
use round::{Round, Waiting};

/// The pauses after failures: short, since leases run out meanwhile.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// How long a server may take at least until a connection to it stands, however many there are.
const LEAST_PATIENCE: Duration = Duration::from_secs(2);

/// How a [`Link`] connects: the part of it that knows the servers.
pub trait Connector: Send + Sync + 'static {
    /// A connection to one of them.
    type Connection: Connection;

    /// Why there is none. It must show no secret.
    type Failure: Clone + Send + Sync + 'static;

    /// How many servers there are: at least one.
    fn servers(&self) -> usize;

    /// Connects to one of them, and does all that has to be done before the first request.
    ///
    /// It is polled by whoever waits, so what it begins must not depend on one caller's executor. An `async fn` will do.
    fn connect(&self, place: usize) -> impl Future<Output = Result<Self::Connection, Self::Failure>> + Send;

    /// What to say where a server did not answer in time. The next one may be better off.
    fn late(&self, place: usize, late: TimedOut) -> Self::Failure;

    /// Whether the next server may be better off than the one that this is about.
    fn is_of_one_server(failure: &Self::Failure) -> bool;

    /// The same for whoever uses the storage: its kind says whether somebody has to change something.
    fn error(failure: &Self::Failure) -> &StorageError;
}

/// The way to the servers: to one of them at a time, as long as that answers. See the [module](self).
pub struct Link<C: Connector> {
    connector: Arc<C>,
    state: Mutex<State<C>>,
}

struct State<C: Connector> {
    /// Of the server that comes next.
    place: usize,
    current: Option<Arc<Line<C::Connection>>>,
    round: Option<Round<C>>,
    /// How many rounds there were.
    rounds: u64,
    /// Until when there is no other round, and why not.
    pause: Option<(Instant, C::Failure)>,
    backoff: Backoff,
    /// How many connections in a row were left without an answer.
    mute: usize,
}

enum Way<'a, C: Connector> {
    Open(Arc<Line<C::Connection>>),
    Opens(Waiting<'a, C>),
    Closed(C::Failure),
}

impl<C: Connector> Link<C> {
    /// Begins with any of the servers, so that processes that begin together spread over them. Nothing is sent yet.
    pub fn new(connector: C) -> Self {
        let place = getrandom::u32().unwrap_or_default() as usize % connector.servers().max(1);
        let state = State {
            place,
            current: None,
            round: None,
            rounds: 0,
            pause: None,
            backoff: Backoff::new(FIRST_PAUSE, LONGEST_PAUSE),
            mute: 0,
        };
        Self { connector: Arc::new(connector), state: Mutex::new(state) }
    }

    /// What knows the servers.
    pub fn connector(&self) -> &C {
        &self.connector
    }

    /// The connection there is, if there is one.
    pub fn current(&self) -> Option<Arc<Line<C::Connection>>> {
        self.state().live()
    }

    /// The connection there is, or a new one.
    ///
    /// # Errors
    /// No server can be reached, or one lets nobody in; or that was so a moment ago.
    ///
    /// # Cancel safety
    /// Dropped, the attempt goes on for whoever comes next.
    pub async fn connection(&self) -> Result<Arc<Line<C::Connection>>, C::Failure> {
        match self.way() {
            Way::Open(line) => Ok(line),
            Way::Opens(waiting) => waiting.await,
            Way::Closed(failure) => Err(failure),
        }
    }

    /// It is used no more: the next request connects to the next server. `why`: what came of it, if there is more to say than that
    /// nothing came.
    pub fn leave(&self, line: &Arc<Line<C::Connection>>, why: Option<&C::Failure>) {
        let mut state = self.state();
        if state.forget(line) {
            state.place = (line.place() + 1) % self.servers();
            // Whoever lets everybody in and then hangs up is not asked without a pause.
            if let Some(why) = why
                && state.mute >= self.servers()
            {
                state.pause(why.clone());
            }
        }
        drop(state);
        line.give_up();
    }

    /// It is used no more: the next request connects anew, to the same server.
    pub fn forget(&self, line: &Arc<Line<C::Connection>>) {
        self.state().forget(line);
        line.give_up();
    }

    fn way(&self) -> Way<'_, C> {
        let mut state = self.state();
        if let Some(line) = state.live() {
            return Way::Open(line);
        }
        let now = now();
        let patience = patience(self.servers());
        if let Some(round) = state.round.as_mut().filter(|round| !round.was_deserted(now, patience)) {
            return Way::Opens(round.wait(self));
        }
        if let Some((until, failure)) = &state.pause
            && now < *until
        {
            return Way::Closed(failure.clone());
        }
        state.rounds += 1;
        let round = Round::begin(self.connector.clone(), state.rounds, state.place, patience);
        Way::Opens(state.round.insert(round).wait(self))
    }

    /// A round is over.
    fn landed(&self, number: u64, outcome: &Result<Arc<Line<C::Connection>>, C::Failure>) {
        let mut state = self.state();
        if state.round.take_if(|round| round.number() == number).is_none() {
            return;
        }
        match outcome {
            Ok(line) => {
                state.place = line.place();
                state.pause = None;
                state.current = Some(line.clone());
            }
            Err(failure) => state.pause(failure.clone()),
        }
    }

    /// Somebody waits no longer for a round.
    fn gave_up(&self, number: u64, begun: usize) {
        if let Some(round) = self.state().round.as_mut().filter(|round| round.number() == number) {
            round.gave_up(begun, now());
        }
    }

    fn servers(&self) -> usize {
        self.connector.servers().max(1)
    }

    fn state(&self) -> MutexGuard<'_, State<C>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<C: Connector> State<C> {
    /// One that has ended while nothing was asked is no reason to leave its server.
    fn live(&mut self) -> Option<Arc<Line<C::Connection>>> {
        if let Some(over) = self.current.clone().filter(|line| line.is_over()) {
            self.forget(&over);
        }
        self.current.clone()
    }

    /// Answers whether it was the current one.
    fn forget(&mut self, line: &Arc<Line<C::Connection>>) -> bool {
        let was_current = self.current.take_if(|current| Arc::ptr_eq(current, line)).is_some();
        if was_current && line.answers() > 0 {
            self.backoff.reset();
            self.mute = 0;
        } else if was_current {
            self.mute += 1;
        }
        was_current
    }

    fn pause(&mut self, failure: C::Failure) {
        if C::error(&failure).kind() == ErrorKind::Permanent {
            self.backoff.lengthen();
        }
        let pause = self.backoff.pause(getrandom::u32().unwrap_or(u32::MAX));
        self.pause = Some((now().saturating_add(pause), failure));
    }
}

impl<C: Connector> fmt::Debug for Link<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link").field("place", &self.state().place).finish_non_exhaustive()
    }
}

fn now() -> Instant {
    SystemTimer::new().now()
}

/// How long each of so many servers may take until a connection to it stands: a check gets to another one in time.
#[must_use]
pub fn patience(servers: usize) -> Duration {
    let shares = u32::try_from(servers).unwrap_or(u32::MAX).saturating_add(1);
    (CHECK / shares).max(LEAST_PATIENCE)
}

#[cfg(test)]
mod tests;
