//! Properties: configuration, time arithmetic, and an election that is told anything in any order.

use std::time::Duration;

use lessor::election::{Election, Input, Output, RequestId};
use lessor::storage::{Acquired, Claim, Release, Renewal, Renewed, Reply, Request, Session, Version};
use lessor::{Config, ConfigError, Event, Id, Instant, Key, Lease, LostReason, StorageError, Term};
use proptest::prelude::*;

fn duration() -> impl Strategy<Value = Duration> {
    prop_oneof![
        Just(Duration::ZERO),
        Just(Duration::MAX),
        (0..200_000_000_u64).prop_map(Duration::from_micros),
        (0..200_000_u64).prop_map(Duration::from_secs),
        any::<(u64, u32)>().prop_map(|(secs, nanos)| Duration::new(secs, nanos % 1_000_000_000)),
    ]
}

fn lease() -> impl Strategy<Value = Lease> {
    (any::<bool>(), 1..20_u64, 0..20_u64, 0..12_000_u64).prop_map(|(held, term, version, left)| {
        let mut lease = Lease::new(Term::new(term).unwrap(), Version::new(version), Duration::from_secs(10));
        lease.id = held.then(|| Id::new("other").unwrap());
        lease.time_left = Duration::from_millis(left);
        lease
    })
}

fn reply() -> impl Strategy<Value = Result<Reply, StorageError>> {
    let term = || (1..20_u64).prop_map(|term| Term::new(term).unwrap());
    prop_oneof![
        4 => term().prop_map(|term| Ok(Reply::Acquired(Acquired::granted(term, Version::FIRST)))),
        3 => (proptest::option::of(lease()), 0..12_000_u64).prop_map(|(lease, left)| {
            Ok(Reply::Acquired(Acquired::refused(lease, Duration::from_millis(left))))
        }),
        5 => Just(Ok(Reply::Renewed(Renewed::extended(Version::FIRST)))),
        1 => proptest::option::of(lease()).prop_map(|lease| Ok(Reply::Renewed(Renewed::lost(lease)))),
        2 => Just(Ok(Reply::Released)),
        2 => proptest::option::of(lease()).prop_map(|lease| Ok(Reply::Got(lease))),
        2 => Just(Err(StorageError::transient("down"))),
    ]
}

#[derive(Clone, Debug)]
enum Move {
    /// Time passes; the election is looked at when it asked to be, or not at all.
    Wait(Duration, bool),
    /// To the request in flight, or to an older one.
    Reply(Result<Reply, StorageError>, bool),
    Input(Input),
}

fn a_move() -> impl Strategy<Value = Move> {
    prop_oneof![
        6 => ((0..4000_u64).prop_map(Duration::from_millis), any::<bool>()).prop_map(|(wait, look)| Move::Wait(wait, look)),
        1 => (duration(), Just(false)).prop_map(|(wait, look)| Move::Wait(wait.min(Duration::from_secs(60)), look)),
        8 => (reply(), proptest::bool::weighted(0.9)).prop_map(|(reply, current)| Move::Reply(reply, current)),
        2 => prop_oneof![
            Just(Input::Timeout),
            Just(Input::Wakeup),
            Just(Input::Resign),
            duration().prop_map(Input::SetClaimDelay),
            Just(Input::SetClaimDelay(Duration::from_secs(2))),
            Just(Input::SetClaimDelay(Duration::ZERO)),
            any::<bool>().prop_map(|is_patient| Input::Transfer { to: Id::new("other").unwrap(), is_patient }),
            Just(Input::SetValue { value: None, serial: 1 }),
            (1..20_u64).prop_map(|term| Input::Drained(Term::new(term).unwrap())),
        ].prop_map(Move::Input),
        1 => prop_oneof![9 => Just(Input::Wakeup), 1 => Just(Input::Stop)].prop_map(Move::Input),
    ]
}

/// Drives an election and holds it to what must be true whatever it is told.
struct Judge {
    election: Election,
    now: Instant,
    sessions: u128,
    last: Option<(RequestId, Request, Instant)>,
    older: Option<RequestId>,
    released: Vec<Session>,
    sent: usize,
    leading: Option<(Term, Instant)>,
    newest: Option<Term>,
    delay: Duration,
    stopped: bool,
}

impl Judge {
    fn settle(&mut self) -> Instant {
        for _ in 0..64 {
            match self.election.poll_output(self.now) {
                Output::Event(event) => self.event(event),
                Output::DrawSession => {
                    self.sessions += 1;
                    self.election.handle_input(self.now, Input::Session(Session::from_bits(self.sessions)));
                }
                Output::Request { id, request, .. } => self.request(id, request),
                Output::Timeout(at) => {
                    assert!(at > self.now, "nothing is due and yet it is");
                    return at;
                }
                Output::Done => {
                    assert!(self.stopped);
                    return Instant::from_origin(Duration::MAX);
                }
                other => panic!("{other:?}"),
            }
            self.check();
        }
        panic!("outputs without end");
    }

    fn request(&mut self, id: RequestId, request: Request) {
        self.sent += 1;
        match &request {
            Request::Acquire(Claim { session, .. }) | Request::Renew(Renewal { session, .. }) => {
                assert!(!self.released.contains(session), "R9: a released session claims");
            }
            Request::Release(Release { session, .. }) => {
                assert!(self.leading.is_none(), "R9: released before it demoted");
                self.released.push(*session);
            }
            Request::Get(_) => {
                assert!(!self.delay.is_zero() && self.leading.is_none(), "only who lets others go first looks");
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(self.election.in_flight(), Some(id));
        self.older = self.last.take().map(|(id, ..)| id);
        self.last = Some((id, request, self.now));
    }

    fn event(&mut self, event: Event) {
        assert!(!self.stopped, "R16: {event:?} after Stopped");
        match event {
            Event::Elected { term, deadline, .. } => {
                assert!(self.leading.is_none());
                let (_, _, sent) = self.last.as_ref().unwrap();
                assert_eq!(deadline, sent.saturating_add(Duration::from_secs(9)), "R2");
                self.leading = Some((term, deadline));
            }
            Event::Renewed { term, deadline, .. } => {
                let (leading, before) = self.leading.unwrap();
                assert!(leading == term && deadline >= before, "the deadline only moves forward");
                self.leading = Some((term, deadline));
            }
            Event::Jeopardy { term, .. } => assert_eq!(self.leading.unwrap().0, term),
            Event::Ending { term, reason, .. } => {
                assert_eq!(self.leading.unwrap().0, term);
                assert!(matches!(reason, LostReason::Resigned | LostReason::Stopped), "{reason}");
            }
            Event::Lost { term, .. } => assert_eq!(self.leading.take().unwrap().0, term),
            Event::Stopped => {
                assert!(self.leading.is_none());
                self.stopped = true;
            }
            _ => {}
        }
    }

    /// R3: a belief is never older than its deadline, and never without a grant.
    fn check(&mut self) {
        if self.election.is_leader(self.now) {
            assert!(self.now < self.election.status().deadline.unwrap());
        }
        if let Some((term, _)) = self.leading {
            self.newest = self.newest.max(Some(term));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// R15, R16: any durations are judged without overflow; what is accepted keeps the rule, what is refused names a
    /// field and both numbers.
    #[test]
    fn any_configuration_is_judged(durations in proptest::array::uniform10(duration())) {
        let mut config = Config::default();
        [
            config.ttl, config.renew_interval, config.retry_interval, config.request_timeout, config.margin,
            config.drain_timeout, config.cool_off, config.min_hold, config.takeover_delay,
            config.claim_delay,
        ] = durations;
        match config.validate() {
            Ok(()) => {
                prop_assert!(config.ttl >= Config::MIN_TTL && durations.iter().all(|duration| *duration <= Config::MAX_DURATION));
                prop_assert!(config.renew_interval.mul_f64(1.1) + config.request_timeout * 2 + config.margin < config.ttl);
            }
            Err(ConfigError::OutOfRange { given, min, max, .. }) => prop_assert!(given < min || given > max),
            Err(ConfigError::NoRoomToRenew { needed, ttl, .. }) => prop_assert!(needed >= ttl && ttl == config.ttl),
            Err(other) => prop_assert!(false, "{other}"),
        }
    }

    /// R15: the proportions derived from a ttl fit together for every ttl that is allowed.
    #[test]
    fn every_ttl_has_fitting_defaults(micros in 100_000..=86_400_000_000_u64) {
        prop_assert_eq!(Config::with_ttl(Duration::from_micros(micros)).validate(), Ok(()));
    }

    /// R16: instants saturate.
    #[test]
    fn instants_saturate(a in duration(), b in duration()) {
        let (at, earlier) = (Instant::from_origin(a), Instant::from_origin(b));
        // 584 years, and a reading a century less.
        let end = Duration::from_nanos(u64::MAX - 1);
        let reading = |duration: Duration| duration.min(Duration::from_nanos(u64::MAX) - Duration::from_secs(100 * 365 * 86_400));
        prop_assert_eq!(at.saturating_duration_since(earlier), reading(a).saturating_sub(reading(b)));
        prop_assert!(at.saturating_add(b) >= at && at.saturating_sub(b) <= at);
        prop_assert_eq!(at.saturating_add(b).since_origin(), reading(a).saturating_add(b).min(end));
        prop_assert_eq!(at.saturating_sub(b).since_origin(), reading(a).saturating_sub(b));
    }

    /// R2, R3, R9, R13, R16: told anything in any order, an election keeps its rules, does not panic and does not spin.
    #[test]
    fn told_anything_it_keeps_its_rules(seed: u64, moves in proptest::collection::vec(a_move(), 1..120)) {
        let now = Instant::from_origin(Duration::from_secs(100));
        let key = Key::new("k").unwrap();
        let id = Id::new("me").unwrap();
        let election = Election::new(key, id, Config::default(), Session::from_bits(0), seed, now).unwrap();
        let mut judge = Judge {
            election, now, sessions: 0, last: None, older: None, released: Vec::new(), sent: 0, leading: None, newest: None,
            delay: Duration::ZERO, stopped: false,
        };
        let mut next = judge.settle();
        let inputs = moves.len();
        let mut looks = 0;
        for a_move in moves {
            match a_move {
                Move::Wait(wait, look) => {
                    let until = judge.now.saturating_add(wait);
                    while look && next <= until {
                        looks += 1;
                        judge.now = next;
                        next = judge.settle();
                    }
                    judge.now = until;
                }
                Move::Reply(reply, current) => {
                    let id = if current { judge.last.as_ref().map(|(id, ..)| *id) } else { judge.older };
                    if let Some(id) = id {
                        judge.election.handle_input(judge.now, Input::Reply { id, reply });
                    }
                }
                Move::Input(input) => {
                    if let Input::SetClaimDelay(delay) = input {
                        judge.delay = delay;
                    }
                    judge.election.handle_input(judge.now, input);
                }
            }
            judge.check();
            next = judge.settle();
        }
        prop_assert!(judge.sent <= 1 + inputs * 2 + looks * 2, "{} requests for {inputs} inputs and {looks} looks", judge.sent);
    }
}
