//! The candidate's half of the protocol, without I/O: time and replies go in, requests and events come out.

use alloc::collections::VecDeque;
use core::time::Duration;

use crate::config::{Config, ConfigError};
use crate::lease::{Holder, Key, Session, Term, Value, Version};
use crate::storage::StorageError;
use crate::ticket::Ticket;
use crate::time::Instant;

mod end;
mod follow;
mod io;
mod lead;
mod pace;
mod request;
mod status;

pub use io::{Event, Input, LostReason, Operation, Output, Reply, Request, RequestId};
use pace::Pace;
pub(crate) use status::Leader;
pub use status::{Role, Status};

/// One candidate's part in one election, or an observer's.
///
/// No async, no clock, no randomness of its own. Whoever drives it does this, for ever:
///
/// 1. hand in what happened with [`handle_input`](Self::handle_input) (a reply, a wake-up, or [`Input::Timeout`]);
/// 2. take outputs with [`poll_output`](Self::poll_output), reading the clock before each, and carry them out in order,
///    until [`Output::Timeout`] or [`Output::Done`];
/// 3. drop the request under way if it is not the one [in flight](Self::in_flight) any more;
/// 4. wait until that instant or until something happens.
///
/// [`Driver`](crate::Driver) is this loop with awaits. Inputs that come early, late, twice or never are harmless.
///
/// Here a record in memory is the storage, and time is a number:
///
/// ```
/// use core::time::Duration;
/// use lessor::{Config, Election, Holder, Input, Instant, Key, Output, Record, Reply, Request, Session, Term};
///
/// let mut now = Instant::from_origin(Duration::from_secs(1));
/// let mut record: Option<Record> = None;
/// let session = Session::from_bits(0x5eed); // unpredictable, in earnest
/// let mut election = Election::new(Key::new("k")?, Holder::new("node-a")?, Config::default(), session, 7, now)?;
/// while now < Instant::from_origin(Duration::from_secs(60)) {
///     match election.poll_output(now) {
///         Output::Request { id, request } => {
///             let now_ms = now.since_origin().as_millis() as u64;
///             let (reply, write) = match request {
///                 Request::Acquire(claim) => {
///                     let verdict = Record::acquire(record.as_ref(), &claim, now_ms, Term::FIRST);
///                     (Reply::Acquired(verdict.answer), verdict.write)
///                 }
///                 Request::Renew(claim, term) => {
///                     let verdict = Record::renew(record.as_ref(), &claim, term, now_ms);
///                     (Reply::Renewed(verdict.answer), verdict.write)
///                 }
///                 _ => unreachable!("it neither ends nor observes"),
///             };
///             record = write.or(record);
///             election.handle_input(now, Input::Reply { id, reply });
///         }
///         Output::Timeout(at) => now = at, // sleep until then
///         _ => {}                          // events, for whoever listens
///     }
/// }
/// assert!(election.is_leader(now));
/// assert_eq!(record.map(|record| record.term), Some(Term::FIRST), "one reign");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Election {
    key: Key,
    config: Config,
    /// `None`: an observer.
    holder: Option<Holder>,
    pace: Pace,
    /// The newest reading of the clock.
    now: Instant,
    /// `None`: the last one sent a release, a new one is to be drawn.
    session: Option<Session>,
    /// Whether that session may hold the lease: it claimed and was not refused since.
    may_hold: bool,
    value: Option<Value>,
    /// How many values were set, and how many of them the storage has seen.
    values: (u64, u64),
    /// The newest term known.
    known: Option<Term>,
    /// The term and the deadline of a reign of the last instance, which this one is to go on with.
    continues: Option<(Term, Instant)>,
    leader: Option<Leader>,
    sighting: Option<Sighting>,
    reign: Option<Reign>,
    release: Option<Release>,
    cool_off_until: Option<Instant>,
    in_flight: Option<InFlight>,
    last_id: u64,
    /// When the next request is due.
    next_at: Instant,
    /// A wake-up came while a request was in flight.
    woken: bool,
    failures: u32,
    last_error: Option<StorageError>,
    last_success: Option<Instant>,
    stopping: bool,
    stopped: bool,
    events: VecDeque<Event>,
}

#[derive(Clone, Debug, PartialEq)]
struct Reign {
    term: Term,
    version: Version,
    began: Instant,
    deadline: Instant,
    jeopardy: bool,
    ending: Option<Ending>,
}

#[derive(Clone, Debug, PartialEq)]
struct Ending {
    drain_until: Instant,
    drained: bool,
}

/// A version of another's lease, since when it has been seen unchanged, and when it ran or runs out; by the own clock.
#[derive(Clone, Debug, PartialEq)]
struct Sighting {
    term: Term,
    version: Version,
    ttl: Duration,
    since: Instant,
    vacant_at: Instant,
}

#[derive(Clone, Debug, PartialEq)]
struct Release {
    session: Session,
    attempts: u32,
    cool_off: bool,
}

#[derive(Clone, Debug, PartialEq)]
struct InFlight {
    id: RequestId,
    operation: Operation,
    sent: Instant,
    timeout_at: Instant,
    value: u64,
}

impl Election {
    /// A candidate, whose first claim is due at once.
    ///
    /// `session` has to be unpredictable and nobody else's, ever: it is all that proves a leader, and two elections with one session
    /// both lead. That goes for a clone of an election too: clones are for tests. `seed` only has to differ between
    /// candidates, it varies their pauses.
    ///
    /// # Errors
    /// [`ConfigError`] if the durations do not fit together.
    pub fn new(
        key: Key,
        holder: Holder,
        config: Config,
        session: Session,
        seed: u64,
        now: Instant,
    ) -> Result<Self, ConfigError> {
        Self::build(key, Some(holder), config, Some(session), seed, now)
    }

    /// A candidate that goes on with the session of an instance that went to sleep.
    ///
    /// # Errors
    /// [`ConfigError`] if the durations do not fit together.
    pub fn resume(
        key: Key,
        holder: Holder,
        config: Config,
        ticket: Ticket,
        seed: u64,
        now: Instant,
    ) -> Result<Self, ConfigError> {
        let resumed = Self::build(key, Some(holder), config, Some(ticket.session), seed, now)?;
        let continues = ticket.known.zip(ticket.reign_until).filter(|_| ticket.continues);
        // Its session may hold the lease.
        Ok(Self { known: ticket.known, continues, may_hold: true, ..resumed })
    }

    /// Goes to sleep: what is left is the session, for the next instance to [go on with](Self::resume).
    ///
    /// `None` if the session must not go on: a request is in flight, or it has been, or is to be, released.
    #[must_use]
    pub fn into_ticket(self) -> Option<Ticket> {
        if self.in_flight.is_some() || self.is_handing_over() || self.stopping {
            return None;
        }
        // A reign that this instance was to go on with, and did not come to, may go on in the next one.
        let reign = self.reign.as_ref().map(|reign| (reign.term, reign.deadline)).or(self.continues);
        let known = self.known.max(reign.map(|(term, _)| term));
        let reign_until = reign.map(|(_, until)| until);
        Some(Ticket { session: self.session?, known, reign_until, continues: false })
    }

    /// An observer: it looks at the lease and never claims.
    ///
    /// # Errors
    /// [`ConfigError`] if the durations do not fit together.
    pub fn observer(key: Key, config: Config, seed: u64, now: Instant) -> Result<Self, ConfigError> {
        Self::build(key, None, config, None, seed, now)
    }

    fn build(
        key: Key,
        holder: Option<Holder>,
        config: Config,
        session: Option<Session>,
        seed: u64,
        now: Instant,
    ) -> Result<Self, ConfigError> {
        config.validate()?;
        Ok(Self {
            key,
            config,
            holder,
            pace: Pace::new(seed),
            now,
            session,
            may_hold: false,
            value: None,
            values: (0, 0),
            known: None,
            continues: None,
            leader: None,
            sighting: None,
            reign: None,
            release: None,
            cool_off_until: None,
            in_flight: None,
            last_id: 0,
            next_at: now,
            woken: false,
            failures: 0,
            last_error: None,
            last_success: None,
            stopping: false,
            stopped: false,
            events: VecDeque::new(),
        })
    }

    /// The key of the election.
    #[must_use]
    pub const fn key(&self) -> &Key {
        &self.key
    }

    /// What people call this candidate. `None`: an observer.
    #[must_use]
    pub const fn id(&self) -> Option<&Holder> {
        self.holder.as_ref()
    }

    /// The durations it goes by.
    #[must_use]
    pub const fn config(&self) -> &Config {
        &self.config
    }

    /// Whether this candidate leads at `now` and is not handing over: compares with the deadline, every time.
    #[must_use]
    pub fn is_leader(&self, now: Instant) -> bool {
        self.reign.as_ref().is_some_and(|reign| now < reign.deadline && reign.ending.is_none())
    }

    /// The request whose reply is waited for.
    #[must_use]
    pub fn in_flight(&self) -> Option<RequestId> {
        self.in_flight.as_ref().map(|request| request.id)
    }

    /// Whether a hand-over is under way: from [`Input::Resign`] until the release is done or given up.
    #[must_use]
    pub fn is_handing_over(&self) -> bool {
        self.release.is_some() || self.reign.as_ref().is_some_and(|reign| reign.ending.is_some())
    }

    pub(crate) const fn leader(&self) -> Option<&Leader> {
        self.leader.as_ref()
    }

    /// How many values were [set](Input::SetValue), and how many of these the storage has seen.
    #[must_use]
    pub const fn values(&self) -> (u64, u64) {
        self.values
    }

    /// The state, for people and health checks.
    #[must_use]
    pub fn status(&self) -> Status {
        let role = match &self.reign {
            _ if self.stopped => Role::Stopped,
            _ if self.holder.is_none() => Role::Observer,
            Some(Reign { ending: Some(_), .. }) => Role::Ending,
            Some(_) => Role::Leader,
            None if self.cool_off_until.is_some_and(|until| self.now < until) => Role::CoolingOff,
            None => Role::Follower,
        };
        Status {
            at: self.now,
            role,
            term: self.reign.as_ref().map(|reign| reign.term),
            deadline: self.reign.as_ref().map(|reign| reign.deadline),
            jeopardy: self.reign.as_ref().is_some_and(|reign| reign.jeopardy),
            leader: self.leader.as_ref().and_then(|leader| leader.at(self.now)),
            last_success: self.last_success,
            failures: self.failures,
            last_error: self.last_error.clone(),
            driver_alive: true,
            due: self.next_timeout(),
        }
    }

    /// Takes in what happened at `now`.
    pub fn handle_input(&mut self, now: Instant, input: Input) {
        self.look_at(now);
        match input {
            Input::Timeout => {}
            Input::Reply { id, reply } => {
                if let Some(request) = self.in_flight.take_if(|request| request.id == id) {
                    self.handle_reply(&request, reply);
                }
            }
            Input::Wakeup => {
                if self.in_flight.is_some() {
                    self.woken = true;
                } else if self.reign.is_none() && self.release.is_none() {
                    self.next_at = self.now;
                }
            }
            Input::Session(session) => self.session = self.session.or(Some(session)),
            Input::SetValue(value) => {
                self.value = value;
                self.values.0 += 1;
                if self.reign.is_some() {
                    self.next_at = self.now;
                }
            }
            Input::Drained(term) => {
                if let Some(Reign { term: ending_term, ending: Some(ending), .. }) = &mut self.reign {
                    ending.drained |= *ending_term == term;
                }
            }
            Input::Expired(term) => {
                if self.reign.as_ref().is_some_and(|reign| reign.term == term) {
                    self.expire();
                }
            }
            Input::Resign => self.begin_ending(),
            Input::Stop => {
                self.stopping = true;
                self.begin_ending();
            }
        }
    }

    /// What to do next. Call it with a fresh reading of the clock until it answers [`Output::Timeout`] or
    /// [`Output::Done`].
    pub fn poll_output(&mut self, now: Instant) -> Output {
        self.look_at(now);
        self.time_out();
        self.end();
        if let Some(event) = self.events.pop_front() {
            return Output::Event(event);
        }
        if self.stopped {
            return Output::Done;
        }
        if self.holder.is_some() && self.session.is_none() && !self.stopping {
            return Output::DrawSession;
        }
        match self.due_request() {
            Some((operation, request)) => self.send(operation, request),
            None => Output::Timeout(self.next_timeout()),
        }
    }

    // === time ===

    /// A reign ends by itself: whatever happens next, it happens after that. So does what was seen of another's.
    fn look_at(&mut self, now: Instant) {
        self.now = self.now.max(now);
        if self.reign.as_ref().is_some_and(|reign| self.now >= reign.deadline) {
            self.expire();
        }
        if self.leader.as_ref().is_some_and(|leader| self.now >= leader.until) {
            self.see_leader(None);
        }
    }

    fn expire(&mut self) {
        self.lose(LostReason::Expired);
        if self.release.is_none() {
            self.next_at = match self.failures {
                0 => self.now,
                failures => self.now.saturating_add(self.pace.backoff(&self.config, failures)),
            };
        }
    }

    fn next_timeout(&self) -> Instant {
        let request = self.in_flight.as_ref().map_or_else(|| self.due_at(), |request| request.timeout_at);
        let deadline = self.reign.as_ref().map(|reign| reign.deadline);
        let ending = self.reign.as_ref().and_then(|reign| self.ends_at(reign));
        let leader = self.leader.as_ref().map(|leader| leader.until);
        [deadline, ending, leader].into_iter().flatten().fold(request, Instant::min)
    }

    /// When the next request of whatever kind is due.
    fn due_at(&self) -> Instant {
        self.cool_off_until.map_or(self.next_at, |until| self.next_at.max(until))
    }
}
