//! A seat: one candidate after another on one machine, each a shipped [`Election`].

use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use lessor::election::{Election, Input, Output, RequestId};
use lessor::storage::{Reply, Request, Session};
use lessor::{Config, ConfigError, Event, Id, Instant, InvalidText, Key, StorageError, Term, Ticket};

use crate::clock::Tick;
use crate::fingerprint::fingerprint;

/// Sessions are counted, a handful a seat.
pub(crate) const SESSIONS_A_SEAT: u8 = 8;

/// What candidates are called, by place.
pub(crate) const NAMES: [&str; 2] = ["a", "b"];

/// One candidate after another on one machine.
#[derive(Clone, Debug)]
pub(crate) struct Seat {
    /// Whose clock and name.
    pub(crate) place: u8,
    /// The number of its newest session.
    pub(crate) session: u8,
    /// Whether the instance goes on with the session of another.
    pub(crate) resumed: bool,
    /// The term and the deadline of a reign that it goes on with.
    pub(crate) continued: Option<(Term, Instant)>,
    pub(crate) instance: Instance,
}

/// What sits there.
#[derive(Clone, Debug)]
pub(crate) enum Instance {
    Awake(Arc<Awake>),
    /// The bytes of its ticket.
    Asleep(Vec<u8>),
}

/// An election that has been polled until it waits, and what is often asked about it.
#[derive(Clone, Debug)]
pub(crate) struct Awake {
    pub(crate) election: Election,
    fingerprint: u64,
    /// The term it holds, and until when.
    pub(crate) term: Option<(Term, Instant)>,
    /// From when on another poll may change anything.
    pub(crate) wake_at: Instant,
    /// The tick in which its release failed, while that is not yet to be repeated.
    release_failed: Option<Tick>,
    /// The election before it sent the request in flight, where a planted fault asks for it.
    unsent: Option<Arc<Election>>,
}

/// What the polls until it waits brought.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) elected: Option<Term>,
    pub(crate) request: Option<(RequestId, Request)>,
}

/// The moment at which a seat acts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    pub(crate) tick: Tick,
    /// The seat's clock.
    pub(crate) now: Instant,
    pub(crate) keeps_session: bool,
}

impl Seat {
    pub(crate) fn new(
        index: u8,
        place: u8,
        config: &Config,
        instance: Start,
        moment: Moment,
    ) -> Result<Self, SetUpError> {
        let key = Key::new("k")?;
        let id = Id::new(NAMES[usize::from(place != 0)])?;
        let config = config.clone();
        let mut continued = None;
        let (session, resumed, election) = match instance {
            Start::New(session) => {
                let bits = Session::from_bits(session.into());
                (session, false, Election::new(key, id, config, bits, index.into(), moment.now)?)
            }
            Start::Resume(session, ticket, continuing) => {
                let ticket = if continuing {
                    continued = ticket.led().zip(ticket.reign_until());
                    ticket.continuing()
                } else {
                    ticket
                };
                (session, true, Election::resume(id, config, ticket, index.into(), moment.now)?)
            }
        };
        let awake = Awake::new(election, moment, false, moment.now);
        Ok(Self { place, session, resumed, continued, instance: Instance::Awake(Arc::new(awake)) })
    }

    pub(crate) fn awake(&self) -> Option<&Awake> {
        match &self.instance {
            Instance::Awake(awake) => Some(awake),
            Instance::Asleep(..) => None,
        }
    }

    /// Hands in what happened and polls until it waits, or would send a request: that it sends only if `send`, else it
    /// is as if the executor had not come to it.
    pub(crate) fn drive(&mut self, inputs: impl IntoIterator<Item = Input>, send: bool, moment: Moment) -> Outcome {
        let Some(awake) = self.awake() else { return Outcome::default() };
        let unsent = awake.unsent.clone();
        self.drive_from(awake.election.clone(), unsent, inputs, send, moment)
    }

    fn drive_from(
        &mut self,
        mut election: Election,
        unsent: Option<Arc<Election>>,
        inputs: impl IntoIterator<Item = Input>,
        send: bool,
        moment: Moment,
    ) -> Outcome {
        let now = moment.now;
        let mut outcome = Outcome::default();
        inputs.into_iter().for_each(|input| election.handle_input(now, input));
        let (wake_at, waits) = loop {
            let mut polled = election.clone();
            match polled.poll_output(now) {
                Output::Event(event) => {
                    if let Event::Elected { term, .. } = event {
                        outcome.elected = Some(term);
                    }
                }
                Output::DrawSession => {
                    self.session += u8::from(!moment.keeps_session);
                    self.resumed = false;
                    polled.handle_input(now, Input::Session(Session::from_bits(self.session.into())));
                }
                Output::Request { id, request, .. } if send && outcome.request.is_none() => {
                    outcome.request = Some((id, request));
                }
                Output::Request { .. } => break (now.saturating_add(Duration::from_nanos(1)), false),
                Output::Timeout(at) => {
                    election = polled;
                    break (at, true);
                }
                _ => break (Instant::from_origin(Duration::MAX), false),
            }
            election = polled;
        };
        let unsent = unsent.filter(|_| election.in_flight().is_some());
        let awake = Awake { unsent, ..Awake::new(election, moment, waits, wake_at) };
        self.instance = Instance::Awake(Arc::new(awake));
        outcome
    }

    /// Sends the request in flight once more, now, if the election before it was kept: so its deadline counts from now.
    pub(crate) fn resend(&mut self, id: RequestId, moment: Moment) {
        let Some(unsent) = self.awake().and_then(|awake| awake.unsent.as_deref().cloned()) else { return };
        let mut resent = self.clone();
        let nudge = nudge(&unsent);
        let outcome = resent.drive_from(unsent, None, nudge, true, moment);
        if outcome.request.is_some_and(|(resent, _)| resent == id) {
            self.instance = resent.instance;
        }
    }

    /// Keeps the election as it was before it sent the request in flight.
    pub(crate) fn remember(&mut self, unsent: &Election) {
        if let Instance::Awake(awake) = &self.instance {
            let unsent = Some(Arc::new(unsent.clone()));
            self.instance = Instance::Awake(Arc::new(Awake { unsent, ..Awake::clone(awake) }));
        }
    }

    pub(crate) fn hash(&self, tick: Tick, state: &mut impl Hasher) {
        (self.place, self.session, self.resumed, self.continued).hash(state);
        match &self.instance {
            Instance::Awake(awake) => (awake.fingerprint, awake.release_failed == Some(tick)).hash(state),
            Instance::Asleep(ticket) => ticket.hash(state),
        }
    }

    /// Whether it is driven for nothing: the result is the same state.
    pub(crate) fn is_as(&self, other: &Self) -> bool {
        self.session == other.session
            && matches!((self.awake(), other.awake()), (Some(one), Some(other)) if one.fingerprint == other.fingerprint)
    }
}

/// How an instance begins.
#[derive(Debug)]
pub(crate) enum Start {
    New(u8),
    /// With the session of a ticket, and in the term of its reign if it is to.
    Resume(u8, Ticket, bool),
}

impl Awake {
    fn new(election: Election, moment: Moment, waits: bool, wake_at: Instant) -> Self {
        let status = election.status();
        let term = status.term.zip(status.deadline);
        let releasing = election.is_handing_over() && term.is_none() && election.in_flight().is_none();
        let release_failed = (releasing && waits).then_some(moment.tick);
        Self { fingerprint: fingerprint(&election), election, term, wake_at, release_failed, unsent: None }
    }

    /// Whether a request would be sent if it could be: none is in flight, and a failed release is not pausing.
    pub(crate) fn may_send(&self, tick: Tick) -> bool {
        self.election.in_flight().is_none() && self.release_failed != Some(tick)
    }

    /// A late reply, which has to change nothing but what the time of its arrival changes. Whether it did.
    pub(crate) fn is_changed_by(&self, id: RequestId, reply: &Reply, now: Instant) -> bool {
        let after = |input| {
            let mut election = self.election.clone();
            election.handle_input(now, input);
            fingerprint(&election)
        };
        after(Input::Reply { id, reply: Ok(reply.clone()) }) != after(Input::Timeout)
    }
}

/// Makes a request due, whether the candidate follows or leads.
pub(crate) const fn nudge(election: &Election) -> [Input; 2] {
    [Input::Wakeup, Input::SetValue { value: None, serial: election.serial_set() + 1 }]
}

/// The error that a planted failure carries.
pub(crate) fn failed() -> Result<Reply, StorageError> {
    Err(StorageError::transient("planted"))
}

/// The model cannot be set up.
#[derive(Debug)]
pub enum SetUpError {
    /// A name does not keep to its limits.
    Text(InvalidText),
    /// The durations do not fit together.
    Config(ConfigError),
}

impl From<InvalidText> for SetUpError {
    fn from(error: InvalidText) -> Self {
        Self::Text(error)
    }
}

impl From<ConfigError> for SetUpError {
    fn from(error: ConfigError) -> Self {
        Self::Config(error)
    }
}

impl std::fmt::Display for SetUpError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Text(error) => error.fmt(f),
            Self::Config(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for SetUpError {}
