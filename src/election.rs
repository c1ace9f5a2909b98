//! The candidate's half of the protocol, without I/O: time and replies go in, requests and events come out.

use alloc::boxed::Box;
use alloc::sync::Arc;
use core::time::Duration;

use crate::config::Config;
use crate::lease::Lease;
use crate::profile::Profile;
use crate::storage::{Operation, Reply, Session, StorageError};
use crate::term::{Term, Version};
use crate::text::{Id, Key, Value};
use crate::time::{Instant, SET_BACK};

mod begin;
mod end;
mod follow;
mod lead;
mod messages;
mod outbox;
mod pace;
mod phase;
mod request;
mod slots;
mod status;

pub use messages::{Event, Input, LostReason, Output, RequestId};
use outbox::Outbox;
use pace::Pace;
use phase::{AfterRelease, Ending, Phase, Reign, Releasing};
use slots::Places;
use status::{Known, Leader};
pub use status::{Role, Status};

/// One candidate's part in one election, or an observer's.
///
/// No async, no clock, no randomness of its own. Whoever drives it does this, over and over:
///
/// 1. hand in what happened with [`handle_input`](Self::handle_input) (a reply, a wake-up, or [`Input::Timeout`]);
/// 2. take outputs with [`poll_output`](Self::poll_output), reading the clock before each, and carry them out in order,
///    until [`Output::Timeout`] or [`Output::Done`];
/// 3. drop the request under way if it is not the one [in flight](Self::in_flight) any more;
/// 4. wait until that instant or until something happens.
///
/// [`Driver`](crate::Driver) is this loop with awaits. Replies, wake-ups and timeouts that come early,
/// late, twice or never are harmless. [`Output::DrawSession`] has to be answered: it comes again until it is.
///
/// Here a record in memory is the storage, and time is a number:
///
/// ```
/// use core::time::Duration;
/// use lessor::election::{Election, Input, Output};
/// use lessor::storage::{Record, Session};
/// use lessor::{Config, Id, Instant, Key, Term};
///
/// let mut now = Instant::from_origin(Duration::from_secs(1));
/// let mut record: Option<Record> = None;
/// let session = Session::from_bits(0x5eed); // unpredictable, in earnest
/// let mut election = Election::new(Key::new("k")?, Id::new("node-a")?, Config::default(), session, 7, now)?;
/// while now < Instant::from_origin(Duration::from_secs(60)) {
///     match election.poll_output(now) {
///         Output::Request { id, request, .. } => {
///             let now_ms = now.since_origin().as_millis() as u64;
///             let verdict = Record::judge(record.as_ref(), &request, now_ms, Term::FIRST);
///             record = verdict.write.or(record);
///             election.handle_input(now, Input::Reply { id, reply: Ok(verdict.reply) });
///         }
///         Output::Event(event) => println!("{event:?}"), // for whoever listens
///         Output::Timeout(at) => now = at,               // sleep until then
///         Output::DrawSession => unreachable!("it does not resign: a release would need a new session"),
///         _ => break,                                    // done: it was stopped
///     }
/// }
/// assert!(election.is_leader(now));
/// assert_eq!(record.map(|record| record.term), Some(Term::FIRST), "one reign");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Election {
    key: Key,
    /// `None`: the key has no slots.
    places: Option<Box<Places>>,
    config: Arc<Config>,
    /// Its id; and its configuration once more, since many share both.
    profile: Arc<Profile>,
    pace: Pace,
    /// Somebody else says when to renew, so that many renewals go together.
    is_paced: bool,
    /// The newest reading of the clock.
    now: Instant,
    phase: Phase,
    /// It is to end for good, as soon as its phase allows.
    stopping: bool,
    /// `None`: the last one sent a release, or held another slot; a new one is to be drawn.
    session: Option<Session>,
    /// Whether the lease may be this session's in the storage: from its first claim (or a ticket) until a refusal, a lost
    /// renewal or its release. An expiry and an error leave it open.
    may_hold: bool,
    /// What to publish with the lease.
    value: NumberedValue,
    /// The serial of the newest value that the storage has seen.
    stored: u64,
    /// The newest term known.
    known: Option<Term>,
    /// The term and the deadline of a reign of the last instance, which this one is to go on with.
    to_continue: Option<Box<(Term, Instant)>>,
    leader: Known,
    // In a place of its own: who leads has none.
    sighting: Option<Box<Sighting>>,
    /// How long the key has to be free before it is claimed, where that is another than the configuration says.
    claim_delay: Option<Box<Duration>>,
    vacancy: Vacancy,
    in_flight: Option<InFlight>,
    /// The number of the newest request: of the one in flight, if one is.
    last_id: u64,
    /// When the next request is due.
    next_at: Instant,
    /// A wake-up came while a request was in flight.
    woken: bool,
    /// The next request is a look at what was seen before, and nothing has happened since.
    looks_again: bool,
    failures: u32,
    last_error: Option<Box<StorageError>>,
    last_success: Option<Instant>,
    events: Outbox,
}

/// A version of a lease that this candidate does not lead by, since when it has been seen unchanged, and when it ran or runs out; by the own clock.
#[derive(Clone, Debug, PartialEq)]
struct Sighting {
    term: Term,
    version: Version,
    ttl: Duration,
    since: Instant,
    /// When it ran or runs out, or the reservation does of a key that was released.
    vacant_at: Instant,
    /// This candidate was told that it is reserved for another.
    is_anothers: bool,
}

/// How the key was when this candidate looked at it last, which it does not lead; by the own clock.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Vacancy {
    Unseen,
    Held {
        until: Instant,
    },
    /// (Ahead: it is reserved until then.)
    Free {
        since: Instant,
    },
    /// There is no record of it.
    New {
        since: Instant,
    },
}

/// A value, and its number: later ones have higher numbers.
#[derive(Clone, Debug, Default, PartialEq)]
struct NumberedValue {
    value: Option<Value>,
    serial: u64,
}

#[derive(Clone, Debug, PartialEq)]
struct InFlight {
    operation: Operation,
    sent: Instant,
    /// The serial of the value that it carries.
    serial: u64,
}

impl Election {
    /// The key of the election. (Of its slots, where it has some, each has [its own](Self::slot_key).)
    #[must_use]
    pub const fn key(&self) -> &Key {
        &self.key
    }

    /// What people call this candidate. `None`: an observer.
    #[must_use]
    pub fn id(&self) -> Option<&Id> {
        self.profile.id.as_ref()
    }

    /// The durations it goes by.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Whether this candidate leads at `now` and is not handing over: compares with the deadline, every time.
    #[must_use]
    pub fn is_leader(&self, now: Instant) -> bool {
        matches!(&self.phase, Phase::Leading(reign) if now < reign.deadline)
    }

    /// The request whose reply is waited for.
    #[must_use]
    pub fn in_flight(&self) -> Option<RequestId> {
        self.in_flight.as_ref().map(|_| RequestId(self.last_id))
    }

    /// Whether a hand-over is under way: from [`Input::Resign`], [`Input::Transfer`] or [`Input::Stop`] until the release is done or given up.
    #[must_use]
    pub fn is_handing_over(&self) -> bool {
        matches!(self.phase, Phase::Ending { .. } | Phase::Releasing(_))
    }

    /// Since when and until when it holds a lease that has to be renewed, and whether a renewal failed.
    pub(crate) fn reign(&self) -> Option<(Instant, Instant, bool)> {
        self.phase.reign().map(|reign| (reign.began, reign.deadline, reign.jeopardy))
    }

    /// Whether the last request failed because its turn did not come.
    pub(crate) fn was_not_sent(&self) -> bool {
        self.last_error().is_some_and(StorageError::is_not_sent)
    }

    pub(crate) fn last_error(&self) -> Option<&StorageError> {
        self.last_error.as_deref()
    }

    pub(crate) const fn knows_a_leader(&self) -> bool {
        !matches!(self.leader, Known::Nobody)
    }

    /// Who leads as far as is known, with the time that is left by then.
    pub(crate) fn leader_at(&self, now: Instant) -> Option<Lease> {
        match (&self.leader, self.phase.reign()) {
            (Known::Other(leader), _) => leader.at(now),
            (Known::Own(value), Some(reign)) if now < reign.deadline => {
                Some(self.own_lease(reign, value.as_deref().cloned(), now))
            }
            _ => None,
        }
    }

    /// The serial of the value that was [set](Input::SetValue) last. 0: none was set.
    #[must_use]
    pub const fn serial_set(&self) -> u64 {
        self.value.serial
    }

    /// The serial of the newest value that the storage has seen. 0: none.
    #[must_use]
    pub const fn serial_stored(&self) -> u64 {
        self.stored
    }

    /// The state, for people and health checks.
    #[must_use]
    pub fn status(&self) -> Status {
        let role = match &self.phase {
            Phase::Observing => Role::Observer,
            Phase::CoolingOff { until } if self.now < *until => Role::CoolingOff,
            Phase::Following | Phase::CoolingOff { .. } | Phase::Releasing(_) => Role::Follower,
            Phase::Leading(_) => Role::Leader,
            Phase::Ending { .. } => Role::Ending,
            Phase::Stopped => Role::Stopped,
        };
        let reign = self.phase.reign();
        Status {
            at: self.now,
            role,
            term: reign.map(|reign| reign.term),
            slot: reign.and_then(|_| self.slot()),
            deadline: reign.map(|reign| reign.deadline),
            jeopardy: reign.is_some_and(|reign| reign.jeopardy),
            leader: self.leader_at(self.now),
            last_success: self.last_success,
            failures: self.failures,
            last_error: self.last_error().cloned(),
            driver_alive: true,
            due: self.next_timeout(),
        }
    }

    /// Takes in what happened at `now`.
    pub fn handle_input(&mut self, now: Instant, input: Input) {
        self.advance_to(now);
        match input {
            Input::Timeout => {}
            Input::Reply { id, reply } => self.take_reply(now, id, reply),
            Input::Wakeup => {
                if self.in_flight.is_some() {
                    self.woken = true;
                } else if self.phase.heeds_wakeups() {
                    self.wake();
                }
            }
            Input::Session(session) => self.session = self.session.or(Some(session)),
            Input::SetValue { value, serial } => {
                self.value = NumberedValue { value, serial };
                if self.phase.reign().is_some() {
                    self.next_at = self.now;
                }
            }
            Input::SetClaimDelay(delay) => {
                self.claim_delay = Some(Box::new(delay.min(Config::MAX_DURATION)));
                self.hasten_claim();
            }
            Input::Renew => {
                if self.in_flight.is_none() && self.phase.reign().is_some() {
                    self.next_at = self.now;
                }
            }
            Input::Drained(term) => {
                if let Phase::Ending { reign, ending } = &mut self.phase {
                    ending.drained |= reign.term == term;
                }
            }
            Input::Expired(term) => {
                if self.phase.reign().is_some_and(|reign| reign.term == term) {
                    self.expire();
                }
            }
            Input::Resign => self.begin_ending(LostReason::Resigned),
            Input::Transfer { to, is_patient } => self.begin_transfer(to, is_patient),
            Input::Stop => {
                self.stopping = true;
                self.begin_ending(LostReason::Stopped);
            }
        }
    }

    /// As [`Input::Reply`], which is large, and not to be moved about for each renewal.
    pub(crate) fn take_reply(&mut self, now: Instant, id: RequestId, reply: Result<Reply, StorageError>) {
        self.advance_to(now);
        if let Some(request) = self.in_flight.take_if(|_| id == RequestId(self.last_id)) {
            self.handle_reply(&request, reply);
        }
    }

    /// What to do next. Call it with a fresh reading of the clock until it answers [`Output::Timeout`] or
    /// [`Output::Done`].
    pub fn poll_output(&mut self, now: Instant) -> Output {
        self.advance_to(now);
        self.fail_if_overdue();
        self.end_the_reign_if_due();
        self.stop_if_idle();
        if let Some(event) = self.events.pop_front() {
            return Output::Event(event);
        }
        if self.phase == Phase::Stopped {
            return Output::Done;
        }
        if self.profile.id.is_some() && self.session.is_none() && !self.stopping {
            return Output::DrawSession;
        }
        match self.due_request() {
            Some(request) => self.send(request),
            None => Output::Timeout(self.next_timeout()),
        }
    }

    // === time ===

    /// Time goes on. A reign ends by itself: whatever happens next, it happens after that. So does what was seen of
    /// another's.
    fn advance_to(&mut self, now: Instant) {
        if now < self.now.saturating_sub(SET_BACK) {
            self.begin_anew(now);
        }
        self.now = self.now.max(now);
        if self.phase.reign().is_some_and(|reign| self.now >= reign.deadline) {
            self.expire();
        }
        if self.leader.until().is_some_and(|until| self.now >= until) {
            self.show_leader(None);
        }
    }

    /// The clock went back. How far nobody knows, nor how much time has passed since: whatever is reckoned by it is worth
    /// nothing any more, a reign and the request in flight first. What the session may hold it may hold all the same, and
    /// terms that were seen were seen.
    fn begin_anew(&mut self, now: Instant) {
        self.now = now;
        self.lose(LostReason::ClockWentBack);
        (self.in_flight, self.to_continue, self.looks_again) = (None, None, false);
        self.forget_times();
        if let Phase::CoolingOff { .. } = self.phase {
            self.cool_off(1);
        } else {
            self.next_at = now;
        }
        self.last_success = self.last_success.map(|last| last.min(now));
        if !matches!(self.leader, Known::Nobody) {
            self.show_leader(None);
        }
    }

    fn expire(&mut self) {
        self.lose(LostReason::Expired);
        if !matches!(self.phase, Phase::Releasing(_)) {
            self.next_at = match self.failures {
                0 => self.now,
                failures => self.now.saturating_add(self.pace.backoff(&self.config, failures)),
            };
        }
    }

    /// What [`Output::Timeout`] says once everything else was carried out.
    pub(crate) fn next_timeout(&self) -> Instant {
        let request = self.in_flight.as_ref().map_or_else(|| self.due_at(), |request| self.overdue_at(request));
        let deadline = self.phase.reign().map(|reign| reign.deadline);
        [deadline, self.ends_at(), self.leader.until()].into_iter().flatten().fold(request, Instant::min)
    }

    /// When the next request of whatever kind is due.
    fn due_at(&self) -> Instant {
        match self.phase {
            // A wake-up (by its own release, say) or an answer may have set the next request earlier: the cool-off lasts all the
            // same.
            Phase::CoolingOff { until } => self.next_at.max(until),
            _ => self.next_at,
        }
    }
}
