use std::collections::BTreeSet;
use std::time::Duration;

use lessor::election::{Election, Input, Output, RequestId};
use lessor::storage::{Acquired, Renewed, Reply, Session, Version};
use lessor::{Config, Id, Instant, Key, Lease, StorageError, Term, Value};

use super::{Fields, LEFT_OUT, STRUCTS, Sink, fingerprint};

fn at(ms: u64) -> Instant {
    Instant::from_origin(Duration::from_millis(ms))
}

fn config() -> Config {
    Config::with_ttl(Duration::from_millis(1000))
}

fn election(jitter: u64) -> Election {
    let (key, id) = (Key::new("k, { }").unwrap(), Id::new("a").unwrap());
    Election::new(key, id, config(), Session::from_bits(1), jitter, at(0)).unwrap()
}

/// Polls until it waits; the newest request.
fn poll(election: &mut Election, ms: u64) -> Option<RequestId> {
    let mut sent = None;
    loop {
        match election.poll_output(at(ms)) {
            Output::Request { id, .. } => sent = Some(id),
            Output::DrawSession => election.handle_input(at(ms), Input::Session(Session::from_bits(2))),
            Output::Event(_) => {}
            _ => return sent,
        }
    }
}

fn asked(ms: u64) -> (Election, RequestId) {
    let mut election = election(1);
    let id = poll(&mut election, ms).unwrap();
    (election, id)
}

fn answered(sent: u64, ms: u64, reply: impl Into<Reply>) -> Election {
    let (election, id) = asked(sent);
    then(election, ms, Input::Reply { id, reply: Ok(reply.into()) })
}

fn leader(sent: u64, term: u64, version: u64) -> Election {
    let (term, version) = (Term::new(term).unwrap(), Version::new(version));
    let mut election = answered(sent, sent + 50, Acquired::granted(term, version));
    poll(&mut election, sent + 50);
    election
}

fn held(ms: u64, term: u64, version: u64, left: u64) -> Election {
    let lease = lease(term, version, left);
    let retry_after = lease.time_left;
    let mut election = answered(0, ms, Acquired::refused(Some(lease), retry_after));
    poll(&mut election, ms);
    election
}

fn lease(term: u64, version: u64, left: u64) -> Lease {
    let mut lease = Lease::new(Term::new(term).unwrap(), Version::new(version), Duration::from_millis(1000));
    lease.id = Some(Id::new("b").unwrap());
    lease.time_left = Duration::from_millis(left);
    lease
}

fn resigned() -> Election {
    settled(then(leader(0, 1, 1), 60, Input::Resign), 60)
}

/// A release is under way.
fn releasing() -> (Election, RequestId) {
    let mut releasing = then(resigned(), 60, Input::Drained(Term::FIRST));
    let id = poll(&mut releasing, 60).unwrap();
    (releasing, id)
}

fn released(ms: u64) -> Election {
    let (releasing, id) = releasing();
    settled(then(releasing, ms, Input::Reply { id, reply: Ok(Reply::Released) }), ms)
}

fn then(mut election: Election, ms: u64, input: Input) -> Election {
    election.handle_input(at(ms), input);
    election
}

#[track_caller]
fn differ(one: &Election, other: &Election) {
    assert_ne!(fingerprint(one), fingerprint(other), "\n{one:?}\n{other:?}");
}

#[track_caller]
fn alike(one: &Election, other: &Election) {
    assert_ne!(one, other, "nothing is left out");
    assert_eq!(fingerprint(one), fingerprint(other), "\n{one:?}\n{other:?}");
}

#[derive(Default)]
struct Names(BTreeSet<(String, String)>);

impl Sink for Names {
    fn text(&mut self, _: &str) {}

    fn name(&mut self, parent: &str, name: &str) {
        self.0.insert((parent.into(), name.into()));
    }
}

/// A field that comes or goes in the library has to be thought about here.
#[test]
fn every_field_is_known() {
    use std::fmt::Write;

    let mut seen = BTreeSet::new();
    for election in
        [election(1), asked(0).0, held(50, 1, 1, 400), leader(0, 1, 1), resigned(), releasing().0, released(60)]
    {
        let mut fields = Fields::new(Names::default());
        write!(fields, "{election:?}").unwrap();
        seen.extend(fields.into.0);
    }
    let expected = [
        ("Election", "phase stopping session may_hold known to_continue sighting in_flight last_id events"),
        ("InFlight", "operation sent"),
        ("Reign", "term deadline"),
        ("Sighting", "term version since vacant_at"),
        // Of the structs of which nothing is left out: an ending with its reign, a release, a cool-off, the events that nobody
        // has taken.
        ("", "reign ending drain_until drained session successor attempts then until renewed rest"),
    ];
    let fields = |(parent, names): (&str, &str)| {
        names.split(' ').map(|name| (parent.to_string(), name.to_string())).collect::<Vec<_>>()
    };
    let expected: BTreeSet<_> = expected.into_iter().flat_map(fields).collect();
    assert_eq!(seen, expected);
}

/// Nothing is left out that does not exist.
#[test]
fn every_field_left_out_exists() {
    let text: String = [asked(0).0, leader(0, 1, 1), held(50, 1, 1, 400)].map(|one| format!("{one:?}")).concat();
    for (of, field) in LEFT_OUT {
        assert!(STRUCTS.contains(of) && text.contains(&format!("{of} {{ ")), "{of}");
        assert!(text.contains(&format!("{field}: ")), "{field}");
    }
}

#[test]
fn what_decides_is_seen() {
    // last_id, in_flight: sent, timeout_at, operation.
    differ(&election(1), &asked(0).0);
    differ(&asked(0).0, &asked(1).0);
    // reign: term, deadline; known.
    differ(&leader(0, 1, 1), &leader(0, 2, 1));
    differ(&leader(0, 1, 1), &leader(1, 1, 1));
    differ(&held(50, 1, 1, 400), &held(50, 2, 1, 400));
    // sighting: version, since.
    differ(&held(50, 1, 1, 400), &held(50, 1, 2, 400));
    differ(&held(50, 1, 1, 400), &held(60, 1, 1, 400));
    // may_hold: a failed claim may have been applied, a refused one was not.
    let (failed, id) = asked(0);
    let failed = then(failed, 50, Input::Reply { id, reply: failed_reply() });
    let refused = answered(0, 50, Acquired::refused(None, Duration::ZERO));
    differ(&settled(failed, 50), &settled(refused, 50));
    // phase: of a reign that leads, that ends, whose work has ended, that is released; a cool-off, and its end.
    let ending = then(leader(0, 1, 1), 60, Input::Resign);
    differ(&leader(0, 1, 1), &ending);
    differ(&resigned(), &then(resigned(), 60, Input::Drained(Term::FIRST)));
    differ(&resigned(), &settled(then(leader(0, 2, 1), 60, Input::Resign), 60));
    differ(&resigned(), &settled(then(leader(1, 1, 1), 60, Input::Resign), 60));
    differ(&resigned(), &settled(then(leader(0, 1, 1), 61, Input::Resign), 61));
    differ(&released(60), &released(61));
    differ(&released(60), &releasing().0);
    let transfer = Input::Transfer { to: Id::new("b").unwrap(), is_patient: false };
    differ(&resigned(), &settled(then(leader(0, 1, 1), 60, transfer), 60));
    // stopping; events that nobody took.
    differ(&election(1), &then(election(1), 0, Input::Stop));
    differ(&settled(ending.clone(), 60), &ending);
    // phase, of a release: attempts.
    let (releasing, id) = releasing();
    let failed = settled(then(releasing, 60, Input::Reply { id, reply: failed_reply() }), 60);
    let mut again = failed.clone();
    let id = poll(&mut again, 200).unwrap();
    let twice = settled(then(again, 200, Input::Reply { id, reply: failed_reply() }), 200);
    differ(&failed, &twice);
}

#[test]
fn what_decides_nothing_is_not() {
    // pace.
    alike(&election(1), &election(2));
    // now, and the woken that only hastens the next request.
    let (asked, _) = asked(0);
    alike(&asked, &then(asked.clone(), 1, Input::Wakeup));
    // value, next_at; with another serial, in_flight.serial and stored.
    let value = |serial| Input::SetValue { value: Some(Value::new("v").unwrap()), serial };
    alike(&leader(0, 1, 1), &then(leader(0, 1, 1), 50, value(1)));
    let stored = |serial| {
        let mut renewing = then(leader(0, 1, 1), 50, value(serial));
        let id = poll(&mut renewing, 50).unwrap();
        let reply = Ok(Renewed::extended(Version::new(2)).into());
        [renewing.clone(), settled(then(renewing, 60, Input::Reply { id, reply }), 60)]
    };
    stored(1).iter().zip(&stored(2)).for_each(|(one, other)| alike(one, other));
    // A reign's version, while it leads and while it ends; its beginning; sighting.vacant_at and leader.
    alike(&leader(0, 1, 1), &leader(0, 1, 2));
    alike(&resigned(), &settled(then(leader(0, 1, 2), 60, Input::Resign), 60));
    let began = |ms| {
        let reply = Acquired::granted(Term::FIRST, Version::FIRST);
        let mut began = answered(0, ms, reply);
        poll(&mut began, ms);
        began
    };
    alike(&began(50), &began(51));
    alike(&held(50, 1, 1, 400), &held(50, 1, 1, 500));
    // last_error, last_success, failures, jeopardy: of the renewal that failed, or failed otherwise.
    let mut renewing = leader(0, 1, 1);
    let id = poll(&mut renewing, 300).unwrap();
    let error = |error| settled(then(renewing.clone(), 310, Input::Reply { id, reply: Err(error) }), 310);
    alike(&error(StorageError::transient("x")), &error(StorageError::permanent("y")));
    let mut failed = error(StorageError::transient("x"));
    alike(&failed, &then(failed.clone(), 311, Input::Timeout));
    let id = poll(&mut failed, 400).unwrap();
    let again = settled(then(failed.clone(), 410, Input::Reply { id, reply: failed_reply() }), 410);
    let unfit = settled(then(failed, 410, Input::Reply { id, reply: Ok(Reply::Got(None)) }), 410);
    alike(&again, &unfit);
}

/// With the guard the moment from which a lease may be taken over decides.
#[test]
fn with_the_guard_more_decides() {
    let guarded = |left| {
        let mut config = config();
        config.takeover_guard = true;
        let (key, id) = (Key::new("k").unwrap(), Id::new("a").unwrap());
        let mut election = Election::new(key, id, config, Session::from_bits(1), 1, at(0)).unwrap();
        let id = poll(&mut election, 0).unwrap();
        let reply = Acquired::refused(Some(lease(1, 1, left)), Duration::from_millis(left));
        settled(then(election, 0, Input::Reply { id, reply: Ok(reply.into()) }), 0)
    };
    differ(&guarded(400), &guarded(500));
}

fn failed_reply() -> Result<Reply, StorageError> {
    Err(StorageError::transient("x"))
}

/// All its events taken.
fn settled(mut election: Election, ms: u64) -> Election {
    while let Output::Event(_) = election.clone().poll_output(at(ms)) {
        let Output::Event(_) = election.poll_output(at(ms)) else { unreachable!() };
    }
    election
}
