//! The candidate's half of the protocol, rule by rule: time and replies in, requests and events out.

use std::time::Duration;

use lessor::{
    Acquired, Claim, Config, Election, Event, Holder, Input, Instant, Key, Lease, LostReason, Operation, Output,
    Renewed, Reply, Request, RequestId, Role, Session, StorageError, Takeover, Term, Value, Version,
};

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn term(number: u64) -> Term {
    Term::new(number).unwrap()
}

/// An election with a clock that the test moves.
struct Bench {
    election: Election,
    start: Instant,
    now: Instant,
    sessions: u128,
    events: Vec<Event>,
    requests: Vec<(RequestId, Request, Duration)>,
}

impl Bench {
    fn new(config: Config) -> Self {
        let start = Instant::from_origin(secs(1000));
        let key = Key::new("k").unwrap();
        let holder = Holder::new("me").unwrap();
        let election = Election::new(key, holder, config, Session::from_bits(1), 7, start).unwrap();
        Self { election, start, now: start, sessions: 1, events: Vec::new(), requests: Vec::new() }
    }

    /// To this long after the start, taking every output that falls due on the way.
    fn to(&mut self, at: Duration) -> &mut Self {
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
    fn until_request(&mut self) -> &mut Self {
        let sent = self.requests.len();
        while self.requests.len() == sent {
            self.now = self.settle().expect("another request");
            self.settle();
        }
        self
    }

    /// Moves the clock without looking: a process that was paused.
    fn sleep_through(&mut self, at: Duration) -> &mut Self {
        self.now = self.start.saturating_add(at);
        self
    }

    /// Takes outputs until there is nothing to do now.
    fn settle(&mut self) -> Option<Instant> {
        for _ in 0..100 {
            match self.election.poll_output(self.now) {
                Output::Event(event) => self.events.push(event),
                Output::DrawSession => {
                    self.sessions += 1;
                    self.election.handle_input(self.now, Input::Session(Session::from_bits(self.sessions)));
                }
                Output::Request { id, request } => self.requests.push((id, request, self.elapsed())),
                Output::Timeout(at) => return Some(at),
                Output::Done => return None,
                other => panic!("{other:?}"),
            }
        }
        panic!("outputs without end");
    }

    fn elapsed(&self) -> Duration {
        self.now.saturating_duration_since(self.start)
    }

    fn input(&mut self, input: Input) -> &mut Self {
        self.election.handle_input(self.now, input);
        self.settle();
        self
    }

    /// The request in flight.
    fn sent(&self) -> (&Request, Duration) {
        let (id, request, at) = self.requests.last().expect("a request");
        assert_eq!(self.election.in_flight(), Some(*id), "in flight");
        (request, *at)
    }

    fn claim(&self) -> &Claim {
        match self.sent().0 {
            Request::Acquire(claim) | Request::Renew(claim, _) => claim,
            other => panic!("{other:?}"),
        }
    }

    fn reply(&mut self, reply: Reply) -> &mut Self {
        let id = self.requests.last().expect("a request").0;
        self.input(Input::Reply { id, reply })
    }

    fn granted(&mut self, number: u64) -> &mut Self {
        self.reply(Reply::Acquired(Acquired::Granted { term: term(number), version: Version::FIRST }))
    }

    fn extended(&mut self) -> &mut Self {
        self.reply(Reply::Renewed(Renewed::Extended { version: Version::FIRST }))
    }

    fn held(&mut self, lease: Lease, retry_after: Duration) -> &mut Self {
        self.reply(Reply::Acquired(Acquired::Held { lease: Some(lease), retry_after }))
    }

    fn failed(&mut self) -> &mut Self {
        self.reply(Reply::Failed(StorageError::transient("down")))
    }

    fn leads(&self) -> bool {
        self.election.is_leader(self.now)
    }

    fn at(&self, elapsed: Duration) -> Instant {
        self.start.saturating_add(elapsed)
    }

    /// The events since the last call, without `LeaderChanged`.
    fn happened(&mut self) -> Vec<Event> {
        let events = std::mem::take(&mut self.events);
        events.into_iter().filter(|event| !matches!(event, Event::LeaderChanged(_))).collect()
    }
}

fn lease(holder: &str, number: u64, version: u64, left: Duration) -> Lease {
    Lease {
        holder: (!holder.is_empty()).then(|| Holder::new(holder).unwrap()),
        term: term(number),
        version: Version::new(version),
        ttl: secs(10),
        time_left: left,
        value: None,
    }
}

fn leader() -> Bench {
    let mut bench = Bench::new(Config::default());
    bench.to(ms(0)).granted(5);
    bench.happened();
    bench
}

fn is_acquire(request: &Request) -> bool {
    matches!(request, Request::Acquire(_))
}

// === claiming ===

/// R6: the first claim knows no term; a vacant lease is looked at, then asked for at once with its term.
#[test]
fn a_first_claim_on_a_known_key_takes_two_round_trips() {
    let mut bench = Bench::new(Config::default());
    bench.to(ms(0));
    assert_eq!(bench.claim().after, None);
    bench.held(lease("", 3, 9, secs(0)), secs(0));
    assert_eq!((bench.claim().after, bench.sent().1), (Some(term(3)), ms(0)));
    bench.granted(4);
    assert!(bench.leads());
}

/// R13: a storage that answers "ask again" without saying anything new is not asked in a loop.
#[test]
fn ask_again_without_news_is_paced() {
    let mut bench = Bench::new(Config::default());
    bench.to(ms(0)).held(lease("", 3, 9, secs(0)), secs(0)).held(lease("", 3, 9, secs(0)), secs(0));
    assert_eq!(bench.election.in_flight(), None);
    bench.to(ms(2200));
    assert!(bench.sent().1 >= ms(1800));
}

/// R2: the deadline counts from before the request was sent, less the margin.
#[test]
fn the_deadline_counts_from_before_the_request() {
    let mut bench = Bench::new(Config::default());
    bench.to(ms(0)).to(ms(1500)).granted(1);
    let deadline = bench.at(secs(9));
    assert_eq!(bench.happened(), [Event::Elected { term: term(1), deadline }]);
    assert!(bench.election.is_leader(bench.at(ms(8999))));
    assert!(!bench.election.is_leader(deadline));
}

/// R2: a grant that comes after its own deadline grants nothing, and is asked for again as the same claim.
#[test]
fn a_late_grant_grants_nothing() {
    let mut config = Config::default();
    config.request_timeout = ms(3000);
    let mut bench = Bench::new(config);
    bench.to(ms(0));
    let first = bench.claim().clone();
    bench.sleep_through(secs(9)).granted(1);
    assert!(!bench.leads());
    assert!(matches!(bench.happened()[..], [Event::StorageFailed { operation: Operation::Acquire, .. }]));
    bench.to(secs(10));
    assert_eq!(*bench.claim(), first, "healed by asking again");
    bench.granted(1);
    assert!(bench.leads());
}

/// R2: a reply to another request than the one in flight is dropped.
#[test]
fn a_mismatched_reply_is_dropped() {
    let mut bench = Bench::new(Config::default());
    bench.to(ms(0));
    let first = bench.requests[0].0;
    bench.to(ms(2600));
    assert!(bench.requests.len() >= 2, "the first one timed out");
    let before = bench.election.clone();
    let late = Reply::Acquired(Acquired::Granted { term: term(1), version: Version::FIRST });
    bench.input(Input::Reply { id: first, reply: late });
    assert_eq!(bench.election, before);
    assert!(!bench.leads());
}

/// R14: a reply that was slow to be looked at still counts, as long as its own deadline has not passed.
#[test]
fn a_reply_handled_late_but_in_time_counts() {
    let mut bench = Bench::new(Config::default());
    bench.to(ms(0)).sleep_through(secs(5)).granted(1);
    assert!(bench.leads(), "no timeout had been acted upon");
}

/// R14: every request has a timeout; what timed out is in doubt and asked again with the same session.
#[test]
fn an_unanswered_claim_times_out_and_is_repeated() {
    let mut bench = Bench::new(Config::default());
    bench.to(ms(0)).to(ms(1999));
    assert_eq!(bench.requests.len(), 1);
    bench.to(ms(2500));
    let error = StorageError::timed_out(secs(2));
    assert_eq!(bench.happened(), [Event::StorageFailed { operation: Operation::Acquire, error }]);
    assert_eq!(bench.claim().session, Session::from_bits(1));
    assert!((ms(2250)..=ms(2500)).contains(&bench.sent().1));
}

/// R14: a failing storage is tried for ever, with backoff up to the retry interval.
#[test]
fn a_failing_storage_is_tried_for_ever() {
    let mut bench = Bench::new(Config::default());
    bench.to(ms(0));
    for _ in 0..500 {
        let before = bench.elapsed();
        bench.failed();
        bench.to(before + secs(2));
        assert!(bench.sent().1 > before && bench.sent().1 <= before + secs(2));
    }
    let pauses: Vec<_> = bench.requests.windows(2).map(|pair| pair[1].2 - pair[0].2).collect();
    assert!(pauses[0] < pauses[3] && pauses[5..].iter().all(|pause| *pause >= secs(1)));
    assert_eq!(bench.election.status().failures, 500);
    bench.granted(1);
    assert_eq!((bench.leads(), bench.election.status().failures), (true, 0));
}

/// A reply that does not fit its request is an error like any other.
#[test]
fn a_reply_of_the_wrong_kind_is_a_failure() {
    let mut bench = Bench::new(Config::default());
    bench.to(ms(0)).reply(Reply::Released);
    assert!(matches!(bench.happened()[..], [Event::StorageFailed { operation: Operation::Acquire, .. }]));
}

// === following ===

/// R13: a follower comes back when told, a hundredth of the ttl spread at the most.
#[test]
fn a_follower_comes_back_when_the_lease_ends() {
    for retry_after in [ms(30), ms(700), ms(1500)] {
        let mut bench = Bench::new(Config::default());
        bench.to(ms(0)).held(lease("other", 1, 1, retry_after), retry_after);
        let at = bench.until_request().sent().1;
        assert!(at > retry_after && at <= retry_after + ms(100), "{at:?}");
        assert_eq!(bench.claim().after, Some(term(1)));
    }
}

/// R13: at the latest it comes back after its retry interval, with fresh jitter that does not compound.
#[test]
fn a_follower_polls_at_its_retry_interval() {
    let mut bench = Bench::new(Config::default());
    bench.to(ms(0));
    for _ in 0..200 {
        bench.held(lease("other", 1, 1, secs(8)), secs(8)).until_request();
    }
    let pauses: Vec<_> = bench.requests.windows(2).map(|pair| pair[1].2 - pair[0].2).collect();
    assert!(pauses.iter().all(|pause| (ms(1800)..=ms(2200)).contains(pause)), "{pauses:?}");
    let different: std::collections::BTreeSet<_> = pauses.iter().collect();
    assert!(different.len() > 190, "fresh each time");
}

/// R13: nothing but `acquire` is sent while following, and one request at a time.
#[test]
fn a_follower_only_acquires() {
    let mut bench = Bench::new(Config::default());
    bench.to(secs(100));
    assert!(bench.requests.iter().all(|(_, request, _)| is_acquire(request)));
}

/// R13: a wake-up means claim at once; one that comes while a request is in flight counts after it.
#[test]
fn a_wakeup_means_claim_at_once() {
    let mut bench = Bench::new(Config::default());
    bench.to(ms(0)).held(lease("other", 1, 1, secs(8)), secs(8));
    bench.to(ms(500)).input(Input::Wakeup);
    assert_eq!(bench.sent().1, ms(500));
    bench.input(Input::Wakeup).input(Input::Wakeup);
    assert_eq!(bench.requests.len(), 2);
    bench.held(lease("other", 2, 2, secs(8)), secs(8));
    assert_eq!((bench.requests.len(), bench.sent().1), (3, ms(500)));
    bench.held(lease("other", 2, 2, secs(8)), secs(8));
    assert_eq!(bench.requests.len(), 3, "two wake-ups were one");
}

/// Who leads is told when the holder, the term or the value changes, and a lease that is not live is nobody's.
#[test]
fn the_leader_is_told_once() {
    let mut bench = Bench::new(Config::default());
    bench.to(ms(0)).held(lease("other", 1, 1, secs(8)), secs(8));
    bench.to(secs(3)).held(lease("other", 1, 2, secs(8)), secs(8));
    bench.to(secs(6)).held(lease("other", 1, 2, secs(0)), secs(0));
    let told: Vec<_> = bench.events.drain(..).filter(|event| matches!(event, Event::LeaderChanged(_))).collect();
    assert_eq!(told, [Event::LeaderChanged(Some(lease("other", 1, 1, secs(8)))), Event::LeaderChanged(None)]);
}

/// The take-over guard: not before one version was seen for its ttl and margin on the own clock, and only that version.
#[test]
fn the_guard_waits_for_an_unchanged_version() {
    let mut config = Config::default();
    config.takeover_guard = true;
    let mut bench = Bench::new(config);
    bench.to(ms(0));
    assert_eq!(bench.claim().takeover, Takeover::ReleasedOnly);
    let expired = |version| lease("other", 1, version, secs(0));
    bench.held(expired(4), secs(0));
    let mut seen = Vec::new();
    for second in 0..11 {
        bench.to(secs(second));
        if bench.election.in_flight().is_some() {
            seen.push(bench.claim().takeover);
            bench.held(expired(4), secs(10));
        }
    }
    assert!(seen.len() > 3 && seen.iter().all(|takeover| *takeover == Takeover::ReleasedOnly), "{seen:?}");
    bench.to(ms(11_000));
    assert_eq!((bench.claim().takeover, bench.sent().1), (Takeover::Unchanged(Version::new(4)), secs(11)));
    bench.held(expired(5), secs(10));
    bench.to(ms(13_300));
    assert_eq!(bench.claim().takeover, Takeover::ReleasedOnly, "another version starts anew");
}

/// R10: a version that was seen unchanged for its ttl and margin is said to be so, for a storage whose clock stepped
/// back and which calls the lease live for ever.
#[test]
fn a_lease_that_never_ends_is_watched() {
    let mut bench = Bench::new(Config::default());
    bench.to(ms(0));
    while bench.elapsed() < secs(11) {
        assert_eq!(bench.claim().takeover, Takeover::Expired);
        bench.held(lease("other", 1, 4, secs(10)), secs(10)).until_request();
    }
    assert_eq!(bench.claim().takeover, Takeover::Unchanged(Version::new(4)));
    bench.held(lease("other", 1, 5, secs(10)), secs(10)).until_request();
    assert_eq!(bench.claim().takeover, Takeover::Expired, "it lives");
}

/// Lock-delay: an expired lease lies for the delay, then only the version that expired is taken over.
#[test]
fn a_takeover_delay_lets_an_expired_lease_lie() {
    let mut config = Config::default();
    config.takeover_delay = secs(5);
    let mut bench = Bench::new(config);
    bench.to(ms(0)).held(lease("other", 1, 4, secs(1)), secs(1));
    for at in [1_500, 2_500, 3_500, 4_500, 5_500] {
        bench.to(ms(at));
        if bench.election.in_flight().is_some() {
            assert_eq!(bench.claim().takeover, Takeover::ReleasedOnly);
            bench.held(lease("other", 1, 4, secs(0)), secs(10));
        }
    }
    bench.to(secs(6));
    assert_eq!((bench.claim().takeover, bench.sent().1), (Takeover::Unchanged(Version::new(4)), secs(6)));
}

/// Who was seen to lead is forgotten when its lease has run out and nothing more was heard, although the storage does
/// not answer.
#[test]
fn a_leader_that_is_not_heard_of_is_forgotten() {
    let mut bench = Bench::new(Config::default());
    bench.to(ms(0)).held(lease("other", 1, 1, secs(8)), secs(8));
    bench.events.clear();
    bench.to(ms(9_999));
    assert!(!bench.events.contains(&Event::LeaderChanged(None)));
    assert_eq!(bench.election.status().leader.map(|lease| lease.time_left), Some(secs(0)));
    bench.to(secs(10));
    assert!(bench.events.contains(&Event::LeaderChanged(None)), "its end, and a request timeout");
    assert_eq!(bench.election.status().leader, None);
}

// === leading ===

/// R14: a leader costs one request per renew interval, counted from one sending to the next.
#[test]
fn a_leader_renews_once_per_interval() {
    let mut bench = leader();
    for _ in 0..100 {
        let before = bench.requests.last().unwrap().2;
        bench.to(before + ms(2200));
        let sent = bench.sent().1;
        assert!((before + ms(1800)..=before + ms(2200)).contains(&sent));
        assert!(matches!(bench.sent().0, Request::Renew(_, number) if *number == term(5)));
        bench.extended();
        let deadline = bench.at(sent + secs(9));
        assert_eq!(bench.happened(), [Event::Renewed { term: term(5), deadline }]);
    }
    assert_eq!(bench.requests.len(), 101);
}

/// R14: one failed renewal costs nothing; it is repeated after 250 to 500 ms, and jeopardy is told once.
#[test]
fn failed_renewals_are_repeated_within_the_lease() {
    let mut bench = leader();
    bench.to(ms(2200)).failed();
    let failed = Event::StorageFailed { operation: Operation::Renew, error: StorageError::transient("down") };
    let jeopardy = Event::Jeopardy { term: term(5), deadline: bench.at(secs(9)) };
    assert_eq!(bench.happened(), [failed.clone(), jeopardy]);
    assert!(bench.leads() && bench.election.status().jeopardy);
    let before = bench.elapsed();
    bench.to(before + ms(500));
    assert!((before + ms(250)..=before + ms(500)).contains(&bench.sent().1));
    bench.failed();
    assert_eq!(bench.happened(), [failed], "told once");
    let now = bench.elapsed();
    bench.to(now + ms(500)).extended();
    assert!(matches!(bench.happened()[..], [Event::Renewed { .. }]));
    assert!(bench.leads() && !bench.election.status().jeopardy);
}

/// R3, R16: without a renewal the reign ends at its deadline, preceded by jeopardy, whoever looks.
#[test]
fn a_reign_ends_at_its_deadline() {
    let mut bench = leader();
    bench.sleep_through(secs(9));
    assert!(!bench.leads(), "before anything was handed in");
    bench.input(Input::Timeout);
    let deadline = bench.at(secs(9));
    assert_eq!(
        bench.happened(),
        [Event::Jeopardy { term: term(5), deadline }, Event::Lost { term: term(5), reason: LostReason::Expired }]
    );
    assert_eq!(bench.election.status().role, Role::Follower);
}

/// R6: after a loss the next claim says that the old term is over, so that the next reign has another.
#[test]
fn each_reign_has_its_own_term() {
    let mut bench = leader();
    bench.sleep_through(secs(9)).input(Input::Timeout);
    assert_eq!((bench.claim().after, bench.claim().session), (Some(term(5)), Session::from_bits(1)));
}

/// R2, R4: a renewal answered after the deadline revives nothing.
#[test]
fn a_late_renewal_revives_nothing() {
    let mut bench = leader();
    bench.to(ms(2200));
    let id = bench.requests.last().unwrap().0;
    bench.sleep_through(secs(9));
    bench.input(Input::Reply { id, reply: Reply::Renewed(Renewed::Extended { version: Version::FIRST }) });
    assert!(!bench.leads());
    assert!(matches!(bench.happened()[..], [Event::Jeopardy { .. }, Event::Lost { reason: LostReason::Expired, .. }]));
    assert!(is_acquire(bench.sent().0));
}

/// R6: a term whose end somebody has seen is over, even if it was renewed meanwhile; the next one is another.
#[test]
fn an_end_that_was_seen_is_an_end() {
    let mut bench = leader();
    bench.input(Input::Expired(term(4)));
    assert!(bench.leads(), "another term is meant");
    bench.input(Input::Expired(term(5)));
    assert!(!bench.leads());
    assert!(matches!(bench.happened()[..], [Event::Jeopardy { .. }, Event::Lost { reason: LostReason::Expired, .. }]));
    assert_eq!((bench.claim().after, bench.sent().1), (Some(term(5)), ms(0)));
}

/// R14: the timeout of a renewal is capped by the time that is left, so that the loss is not noticed late.
#[test]
fn the_last_renewal_times_out_at_the_deadline() {
    let mut bench = leader();
    bench.to(ms(8999));
    assert!(bench.leads());
    bench.to(secs(9));
    assert!(matches!(bench.happened().last(), Some(Event::Lost { reason: LostReason::Expired, .. })));
}

/// The storage says that another leads: the reign is over at once, and the follower waits for that lease.
#[test]
fn a_superseded_leader_follows() {
    let mut bench = leader();
    bench.to(ms(2200));
    bench.reply(Reply::Renewed(Renewed::Lost(Some(lease("other", 6, 9, secs(1))))));
    assert!(!bench.leads());
    assert_eq!(bench.happened(), [Event::Lost { term: term(5), reason: LostReason::Superseded }]);
    bench.to(ms(3400));
    assert!((ms(3100)..=ms(3400)).contains(&bench.sent().1), "{:?}", bench.sent().1);
    assert_eq!(bench.claim().after, Some(term(6)));
}

/// The seed's errors-to-fall-back: so many failures in a row end the reign although time is left.
#[test]
fn falling_back_after_failures_is_an_option() {
    let mut config = Config::default();
    config.fall_back_after = std::num::NonZeroU32::new(2);
    let mut bench = Bench::new(config);
    bench.to(ms(0)).granted(5).to(ms(2200)).failed();
    assert!(bench.leads());
    bench.to(ms(2800)).failed();
    assert!(!bench.leads());
    assert!(matches!(bench.happened().last(), Some(Event::Lost { reason: LostReason::Failures, .. })));
    bench.to(secs(5));
    assert_eq!(bench.claim().after, Some(term(5)));
}

/// A new value goes out at once while leading, once more if one was on its way, and with the next claim otherwise.
#[test]
fn a_value_is_published() {
    let value = |text: &str| Some(Value::new(text).unwrap());
    let mut bench = Bench::new(Config::default());
    bench.input(Input::SetValue(value("a")));
    assert_eq!(bench.claim().value, value("a"));
    bench.granted(1);
    assert_eq!(bench.election.values(), (1, 1));
    bench.to(ms(100)).input(Input::SetValue(value("b")));
    assert_eq!((bench.claim().value.clone(), bench.sent().1), (value("b"), ms(100)));
    bench.input(Input::SetValue(value("c")));
    assert_eq!(bench.requests.len(), 2);
    bench.extended();
    assert_eq!(bench.claim().value, value("c"));
    assert_eq!(bench.election.values(), (3, 2));
    bench.extended();
    assert_eq!(bench.election.values(), (3, 3));
}

/// R16: a clock that goes back is taken as standing still.
#[test]
fn a_clock_that_goes_back_is_harmless() {
    let mut bench = leader();
    bench.to(secs(1));
    bench.now = Instant::from_origin(Duration::ZERO);
    bench.settle();
    assert_eq!(bench.election.in_flight(), None);
    bench.to(ms(2200));
    assert!(matches!(bench.sent().0, Request::Renew(..)));
}

// === ending ===

/// R9: mark ending and go on renewing; when drained demote, take a new session, release the old one; cool off; claim
/// anew.
#[test]
fn resigning_ends_demotes_and_releases_in_this_order() {
    let mut bench = leader();
    bench.to(secs(1)).input(Input::Resign);
    assert_eq!(bench.happened(), [Event::Ending { term: term(5) }]);
    assert!(!bench.leads(), "no new work");
    assert_eq!(bench.election.status().role, Role::Ending);
    bench.to(ms(2200));
    assert!(matches!(bench.sent().0, Request::Renew(..)), "renewals go on");
    bench.extended().happened();

    bench.input(Input::Drained(term(4)));
    assert_eq!(bench.election.status().role, Role::Ending, "another term's drain is not meant");
    bench.input(Input::Drained(term(5)));
    assert_eq!(bench.happened(), [Event::Lost { term: term(5), reason: LostReason::Resigned }]);
    assert!(matches!(bench.sent().0, Request::Release(_, session) if *session == Session::from_bits(1)));
    assert_eq!(bench.sessions, 2, "a new session was drawn before");
    assert!(bench.election.is_handing_over());

    bench.reply(Reply::Released);
    let released = bench.elapsed();
    assert!(!bench.election.is_handing_over());
    assert_eq!(bench.election.status().role, Role::CoolingOff);
    bench.input(Input::Wakeup);
    assert_eq!(bench.election.in_flight(), None, "a cool-off ignores wake-ups");
    bench.to(released + secs(4));
    assert_eq!((bench.sent().1, bench.election.status().role), (released + secs(4), Role::Follower));
    assert_eq!((bench.claim().session, bench.claim().after), (Session::from_bits(2), Some(term(5))));
}

/// R9: work that does not end is not waited for longer than the drain timeout.
#[test]
fn the_drain_has_a_timeout() {
    let mut config = Config::default();
    config.drain_timeout = secs(1);
    let mut bench = Bench::new(config);
    bench.to(ms(0)).granted(1).input(Input::Resign).to(ms(999));
    assert_eq!(bench.election.status().role, Role::Ending);
    bench.to(secs(1));
    assert!(matches!(bench.sent().0, Request::Release(..)));
}

/// A term is not released before its shortest hold is over.
#[test]
fn a_term_is_held_for_its_min_hold() {
    let mut config = Config::default();
    config.min_hold = secs(3);
    config.drain_timeout = secs(0);
    let mut bench = Bench::new(config);
    bench.to(ms(0)).granted(1).input(Input::Resign).input(Input::Drained(term(1)));
    bench.to(ms(2200)).extended().to(ms(2999));
    assert_eq!(bench.election.status().role, Role::Ending);
    bench.to(secs(3));
    assert!(matches!(bench.sent().0, Request::Release(..)));
}

/// A release that fails is repeated, three times in all; then the lease runs out by itself.
#[test]
fn a_release_is_tried_three_times() {
    let mut bench = leader();
    bench.input(Input::Resign).input(Input::Drained(term(5)));
    for _ in 0..3 {
        assert!(matches!(bench.sent().0, Request::Release(..)));
        let now = bench.elapsed();
        bench.failed().to(now + ms(500));
    }
    assert!(!bench.election.is_handing_over());
    assert_eq!(bench.requests.len(), 4);
    let now = bench.elapsed();
    bench.to(now + secs(4));
    assert_eq!(bench.claim().session, Session::from_bits(2));
}

/// R9: a reign that is lost while it ends is released all the same, since the storage may still hold it.
#[test]
fn a_reign_lost_while_ending_is_released() {
    let mut bench = leader();
    bench.to(ms(100)).input(Input::Resign).sleep_through(secs(9)).input(Input::Timeout);
    assert!(matches!(bench.sent().0, Request::Release(_, session) if *session == Session::from_bits(1)));
    assert_eq!(bench.election.status().role, Role::Follower);
}

/// A release that is due is not put off by what happens meanwhile, nor is its retry hurried by a wake-up.
#[test]
fn a_release_keeps_its_own_pace() {
    let mut bench = leader();
    bench.to(ms(2200)).failed().input(Input::Resign).sleep_through(secs(9)).input(Input::Timeout);
    assert_eq!((bench.sent().1, matches!(bench.sent().0, Request::Release(..))), (secs(9), true));
    bench.failed().input(Input::Wakeup);
    assert_eq!(bench.election.in_flight(), None);
    bench.to(ms(9500));
    assert!(bench.sent().1 >= ms(9250));
}

/// Resigning without leading does nothing.
#[test]
fn a_follower_has_nothing_to_resign() {
    let mut bench = Bench::new(Config::default());
    bench.to(ms(0)).held(lease("other", 1, 1, secs(8)), secs(8));
    let before = bench.election.clone();
    bench.input(Input::Resign);
    assert_eq!(bench.election, before);
}

/// Stopping a leader releases, needs no new session, and says `Stopped` once, at the end.
#[test]
fn a_leader_stops() {
    let mut bench = leader();
    bench.input(Input::Stop).input(Input::Stop).input(Input::Drained(term(5)));
    assert!(matches!(bench.sent().0, Request::Release(..)));
    assert_eq!(
        bench.happened(),
        [Event::Ending { term: term(5) }, Event::Lost { term: term(5), reason: LostReason::Stopped }]
    );
    bench.reply(Reply::Released);
    assert_eq!(bench.happened(), [Event::Stopped]);
    bench.input(Input::Stop).input(Input::Wakeup).to(secs(100));
    assert_eq!((bench.happened().len(), bench.requests.len(), bench.sessions), (0, 2, 1));
    assert_eq!(bench.election.status().role, Role::Stopped);
}

/// A follower that holds nothing stops without a request.
#[test]
fn a_follower_stops_at_once() {
    let mut bench = Bench::new(Config::default());
    bench.to(ms(0)).held(lease("other", 1, 1, secs(8)), secs(8)).input(Input::Stop);
    assert_eq!((bench.happened(), bench.requests.len()), (vec![Event::Stopped], 1));
}

/// A claim under way when the candidate stops is waited for, does not make it lead, and is released.
#[test]
fn a_claim_in_flight_at_the_stop_is_released() {
    let mut bench = Bench::new(Config::default());
    bench.to(ms(0)).input(Input::Stop);
    assert!(is_acquire(bench.sent().0));
    bench.granted(1);
    assert!(!bench.leads());
    assert!(matches!(bench.sent().0, Request::Release(_, session) if *session == Session::from_bits(1)));
    bench.reply(Reply::Released);
    assert_eq!(bench.happened(), [Event::Stopped]);
}

/// A claim that timed out may yet be applied: it is released at the stop.
#[test]
fn a_claim_in_doubt_at_the_stop_is_released() {
    let mut bench = Bench::new(Config::default());
    bench.to(ms(0)).failed().input(Input::Stop);
    assert!(matches!(bench.sent().0, Request::Release(..)));
}

// === observing ===

/// An observer only looks, at its retry interval, when woken, and when the lease ends.
#[test]
fn an_observer_only_looks() {
    let start = Instant::from_origin(secs(1000));
    let election = Election::observer(Key::new("k").unwrap(), Config::default(), 7, start).unwrap();
    let mut bench = Bench { election, ..Bench::new(Config::default()) };
    bench.to(ms(0)).reply(Reply::Got(None));
    bench.to(secs(1)).input(Input::Wakeup).reply(Reply::Got(Some(lease("other", 1, 1, ms(700)))));
    bench.to(ms(1900));
    assert!((ms(1700)..=ms(1800)).contains(&bench.sent().1), "when the lease ends");
    bench.failed().to(secs(60));
    assert!(bench.requests.iter().all(|(_, request, _)| matches!(request, Request::Get(_))));
    assert!(bench.requests.len() > 10);
    assert_eq!(bench.election.status().role, Role::Observer);
    bench.input(Input::Stop);
    assert_eq!(bench.happened().last(), Some(&Event::Stopped));
}
