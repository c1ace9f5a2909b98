//! Who goes first: candidates of different ranks over virtual time.

mod faulty;

use faulty::{Fault, Faulty, entropy, fixture, ms, secs};
use lessor::{BuildError, Builder, Candidate, ConfigError, ManualTimer, MemoryStorage, Timer};

fn ranked(rank: u8, storage: &Faulty, timer: &ManualTimer) -> Candidate {
    let builder = Builder::new("k").id(format!("rank-{rank}")).rank(rank);
    let (candidate, driver) = builder.build_with(storage.clone(), timer.clone(), entropy(rank.into())).unwrap();
    timer.spawn(driver.run());
    candidate
}

/// Who leads, once somebody does, and how long that took.
fn next_leader<'a>(timer: &ManualTimer, candidates: &[&'a Candidate]) -> (&'a str, std::time::Duration) {
    let from = timer.now();
    loop {
        if let Some(leader) = candidates.iter().find(|candidate| candidate.is_leader()) {
            return (leader.id().as_str(), timer.now().saturating_duration_since(from));
        }
        timer.block_on(timer.sleep(ms(10))).unwrap();
    }
}

/// The best of those that are there leads at the start, after a hand-over and after a crash, with and without wake-ups.
#[test]
fn the_best_rank_goes_first() {
    for wakes in [true, false] {
        let timer = ManualTimer::new();
        let storage = if wakes { Faulty::new(&timer) } else { Faulty::silent(&timer) };
        let ways: Vec<_> = (0..3).map(|_| storage.another_way()).collect();
        // The worse, the earlier it asks.
        let third = ranked(2, &ways[2], &timer);
        let second = ranked(1, &ways[1], &timer);
        let first = ranked(0, &ways[0], &timer);
        let all = [&first, &second, &third];
        assert_eq!(next_leader(&timer, &all).0, "rank-0");

        timer.block_on(first.resign()).unwrap().unwrap();
        let (leader, after) = next_leader(&timer, &all);
        // Those of rank 0 let others lead for a cool-off, those of rank 1 let rank 0 go first for as long: the pauses of both
        // decide who is faster. What cannot be is rank 2.
        assert!(leader != "rank-2" && after < secs(9), "{leader} after {after:?}");

        let leads = |candidate: &&&Candidate| candidate.is_leader();
        let leader = *all.iter().find(leads).unwrap();
        let way = all.iter().zip(&ways).find(|(candidate, _)| candidate.id() == leader.id()).unwrap().1;
        way.set(Fault::Refuse);
        timer.block_on(timer.sleep(secs(9))).unwrap();
        let best = if leader.id() == first.id() { "rank-1" } else { "rank-0" };
        assert_eq!(next_leader(&timer, &all).0, best);
        way.set(Fault::None);
    }
}

/// Who leads stays when a better one comes back.
#[test]
fn nobody_is_pushed_aside() {
    let (timer, storage) = fixture();
    let second = ranked(1, &storage, &timer);
    let (leader, after) = next_leader(&timer, &[&second]);
    assert_eq!(leader, "rank-1");
    assert!((secs(4)..ms(4200)).contains(&after), "{after:?}: one cool-off for the better one, which is not there");
    let first = ranked(0, &storage, &timer);
    timer.block_on(timer.sleep(secs(3600))).unwrap();
    assert!(second.is_leader() && !first.is_leader());
    assert_eq!(second.leadership().unwrap().term().get(), 1);
}

/// R13: who waits for its rank asks about once per claim delay, which is a cool-off here: half as often as other followers.
#[test]
fn waiting_is_cheap() {
    let timer = ManualTimer::new();
    let storage = Faulty::silent(&timer);
    let _first = ranked(0, &storage, &timer);
    timer.block_on(timer.sleep(ms(1))).unwrap();
    let way = storage.another_way();
    let _second = ranked(1, &way, &timer);
    timer.block_on(timer.sleep(secs(2000))).unwrap();
    assert!((475..=540).contains(&way.gets()), "{}", way.gets());
    assert_eq!(way.acquires() + way.renewals(), 0);
}

/// A claim delay that is set by itself counts, before or after a rank; a rank that is too long is refused by name.
#[test]
fn a_rank_is_a_claim_delay() {
    let delay = |builder: Builder| {
        let (candidate, _driver) =
            builder.build_with(MemoryStorage::with_timer(ManualTimer::new()), ManualTimer::new(), entropy(1)).unwrap();
        candidate.config().claim_delay
    };
    assert_eq!(delay(Builder::new("k")), secs(0));
    assert_eq!(delay(Builder::new("k").rank(0)), secs(0));
    assert_eq!(delay(Builder::new("k").rank(3)), secs(12));
    assert_eq!(delay(Builder::new("k").rank(3).cool_off(secs(1))), secs(3));
    assert_eq!(delay(Builder::new("k").rank(3).claim_delay(secs(7))), secs(7));
    assert_eq!(delay(Builder::new("k").claim_delay(secs(7)).rank(3)), secs(7));
    assert_eq!(delay(Builder::new("k").rank(3).clone()), secs(12));
    let build = |builder: Builder| {
        builder.build_with(MemoryStorage::with_timer(ManualTimer::new()), ManualTimer::new(), entropy(1)).map(drop)
    };
    let error = build(Builder::new("k").rank(255).cool_off(secs(3600))).unwrap_err();
    let BuildError::Config(ConfigError::OutOfRange { field: "claim_delay", given, .. }) = error else {
        panic!("{error}")
    };
    assert_eq!(given, secs(255 * 3600));
}
