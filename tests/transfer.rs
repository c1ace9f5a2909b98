//! Handing over to a named candidate, over virtual time.

mod faulty;

use faulty::{Fault, Faulty, candidate, entropy, fixture, ms, secs, spawned};
use futures::future::join;
use lessor::{Builder, Candidate, Id, ManualTimer, Role, Stopped, Timer};

fn id(name: &str) -> Id {
    Id::new(name).unwrap()
}

/// A leader and its followers, settled.
fn cluster<const N: usize>(storage: &Faulty, timer: &ManualTimer, names: [&str; N]) -> [Candidate; N] {
    let mut first = None;
    let all = names.map(|name| {
        let spawned = spawned(name, storage, timer);
        if first.is_none() {
            timer.block_on(spawned.elected()).unwrap().unwrap();
            first = Some(());
        }
        spawned
    });
    timer.block_on(timer.sleep(secs(60))).unwrap();
    all
}

/// R12: the successor leads at once where the storage wakes its followers, whoever else asks; and the others do not ask again
/// before they have to.
#[test]
fn the_successor_leads_at_once() {
    for successor in 1..5 {
        let (timer, storage) = fixture();
        let all = cluster(&storage, &timer, ["a", "b", "c", "d", "e"]);
        let (before, asked) = (timer.now(), storage.acquires());
        timer.block_on(all[0].resign_to(all[successor].id().clone())).unwrap().unwrap();
        let leadership = timer.block_on(all[successor].elected()).unwrap().unwrap();
        assert_eq!((timer.now(), leadership.term().get()), (before, 2));
        assert!(storage.acquires() - asked <= 2 * 4, "each follower looks and asks, once");
        assert_eq!(all.iter().filter(|candidate| candidate.is_leader()).count(), 1);
    }
}

/// R12: without wake-ups the successor leads within its retry interval.
#[test]
fn an_unwoken_successor_leads_within_its_retry_interval() {
    let timer = ManualTimer::new();
    let storage = Faulty::silent(&timer);
    let [a, _b, c] = cluster(&storage, &timer, ["a", "b", "c"]);
    let before = timer.now();
    timer.block_on(a.resign_to(id("c"))).unwrap().unwrap();
    timer.block_on(c.elected()).unwrap().unwrap();
    assert!(timer.now().saturating_duration_since(before) <= ms(2200));
}

/// R12: a successor that is not there costs the cool-off, no more and no less; then anyone leads.
#[test]
fn a_successor_that_is_not_there_costs_the_cool_off() {
    for wakes in [true, false] {
        let timer = ManualTimer::new();
        let storage = if wakes { Faulty::new(&timer) } else { Faulty::silent(&timer) };
        let [a, b] = cluster(&storage, &timer, ["a", "b"]);
        let before = timer.now();
        timer.block_on(a.resign_to(id("gone"))).unwrap().unwrap();
        assert_eq!(a.status().role, Role::CoolingOff);
        let elected = async { b.elected().await.unwrap().term() };
        let term = timer.block_on(elected).unwrap();
        let (elapsed, cool_off) = (timer.now().saturating_duration_since(before), b.config().cool_off);
        assert!(elapsed >= cool_off && elapsed <= cool_off + ms(100), "{elapsed:?} of {cool_off:?}");
        assert_eq!(term.get(), 2);
    }
}

/// The last one named is the successor, also if several calls wait for the same hand-over.
#[test]
fn the_last_successor_counts() {
    let (timer, storage) = fixture();
    let [a, _b, c] = cluster(&storage, &timer, ["a", "b", "c"]);
    let (first, second) = timer.block_on(join(a.resign_to(id("b")), a.resign_to(id("c")))).unwrap();
    assert_eq!((first, second, storage.releases()), (Ok(()), Ok(()), 1));
    assert_eq!(timer.block_on(c.elected()).unwrap().unwrap().term().get(), 2);

    // Both kinds at a time: the successor stays.
    timer.block_on(timer.sleep(secs(60))).unwrap();
    let (_, resigned) = timer.block_on(join(c.resign(), c.resign_to(id("a")))).unwrap();
    assert_eq!(resigned, Ok(()));
    assert_eq!(timer.block_on(a.elected()).unwrap().unwrap().term().get(), 3);
}

/// A follower that is asked to hand over has nothing to hand over, and answers.
#[test]
fn a_follower_answers_at_once() {
    let (timer, storage) = fixture();
    let [a, b] = cluster(&storage, &timer, ["a", "b"]);
    timer.block_on(b.resign_to(id("b"))).unwrap().unwrap();
    assert!(a.is_leader());
    assert_eq!(storage.releases(), 0);
    timer.block_on(b.shutdown()).unwrap().unwrap();
    assert_eq!(timer.block_on(b.resign_to(id("a"))), Some(Ok(())), "it has stopped, and holds nothing");
    assert_eq!(timer.block_on(b.elected()).unwrap().err(), Some(Stopped::Shutdown));
}

/// R6: a release whose reply is lost is sent again, and reserves nothing anew: the successor that led in between, and
/// crashed, is not waited for again.
#[test]
fn a_repeated_release_reserves_once() {
    let (timer, storage) = fixture();
    let broken = storage.another_way();
    let (a, driver) = candidate("a", &broken, &timer);
    timer.spawn(driver.run());
    timer.block_on(a.elected()).unwrap().unwrap();
    let b = spawned("b", &storage, &timer);
    timer.block_on(timer.sleep(secs(60))).unwrap();
    broken.set(Fault::LoseReply);
    timer.block_on(a.resign_to(id("b"))).unwrap().unwrap();
    assert_eq!(broken.releases(), 3);
    assert!(b.is_leader());
    assert_eq!(timer.block_on(b.elected()).unwrap().unwrap().term().get(), 2);
}

/// R12: whoever is named leads at once, whatever its rank; and where the successor is not there, the others come by their ranks.
#[test]
fn ranks_count_for_all_but_the_successor() {
    for (successor, first) in [("last", "last"), ("gone", "next")] {
        let (timer, storage) = fixture();
        let ranked = |id: &str, rank| {
            let builder = Builder::new("k").id(id).rank(rank);
            let (candidate, driver) = builder.build_with(storage.clone(), timer.clone(), entropy(rank.into())).unwrap();
            timer.spawn(driver.run());
            candidate
        };
        let a = ranked("a", 0);
        timer.block_on(a.elected()).unwrap().unwrap();
        let all = [ranked("next", 1), ranked("last", 3)];
        timer.block_on(timer.sleep(secs(60))).unwrap();
        let before = timer.now();
        timer.block_on(a.resign_to(id(successor))).unwrap().unwrap();
        // Else it is back when the next one has waited for long enough.
        timer.block_on(a.shutdown()).unwrap().unwrap();
        let leader = all.iter().find(|candidate| candidate.id().as_str() == first).unwrap();
        timer.block_on(leader.elected()).unwrap().unwrap();
        let elapsed = timer.now().saturating_duration_since(before);
        let cool_off = a.config().cool_off;
        if successor == "last" {
            assert_eq!(elapsed, secs(0));
        } else {
            assert!(elapsed >= cool_off * 2 && elapsed <= cool_off * 2 + ms(200), "{elapsed:?}");
        }
    }
}
