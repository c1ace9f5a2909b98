//! Many candidates under one driver, in virtual time.

#[path = "../faulty/mod.rs"]
mod faulty;
mod members;
mod overload;
mod restless;
mod watched;

use std::collections::BTreeMap;
use std::task::Poll;

use lessor::storage::{Operation, Request};
use lessor::{BuildError, Builder, ManualTimer, Stopped, Term};

use faulty::{ms, secs};
use watched::{Watched, group, pass, running};

/// All lead, each in its own term, and their renewals are sent at the same moments.
#[test]
fn renewals_share_their_time() {
    let timer = ManualTimer::new();
    let storage = Watched::new(&timer);
    let group = running("a", &storage, 1_000);
    pass(&timer, secs(10));
    assert_eq!(group.status().leading, 1_000);
    storage.take();
    pass(&timer, secs(60));
    let mut moments = BTreeMap::new();
    for (at, operation) in storage.take() {
        assert_eq!(operation, Operation::Renew);
        *moments.entry(at).or_insert(0) += 1;
    }
    assert!(moments.values().all(|renewals| *renewals == 1_000), "{moments:?}");
    assert!((27..=34).contains(&moments.len()), "{} moments in a minute", moments.len());
    assert!(group.candidates().iter().all(|candidate| candidate.leadership().unwrap().term() == Term::FIRST));
}

/// Keys with longer intervals share but some of the moments of those with shorter ones.
#[test]
fn intervals_may_differ() {
    let timer = ManualTimer::new();
    let storage = Watched::new(&timer);
    let group = running("a", &storage, 10);
    group.add(Builder::new("short").ttl(secs(1))).unwrap();
    pass(&timer, secs(5));
    storage.take();
    pass(&timer, secs(60));
    let renewals = storage.take().len();
    // 60 s: once every 2 s each of ten, and every 200 ms the one.
    assert!((500..=720).contains(&renewals), "{renewals} renewals");
    assert!(group.candidates().iter().all(|candidate| candidate.leadership().unwrap().term() == Term::FIRST));
}

/// Two groups on the same keys: one leads each, and what one hands over the other has at once.
#[test]
fn another_takes_over() {
    let timer = ManualTimer::new();
    let storage = Watched::new(&timer);
    let first = running("a", &storage, 100);
    pass(&timer, secs(5));
    let second = running("b", &storage, 100);
    pass(&timer, secs(30));
    assert_eq!((first.status().leading, second.status().leading), (100, 0));
    let is_first = |candidate: &lessor::Candidate| candidate.leadership().unwrap().term() == Term::FIRST;
    assert!(first.candidates().iter().all(is_first), "nobody has lost it meanwhile");
    timer.block_on(first.shutdown()).unwrap().unwrap();
    pass(&timer, ms(10));
    assert_eq!((first.status().leading, second.status().leading), (0, 100));
}

/// One whose driver is dropped believes in nothing any more; the other has all within a ttl and a bit.
#[test]
fn a_dropped_driver() {
    let timer = ManualTimer::new();
    let storage = Watched::new(&timer);
    let (first, mut driver) = group("a", &storage);
    let candidate = first.add(Builder::new("k")).unwrap();
    timer.block_on(driver.step()).unwrap();
    assert!(candidate.is_leader());
    let mut events = first.events();
    drop(driver);
    assert!(!candidate.is_leader());
    assert_eq!(timer.block_on(candidate.elected()).unwrap().unwrap_err(), Stopped::DriverDropped);
    assert!(timer.block_on(first.shutdown()).unwrap().is_err());
    assert_eq!(first.add(Builder::new("other")).unwrap_err(), BuildError::GroupStopped);
    while timer.block_on(events.next()).unwrap().is_some() {}
    let second = running("b", &storage, 0);
    let next = second.add(Builder::new("k")).unwrap();
    pass(&timer, ms(10_500));
    assert!(next.is_leader());
}

/// A slow or refused key costs no other key anything.
#[test]
fn one_that_fails() {
    let timer = ManualTimer::new();
    let storage = Watched::new(&timer);
    let group = running("a", &storage, 50);
    pass(&timer, secs(5));
    *storage.refuse.lock().unwrap() =
        Box::new(|request| matches!(request, Request::Renew(renewal) if renewal.key.as_str() == "7"));
    pass(&timer, secs(60));
    for candidate in group.candidates().iter().filter(|candidate| candidate.key().as_str() != "7") {
        assert_eq!(candidate.leadership().unwrap().term(), Term::FIRST, "{}", candidate.key());
    }
}

/// Where no loop survives: it says when to come back, and all goes on in steps.
#[test]
fn in_steps() {
    let timer = ManualTimer::new();
    let storage = Watched::new(&timer);
    let (group, mut driver) = group("a", &storage);
    for number in 0..20 {
        group.add(Builder::new(number.to_string())).unwrap();
    }
    for _ in 0..60 {
        let step = timer.block_on(driver.step()).unwrap();
        assert_eq!(step.status.leading, 20);
        pass(&timer, step.wake_in.unwrap());
    }
    assert!(group.candidates().iter().all(|candidate| candidate.leadership().unwrap().term() == Term::FIRST));
    let handing_over = group.shutdown();
    futures::pin_mut!(handing_over);
    let _ = futures::FutureExt::now_or_never(&mut handing_over);
    assert_eq!(timer.block_on(driver.step()).unwrap().wake_in, None);
    assert_eq!(timer.block_on(handing_over), Some(Ok(())));
}

/// None is forgotten that comes while the driver takes up others.
#[test]
fn newcomers_in_parts() {
    let timer = ManualTimer::new();
    let storage = Watched::new(&timer);
    let (group, driver) = group("a", &storage);
    timer.spawn(driver.run());
    timer
        .block_on(async {
            for part in 0..5 {
                for number in 0..300 {
                    group.add(Builder::new(format!("{part}/{number}"))).unwrap();
                }
                // The driver gets its turn, for some of them.
                let mut is_first = true;
                futures::future::poll_fn(|cx| {
                    cx.waker().wake_by_ref();
                    if std::mem::take(&mut is_first) { Poll::Pending } else { Poll::Ready(()) }
                })
                .await;
            }
        })
        .unwrap();
    pass(&timer, secs(1));
    assert_eq!(group.status().leading, 1500);
}
