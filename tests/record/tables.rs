//! Every row of the operations.

use super::*;

/// R4, R5, R6, R10, R13: every row of the table of `acquire`.
#[test]
fn acquire_keeps_to_the_table() {
    let guarded = |after, takeover| claim(after).takeover(takeover);
    let released_only = |after| guarded(after, Takeover::ReleasedOnly);
    let unchanged = |after, version| guarded(after, Takeover::Unchanged(Version::new(version)));
    let (mine, others, gone) = (held_by(1), held_by(2), released());
    let kept = reserved_for(2);
    let let_go = with(reserved_for(2), |record| record.expires_ms = NOW);
    let ahead = with(reserved_for(2), |record| record.expires_ms = NOW + TTL + 1);
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
        ("reserved for me", Some(&reserved_for(1)), claim(7), grants(8, 21)),
        ("reserved for me: whatever takeover says", Some(&reserved_for(1)), released_only(7), grants(8, 21)),
        ("reserved for me, a newer term seen: past it", Some(&reserved_for(1)), claim(9), grants(10, 21)),
        ("reserved for me, outdated: look and ask again", Some(&reserved_for(1)), claim(6), refuses(&kept, 0)),
        ("reserved for another", Some(&kept), claim(7), refuses(&kept, TTL / 2)),
        ("reserved for another: whatever takeover says", Some(&kept), unchanged(7, 20), refuses(&kept, TTL / 2)),
        ("reserved for another, a newer term seen", Some(&kept), claim(9), refuses(&kept, TTL / 2)),
        ("reserved for another, outdated: look and ask again", Some(&kept), claim(6), refuses(&kept, 0)),
        ("reserved for another, that is over", Some(&let_go), claim(7), grants(8, 21)),
        ("reserved for another, before the clock stepped back", Some(&ahead), claim(7), grants(8, 21)),
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
        assert_eq!(judge(record, claim), verdict, "{case}");
    }
}

/// R4: every row of the table of `renew`. The term goes on, and so does its age.
#[test]
fn renew_keeps_to_the_table() {
    let extended = with(held_by(1), |record| {
        (record.version, record.expires_ms, record.value) = (Version::new(21), NOW + TTL, value("claimed"));
    });
    let reply = Reply::Renewed(Renewed::extended(Version::new(21)));
    assert_eq!(judge(Some(&held_by(1)), renewal(7)), (reply, Some(extended)), "live, session and term match");

    let last = with(held_by(1), |record| record.expires_ms = NOW + 1);
    assert!(judge(Some(&last), renewal(7)).1.is_some(), "live to the last millisecond");

    let rows = [
        ("no record", None, 7),
        ("an older term", Some(held_by(1)), 6),
        ("a newer term", Some(held_by(1)), 8),
        ("another's", Some(held_by(2)), 7),
        ("released", Some(released()), 7),
        ("released by me", Some(with(held_by(1), |record| record.session = None)), 7),
        ("expired, mine", Some(expired(1)), 7),
        ("expired, another's", Some(expired(2)), 7),
    ];
    for (case, record, renewed) in rows {
        let reply = Reply::Renewed(Renewed::lost(record.as_ref().map(|record| record.lease(NOW))));
        assert_eq!(judge(record.as_ref(), renewal(renewed)), (reply, None), "{case}");
    }
}

/// R4, R9: every row of the table of `release`. The term, the id and the value stay.
#[test]
fn release_keeps_to_the_table() {
    for (case, record) in [("live, mine", held_by(1)), ("expired, mine", expired(1))] {
        let after = with(record.clone(), |record| {
            (record.session, record.version, record.expires_ms) = (None, Version::new(21), 0);
        });
        assert_eq!(judge(Some(&record), release()), (Reply::Released, Some(after.clone())), "{case}");
        for (within, ttl_ms) in [(ms(0), 0), (ms(400), 400), (ms(400) + Duration::from_nanos(1), 401)] {
            let reserved = with(after.clone(), |record| {
                (record.id, record.ttl_ms, record.expires_ms) = (id(3), ttl_ms, NOW + ttl_ms);
            });
            assert_eq!(judge(Some(&record), transfer_to(3, within)), (Reply::Released, Some(reserved)), "{case}");
        }
    }
    for (case, record) in [
        ("no record", None),
        ("live, another's", Some(held_by(2))),
        ("expired, another's", Some(expired(2))),
        ("released", Some(released())),
        ("reserved", Some(reserved_for(2))),
        ("reserved for me", Some(reserved_for(1))),
    ] {
        assert_eq!(judge(record.as_ref(), release()), (Reply::Released, None), "{case}");
        assert_eq!(judge(record.as_ref(), transfer_to(3, ms(TTL))), (Reply::Released, None), "{case}");
    }
}

/// R10, R12: a reservation is for its time and no longer, wherever the clock jumps; what names no successor makes none.
#[test]
fn a_reservation_is_over_when_its_time_is() {
    let reserved = judge(Some(&held_by(1)), transfer_to(2, ms(TTL))).1.unwrap();
    let asked = |record: &Record, now_ms| match judge_at(Some(record), claim(7), now_ms, Term::FIRST) {
        (Reply::Acquired(Acquired::Refused { retry_after, .. }), None) => Some(retry_after),
        (Reply::Acquired(Acquired::Granted { .. }), Some(_)) => None,
        other => panic!("{other:?}"),
    };
    let rows = [
        ("at once", NOW, Some(TTL)),
        ("at its last millisecond", NOW + TTL - 1, Some(1)),
        ("at its end", NOW + TTL, None),
        ("later", NOW + TTL * 9, None),
        ("after a step back", NOW - 1, None),
        ("after a step back of much", 0, None),
    ];
    for (case, now_ms, left) in rows {
        assert_eq!(asked(&reserved, now_ms), left.map(ms), "{case}");
    }
    let held = with(held_by(1), |record| (record.id, record.term) = (id(2), term(6)));
    for freed in [Request::from(release()), revoke().into()] {
        let free = judge(Some(&held), freed).1.unwrap();
        for now_ms in [0, NOW - TTL, NOW - 1, NOW, NOW + 1, NOW + TTL] {
            assert_eq!(asked(&free, now_ms), None);
        }
    }
}

/// R5: every row of the table of `revoke`. Whoever holds the lease loses it to a term of its own; the id, the value and
/// the times stay.
#[test]
fn revoke_keeps_to_the_table() {
    let last = in_last_term(held_by(1));
    let rows = [
        ("live, mine", held_by(1), 8),
        ("live, another's", held_by(2), 8),
        ("expired", expired(2), 8),
        ("in the last term", last, Term::LAST.get()),
    ];
    for (case, record, number) in rows {
        let after = with(record.clone(), |record| {
            (record.session, record.term, record.version) = (None, term(number), Version::new(21));
            (record.since_ms, record.expires_ms) = (NOW, 0);
        });
        let reply = Reply::Revoked(Some(record.lease(NOW)));
        assert_eq!(judge(Some(&record), revoke()), (reply, Some(after)), "{case}");
    }
    for (case, record) in [("no record", None), ("released", Some(released())), ("reserved", Some(reserved_for(2)))] {
        for number in [0, 7] {
            assert_eq!(judge(record.as_ref(), Revoke::new(key())), (Reply::Revoked(None), None), "{case}");
            let revoke = revoke().term(Term::new(number));
            assert_eq!(judge(record.as_ref(), revoke), (Reply::Revoked(None), None), "{case}");
        }
    }
    let record = held_by(2);
    for other in [6, 8] {
        let revoke = revoke().term(Some(term(other)));
        assert_eq!(judge(Some(&record), revoke), (Reply::Revoked(None), None), "another's term");
    }
    let meant = revoke().term(Some(term(7)));
    assert_eq!(judge(Some(&record), meant), judge(Some(&record), revoke()), "the term that is meant");
}

/// R1, R5: what is revoked without haste is nobody's until its lease would have ended: neither its former holder nor others get it, and
/// nobody can renew or release it. Then it is as any expired one.
#[test]
fn a_revoked_lease_lasts_until_its_end() {
    for of in [1, 2] {
        for (case, record, number) in [
            ("live", held_by(of), 8),
            ("expired", expired(of), 8),
            ("in the last term", in_last_term(held_by(of)), Term::LAST.get()),
        ] {
            let softly = Revoke::new(key());
            let (reply, write) = judge(Some(&record), softly.clone());
            assert_eq!(reply, Reply::Revoked(Some(record.lease(NOW))), "{case}");
            let revoked = write.unwrap();
            let after = with(record.clone(), |record| {
                (record.session, record.term) = (Some(Session::NOBODY), term(number));
                (record.version, record.since_ms) = (Version::new(21), NOW);
            });
            assert_eq!(revoked, after, "{case}");
            let Lease { id, age, time_left, .. } = revoked.lease(NOW);
            assert_eq!((id, age, time_left), (None, None, record.lease(NOW).time_left), "{case}");
            assert!(revoked.wakes_followers(Some(&record)));

            let left = time_left.as_millis() as u64;
            let lost = Reply::Renewed(Renewed::lost(Some(revoked.lease(NOW))));
            for number in [7, number] {
                assert_eq!(judge(Some(&revoked), renewal(number)), (lost.clone(), None), "{case}");
            }
            assert_eq!(judge(Some(&revoked), release()), (Reply::Released, None), "{case}");
            for takeover in [Takeover::Expired, Takeover::ReleasedOnly, Takeover::Unchanged(revoked.version)] {
                let judged = judge(Some(&revoked), claim(number).takeover(takeover));
                let expected = match takeover {
                    _ if left > 0 => refuses(&revoked, left),
                    Takeover::ReleasedOnly => refuses(&revoked, TTL),
                    _ => grants(9, 22),
                };
                assert_eq!(judged, expected, "{case}");
            }
            assert_eq!(judge(Some(&revoked), softly.clone()), (Reply::Revoked(None), None), "{case}");
            let now = judge(Some(&revoked), revoke()).1.unwrap();
            assert_eq!((now.session, now.expires_ms, now.lease(NOW).time_left), (None, 0, ms(0)), "{case}: at once");
            let again = judge_at(Some(&revoked), softly, NOW + left, Term::FIRST);
            assert_eq!(again, (Reply::Revoked(None), None), "{case}: after its end, too");
        }
        let revoked = judge(Some(&held_by(of)), Revoke::new(key())).1.unwrap();
        let left = revoked.lease(NOW).time_left.as_millis() as u64;
        let claims = |now_ms, takeover| judge_at(Some(&revoked), claim(8).takeover(takeover), now_ms, Term::FIRST).0;
        let granted = Reply::Acquired(Acquired::granted(term(9), Version::new(22)));
        assert_ne!(claims(NOW + left - 1, Takeover::Expired), granted);
        assert_eq!(claims(NOW + left, Takeover::Expired), granted);
        assert_eq!(claims(NOW + left, Takeover::Unchanged(revoked.version)), granted);
        assert_ne!(claims(NOW + left, Takeover::ReleasedOnly), granted, "who goes by an own clock goes by it here");
    }
}

/// R4, R5, R6: what is taken from its holder by authority begins a term of its own: neither a renewal nor a repeated
/// claim of the former holder gets it back, its release does nothing, and its next grant is another term again.
#[test]
fn a_revoked_lease_is_over() {
    for record in [held_by(1), expired(1)] {
        let revoked = judge(Some(&record), revoke()).1.unwrap();
        for number in [7, 8] {
            let lost = Reply::Renewed(Renewed::lost(Some(revoked.lease(NOW))));
            assert_eq!(judge(Some(&revoked), renewal(number)), (lost, None));
        }
        for after in [0, 6, 7] {
            assert_eq!(judge(Some(&revoked), claim(after)), refuses(&revoked, 0));
        }
        assert_eq!(judge(Some(&revoked), release()), (Reply::Released, None));
        assert_eq!(judge(Some(&revoked), revoke()), (Reply::Revoked(None), None));
        let watched = claim(8).takeover(Takeover::ReleasedOnly);
        assert_eq!(judge(Some(&revoked), watched), grants(9, 22), "it needs no watching");
    }
}

/// R13: a look shows the lease, whatever it is, and writes nothing; so does a list, which is about no single record.
#[test]
fn looking_changes_nothing() {
    for record in [None, Some(held_by(1)), Some(expired(2)), Some(released())] {
        let lease = record.as_ref().map(|record| record.lease(NOW));
        assert_eq!(judge(record.as_ref(), Get::new(key())), (Reply::Got(lease), None));
        assert_eq!(judge(record.as_ref(), List::new()), (Reply::Listed(Page::default()), None));
    }
}

/// R13: what others see of a record. The session is not part of it.
#[test]
fn a_lease_shows_what_is_live_and_nothing_secret() {
    let shown = |id: Option<Id>, time_left, age: Option<u64>| {
        let mut lease = Lease::new(term(7), Version::new(20), ms(TTL));
        (lease.id, lease.time_left, lease.age) = (id, ms(time_left), age.map(ms));
        lease.value = value("stored");
        lease
    };
    let age = Some(NOW - SINCE);
    let rows = [
        ("live", held_by(2), shown(Some(id(2)), TTL / 2, age)),
        ("expired", expired(2), shown(Some(id(2)), 0, age)),
        ("expired long ago", with(held_by(2), |record| record.expires_ms = 0), shown(Some(id(2)), 0, age)),
        ("released", released(), shown(None, 0, None)),
        ("reserved until now", with(reserved_for(2), |record| record.expires_ms = NOW), shown(None, 0, None)),
        ("reserved before a step back", with(reserved_for(2), |r| r.expires_ms = NOW + TTL + 1), shown(None, 0, None)),
        ("reserved", reserved_for(2), shown(None, TTL / 2, None)),
        ("from before a step back", with(expired(2), |r| r.since_ms = NOW + 1), shown(Some(id(2)), 0, Some(0))),
    ];
    for (case, record, lease) in rows {
        assert_eq!(record.lease(NOW), lease, "{case}");
        assert_eq!(lease.is_live(), case == "live", "{case}");
    }
    let secret = with(held_by(2), |record| record.session = Some(session(0x5EC2E7)));
    let seen = format!("{:?} {:x?} {}", secret.lease(NOW), secret.lease(NOW), secret.lease(NOW)).to_lowercase();
    assert!(!seen.contains("5ec2e7") && !seen.contains(&0x5EC2E7.to_string()), "{seen}");
}

/// R13: followers are woken when another session has the lease, when nobody has, and when the term is another; not when
/// it is renewed.
#[test]
fn followers_hear_of_a_lease_that_is_handed_over() {
    let rows = [
        ("renewed", held_by(1), Request::from(renewal(7)), false),
        ("the same claim again", held_by(1), claim(0).into(), false),
        ("a new reign", held_by(1), claim(7).into(), true),
        ("taken over", expired(2), claim(7).into(), true),
        ("after a release", released(), claim(7).into(), true),
        ("reserved for it", reserved_for(1), claim(7).into(), true),
        ("released", held_by(1), release().into(), true),
        ("released to another", held_by(1), transfer_to(2, ms(TTL)).into(), true),
        ("revoked", held_by(2), revoke().into(), true),
        ("revoked in the last term", in_last_term(held_by(2)), revoke().into(), true),
    ];
    for (case, before, request, wakes) in rows {
        let written = judge(Some(&before), request).1.unwrap();
        assert_eq!(written.wakes_followers(Some(&before)), wakes, "{case}");
    }
}
