//! An election on a bench: its clock, what it is told, and what it does.

use std::time::Duration;

use lessor::election::{Election, Input, Output, RequestId};
use lessor::storage::{Acquired, Claim, Operation, Release, Renewal, Renewed, Reply, Request, Session, Version};
use lessor::{Config, Event, Id, Instant, Key, Lease, LostReason, StorageError, Term};

pub(crate) const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

pub(crate) const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

pub(crate) fn term(number: u64) -> Term {
    Term::new(number).unwrap()
}

/// An [`Event`] that a test can write down: those of the library may grow, so nobody else can make one.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Told {
    Elected { term: Term, deadline: Instant },
    Renewed { term: Term, deadline: Instant },
    Jeopardy { term: Term, deadline: Instant },
    Ending { term: Term, reason: LostReason },
    Lost { term: Term, reason: LostReason },
    StorageFailed { operation: Operation, error: StorageError },
    Stopped,
}

impl From<Event> for Told {
    fn from(event: Event) -> Self {
        match event {
            Event::Elected { term, deadline, .. } => Self::Elected { term, deadline },
            Event::Renewed { term, deadline, .. } => Self::Renewed { term, deadline },
            Event::Jeopardy { term, deadline, .. } => Self::Jeopardy { term, deadline },
            Event::Ending { term, reason, .. } => Self::Ending { term, reason },
            Event::Lost { term, reason, .. } => Self::Lost { term, reason },
            Event::StorageFailed { operation, error, .. } => Self::StorageFailed { operation, error },
            Event::Stopped => Self::Stopped,
            other => panic!("{other:?}"),
        }
    }
}

/// An election with a clock that the test moves.
pub(crate) struct Bench {
    pub(crate) election: Election,
    pub(crate) start: Instant,
    pub(crate) now: Instant,
    pub(crate) sessions: u128,
    pub(crate) events: Vec<Event>,
    pub(crate) requests: Vec<(RequestId, Request, Duration)>,
}

impl Bench {
    pub(crate) fn new(config: Config) -> Self {
        let start = Instant::from_origin(secs(1000));
        let key = Key::new("k").unwrap();
        let id = Id::new("me").unwrap();
        let election = Election::new(key, id, config, Session::from_bits(1), 7, start).unwrap();
        Self { election, start, now: start, sessions: 1, events: Vec::new(), requests: Vec::new() }
    }

    /// To this long after the start, taking every output that falls due on the way.
    pub(crate) fn to(&mut self, at: Duration) -> &mut Self {
        let until = self.start.saturating_add(at);
        loop {
            let next = self.settle();
            match next {
                Some(next) if next <= until => {
                    assert!(next > self.now, "asked to come back at once, for ever");
                    self.now = next;
                }
                _ => break,
            }
        }
        self.now = until;
        self.settle();
        self
    }

    /// To the next request.
    pub(crate) fn until_request(&mut self) -> &mut Self {
        let sent = self.requests.len();
        while self.requests.len() == sent {
            self.now = self.settle().expect("another request");
            self.settle();
        }
        self
    }

    /// Moves the clock without looking: a process that was paused.
    pub(crate) fn sleep_through(&mut self, at: Duration) -> &mut Self {
        self.now = self.start.saturating_add(at);
        self
    }

    /// Takes outputs until there is nothing to do now.
    pub(crate) fn settle(&mut self) -> Option<Instant> {
        for _ in 0..100 {
            match self.election.poll_output(self.now) {
                Output::Event(event) => self.events.push(event),
                Output::DrawSession => {
                    self.sessions += 1;
                    self.election.handle_input(self.now, Input::Session(Session::from_bits(self.sessions)));
                }
                Output::Request { id, request, .. } => self.requests.push((id, request, self.elapsed())),
                Output::Timeout(at) => return Some(at),
                Output::Done => return None,
                other => panic!("{other:?}"),
            }
        }
        panic!("outputs without end");
    }

    pub(crate) fn elapsed(&self) -> Duration {
        self.now.saturating_duration_since(self.start)
    }

    pub(crate) fn input(&mut self, input: Input) -> &mut Self {
        self.election.handle_input(self.now, input);
        self.settle();
        self
    }

    /// The request in flight.
    pub(crate) fn sent(&self) -> (&Request, Duration) {
        let (id, request, at) = self.requests.last().expect("a request");
        assert_eq!(self.election.in_flight(), Some(*id), "in flight");
        (request, *at)
    }

    pub(crate) fn claim(&self) -> &Claim {
        match self.sent().0 {
            Request::Acquire(claim) => claim,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn renewal(&self) -> &Renewal {
        match self.sent().0 {
            Request::Renew(renewal) => renewal,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn release(&self) -> &Release {
        match self.sent().0 {
            Request::Release(release) => release,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn reply(&mut self, reply: Reply) -> &mut Self {
        self.answer(Ok(reply))
    }

    pub(crate) fn answer(&mut self, reply: Result<Reply, StorageError>) -> &mut Self {
        let id = self.requests.last().expect("a request").0;
        self.input(Input::Reply { id, reply })
    }

    pub(crate) fn granted(&mut self, number: u64) -> &mut Self {
        self.reply(Reply::Acquired(Acquired::granted(term(number), Version::FIRST)))
    }

    pub(crate) fn extended(&mut self) -> &mut Self {
        self.reply(Reply::Renewed(Renewed::extended(Version::FIRST)))
    }

    pub(crate) fn held(&mut self, lease: Lease, retry_after: Duration) -> &mut Self {
        self.reply(Reply::Acquired(Acquired::refused(Some(lease), retry_after)))
    }

    pub(crate) fn looked(&mut self, lease: Option<Lease>) -> &mut Self {
        self.reply(Reply::Got(lease))
    }

    pub(crate) fn failed(&mut self) -> &mut Self {
        self.answer(Err(StorageError::transient("down")))
    }

    pub(crate) fn leads(&self) -> bool {
        self.election.is_leader(self.now)
    }

    pub(crate) fn at(&self, elapsed: Duration) -> Instant {
        self.start.saturating_add(elapsed)
    }

    /// The events since the last call, without `LeaderChanged`.
    pub(crate) fn happened(&mut self) -> Vec<Told> {
        let events = std::mem::take(&mut self.events);
        events.into_iter().filter(|event| !matches!(event, Event::LeaderChanged(_))).map(Told::from).collect()
    }
}

pub(crate) fn lease(id: &str, number: u64, version: u64, left: Duration) -> Lease {
    let mut lease = Lease::new(term(number), Version::new(version), secs(10));
    lease.id = (!id.is_empty()).then(|| Id::new(id).unwrap());
    lease.time_left = left;
    lease
}

pub(crate) fn leader() -> Bench {
    let mut bench = Bench::new(Config::default());
    bench.to(ms(0)).granted(5);
    bench.happened();
    bench
}

pub(crate) fn is_acquire(request: &Request) -> bool {
    matches!(request, Request::Acquire(_))
}
