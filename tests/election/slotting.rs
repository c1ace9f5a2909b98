//! Slots: which of them is asked for, and when the next one is.

use std::collections::{BTreeMap, BTreeSet};

use lessor::election::{Election, Input};
use lessor::storage::{Renewed, Reply, Request, Session, Takeover, Version};
use lessor::{Config, Event, Id, InvalidSlots, Key};

use crate::bench::{Bench, lease, ms, secs, term};

fn slotted(slots: u16) -> Bench {
    configured(slots, Config::default())
}

fn configured(slots: u16, config: Config) -> Bench {
    let mut bench = Bench::new(config);
    bench.election = bench.election.with_slots(slots).unwrap();
    bench
}

fn held(bench: &mut Bench, left: u64) -> &mut Bench {
    bench.held(lease("other", 3, 1, ms(left)), ms(left))
}

/// The key of the request in flight.
fn asked(bench: &Bench) -> &str {
    bench.sent().0.key().unwrap().as_str()
}

/// Each slot is asked for by its own key, each once, at once; the first by chance.
#[test]
fn each_slot_is_asked_for_in_turn() {
    let mut bench = slotted(5);
    let mut keys = BTreeSet::new();
    bench.to(ms(0));
    for _ in 0..5 {
        assert_eq!(asked(&bench), bench.election.slot_key().as_str());
        assert!(keys.insert(asked(&bench).to_owned()));
        held(&mut bench, 5000);
    }
    assert_eq!(keys.into_iter().collect::<Vec<_>>(), ["k/slot/0", "k/slot/1", "k/slot/2", "k/slot/3", "k/slot/4"]);
    assert_eq!((bench.election.in_flight(), bench.requests.len()), (None, 5), "all were seen held");
    assert_eq!(bench.election.key().as_str(), "k");

    let first = |jitter| {
        let (key, id) = (Key::new("k").unwrap(), Id::new("me").unwrap());
        let election = Election::new(key, id, Config::default(), Session::from_bits(1), jitter, bench.start).unwrap();
        election.with_slots(8).unwrap().slot().unwrap()
    };
    let firsts: BTreeSet<_> = (0..200).map(first).collect();
    assert_eq!(firsts.len(), 8, "candidates spread");
}

/// R13: each slot is asked for again when its lease ends, at the latest after the retry interval, and no sooner.
#[test]
fn each_slot_has_its_time() {
    let mut bench = slotted(3);
    bench.to(ms(0));
    let mut ends = Vec::new();
    for left in [1500, 700, 8000] {
        ends.push((asked(&bench).to_owned(), left));
        held(&mut bench, left);
    }
    for (slot, from, to) in [(1, 700, 810), (0, 1500, 1610), (2, 1800, 2200), (1, 2500, 3010)] {
        bench.until_request();
        let at = bench.sent().1;
        assert!((ms(from)..=ms(to)).contains(&at), "{at:?}");
        assert_eq!(asked(&bench), ends[slot].0);
        held(&mut bench, 8000);
    }
}

/// R22: a claim that may have been applied is repeated for the same slot, whatever happens, until it is answered.
#[test]
fn a_claim_in_doubt_is_repeated_for_its_slot() {
    let mut bench = slotted(3);
    bench.to(ms(0));
    let slot = asked(&bench).to_owned();
    for _ in 0..4 {
        bench.failed().input(Input::Wakeup);
        assert_eq!(asked(&bench), slot);
        bench.to(bench.elapsed() + secs(2)); // times out
        bench.until_request();
        assert_eq!(asked(&bench), slot);
    }
    held(&mut bench, 5000);
    assert_ne!(asked(&bench), slot);
}

/// An expired or released slot takes two claims, as any key does: the second names what the first has shown. What was seen
/// of a slot is kept while others are asked for.
#[test]
fn what_was_seen_of_a_slot_is_kept() {
    let mut bench = slotted(2);
    bench.to(ms(0));
    let slot = asked(&bench).to_owned();
    assert_eq!(bench.claim().after, None);
    bench.held(lease("", 7, 1, secs(0)), secs(0));
    assert_eq!((asked(&bench), bench.claim().after), (&*slot, Some(term(7))));
    held(&mut bench, 5000);
    assert_eq!(bench.claim().after, None, "the other slot has terms of its own");
    held(&mut bench, 500).until_request();
    assert_eq!(bench.claim().after, Some(term(3)));
    held(&mut bench, 5000).until_request();
    assert_eq!((asked(&bench), bench.claim().after), (&*slot, Some(term(7))));
}

/// The take-over guard watches each slot, although others are asked for in between.
#[test]
fn the_guard_watches_each_slot() {
    let mut config = Config::default();
    config.takeover_guard = true;
    let mut bench = configured(2, config);
    bench.to(ms(0));
    let stuck = asked(&bench).to_owned();
    while bench.elapsed() < ms(10_900) {
        if asked(&bench) == stuck {
            assert_eq!(bench.claim().takeover, Takeover::ReleasedOnly);
            bench.held(lease("gone", 4, 4, secs(0)), secs(10));
        } else {
            bench.held(lease("other", 3, bench.requests.len() as u64, secs(8)), secs(8));
        }
        if bench.election.in_flight().is_none() {
            bench.until_request();
        }
    }
    while asked(&bench) != stuck {
        bench.held(lease("other", 3, bench.requests.len() as u64, secs(8)), secs(8));
        if bench.election.in_flight().is_none() {
            bench.until_request();
        }
    }
    assert_eq!(bench.claim().takeover, Takeover::Unchanged(Version::new(4)));
    assert!(bench.elapsed() <= secs(14), "{:?}", bench.elapsed());
}

/// The claim delay counts for each slot, from when that was seen free.
#[test]
fn a_claim_delay_counts_for_each_slot() {
    let mut config = Config::default();
    config.claim_delay = secs(3);
    let mut bench = configured(2, config);
    bench.to(ms(0));
    let busy = asked(&bench).to_owned();
    while let Request::Get(_) = bench.sent().0 {
        let lease = if asked(&bench) == busy { lease("other", 3, 1, secs(8)) } else { lease("", 5, 2, secs(0)) };
        bench.looked(Some(lease));
        if bench.election.in_flight().is_none() {
            bench.until_request();
        }
    }
    assert_ne!(asked(&bench), busy);
    assert_eq!(bench.claim().after, Some(term(5)));
    assert!((secs(3)..secs(4)).contains(&bench.elapsed()), "{:?}", bench.elapsed());
}

/// A wake-up begins the round anew: it may have been for any of them.
#[test]
fn a_wakeup_begins_the_round_anew() {
    let mut bench = slotted(3);
    bench.to(ms(0));
    for _ in 0..3 {
        held(&mut bench, 8000);
    }
    bench.to(ms(300)).input(Input::Wakeup);
    held(&mut bench, 8000);
    held(&mut bench, 8000);
    bench.input(Input::Wakeup); // while the last one is in flight
    for _ in 0..4 {
        held(&mut bench, 8000);
    }
    assert_eq!((bench.election.in_flight(), bench.requests.len()), (None, 3 + 2 + 4));
}

/// However slow the storage is, no slot is asked for more often than a key is.
#[test]
fn slow_rounds_are_no_busy_loop() {
    let mut bench = slotted(20);
    bench.to(ms(0));
    let mut last = BTreeMap::new();
    for _ in 0..200 {
        if bench.election.in_flight().is_none() {
            bench.until_request();
        }
        let (slot, at) = (asked(&bench).to_owned(), bench.sent().1);
        if let Some(before) = last.insert(slot, at) {
            assert!(at - before >= ms(1800), "{before:?}, {at:?}");
        }
        bench.sleep_through(bench.elapsed() + ms(150));
        held(&mut bench, 9000);
    }
}

/// It leads in one slot: renewals and the release go there, and so does the next claim.
#[test]
fn a_reign_stays_in_its_slot() {
    let mut bench = slotted(3);
    bench.to(ms(0));
    held(&mut bench, 8000);
    let slot = asked(&bench).to_owned();
    bench.granted(5);
    let number = bench.election.slot();
    assert!(bench.leads() && slot == format!("k/slot/{}", number.unwrap()));
    let elected = |event: &Event| matches!(event, Event::Elected { slot, .. } if *slot == number);
    assert!(bench.events.iter().any(elected), "{:?}", bench.events);
    bench.until_request();
    assert_eq!((asked(&bench), bench.renewal().term), (&*slot, term(5)));
    bench.extended().input(Input::Resign).input(Input::Drained(term(5)));
    assert_eq!(bench.release().key.as_str(), slot);
    bench.reply(Reply::Released).until_request();
    assert_eq!((asked(&bench), bench.claim().after), (&*slot, Some(term(5))));
    bench.granted(6).until_request();
    bench.reply(Reply::Renewed(Renewed::lost(Some(lease("other", 7, 9, secs(8))))));
    assert_ne!(asked(&bench), slot, "another slot may be free");
}

/// One of the leaders is shown for as long as it leads, whatever is seen of others; its own reign always.
#[test]
fn one_of_the_leaders_is_shown() {
    let mut bench = slotted(2);
    let shown = |bench: &Bench| bench.election.status().leader.and_then(|lease| lease.id).map(|id| id.to_string());
    bench.to(ms(0)).held(lease("a", 3, 1, secs(8)), secs(8));
    let of_b = asked(&bench).to_owned();
    bench.held(lease("b", 4, 1, secs(8)), secs(8));
    assert_eq!(shown(&bench).unwrap(), "a");
    let changes = |bench: &Bench| bench.events.iter().filter(|event| matches!(event, Event::LeaderChanged(_))).count();
    for _ in 0..6 {
        bench.until_request();
        while bench.election.in_flight().is_some() {
            let who = if asked(&bench) == of_b { "b" } else { "a" };
            bench.held(lease(who, 3, 1, secs(8)), secs(8));
        }
    }
    assert_eq!((shown(&bench).unwrap().as_str(), changes(&bench)), ("a", 1));
    bench.input(Input::Wakeup);
    while asked(&bench) == of_b {
        bench.held(lease("b", 4, 1, secs(8)), secs(8));
    }
    bench.held(lease("", 3, 2, secs(0)), secs(0));
    assert_eq!(shown(&bench), None);
    while asked(&bench) != of_b {
        bench.held(lease("", 3, 2, secs(0)), secs(0));
        if bench.election.in_flight().is_none() {
            bench.until_request();
        }
    }
    bench.held(lease("b", 4, 1, secs(8)), secs(8));
    assert_eq!(shown(&bench).unwrap(), "b");
    while bench.election.in_flight().is_none() {
        bench.until_request();
    }
    bench.granted(9);
    assert_eq!(shown(&bench).unwrap(), "me");
    bench.input(Input::Stop).input(Input::Drained(term(9))).reply(Reply::Released);
    assert_eq!(shown(&bench), None);
}

/// A ticket is of one slot.
#[test]
fn a_ticket_is_of_one_slot() {
    let mut bench = slotted(3);
    bench.to(ms(0)).granted(5);
    let key = bench.election.slot_key().clone();
    assert_eq!(bench.election.clone().into_ticket().unwrap().key(), &key);
}

/// R15: too many, none, or a key without room for theirs.
#[test]
fn slots_that_cannot_be() {
    let election = |key: &str| {
        let (key, id) = (Key::new(key).unwrap(), Id::new("me").unwrap());
        Election::new(key, id, Config::default(), Session::from_bits(1), 7, Bench::new(Config::default()).start)
            .unwrap()
    };
    for count in [0, 1001] {
        let error = election("k").with_slots(count).unwrap_err();
        assert!(matches!(error, InvalidSlots::OutOfRange { given, .. } if given == count));
    }
    assert!(matches!(election(&"k".repeat(250)).with_slots(2).unwrap_err(), InvalidSlots::Key(_)));
    assert_eq!(election("k").slot(), None);
    assert_eq!(election("k").slot_key().as_str(), "k");
}

/// A session that was granted a slot asks for no other: the next instance, which gets it with a ticket and knows nothing of the
/// terms of the former slot, would be given one of them again by a storage that takes the old lease for live.
#[test]
fn a_session_is_for_one_slot() {
    let mut bench = slotted(3);
    bench.to(ms(0));
    let first = bench.claim().session;
    held(&mut bench, 5000);
    assert_eq!(bench.claim().session, first, "it has held nothing");
    let slot = asked(&bench).to_owned();
    bench.granted(5).until_request();
    assert_eq!((asked(&bench), bench.renewal().session), (&*slot, first));
    bench.reply(Renewed::lost(None).into());
    let (mut others, mut last) = (0, first);
    for _ in 0..9 {
        if bench.election.in_flight().is_none() {
            bench.until_request();
        }
        let (session, is_another) = (bench.claim().session, asked(&bench) != slot);
        others += u32::from(is_another);
        assert_eq!(session == first, others == 0, "{:?}", bench.claim());
        assert!(session == last || others == 1 && last == first, "one that has held nothing stays");
        last = session;
        held(&mut bench, 5000);
    }
    assert!(others > 3);
}
