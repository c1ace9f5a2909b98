//! The storage's half of the protocol: a table of every row of the operations, then properties over random histories.

use core::time::Duration;

use lessor::{Acquired, Claim, Holder, Key, Lease, Record, Renewed, Session, Takeover, Term, Value, Verdict, Version};

const TTL: u64 = 10_000;
const NOW: u64 = 1_000_000;

fn term(number: u64) -> Term {
    Term::new(number).unwrap()
}

fn ms(number: u64) -> Duration {
    Duration::from_millis(number)
}

fn session(number: u128) -> Session {
    Session::from_bits(number)
}

fn holder(number: u128) -> Holder {
    Holder::new(format!("candidate {number}")).unwrap()
}

fn value(text: &str) -> Option<Value> {
    Some(Value::new(text).unwrap())
}

/// A claim of candidate 1.
fn claim(after: u64) -> Claim {
    Claim {
        key: Key::new("k").unwrap(),
        holder: holder(1),
        session: session(1),
        ttl: ms(TTL),
        value: value("claimed"),
        after: Term::new(after),
        takeover: Takeover::Expired,
    }
}

/// The record of a candidate, in term 7 and version 20, half of its ttl used.
fn held_by(candidate: u128) -> Record {
    Record {
        session: Some(session(candidate)),
        holder: holder(candidate),
        term: term(7),
        version: Version::new(20),
        ttl_ms: TTL,
        expires_ms: NOW + TTL / 2,
        value: value("stored"),
    }
}

fn expired(candidate: u128) -> Record {
    Record { expires_ms: NOW, ..held_by(candidate) }
}

fn released() -> Record {
    Record { session: None, ..held_by(2) }
}

fn acquire(record: Option<&Record>, claim: &Claim) -> Verdict<Acquired> {
    Record::acquire(record, claim, NOW, Term::FIRST)
}

/// Granted this term in this version, and the record is the claim's.
fn grants(number: u64, version: u64) -> Verdict<Acquired> {
    let (term, version) = (term(number), Version::new(version));
    let record = Record {
        session: Some(session(1)),
        holder: holder(1),
        term,
        version,
        ttl_ms: TTL,
        expires_ms: NOW + TTL,
        value: value("claimed"),
    };
    Verdict { answer: Acquired::Granted { term, version }, write: Some(record) }
}

/// Refused with what is there, and the record is untouched.
fn refuses(record: &Record, retry_after_ms: u64) -> Verdict<Acquired> {
    let answer = Acquired::Held { lease: Some(record.lease(NOW)), retry_after: ms(retry_after_ms) };
    Verdict { answer, write: None }
}

/// R4, R5, R6, R10, R13: every row of the table of `acquire`.
#[test]
fn acquire_keeps_to_the_table() {
    let guarded = |after, takeover| Claim { takeover, ..claim(after) };
    let released_only = |after| guarded(after, Takeover::ReleasedOnly);
    let unchanged = |after, version| guarded(after, Takeover::Unchanged(Version::new(version)));
    let (mine, others, gone) = (held_by(1), held_by(2), released());
    let (mine_expired, others_expired) = (expired(1), expired(2));

    let rows = [
        ("no record: the first term", None, claim(0), grants(1, 1)),
        ("no record, seen before: past what was seen", None, claim(41), grants(42, 1)),
        ("no record: takeover does not matter", None, released_only(0), grants(1, 1)),
        ("live, mine, nothing seen: the same term", Some(&mine), claim(0), grants(7, 21)),
        ("live, mine, an older term seen: the same term", Some(&mine), claim(6), grants(7, 21)),
        ("live, mine, its term seen: a new reign", Some(&mine), claim(7), grants(8, 21)),
        ("live, mine, a newer term seen: past it", Some(&mine), claim(9), grants(10, 21)),
        ("live, mine: takeover does not matter", Some(&mine), unchanged(7, 1), grants(8, 21)),
        ("live, another's, nothing seen", Some(&others), claim(0), refuses(&others, TTL / 2)),
        ("live, another's, its term seen", Some(&others), claim(7), refuses(&others, TTL / 2)),
        ("live, another's, a newer term seen", Some(&others), claim(9), refuses(&others, TTL / 2)),
        ("live, another's, its version watched", Some(&others), unchanged(7, 20), refuses(&others, TTL / 2)),
        ("released, nothing seen: look and ask again", Some(&gone), claim(0), refuses(&gone, 0)),
        ("released, an older term seen: look and ask again", Some(&gone), claim(6), refuses(&gone, 0)),
        ("expired, mine, outdated: look and ask again", Some(&mine_expired), claim(6), refuses(&mine_expired, 0)),
        ("expired, another's, outdated", Some(&others_expired), claim(6), refuses(&others_expired, 0)),
        ("released, its term seen", Some(&gone), claim(7), grants(8, 21)),
        ("released: whatever takeover says, not yet", Some(&gone), released_only(7), grants(8, 21)),
        ("released: whatever takeover says, another version", Some(&gone), unchanged(7, 1), grants(8, 21)),
        ("released, a newer term seen: past it", Some(&gone), claim(100), grants(101, 21)),
        ("expired, mine", Some(&mine_expired), claim(7), grants(8, 21)),
        ("expired, mine: takeover does not matter", Some(&mine_expired), released_only(7), grants(8, 21)),
        ("expired, mine, a newer term seen: past it", Some(&mine_expired), claim(8), grants(9, 21)),
        ("expired, another's: taken over", Some(&others_expired), claim(7), grants(8, 21)),
        ("expired, another's, the version watched", Some(&others_expired), unchanged(7, 20), grants(8, 21)),
        (
            "expired, another's, an older version",
            Some(&others_expired),
            unchanged(7, 19),
            refuses(&others_expired, TTL),
        ),
        ("expired, another's, a newer version", Some(&others_expired), unchanged(7, 21), refuses(&others_expired, TTL)),
        ("expired, another's, nothing watched", Some(&others_expired), released_only(7), refuses(&others_expired, TTL)),
        ("expired, another's, a newer term seen: past it", Some(&others_expired), claim(9), grants(10, 21)),
    ];
    for (case, record, claim, verdict) in rows {
        assert_eq!(acquire(record, &claim), verdict, "{case}");
    }
}

/// R4: every row of the table of `renew`.
#[test]
fn renew_keeps_to_the_table() {
    let extended = Record { version: Version::new(21), expires_ms: NOW + TTL, value: value("claimed"), ..held_by(1) };
    let answer = Renewed::Extended { version: Version::new(21) };
    let verdict = Record::renew(Some(&held_by(1)), &claim(0), term(7), NOW);
    assert_eq!(verdict, Verdict { answer, write: Some(extended) }, "live, session and term match");

    let last = Record { expires_ms: NOW + 1, ..held_by(1) };
    assert!(Record::renew(Some(&last), &claim(0), term(7), NOW).write.is_some(), "live to the last millisecond");

    let rows = [
        ("no record", None, 7),
        ("an older term", Some(held_by(1)), 6),
        ("a newer term", Some(held_by(1)), 8),
        ("another's", Some(held_by(2)), 7),
        ("released", Some(released()), 7),
        ("released by me", Some(Record { session: None, ..held_by(1) }), 7),
        ("expired, mine", Some(expired(1)), 7),
        ("expired, another's", Some(expired(2)), 7),
    ];
    for (case, record, renewed) in rows {
        let answer = Renewed::Lost(record.as_ref().map(|record| record.lease(NOW)));
        let verdict = Record::renew(record.as_ref(), &claim(7), term(renewed), NOW);
        assert_eq!(verdict, Verdict { answer, write: None }, "{case}");
    }
}

/// R4, R9: every row of the table of `release`. The term, the id and the value stay.
#[test]
fn release_keeps_to_the_table() {
    for (case, record) in [("live, mine", held_by(1)), ("expired, mine", expired(1))] {
        let after = Record { session: None, version: Version::new(21), ..record.clone() };
        assert_eq!(Record::release(Some(&record), session(1)), Some(after), "{case}");
    }
    for (case, record) in [
        ("no record", None),
        ("live, another's", Some(held_by(2))),
        ("expired, another's", Some(expired(2))),
        ("released", Some(released())),
    ] {
        assert_eq!(Record::release(record.as_ref(), session(1)), None, "{case}");
    }
}

/// R4, R5: what is taken from its holder by authority begins a term of its own: neither a renewal nor a repeated claim of
/// the former holder gets it back, and its next grant is another term again.
#[test]
fn a_revoked_lease_is_over() {
    for record in [held_by(1), expired(1)] {
        let revoked = Record::revoke(Some(&record)).unwrap();
        let expected = Record { session: None, term: term(8), version: Version::new(21), ..record };
        assert_eq!(revoked, expected);
        assert!(matches!(Record::renew(Some(&revoked), &claim(7), term(7), NOW).answer, Renewed::Lost(_)));
        assert!(matches!(acquire(Some(&revoked), &claim(7)).answer, Acquired::Held { .. }));
        assert_eq!(acquire(Some(&revoked), &claim(8)), grants(9, 22));
    }
    assert_eq!(Record::revoke(None), None);
    assert_eq!(Record::revoke(Some(&released())), None);
    let last = Record { term: Term::LAST, ..held_by(1) };
    assert_eq!(Record::revoke(Some(&last)).unwrap().term, Term::LAST);
}

/// R13: what others see of a record. The session is not part of it.
#[test]
fn a_lease_shows_what_is_live_and_nothing_secret() {
    let shown = |holder, time_left| Lease {
        holder,
        term: term(7),
        version: Version::new(20),
        ttl: ms(TTL),
        time_left: ms(time_left),
        value: value("stored"),
    };
    let rows = [
        ("live", held_by(2), shown(Some(holder(2)), TTL / 2)),
        ("expired", expired(2), shown(Some(holder(2)), 0)),
        ("expired long ago", Record { expires_ms: 0, ..held_by(2) }, shown(Some(holder(2)), 0)),
        ("released, time not over", released(), shown(None, 0)),
    ];
    for (case, record, lease) in rows {
        assert_eq!(record.lease(NOW), lease, "{case}");
        assert_eq!(lease.is_live(), case == "live", "{case}");
    }
    let secret = Record { session: Some(session(0x5EC2E7)), ..held_by(2) };
    let seen = format!("{:?} {:x?} {}", secret.lease(NOW), secret.lease(NOW), secret.lease(NOW)).to_lowercase();
    assert!(!seen.contains("5ec2e7") && !seen.contains(&0x5EC2E7.to_string()), "{seen}");
}

/// R10: the clock stepped back. A lease shows no more than its ttl; it is granted to who saw its version unchanged for
/// so long on its own clock, and to nobody else.
#[test]
fn after_a_step_back_a_lease_lasts_no_longer_than_its_ttl() {
    let back = NOW - 600_000;
    let record = held_by(2);
    assert_eq!(record.lease(back).time_left, ms(TTL));
    let other = record.version.next();
    let watched = |after| Claim { takeover: Takeover::Unchanged(record.version), ..claim(after) };
    let refused = [
        ("not watched", claim(7), back),
        ("released only", Claim { takeover: Takeover::ReleasedOnly, ..claim(7) }, back),
        ("another version", Claim { takeover: Takeover::Unchanged(other), ..claim(7) }, back),
        ("the clock has caught up", watched(7), record.expires_ms - TTL),
    ];
    for (case, claim, now) in refused {
        let answer = Acquired::Held { lease: Some(record.lease(now)), retry_after: ms(TTL) };
        assert_eq!(Record::acquire(Some(&record), &claim, now, Term::FIRST), Verdict { answer, write: None }, "{case}");
    }
    let outdated = Record::acquire(Some(&record), &watched(6), back, Term::FIRST);
    assert!(matches!(outdated, Verdict { answer: Acquired::Held { .. }, write: None }));
    let now = record.expires_ms - TTL - 1;
    let Verdict { answer, write } = Record::acquire(Some(&record), &watched(7), now, Term::FIRST);
    assert_eq!(answer, Acquired::Granted { term: term(8), version: other });
    let written = write.unwrap();
    assert_eq!((written.session, written.expires_ms, written.ttl_ms), (Some(watched(7).session), now + TTL, TTL));
}

/// R10: the next write brings the lease back to the clock, whichever operation it is.
#[test]
fn after_a_step_back_the_next_write_counts_from_the_new_clock() {
    let back = NOW - 600_000;
    let writes = [
        ("renew", Record::renew(Some(&held_by(1)), &claim(7), term(7), back).write),
        ("the same claim again", Record::acquire(Some(&held_by(1)), &claim(0), back, Term::FIRST).write),
        ("a new reign", Record::acquire(Some(&held_by(1)), &claim(7), back, Term::FIRST).write),
        ("after a release", Record::acquire(Some(&released()), &claim(7), back, Term::FIRST).write),
    ];
    for (case, write) in writes {
        let written = write.unwrap();
        assert_eq!((written.expires_ms, written.ttl_ms), (back + TTL, TTL), "{case}");
    }
}

/// R4: no operation shortens a live lease, a shorter ttl in the claim included. The ttl is then what the write gave.
#[test]
fn a_live_lease_is_never_shortened() {
    let hasty = |after| Claim { ttl: ms(1_000), ..claim(after) };
    let writes = [
        ("renew", Record::renew(Some(&held_by(1)), &hasty(7), term(7), NOW).write),
        ("the same claim again", acquire(Some(&held_by(1)), &hasty(0)).write),
        ("a new reign", acquire(Some(&held_by(1)), &hasty(7)).write),
    ];
    for (case, write) in writes {
        let written = write.unwrap();
        assert_eq!((written.expires_ms, written.ttl_ms), (NOW + TTL / 2, TTL / 2), "{case}");
    }
    let longer = Claim { ttl: ms(TTL * 3), ..claim(7) };
    let written = Record::renew(Some(&held_by(1)), &longer, term(7), NOW).write.unwrap();
    assert_eq!((written.expires_ms, written.ttl_ms), (NOW + TTL * 3, TTL * 3));
}

/// R4: what is left of another's time, or of what was released, is no part of a new lease.
#[test]
fn a_new_lease_lasts_for_its_own_ttl() {
    let brief = Claim { ttl: ms(1_000), ..claim(7) };
    for (case, record) in [("released", released()), ("expired", expired(2)), ("expired, mine", expired(1))] {
        let written = acquire(Some(&record), &brief).write.unwrap();
        assert_eq!((written.expires_ms, written.ttl_ms), (NOW + 1_000, 1_000), "{case}");
    }
}

/// R4: a ttl counts in whole milliseconds, rounded up: a lease is never shorter than its holder thinks.
#[test]
fn a_ttl_is_rounded_up() {
    let rows = [
        (Duration::from_nanos(1), 1),
        (Duration::from_micros(999), 1),
        (ms(1), 1),
        (ms(1) + Duration::from_nanos(1), 2),
        (ms(10_000), 10_000),
        (Duration::from_secs(86_400) - Duration::from_nanos(1), 86_400_000),
        (Duration::MAX, u64::MAX),
    ];
    for (ttl, ttl_ms) in rows {
        let claim = Claim { ttl, ..claim(0) };
        assert_eq!(acquire(None, &claim).write.unwrap().ttl_ms, ttl_ms, "{ttl:?}");
    }
}

/// R5: after the last term nothing is granted any more; a claimant is not told to ask again at once.
#[test]
fn after_the_last_term_nothing_is_granted() {
    let last = Term::LAST.get();
    assert_eq!(acquire(None, &claim(last - 1)), grants(last, 1), "the last term itself is granted");
    let nothing = Verdict { answer: Acquired::Held { lease: None, retry_after: ms(TTL) }, write: None };
    assert_eq!(acquire(None, &claim(last)), nothing, "no record");
    for (case, record) in [("mine", held_by(1)), ("released", released()), ("expired", expired(2))] {
        let record = Record { term: Term::LAST, ..record };
        assert_eq!(acquire(Some(&record), &claim(last)), refuses(&record, TTL), "{case}");
    }
    for (case, record) in [("mine", held_by(1)), ("released", released()), ("expired", expired(2))] {
        assert_eq!(acquire(Some(&record), &claim(last)), refuses(&record, TTL), "{case}: the last was seen elsewhere");
    }
    let led = Record { term: Term::LAST, ..held_by(1) };
    assert!(Record::renew(Some(&led), &claim(last), Term::LAST, NOW).write.is_some(), "the last reign is renewed");
    assert_eq!(acquire(Some(&led), &claim(last - 1)), grants(last, 21), "and its lost reply is healed");
}

/// R5: where data may be lost a new term is no less than the seed, the storage's clock.
#[test]
fn a_new_term_is_at_least_the_seed() {
    let seed = term(1_700_000_000_000);
    let granted = |record: Option<&Record>, after| match Record::acquire(record, &claim(after), NOW, seed).answer {
        Acquired::Granted { term, .. } => Some(term.get()),
        Acquired::Held { .. } => None,
    };
    assert_eq!(granted(None, 0), Some(seed.get()), "no record");
    assert_eq!(granted(None, 41), Some(seed.get()), "an older term seen");
    assert_eq!(granted(None, seed.get()), Some(seed.get() + 1), "this very term seen");
    assert_eq!(granted(None, seed.get() + 5), Some(seed.get() + 6), "a newer term seen");
    assert_eq!(granted(Some(&released()), 7), Some(seed.get()), "released");
    assert_eq!(granted(Some(&expired(2)), 7), Some(seed.get()), "expired");
    assert_eq!(granted(Some(&held_by(1)), 7), Some(seed.get()), "a new reign");
    assert_eq!(granted(Some(&held_by(1)), 0), Some(7), "a lost reply: the term of the reign that began");
    let ahead = Record { term: term(seed.get() + 5), ..released() };
    assert_eq!(granted(Some(&ahead), seed.get() + 5), Some(seed.get() + 6), "the clock stepped back");
}

/// R16: near the ends of the numbers arithmetic saturates; nothing panics.
#[test]
fn arithmetic_saturates() {
    let forever = Claim { ttl: Duration::MAX, ..claim(0) };
    let written = Record::acquire(None, &forever, u64::MAX, Term::FIRST).write.unwrap();
    assert_eq!((written.ttl_ms, written.expires_ms), (u64::MAX, u64::MAX));
    assert_eq!(written.lease(0).time_left, ms(u64::MAX));
    assert_eq!(written.lease(u64::MAX).time_left, Duration::ZERO);

    let written = Record::acquire(None, &claim(0), u64::MAX - 5, Term::FIRST).write.unwrap();
    assert_eq!(written.lease(u64::MAX - 5).time_left, ms(5), "the clock has no more room");

    let worn = Record { version: Version::new(u64::MAX), ..held_by(1) };
    let renewed = Record::renew(Some(&worn), &forever, term(7), NOW).answer;
    assert_eq!(renewed, Renewed::Extended { version: Version::new(u64::MAX) });
    assert_eq!(Record::release(Some(&worn), session(1)).unwrap().version, Version::new(u64::MAX));

    let nothing = Claim { ttl: Duration::ZERO, ..claim(0) };
    let written = acquire(None, &nothing).write.unwrap();
    assert!(!written.lease(NOW).is_live(), "a ttl of zero is over at once");
}

mod properties {
    use super::*;
    use proptest::prelude::*;

    /// One operation of one of three candidates, and what the clock did before it.
    #[derive(Clone, Debug)]
    enum Step {
        Acquire {
            candidate: usize,
            ttl_ms: u64,
            knows: Knows,
            takeover: Takeover,
        },
        Renew {
            candidate: usize,
            ttl_ms: u64,
            old: u64,
        },
        Release {
            candidate: usize,
        },
        /// Goes on with a new session.
        Rejoin {
            candidate: usize,
        },
        Wait {
            ms: u64,
        },
        /// The storage's clock is set back.
        TurnBack {
            ms: u64,
        },
        /// The storage forgets the record.
        Lose,
    }

    /// What a claim says of the newest term.
    #[derive(Clone, Copy, Debug)]
    enum Knows {
        Nothing,
        Newest,
        Older(u64),
    }

    fn step() -> impl Strategy<Value = Step> {
        let candidate = 0..3_usize;
        let ttl_ms = prop_oneof![1..50_u64, Just(100), 100..5_000_u64];
        let knows = prop_oneof![
            Just(Knows::Nothing),
            Just(Knows::Newest),
            Just(Knows::Newest),
            (1..4_u64).prop_map(Knows::Older)
        ];
        let takeover = prop_oneof![
            4 => Just(Takeover::Expired),
            1 => Just(Takeover::ReleasedOnly),
            1 => (1..20_u64).prop_map(|version| Takeover::Unchanged(Version::new(version))),
        ];
        prop_oneof![
            6 => (candidate.clone(), ttl_ms.clone(), knows, takeover)
                .prop_map(|(candidate, ttl_ms, knows, takeover)| Step::Acquire { candidate, ttl_ms, knows, takeover }),
            4 => (candidate.clone(), ttl_ms, 0..2_u64)
                .prop_map(|(candidate, ttl_ms, old)| Step::Renew { candidate, ttl_ms, old }),
            2 => candidate.clone().prop_map(|candidate| Step::Release { candidate }),
            1 => candidate.prop_map(|candidate| Step::Rejoin { candidate }),
            4 => (0..300_u64).prop_map(|ms| Step::Wait { ms }),
            1 => (0..10_000_u64).prop_map(|ms| Step::TurnBack { ms }),
        ]
    }

    /// The record, its clock, and what was granted so far.
    struct History {
        record: Option<Record>,
        now_ms: u64,
        sessions: [u128; 3],
        newest: Option<Term>,
        seeded: bool,
    }

    impl History {
        fn new(seeded: bool) -> Self {
            Self { record: None, now_ms: NOW, sessions: [10, 20, 30], newest: None, seeded }
        }

        fn claim(&self, candidate: usize, ttl_ms: u64, knows: Knows, takeover: Takeover) -> Claim {
            let newest = self.newest.map_or(0, Term::get);
            let after = match knows {
                Knows::Nothing => None,
                Knows::Newest => self.newest,
                Knows::Older(by) => Term::new(newest.saturating_sub(by)),
            };
            let session = session(self.sessions[candidate]);
            Claim { session, holder: holder(candidate as u128), ttl: ms(ttl_ms), after, takeover, ..claim(0) }
        }

        fn left(&self) -> Duration {
            self.record.as_ref().map_or(Duration::ZERO, |record| record.lease(self.now_ms).time_left)
        }

        fn owner(&self) -> Option<Session> {
            self.record.as_ref().filter(|record| record.lease(self.now_ms).is_live())?.session
        }

        /// Applies the step, and checks what has to hold of it.
        fn apply(&mut self, step: &Step) {
            let (before, left, owner) = (self.record.clone(), self.left(), self.owner());
            let mut ended = false;
            match *step {
                Step::Acquire { candidate, ttl_ms, knows, takeover } => {
                    let claim = self.claim(candidate, ttl_ms, knows, takeover);
                    let seed = if self.seeded { term(self.now_ms) } else { Term::FIRST };
                    let Verdict { answer, write } = Record::acquire(self.record.as_ref(), &claim, self.now_ms, seed);
                    match answer {
                        Acquired::Granted { term, version } => {
                            let ahead = before.as_ref().is_some_and(|b| {
                                b.expires_ms > self.now_ms + b.ttl_ms && takeover == Takeover::Unchanged(b.version)
                            });
                            let taken_over = owner.is_some_and(|owner| owner != claim.session);
                            assert!(!taken_over || ahead, "granted over a live lease");
                            ended = taken_over;
                            let same_reign =
                                owner == Some(claim.session) && claim.after < before.as_ref().map(|b| b.term);
                            assert!(
                                if same_reign {
                                    Some(term) == before.as_ref().map(|b| b.term)
                                } else {
                                    Some(term) > self.newest
                                },
                                "a grant after {:?} is {term}",
                                self.newest
                            );
                            self.newest = self.newest.max(Some(term));
                            self.record = write;
                            let record = self.record.as_ref().unwrap();
                            assert_eq!((record.term, record.version), (term, version), "what is answered is written");
                            assert!(before.is_none_or(|before| version > before.version), "a grant moves the version");
                            assert!(self.left() >= ms(ttl_ms), "a grant is for its ttl");
                        }
                        Acquired::Held { retry_after, .. } => {
                            assert_eq!(write, None, "a refused claim writes nothing");
                            assert_ne!(owner, Some(claim.session), "the owner is never refused");
                            assert!(owner.is_none() || retry_after == left, "told to wait for what is left");
                        }
                    }
                }
                Step::Renew { candidate, ttl_ms, old } => {
                    let claim = self.claim(candidate, ttl_ms, Knows::Nothing, Takeover::Expired);
                    let renewed =
                        Term::new(self.newest.map_or(1, Term::get).saturating_sub(old)).unwrap_or(Term::FIRST);
                    let Verdict { answer, write } = Record::renew(self.record.as_ref(), &claim, renewed, self.now_ms);
                    let leads = owner == Some(claim.session) && before.as_ref().is_some_and(|b| b.term == renewed);
                    assert_eq!(
                        matches!(answer, Renewed::Extended { .. }),
                        leads,
                        "a renewal is for who leads that term"
                    );
                    assert_eq!(write.is_some(), leads, "a lost renewal writes nothing, and revives nothing");
                    if let Some(record) = write {
                        assert_eq!(Some(record.term), before.map(|before| before.term), "a renewal keeps the term");
                        self.record = Some(record);
                        assert!(self.left() >= ms(ttl_ms), "a renewal is for its ttl");
                    }
                }
                Step::Release { candidate } => {
                    let session = session(self.sessions[candidate]);
                    ended = owner == Some(session);
                    let write = Record::release(self.record.as_ref(), session);
                    let mine = before.as_ref().is_some_and(|before| before.session == Some(session));
                    assert_eq!(write.is_some(), mine, "a release is for what the session holds");
                    if let Some(record) = write {
                        assert_eq!(Some(record.term), before.map(|before| before.term), "a release keeps the term");
                        self.record = Some(record);
                    }
                }
                Step::Rejoin { candidate } => self.sessions[candidate] += 1,
                Step::Wait { ms } => self.now_ms += ms,
                Step::TurnBack { ms } => self.now_ms -= ms,
                Step::Lose => self.record = None,
            }
            let on_time = !matches!(step, Step::Wait { .. } | Step::Lose);
            assert!(!on_time || ended || self.left() >= left, "{step:?} shortened a lease of {left:?}");
            if let Some(record) = &self.record {
                let lease = record.lease(self.now_ms);
                assert!(lease.time_left <= lease.ttl, "{lease:?} has more left than its ttl");
                assert!(lease.holder.is_some() == record.session.is_some(), "a lease names its holder until released");
            }
        }
    }

    proptest! {
        /// R4, R5, R6, R10, R13: in every history, the clock stepping back included, terms grow with each grant, only
        /// its holder's release ends a live lease, a renewal revives nothing, and no lease shows more than its ttl.
        #[test]
        fn every_history_keeps_the_promises(steps in prop::collection::vec(step(), 1..120)) {
            let mut history = History::new(false);
            steps.iter().for_each(|step| history.apply(step));
        }

        /// R5: where the storage loses its data and a candidate does not know of older terms, the seed keeps them
        /// growing, as long as the clock goes on from one grant to the next.
        #[test]
        fn terms_grow_across_losses(steps in prop::collection::vec(
            prop_oneof![12 => step(), 1 => Just(Step::Lose)], 1..120,
        )) {
            let mut history = History::new(true);
            for step in &steps {
                if !matches!(step, Step::TurnBack { .. }) {
                    history.apply(step);
                    // A storage grants nothing for its longest ttl after a loss, so its clock outruns the terms.
                    let wait = if matches!(step, Step::Lose) { 120 } else { 1 };
                    history.apply(&Step::Wait { ms: wait });
                }
            }
        }

        /// R5: a claim that knows a newer term than the storage is granted a newer one still, whatever was lost.
        #[test]
        fn what_was_seen_is_never_granted_again(
            stored in 1..1_000_u64, seen in 1..1_000_u64, left in 0..2_u64, of in 1..3_u128, freed in any::<bool>(),
        ) {
            let record = Record { term: term(stored), expires_ms: NOW + left, ..held_by(of) };
            let record = if freed { Record { session: None, ..record } } else { record };
            if let Acquired::Granted { term, .. } = acquire(Some(&record), &claim(seen)).answer {
                let repeats = seen < stored && of == 1 && left > 0 && !freed;
                let grows = term.get() > stored.max(seen);
                prop_assert!(grows || repeats && term.get() == stored, "{}", term);
            }
        }

        /// R16: no input panics.
        #[test]
        fn no_input_panics(
            now_ms in any::<u64>(), expires_ms in any::<u64>(), ttl_ms in any::<u64>(), version in any::<u64>(),
            stored in any::<u64>(), after in any::<u64>(), seed in any::<u64>(), ttl in any::<Duration>(),
            of in 0..3_u128,
        ) {
            let clamp = |number: u64| term(number.clamp(1, Term::LAST.get()));
            let record = Record {
                session: (of > 0).then(|| session(of)),
                term: clamp(stored),
                version: Version::new(version),
                ttl_ms,
                expires_ms,
                ..held_by(of)
            };
            let claim = Claim { ttl, after: Term::new(after), ..claim(0) };
            for record in [None, Some(&record)] {
                let verdict = Record::acquire(record, &claim, now_ms, clamp(seed));
                prop_assert_eq!(matches!(verdict.answer, Acquired::Granted { .. }), verdict.write.is_some());
                let verdict = Record::renew(record, &claim, clamp(stored), now_ms);
                prop_assert_eq!(matches!(verdict.answer, Renewed::Extended { .. }), verdict.write.is_some());
                let _ = Record::release(record, session(1));
                prop_assert!(record.is_none_or(|record| record.lease(now_ms).time_left <= record.lease(now_ms).ttl));
            }
        }
    }
}
