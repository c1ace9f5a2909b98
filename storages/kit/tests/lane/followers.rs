//! Many candidates of a process follow one key: what one of them hears the others need not ask for.

use std::sync::Arc;
use std::time::Duration;

use lessor::storage::{Acquired, Claim, Operation, Reply};
use lessor::{Builder, Candidate, Id, Timer};

use crate::capacity::OverLane;
use crate::{Bench, Reply_, claim, granted, release};

/// For how long a claim of another was refused.
fn refused(reply: Reply_) -> Duration {
    match reply {
        Ok(Reply::Acquired(Acquired::Refused { retry_after, .. })) => retry_after,
        other => panic!("{other:?}"),
    }
}

/// The regular look of one that others call b, as old as it may be.
fn looks(session: u128, max_age: u64) -> Claim {
    let mut claim = claim("warm", session).max_age(Duration::from_secs(max_age));
    claim.id = Id::new("b").unwrap();
    claim
}

/// A refusal answers another claim, and tells it how much is left by then.
#[test]
fn a_refusal_is_shared() {
    let bench = Bench::warm(2);
    let flights = || bench.server.flights().len();
    // There have to be two, else there is nobody to share with.
    let _ = refused(bench.ask(looks(2, 3)));
    let first = refused(bench.ask(looks(3, 3)));
    bench.pass(Duration::from_secs(2));
    assert_eq!((flights(), bench.lane.traffic().shared), (2, 0));
    let shared = refused(bench.ask(looks(4, 3)));
    assert!(shared <= first - Duration::from_secs(2), "{shared:?} of {first:?}");
    assert_eq!((flights(), bench.lane.traffic().shared), (2, 1));
    let now = refused(bench.ask(claim("warm", 5)));
    assert!(now <= shared && flights() == 3, "it is to say how the key is now");
    bench.pass(Duration::from_secs(2));
    let _ = refused(bench.ask(looks(6, 1)));
    assert_eq!(flights(), 4, "too old");
}

/// Those that ask while one is under way hear the same.
#[test]
fn it_is_shared_with_those_that_wait() {
    let bench = Bench::warm(2);
    bench.server.state().takes = Duration::from_millis(100);
    let mut all = vec![bench.asking(looks(2, 3))];
    bench.pass(Duration::from_millis(50));
    all.extend((3..100).map(|session| bench.asking(looks(session, 3))));
    bench.pass(Duration::from_millis(250));
    for asking in &mut all {
        let _ = refused(asking.answer().expect("it was answered"));
    }
    // The first one that was sent shows that there are several, the second is for all.
    assert_eq!(bench.server.flights().len(), 2);
}

/// What this process itself does to the key is known at once.
#[test]
fn a_release_is_the_end_of_it() {
    let bench = Bench::warm(2);
    let _ = (refused(bench.ask(looks(2, 3))), refused(bench.ask(looks(4, 3))));
    assert_eq!(bench.ask(release("warm", 1)), Ok(Reply::Released));
    let _ = granted(bench.ask(looks(3, 3).after(Some(lessor::Term::FIRST))));
}

/// R13: a hundred followers ask at most four times as often as one, where nobody wakes them. The first of them to look after the leader
/// has stopped takes over, within its own retry interval.
#[test]
fn a_hundred_ask_about_as_often_as_one() {
    let Bench { timer, lane, server } = Bench::new(2);
    let storage = Arc::new(OverLane(lane));
    let candidates: Vec<Candidate> = (0..101_u64)
        .map(|number| {
            let mut state = number + 1;
            let entropy = move || {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                state
            };
            let builder = Builder::new("k").id(format!("{number}"));
            let (candidate, driver) = builder.build_with(storage.clone(), timer.clone(), entropy).unwrap();
            timer.spawn(driver.run());
            candidate
        })
        .collect();
    let pass = |time| timer.block_on(timer.sleep(time)).unwrap();
    let leader = || candidates.iter().find(|candidate| candidate.is_leader());
    pass(Duration::from_secs(10));
    assert!(leader().is_some());
    server.forget_flights();

    pass(Duration::from_secs(60));
    let claims = server.flights().iter().filter(|flight| flight.operation == Operation::Acquire).count();
    // One asks every 2 s or so. An answer lasts for a quarter of that.
    assert!((27..=4 * 33).contains(&claims), "{claims} claims in a minute");

    let _ = timer.block_on(leader().unwrap().resign()).unwrap();
    pass(Duration::from_millis(2_200));
    assert!(leader().is_some(), "one of them has looked");
}
