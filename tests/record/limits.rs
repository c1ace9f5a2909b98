//! How long a lease lasts, how old it is, and where numbers end.

use super::*;

/// The age of a term counts from its grant: renewals, repeated claims and a release leave that alone, each new term
/// begins anew.
#[test]
fn the_age_of_a_term_counts_from_its_grant() {
    let hasty = claim_for(ms(1), 0);
    let rows = [
        ("no record", None, Request::from(claim(0)), NOW),
        ("renewed", Some(held_by(1)), renewal(7).into(), SINCE),
        ("the same claim again", Some(held_by(1)), claim(0).into(), SINCE),
        ("the same claim again, shorter", Some(held_by(1)), hasty.into(), SINCE),
        ("released", Some(held_by(1)), release().into(), SINCE),
        ("released to another", Some(held_by(1)), transfer_to(2, ms(TTL)).into(), SINCE),
        ("a new reign", Some(held_by(1)), claim(7).into(), NOW),
        ("after a release", Some(released()), claim(7).into(), NOW),
        ("the own expired lease", Some(expired(1)), claim(7).into(), NOW),
        ("taken over", Some(expired(2)), claim(7).into(), NOW),
        ("revoked", Some(held_by(2)), revoke().into(), NOW),
    ];
    for (case, record, request, since_ms) in rows {
        let written = judge(record.as_ref(), request).1.unwrap();
        assert_eq!(written.since_ms, since_ms, "{case}");
        let age = written.lease(NOW + 500).age;
        assert_eq!(age, written.session.map(|_| ms(NOW + 500 - since_ms)), "{case}");
    }
}

/// R10: the clock stepped back. A lease shows no more than its ttl; it is granted to who saw its version unchanged for
/// so long on its own clock, and to nobody else.
#[test]
fn after_a_step_back_a_lease_lasts_no_longer_than_its_ttl() {
    let back = NOW - 600_000;
    let record = held_by(2);
    assert_eq!(record.lease(back).time_left, ms(TTL));
    let other = record.version.next();
    let watched = |after| claim(after).takeover(Takeover::Unchanged(record.version));
    let refused = [
        ("not watched", claim(7), back),
        ("released only", claim(7).takeover(Takeover::ReleasedOnly), back),
        ("another version", claim(7).takeover(Takeover::Unchanged(other)), back),
        ("the clock has caught up", watched(7), record.expires_ms - TTL),
    ];
    for (case, claim, now) in refused {
        let reply = Reply::Acquired(Acquired::refused(Some(record.lease(now)), ms(TTL)));
        assert_eq!(judge_at(Some(&record), claim, now, Term::FIRST), (reply, None), "{case}");
    }
    assert!(is_refused(&judge_at(Some(&record), watched(6), back, Term::FIRST)));
    let now = record.expires_ms - TTL - 1;
    let (reply, write) = judge_at(Some(&record), watched(7), now, Term::FIRST);
    assert_eq!(reply, Reply::Acquired(Acquired::granted(term(8), other)));
    let written = write.unwrap();
    assert_eq!((written.session, written.expires_ms, written.ttl_ms), (Some(watched(7).session), now + TTL, TTL));
}

/// R10: the next write brings the lease back to the clock, whichever operation it is.
#[test]
fn after_a_step_back_the_next_write_counts_from_the_new_clock() {
    let back = NOW - 600_000;
    let writes = [
        ("renew", held_by(1), Request::from(renewal(7))),
        ("the same claim again", held_by(1), claim(0).into()),
        ("a new reign", held_by(1), claim(7).into()),
        ("after a release", released(), claim(7).into()),
    ];
    for (case, record, request) in writes {
        let written = judge_at(Some(&record), request, back, Term::FIRST).1.unwrap();
        assert_eq!((written.expires_ms, written.ttl_ms), (back + TTL, TTL), "{case}");
    }
}

/// R4: no operation shortens a live lease, a shorter ttl in the claim included. The ttl is then what the write gave.
#[test]
fn a_live_lease_is_never_shortened() {
    let hasty = |after| claim_for(ms(1_000), after);
    let writes = [
        ("renew", judge(Some(&held_by(1)), renewal_for(ms(1_000), 7)).1),
        ("the same claim again", judge(Some(&held_by(1)), hasty(0)).1),
        ("a new reign", judge(Some(&held_by(1)), hasty(7)).1),
    ];
    for (case, write) in writes {
        let written = write.unwrap();
        assert_eq!((written.expires_ms, written.ttl_ms), (NOW + TTL / 2, TTL / 2), "{case}");
    }
    let written = judge(Some(&held_by(1)), renewal_for(ms(TTL * 3), 7)).1.unwrap();
    assert_eq!((written.expires_ms, written.ttl_ms), (NOW + TTL * 3, TTL * 3));
}

/// R4: what is left of another's time, or of what was released, is no part of a new lease.
#[test]
fn a_new_lease_lasts_for_its_own_ttl() {
    for (case, record) in [("released", released()), ("expired", expired(2)), ("expired, mine", expired(1))] {
        let written = judge(Some(&record), claim_for(ms(1_000), 7)).1.unwrap();
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
        assert_eq!(judge(None, claim_for(ttl, 0)).1.unwrap().ttl_ms, ttl_ms, "{ttl:?}");
    }
}

/// R5: after the last term nothing is granted any more; a claimant is not told to ask again at once.
#[test]
fn after_the_last_term_nothing_is_granted() {
    let last = Term::LAST.get();
    assert_eq!(judge(None, claim(last - 1)), grants(last, 1), "the last term itself is granted");
    let nothing = (Reply::Acquired(Acquired::refused(None, ms(TTL))), None);
    assert_eq!(judge(None, claim(last)), nothing, "no record");
    for (case, record) in [("mine", held_by(1)), ("released", released()), ("expired", expired(2))] {
        let record = in_last_term(record);
        assert_eq!(judge(Some(&record), claim(last)), refuses(&record, TTL), "{case}");
    }
    for (case, record) in [("mine", held_by(1)), ("released", released()), ("expired", expired(2))] {
        assert_eq!(judge(Some(&record), claim(last)), refuses(&record, TTL), "{case}: the last was seen elsewhere");
    }
    let led = in_last_term(held_by(1));
    assert!(judge(Some(&led), renewal(last)).1.is_some(), "the last reign is renewed");
    let healed = judge(Some(&led), claim(last - 1));
    let goes_on = |record| with(record, |record| record.since_ms = SINCE);
    let (reply, write) = grants(last, 21);
    assert_eq!(healed, (reply, write.map(goes_on)), "and its lost reply is healed");
}

/// R5: where data may be lost a new term is no less than the seed, the storage's clock.
#[test]
fn a_new_term_is_at_least_the_seed() {
    let seed = term(1_700_000_000_000);
    let granted = |record: Option<&Record>, after| match judge_at(record, claim(after), NOW, seed).0 {
        Reply::Acquired(Acquired::Granted { term, .. }) => Some(term.get()),
        _ => None,
    };
    assert_eq!(granted(None, 0), Some(seed.get()), "no record");
    assert_eq!(granted(None, 41), Some(seed.get()), "an older term seen");
    assert_eq!(granted(None, seed.get()), Some(seed.get() + 1), "this very term seen");
    assert_eq!(granted(None, seed.get() + 5), Some(seed.get() + 6), "a newer term seen");
    assert_eq!(granted(Some(&released()), 7), Some(seed.get()), "released");
    assert_eq!(granted(Some(&expired(2)), 7), Some(seed.get()), "expired");
    assert_eq!(granted(Some(&held_by(1)), 7), Some(seed.get()), "a new reign");
    assert_eq!(granted(Some(&held_by(1)), 0), Some(7), "a lost reply: the term of the reign that began");
    let ahead = with(released(), |record| record.term = term(seed.get() + 5));
    assert_eq!(granted(Some(&ahead), seed.get() + 5), Some(seed.get() + 6), "the clock stepped back");
}

/// R16: near the ends of the numbers arithmetic saturates; nothing panics.
#[test]
fn arithmetic_saturates() {
    let written = judge_at(None, claim_for(Duration::MAX, 0), u64::MAX, Term::FIRST).1.unwrap();
    assert_eq!((written.ttl_ms, written.expires_ms), (u64::MAX, u64::MAX));
    assert_eq!(written.lease(0).time_left, ms(u64::MAX));
    assert_eq!(written.lease(0).age, Some(Duration::ZERO));
    assert_eq!(written.lease(u64::MAX).time_left, Duration::ZERO);

    let written = judge_at(None, claim(0), u64::MAX - 5, Term::FIRST).1.unwrap();
    assert_eq!(written.lease(u64::MAX - 5).time_left, ms(5), "the clock has no more room");

    let worn = with(held_by(1), |record| (record.version, record.since_ms) = (Version::new(u64::MAX), 0));
    let renewed = judge(Some(&worn), renewal_for(Duration::MAX, 7)).0;
    assert_eq!(renewed, Reply::Renewed(Renewed::extended(Version::new(u64::MAX))));
    for request in [Request::from(release()), revoke().into()] {
        assert_eq!(judge(Some(&worn), request).1.unwrap().version, Version::new(u64::MAX));
    }
    assert_eq!(worn.lease(u64::MAX).age, Some(ms(u64::MAX)));

    let written = judge(None, claim_for(Duration::ZERO, 0)).1.unwrap();
    assert!(!written.lease(NOW).is_live(), "a ttl of zero is over at once");
}
