use std::collections::BTreeSet;
use std::time::Duration;

use lessor::{
    Acquired, Config, Election, Holder, Input, Instant, Key, Lease, Output, Reply, RequestId, Session, StorageError,
    Term, Value, Version,
};

use super::{Fields, LEFT_OUT, Sink, fingerprint};

fn at(ms: u64) -> Instant {
    Instant::from_origin(Duration::from_millis(ms))
}

fn config() -> Config {
    Config::with_ttl(Duration::from_millis(1000))
}

fn election(seed: u64) -> Election {
    let (key, holder) = (Key::new("k, { }").unwrap(), Holder::new("a").unwrap());
    Election::new(key, holder, config(), Session::from_bits(1), seed, at(0)).unwrap()
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

fn answered(sent: u64, ms: u64, reply: Reply) -> Election {
    let (mut election, id) = asked(sent);
    election.handle_input(at(ms), Input::Reply { id, reply });
    election
}

fn leader(sent: u64, term: u64, version: u64) -> Election {
    let (term, version) = (Term::new(term).unwrap(), Version::new(version));
    let mut election = answered(sent, sent + 50, Reply::Acquired(Acquired::Granted { term, version }));
    poll(&mut election, sent + 50);
    election
}

fn held(ms: u64, term: u64, version: u64, left: u64) -> Election {
    let lease = Lease {
        holder: Some(Holder::new("b").unwrap()),
        term: Term::new(term).unwrap(),
        version: Version::new(version),
        ttl: Duration::from_millis(1000),
        time_left: Duration::from_millis(left),
        value: None,
    };
    let retry_after = lease.time_left;
    let mut election = answered(0, ms, Reply::Acquired(Acquired::Held { lease: Some(lease), retry_after }));
    poll(&mut election, ms);
    election
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
    let ending = settled(then(leader(0, 1, 1), 60, Input::Resign));
    let mut releasing = then(ending.clone(), 60, Input::Drained(Term::FIRST));
    poll(&mut releasing, 60);
    for election in [election(1), asked(0).0, held(50, 1, 1, 400), ending, releasing] {
        let mut fields = Fields::new(Names::default());
        write!(fields, "{election:?}").unwrap();
        seen.extend(fields.into.0);
    }
    let expected = [
        (
            "",
            "session may_hold known continues sighting reign release cool_off_until in_flight last_id stopping stopped events",
        ),
        ("in_flight", "id operation sent timeout_at"),
        ("reign", "term deadline ending"),
        ("ending", "drain_until drained"),
        ("sighting", "term version since vacant_at"),
        ("release", "session attempts cool_off"),
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
    for (_, field) in LEFT_OUT {
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
    let failed = answered(0, 50, Reply::Failed(StorageError::transient("x")));
    let refused = answered(0, 50, Reply::Acquired(Acquired::Held { lease: None, retry_after: Duration::ZERO }));
    differ(&settled(failed), &settled(refused));
    // ending, drained; stopping; events that nobody took.
    let ending = then(leader(0, 1, 1), 60, Input::Resign);
    differ(&leader(0, 1, 1), &ending);
    differ(&settled(ending.clone()), &ending);
    let ending = settled(ending);
    differ(&ending, &then(ending.clone(), 60, Input::Drained(Term::FIRST)));
    differ(&election(1), &then(election(1), 0, Input::Stop));
    // release: attempts; cool_off_until.
    let mut releasing = then(ending.clone(), 60, Input::Drained(Term::FIRST));
    let id = poll(&mut releasing, 60).unwrap();
    let failed = settled(then(releasing.clone(), 60, Input::Reply { id, reply: failed_reply() }));
    let mut again = failed.clone();
    let id = poll(&mut again, 200).unwrap();
    let twice = settled(then(again, 200, Input::Reply { id, reply: failed_reply() }));
    differ(&failed, &twice);
    let released = |ms| {
        settled(then(
            releasing.clone(),
            ms,
            Input::Reply { id: releasing.in_flight().unwrap(), reply: Reply::Released },
        ))
    };
    differ(&released(60), &released(61));
}

#[test]
fn what_decides_nothing_is_not() {
    // pace.
    alike(&election(1), &election(2));
    // now, and the woken that only hastens the next request.
    let (asked, _) = asked(0);
    alike(&asked, &then(asked.clone(), 1, Input::Wakeup));
    // value, values, next_at.
    let value = Some(Value::new("v").unwrap());
    alike(&leader(0, 1, 1), &then(leader(0, 1, 1), 50, Input::SetValue(value)));
    // reign.version; sighting.vacant_at and leader.
    alike(&leader(0, 1, 1), &leader(0, 1, 2));
    alike(&held(50, 1, 1, 400), &held(50, 1, 1, 500));
    // last_error, last_success, failures, jeopardy: of the renewal that failed, or failed otherwise.
    let mut renewing = leader(0, 1, 1);
    let id = poll(&mut renewing, 300).unwrap();
    let error = |error| settled(then(renewing.clone(), 310, Input::Reply { id, reply: Reply::Failed(error) }));
    alike(&error(StorageError::transient("x")), &error(StorageError::permanent("y")));
    let mut failed = error(StorageError::transient("x"));
    alike(&failed, &then(failed.clone(), 311, Input::Timeout));
    let id = poll(&mut failed, 400).unwrap();
    let again = settled(then(failed.clone(), 410, Input::Reply { id, reply: failed_reply() }));
    let unfit = settled(then(failed, 410, Input::Reply { id, reply: Reply::Got(None) }));
    alike(&again, &unfit);
}

/// With the guard the moment from which a lease may be taken over decides.
#[test]
fn with_the_guard_more_decides() {
    let guarded = |left| {
        let mut config = config();
        config.takeover_guard = true;
        let (key, holder) = (Key::new("k").unwrap(), Holder::new("a").unwrap());
        let mut election = Election::new(key, holder, config, Session::from_bits(1), 1, at(0)).unwrap();
        let id = poll(&mut election, 0).unwrap();
        let lease = Lease {
            holder: Some(Holder::new("b").unwrap()),
            term: Term::FIRST,
            version: Version::FIRST,
            ttl: Duration::from_millis(1000),
            time_left: Duration::from_millis(left),
            value: None,
        };
        let reply = Reply::Acquired(Acquired::Held { lease: Some(lease), retry_after: Duration::from_millis(left) });
        settled(then(election, 0, Input::Reply { id, reply }))
    };
    differ(&guarded(400), &guarded(500));
}

fn failed_reply() -> Reply {
    Reply::Failed(StorageError::transient("x"))
}

/// All its events taken.
fn settled(mut election: Election) -> Election {
    while let Output::Event(_) = election.clone().poll_output(Instant::default()) {
        let Output::Event(_) = election.poll_output(Instant::default()) else { unreachable!() };
    }
    election
}
