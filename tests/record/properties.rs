//! Promises over random histories.

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
        /// For whom, and for how long.
        reserves: Option<(usize, u64)>,
    },
    /// An operator takes the lease.
    Revoke {
        now: bool,
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
    let knows =
        prop_oneof![Just(Knows::Nothing), Just(Knows::Newest), Just(Knows::Newest), (1..4_u64).prop_map(Knows::Older)];
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
        2 => (candidate.clone(), prop::option::of((candidate.clone(), 0..500_u64)))
            .prop_map(|(candidate, reserves)| Step::Release { candidate, reserves }),
        1 => candidate.prop_map(|candidate| Step::Rejoin { candidate }),
        1 => any::<bool>().prop_map(|now| Step::Revoke { now }),
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
        let (id, session) = (id(candidate as u128), session(self.sessions[candidate]));
        Claim::new(key(), id, session, ms(ttl_ms)).value(value("claimed")).after(after).takeover(takeover)
    }

    /// Whether a claim of this candidate may be granted, as far as reservations go.
    fn reserved_for(&self, candidate: usize) -> bool {
        self.record.as_ref().filter(|record| record.session.is_none()).is_none_or(|record| {
            let left = record.expires_ms.saturating_sub(self.now_ms);
            record.id == id(candidate as u128) || left == 0 || left > record.ttl_ms
        })
    }

    /// How much a live lease has left, also one that was taken from its holder.
    fn left(&self) -> Duration {
        let held = self.record.as_ref().filter(|record| record.session.is_some());
        held.map_or(Duration::ZERO, |record| record.lease(self.now_ms).time_left)
    }

    fn owner(&self) -> Option<Session> {
        self.record.as_ref().filter(|_| !self.left().is_zero())?.session
    }

    /// Applies the step, and checks what has to hold of it.
    fn apply(&mut self, step: &Step) {
        let (before, left, owner) = (self.record.clone(), self.left(), self.owner());
        let mut ended = false;
        match *step {
            Step::Acquire { candidate, ttl_ms, knows, takeover } => {
                let claim = self.claim(candidate, ttl_ms, knows, takeover);
                let seed = if self.seeded { term(self.now_ms) } else { Term::FIRST };
                let (reply, write) = judge_at(self.record.as_ref(), claim.clone(), self.now_ms, seed);
                match reply {
                    Reply::Acquired(Acquired::Granted { term, version, .. }) => {
                        let ahead = before.as_ref().is_some_and(|b| {
                            b.expires_ms > self.now_ms + b.ttl_ms && takeover == Takeover::Unchanged(b.version)
                        });
                        let taken_over = owner.is_some_and(|owner| owner != claim.session);
                        assert!(!taken_over || ahead, "granted over a live lease");
                        ended = taken_over;
                        let same_reign = owner == Some(claim.session) && claim.after < before.as_ref().map(|b| b.term);
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
                        assert!(self.reserved_for(candidate), "granted what is reserved for another");
                        self.record = write;
                        let record = self.record.as_ref().unwrap();
                        assert_eq!((record.term, record.version), (term, version), "what is answered is written");
                        let since_ms = before.as_ref().filter(|_| same_reign).map_or(self.now_ms, |b| b.since_ms);
                        assert_eq!(record.since_ms, since_ms, "each term has its own age");
                        assert!(before.is_none_or(|before| version > before.version), "a grant moves the version");
                        assert!(self.left() >= ms(ttl_ms), "a grant is for its ttl");
                    }
                    Reply::Acquired(Acquired::Refused { retry_after, .. }) => {
                        assert_eq!(write, None, "a refused claim writes nothing");
                        assert_ne!(owner, Some(claim.session), "the owner is never refused");
                        assert!(owner.is_none() || retry_after == left, "told to wait for what is left");
                        if let Some(before) = before.as_ref().filter(|before| before.session.is_none()) {
                            let is_over = retry_after.is_zero()
                                || self.now_ms + retry_after.as_millis() as u64 == before.expires_ms;
                            assert!(is_over, "told to wait for what a reservation has left");
                            assert!(retry_after <= ms(before.ttl_ms), "a reservation lasts for its time");
                            let known = claim.after >= Some(before.term);
                            assert!(!known || !self.reserved_for(candidate), "refused what is free");
                        }
                    }
                    other => panic!("a claim is answered {other:?}"),
                }
            }
            Step::Renew { candidate, ttl_ms, old } => {
                let (id, session) = (id(candidate as u128), session(self.sessions[candidate]));
                let renewed = Term::new(self.newest.map_or(1, Term::get).saturating_sub(old)).unwrap_or(Term::FIRST);
                let renewal = Renewal::new(key(), id, session, renewed, ms(ttl_ms));
                let (reply, write) = judge_at(self.record.as_ref(), renewal, self.now_ms, Term::FIRST);
                let leads = owner == Some(session) && before.as_ref().is_some_and(|b| b.term == renewed);
                assert_eq!(
                    matches!(reply, Reply::Renewed(Renewed::Extended { .. })),
                    leads,
                    "a renewal is for who leads that term"
                );
                assert_eq!(write.is_some(), leads, "a lost renewal writes nothing, and revives nothing");
                if let Some(record) = write {
                    let kept = before.map(|before| (before.term, before.since_ms));
                    assert_eq!(Some((record.term, record.since_ms)), kept, "a renewal keeps the term");
                    self.record = Some(record);
                    assert!(self.left() >= ms(ttl_ms), "a renewal is for its ttl");
                }
            }
            Step::Release { candidate, reserves } => {
                let session = session(self.sessions[candidate]);
                ended = owner == Some(session);
                let successor = reserves.map(|(to, within)| Successor::new(id(to as u128), ms(within)));
                let release = Release::new(key(), session).successor(successor);
                let (_, write) = judge_at(self.record.as_ref(), release, self.now_ms, Term::FIRST);
                let mine = before.as_ref().is_some_and(|before| before.session == Some(session));
                assert_eq!(write.is_some(), mine, "a release is for what the session holds");
                if let Some(record) = write {
                    assert_eq!(Some(record.term), before.map(|before| before.term), "a release keeps the term");
                    self.record = Some(record);
                }
            }
            Step::Revoke { now } => {
                ended = now && owner.is_some();
                let revoke = Revoke::new(key()).now(now);
                let (reply, write) = judge_at(self.record.as_ref(), revoke, self.now_ms, Term::FIRST);
                let held = before.as_ref().filter(|before| before.session.is_some());
                let held = held.filter(|before| now || before.session != Some(Session::NOBODY));
                let shown = held.map(|before| before.lease(self.now_ms));
                assert_eq!(reply, Reply::Revoked(shown), "a revoke shows what it took");
                assert_eq!(write.is_some(), held.is_some(), "a revoke is for what somebody holds");
                if let Some(record) = write {
                    assert!(Some(record.term) > self.newest, "a term of its own");
                    assert_eq!(record.session, (!now).then_some(Session::NOBODY), "nobody's, or free");
                    self.newest = Some(record.term);
                    self.record = Some(record);
                    assert_eq!(
                        self.left(),
                        if now { Duration::ZERO } else { left },
                        "it ends when it would have ended"
                    );
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
            let held = record.session.is_some_and(|session| session != Session::NOBODY);
            assert!(lease.id.is_some() == held, "a lease names its holder until released or revoked");
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
        let record = with(held_by(of), |record| {
            (record.term, record.expires_ms) = (term(stored), NOW + left);
            record.session = record.session.filter(|_| !freed);
        });
        if let Reply::Acquired(Acquired::Granted { term, .. }) = judge(Some(&record), claim(seen)).0 {
            let repeats = seen < stored && of == 1 && left > 0 && !freed;
            let grows = term.get() > stored.max(seen);
            prop_assert!(grows || repeats && term.get() == stored, "{}", term);
        }
    }

    /// R16: no input panics.
    #[test]
    fn no_input_panics(
        now_ms in any::<u64>(), expires_ms in any::<u64>(), since_ms in any::<u64>(), ttl_ms in any::<u64>(),
        version in any::<u64>(),
        stored in any::<u64>(), after in any::<u64>(), seed in any::<u64>(), ttl in any::<Duration>(),
        of in 0..3_u128,
    ) {
        let clamp = |number: u64| term(number.clamp(1, Term::LAST.get()));
        let record = with(held_by(of), |record| {
            record.session = (of > 0).then(|| session(of));
            (record.term, record.version) = (clamp(stored), Version::new(version));
            (record.ttl_ms, record.expires_ms, record.since_ms) = (ttl_ms, expires_ms, since_ms);
        });
        let claim = Claim::new(key(), id(1), session(1), ttl).after(Term::new(after));
        let renewal = Renewal::new(key(), id(1), session(1), clamp(stored), ttl);
        for record in [None, Some(&record)] {
            let judge = |request: Request| judge_at(record, request, now_ms, clamp(seed));
            let (reply, write) = judge(claim.clone().into());
            prop_assert_eq!(matches!(reply, Reply::Acquired(Acquired::Granted { .. })), write.is_some());
            let (reply, write) = judge(renewal.clone().into());
            prop_assert_eq!(matches!(reply, Reply::Renewed(Renewed::Extended { .. })), write.is_some());
            let (reply, write) = judge(revoke().into());
            prop_assert_eq!(matches!(reply, Reply::Revoked(Some(_))), write.is_some());
            let _ = judge(release().into());
            let _ = judge(transfer_to(2, ttl).into());
            prop_assert!(record.is_none_or(|record| record.lease(now_ms).time_left <= record.lease(now_ms).ttl));
        }
    }
}
